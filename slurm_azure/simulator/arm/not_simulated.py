"""Operations of Compute that Microsoft's OpenAPI files have and this simulator has not: a plain 501 to each, so that nobody
takes a missing operation for a missing resource."""

from __future__ import annotations

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import not_simulated
from slurm_azure.simulator.routes import Route

_KIND = "Microsoft.Compute/virtualMachines"
_VM = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" + _KIND + "/{vmName}"
_LOCATION = "/subscriptions/{subscriptionId}/providers/Microsoft.Compute/locations/{location}"
_COMMANDS = _LOCATION + "/runCommands"

# virtualMachine.json and runCommand.json of 2024-07-01: the last part of the path is the action's name, too.
_ACTIONS = {
    "capture": "Capture",
    "convertToManagedDisks": "ConvertToManagedDisks",
    "generalize": "Generalize",
    "reimage": "Reimage",
    "performMaintenance": "PerformMaintenance",
    "assessPatches": "AssessPatches",
    "installPatches": "InstallPatches",
    "attachDetachDataDisks": "AttachDetachDataDisks",
    "runCommand": "RunCommand",
    "migrateToVMScaleSet": "MigrateToVMScaleSet",
}
# (children of a VM, their parameter, operation group, operation of a GET of one, and of all)
_CHILDREN = (
    ("extensions", "vmExtensionName", "VirtualMachineExtensions", "Get", "List"),
    ("runCommands", "runCommandName", "VirtualMachineRunCommands", "GetByVirtualMachine", "ListByVirtualMachine"),
)

_SETS = "Microsoft.Compute/virtualMachineScaleSets"
_SET = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" + _SETS + "/{vmScaleSetName}"
_INSTANCE = _SET + "/virtualMachines/{instanceId}"

# virtualMachineScaleSet.json of 2024-07-01, without what scale_sets.py has: instances are the business of a set that makes them
# by itself. POSTs by the last part of their path, which is the action's name, too.
_SET_ACTIONS = {
    "approveRollingUpgrade": "ApproveRollingUpgrade",
    "convertToSinglePlacementGroup": "ConvertToSinglePlacementGroup",
    "deallocate": "Deallocate",
    "delete": "DeleteInstances",
    "forceRecoveryServiceFabricPlatformUpdateDomainWalk": "ForceRecoveryServiceFabricPlatformUpdateDomainWalk",
    "manualupgrade": "UpdateInstances",
    "performMaintenance": "PerformMaintenance",
    "poweroff": "PowerOff",
    "reapply": "Reapply",
    "redeploy": "Redeploy",
    "reimage": "Reimage",
    "reimageall": "ReimageAll",
    "restart": "Restart",
    "setOrchestrationServiceState": "SetOrchestrationServiceState",
    "start": "Start",
}
_INSTANCE_ACTIONS = {
    "approveRollingUpgrade": "ApproveRollingUpgrade",
    "attachDetachDataDisks": "AttachDetachDataDisks",
    "deallocate": "Deallocate",
    "performMaintenance": "PerformMaintenance",
    "poweroff": "PowerOff",
    "redeploy": "Redeploy",
    "reimage": "Reimage",
    "reimageall": "ReimageAll",
    "restart": "Restart",
    "retrieveBootDiagnosticsData": "RetrieveBootDiagnosticsData",
    "runCommand": "RunCommand",
    "simulateEviction": "SimulateEviction",
    "start": "Start",
}


def routes() -> list[Route]:
    """The operations, each with the action that it needs on Azure."""
    return [*_of_machines(), *_of_scale_sets(), *_of_instances(), *_of_images(), *_others()]


def _of_machines() -> list[Route]:
    found = [
        _route("POST", f"{_VM}/{path}", f"VirtualMachines_{verb}", f"{_KIND}/{path}/action") for path, verb in _ACTIONS.items()
    ]
    for kind, parameter, group, get, get_all in _CHILDREN:
        one, action = f"{_VM}/{kind}/{{{parameter}}}", f"{_KIND}/{kind}"
        found += _children(one, group, action, get, get_all)
    read = "Microsoft.Compute/locations/runCommands/read"
    return [
        *found,
        _route("GET", _COMMANDS, "VirtualMachineRunCommands_List", read),
        _route("GET", _COMMANDS + "/{commandId}", "VirtualMachineRunCommands_Get", read),
    ]


def _of_scale_sets() -> list[Route]:
    one, upgrades = "VirtualMachineScaleSets", "VirtualMachineScaleSetRollingUpgrades"
    posts = [_route("POST", f"{_SET}/{path}", f"{one}_{verb}", f"{_SETS}/{path}/action") for path, verb in _SET_ACTIONS.items()]
    extension = _SET + "/extensions/{vmssExtensionName}"
    return [
        *posts,
        *_children(extension, "VirtualMachineScaleSetExtensions", f"{_SETS}/extensions", "Get", "List"),
        _route("GET", _SET + "/osUpgradeHistory", f"{one}_GetOSUpgradeHistory", f"{_SETS}/osUpgradeHistory/read"),
        _route("GET", _SET + "/skus", f"{one}_ListSkus", f"{_SETS}/skus/read"),
        _route("GET", _SET + "/rollingUpgrades/latest", f"{upgrades}_GetLatest", f"{_SETS}/rollingUpgrades/read"),
        _route("POST", _SET + "/rollingUpgrades/cancel", f"{upgrades}_Cancel", f"{_SETS}/rollingUpgrades/action"),
        _route("POST", _SET + "/osRollingUpgrade", f"{upgrades}_StartOSUpgrade", f"{_SETS}/osRollingUpgrade/action"),
        _route(
            "POST",
            _SET + "/extensionRollingUpgrade",
            f"{upgrades}_StartExtensionUpgrade",
            f"{_SETS}/extensionRollingUpgrade/action",
        ),
    ]


