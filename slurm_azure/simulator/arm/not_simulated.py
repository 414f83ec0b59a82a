"""Operations on virtual machines that Microsoft's OpenAPI files have and this simulator has not: a plain 501 to each, so that
nobody takes a missing operation for a missing VM."""

from __future__ import annotations

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import not_simulated
from slurm_azure.simulator.routes import Route

_KIND = "Microsoft.Compute/virtualMachines"
_VM = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" + _KIND + "/{vmName}"
_COMMANDS = "/subscriptions/{subscriptionId}/providers/Microsoft.Compute/locations/{location}/runCommands"

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


def routes() -> list[Route]:
    """The operations, each with the action that it needs on Azure."""
    found = [
        _route("POST", f"{_VM}/{path}", f"VirtualMachines_{verb}", f"{_KIND}/{path}/action") for path, verb in _ACTIONS.items()
    ]
    for kind, parameter, group, get, get_all in _CHILDREN:
        one, action = f"{_VM}/{kind}/{{{parameter}}}", f"{_KIND}/{kind}"
        found += [
            _route("PUT", one, f"{group}_CreateOrUpdate", f"{action}/write"),
            _route("PATCH", one, f"{group}_Update", f"{action}/write"),
            _route("DELETE", one, f"{group}_Delete", f"{action}/delete"),
            _route("GET", one, f"{group}_{get}", f"{action}/read"),
            _route("GET", f"{_VM}/{kind}", f"{group}_{get_all}", f"{action}/read"),
        ]
    read = "Microsoft.Compute/locations/runCommands/read"
    return [
        *found,
        _route("GET", _COMMANDS, "VirtualMachineRunCommands_List", read),
        _route("GET", _COMMANDS + "/{commandId}", "VirtualMachineRunCommands_Get", read),
    ]


def _route(method: str, path: str, operation: str, action: str) -> Route:
    def refuse(call: Call) -> Reply:
        raise not_simulated(f"The operation {operation}")

    return Route(method, path, operation, action, refuse)
