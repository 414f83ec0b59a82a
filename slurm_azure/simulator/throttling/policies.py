"""Which budget an operation draws on: the tables of Microsoft's pages, by operationId of the OpenAPI files.

Sources: "Understand how Azure Resource Manager throttles requests" (front door; network limits) and "Compute throttling
limits" (Compute), both Microsoft Learn. Compute's pages give the categories words ("Put VM"), not the names that headers
carry. The names here follow the older ones that recorded answers show (PutVM3Min, LowCostGet30Min, GetOperation3Min,
Microsoft.Compute/HighCostGet in "Troubleshooting API throttling errors"), without the span of time; the ending Resource of the
budgets of one resource is this simulator's. Do not match on them.
"""

from __future__ import annotations

from dataclasses import dataclass

from slurm_azure.simulator.throttling.buckets import Rate

MINUTE = 60

# Per subscription, principal and kind of operation; and per tenant and principal for requests that name no subscription.
FRONT_DOOR = {"reads": Rate(250, 25, 1), "writes": Rate(200, 10, 1), "deletes": Rate(200, 10, 1)}

# Per subscription and kind, over all principals: "a global subscription limit that's equivalent to 15 times the individual
# service principal limits"; live answers of 2025 and 2026 show 3749 reads and 2999 writes left after the first.
GLOBAL = {kind: Rate(15 * rate.size, 15 * rate.refill, rate.period) for kind, rate in FRONT_DOOR.items()}


@dataclass(frozen=True, slots=True)
class Policy:
    """A budget of a resource provider: for each subscription and region, and (if it has one) for each single resource."""

    provider: str
    name: str
    subscription: Rate
    resource: Rate | None = None


def _compute(name: str, refill: int, resource_refill: int | None) -> Policy:
    """Every bucket of Compute holds three refills."""
    resource = None if resource_refill is None else Rate(3 * resource_refill, resource_refill, MINUTE)
    return Policy("Microsoft.Compute", name, Rate(3 * refill, refill, MINUTE), resource)


def _network(name: str, requests: int) -> Policy:
    """So many requests in five minutes."""
    return Policy("Microsoft.Network", name, Rate(requests, requests, 5 * MINUTE))


_PUT_VM = _compute("PutVM", 500, 4)
_UPDATE_VM = _compute("UpdateVM", 500, 4)
_DELETE_VM = _compute("DeleteVM", 500, 4)
_LOW_COST_GET = _compute("LowCostGet", 8000, 12)
_HIGH_COST_GET = _compute("HighCostGet", 300, None)
_GET_OPERATION = _compute("GetOperation", 5000, 15)
_GUEST_PATCH = _compute("VMGuestPatch", 200, 2)
_PUT_SET = _compute("PutVMScaleSet", 125, 4)
_UPDATE_SET = _compute("UpdateVMScaleSet", 500, 4)
_DELETE_SET = _compute("DeleteVMScaleSet", 175, 4)
_LOW_COST_GET_SET = _compute("LowCostGetVMScaleSet", 800, 12)
_HIGH_COST_GET_SET = _compute("HighCostGetVMScaleSet", 360, 10)
_UPDATE_SET_VM = _compute("UpdateVMScaleSetVM", 500, 4)
_DELETE_SET_VM = _compute("DeleteVMScaleSetVM", 500, 4)
_GET_SET_VM = _compute("GetVMScaleSetVM", 2000, 12)
_NETWORK_WRITE = _network("Write", 1000)
_NETWORK_READ = _network("Read", 10_000)

_NETWORK = ("NetworkInterfaces", "VirtualNetworks", "NetworkSecurityGroups", "PublicIPAddresses")
_VMS, _SETS, _SET_VMS = "VirtualMachines", "VirtualMachineScaleSets", "VirtualMachineScaleSetVMs"

_OPERATIONS: dict[Policy, dict[str, str]] = {
    _PUT_VM: {_VMS: "CreateOrUpdate"},
    _UPDATE_VM: {
        _VMS: "Update Reapply Restart PowerOff Start Generalize ConvertToManagedDisks Redeploy PerformMaintenance Capture "
        "RunCommand Reimage",
        "VirtualMachineExtensions": "CreateOrUpdate Update Delete",
        "VirtualMachineRunCommands": "CreateOrUpdate Update Delete",
    },
    _DELETE_VM: {_VMS: "Delete SimulateEviction Deallocate"},
    _LOW_COST_GET: {
        _VMS: "Get InstanceView ListAvailableSizes RetrieveBootDiagnosticsData",
        "VirtualMachineExtensions": "Get",
        "VirtualMachineRunCommands": "GetByVirtualMachine ListByVirtualMachine",
    },
    _HIGH_COST_GET: {_VMS: "List ListAll ListByLocation"},
    _GET_OPERATION: {"Operations": "Get"},
    _GUEST_PATCH: {_VMS: "AssessPatches InstallPatches"},
    _PUT_SET: {_SETS: "CreateOrUpdate"},
    _UPDATE_SET: {
        _SETS: "Update Start Restart Redeploy PerformMaintenance Reimage ReimageAll ConvertToSinglePlacementGroup "
        "ForceRecoveryServiceFabricPlatformUpdateDomainWalk SetOrchestrationServiceState",
        "VirtualMachineScaleSetRollingUpgrades": "Cancel",
        "VirtualMachineScaleSetExtensions": "CreateOrUpdate Update Delete",
    },
    _DELETE_SET: {_SETS: "Delete PowerOff Deallocate"},
    _LOW_COST_GET_SET: {
        _SETS: "Get ListSkus GetOSUpgradeHistory",
        "VirtualMachineScaleSetRollingUpgrades": "GetLatest",
    },
    _HIGH_COST_GET_SET: {_SETS: "GetInstanceView List ListAll ListByLocation"},
    _UPDATE_SET_VM: {_SET_VMS: "Start Restart Reimage ReimageAll Update SimulateEviction"},
    _DELETE_SET_VM: {_SET_VMS: "Delete PowerOff Deallocate"},
    _GET_SET_VM: {_SET_VMS: "Get GetInstanceView RetrieveBootDiagnosticsData"},
    _NETWORK_WRITE: dict.fromkeys((*_NETWORK, "Subnets"), "CreateOrUpdate UpdateTags Delete"),
    _NETWORK_READ: dict.fromkeys((*_NETWORK, "Subnets"), "Get List ListAll"),
}

POLICIES: dict[str, Policy] = {
    f"{group}_{verb}": policy
    for policy, groups in _OPERATIONS.items()
    for group, verbs in groups.items()
    for verb in verbs.split()
}
"""The policy of each operation that a resource provider limits."""

# A PUT over a resource that exists: "Update VM (Update existing VMs)"; for scale sets the page names Create Or Update there.
OVER_EXISTING = {_PUT_VM.name: _UPDATE_VM, _PUT_SET.name: _UPDATE_SET}

# "Only subscription level policies are applicable to the Rest API" (note 2 of the page).
_WHOLE_SETS = "Start Restart Redeploy PerformMaintenance Reimage ReimageAll PowerOff List ListAll ListByLocation"
SUBSCRIPTION_ONLY = frozenset(f"{_SETS}_{verb}" for verb in _WHOLE_SETS.split())

BY_NAME = {policy.name: policy for policy in _OPERATIONS}
"""The policies by the name that headers carry."""


def kind_of(method: str) -> str:
    """Which of the front door's budgets a request draws on."""
    return {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}.get(method, "writes")