def _of_instances() -> list[Route]:
    group, kind = "VirtualMachineScaleSetVMs", f"{_SETS}/virtualMachines"
    extension, command = _INSTANCE + "/extensions/{vmExtensionName}", _INSTANCE + "/runCommands/{runCommandName}"
    return [
        *(
            _route("POST", f"{_INSTANCE}/{path}", f"{group}_{verb}", f"{kind}/{path}/action")
            for path, verb in _INSTANCE_ACTIONS.items()
        ),
        *_children(extension, "VirtualMachineScaleSetVMExtensions", f"{kind}/extensions", "Get", "List"),
        *_children(command, "VirtualMachineScaleSetVMRunCommands", f"{kind}/runCommands", "Get", "List"),
        _route("GET", _SET + "/virtualMachines", f"{group}_List", f"{kind}/read"),
        _route("GET", _INSTANCE, f"{group}_Get", f"{kind}/read"),
        _route("GET", _INSTANCE + "/instanceView", f"{group}_GetInstanceView", f"{kind}/instanceView/read"),
        _route("PUT", _INSTANCE, f"{group}_Update", f"{kind}/write"),
        _route("DELETE", _INSTANCE, f"{group}_Delete", f"{kind}/delete"),
    ]


def _of_images() -> list[Route]:
    """image.json and virtualMachineImage.json of 2024-07-01."""
    images = "Microsoft.Compute/images"
    one = f"/subscriptions/{{subscriptionId}}/resourceGroups/{{resourceGroupName}}/providers/{images}/{{imageName}}"
    everywhere = f"/subscriptions/{{subscriptionId}}/providers/{images}"
    edge, listed = _LOCATION + "/edgeZones/{edgeZone}", "Microsoft.Compute/locations/edgeZones/vmimages/read"
    return [
        *_children(one, "Images", images, "Get", "ListByResourceGroup"),
        _route("GET", everywhere, "Images_List", f"{images}/read"),
        *_of_publishers(_LOCATION, "VirtualMachineImages", "Microsoft.Compute/locations/publishers"),
        *_of_publishers(edge, "VirtualMachineImagesEdgeZone", "Microsoft.Compute/locations/edgeZones/publishers"),
        _route("GET", edge + "/vmimages", "VirtualMachineImages_ListByEdgeZone", listed),
    ]


def _of_publishers(place: str, group: str, action: str) -> list[Route]:
    kind, found = place + "/publishers", action
    routes = [_route("GET", kind, f"{group}_ListPublishers", f"{found}/read")]
    kind, found = kind + "/{publisherName}/artifacttypes/vmimage", found + "/artifacttypes"
    for part, parameter, verb in (
        ("offers", "offer", "ListOffers"),
        ("skus", "skus", "ListSkus"),
        ("versions", "version", "List"),
    ):
        kind, found = f"{kind}/{part}", f"{found}/{part}"
        routes.append(_route("GET", kind, f"{group}_{verb}", f"{found}/read"))
        kind = f"{kind}/{{{parameter}}}"
    return [*routes, _route("GET", kind, f"{group}_Get", f"{found}/read")]


def _others() -> list[Route]:
    sets = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/availabilitySets"
    sizes = "Microsoft.Compute/availabilitySets/vmSizes/read"
    kind = "Microsoft.Compute/disks"
    disk = f"/subscriptions/{{subscriptionId}}/resourceGroups/{{resourceGroupName}}/providers/{kind}/{{diskName}}"
    logs, log = _LOCATION + "/logAnalytics/apiAccess", "Microsoft.Compute/locations/logAnalytics"
    return [
        _route(
            "POST",
            logs + "/getRequestRateByInterval",
            "LogAnalytics_ExportRequestRateByInterval",
            f"{log}/getRequestRateByInterval/action",
        ),
        _route(
            "POST", logs + "/getThrottledRequests", "LogAnalytics_ExportThrottledRequests", f"{log}/getThrottledRequests/action"
        ),
        _route("PUT", disk, "Disks_CreateOrUpdate", f"{kind}/write"),
        _route("PATCH", disk, "Disks_Update", f"{kind}/write"),
        _route("POST", disk + "/beginGetAccess", "Disks_GrantAccess", f"{kind}/beginGetAccess/action"),
        _route("POST", disk + "/endGetAccess", "Disks_RevokeAccess", f"{kind}/endGetAccess/action"),
        _route("GET", sets + "/{availabilitySetName}/vmSizes", "AvailabilitySets_ListAvailableSizes", sizes),
        _route("GET", "/providers/Microsoft.Compute/operations", "Operations_List", "Microsoft.Compute/operations/read"),
    ]


def _children(one: str, group: str, action: str, get: str, get_all: str) -> list[Route]:
    """The operations on a child resource, whose path is `one`, and on all of its kind."""
    return [
        _route("PUT", one, f"{group}_CreateOrUpdate", f"{action}/write"),
        _route("PATCH", one, f"{group}_Update", f"{action}/write"),
        _route("DELETE", one, f"{group}_Delete", f"{action}/delete"),
        _route("GET", one, f"{group}_{get}", f"{action}/read"),
        _route("GET", one.rpartition("/")[0], f"{group}_{get_all}", f"{action}/read"),
    ]


def _route(method: str, path: str, operation: str, action: str) -> Route:
    def refuse(call: Call) -> Reply:
        raise not_simulated(f"The operation {operation}")

    return Route(method, path, operation, action, refuse)
