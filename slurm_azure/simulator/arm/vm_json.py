"""A VM as Azure Resource Manager shows it: model and instance view (OpenAPI: VirtualMachine, VirtualMachineInstanceView)."""

from __future__ import annotations

from typing import Any

from slurm_azure.simulator.arm import boot_diagnostics
from slurm_azure.simulator.clock import timestamp
from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.packing import unpacked
from slurm_azure.simulator.world.generations import generation
from slurm_azure.simulator.world.network import NetworkInterface
from slurm_azure.simulator.world.vm import CREATING, FAILED, SUCCEEDED, VirtualMachine, part

_TYPE = "Microsoft.Compute/virtualMachines"


def model(vm: VirtualMachine, tenant: str) -> dict[str, Any]:
    """The VM without run-time state: no customData, no password, no userData."""
    shown: dict[str, Any] = {"name": vm.name, "id": vm.id, "type": _TYPE, "location": vm.location}
    if vm.tags:
        shown["tags"] = vm.tags
    if vm.zones:
        shown["zones"] = vm.zones
    if vm.plan:
        shown["plan"] = vm.plan
    shown |= vm.top
    if vm.system_identity or vm.identities:
        shown["identity"] = _identity(vm.system_identity, vm.identities, tenant)
    shown["properties"] = {
        **vm.model,
        "networkProfile": {"networkInterfaces": [_interface(nic) for nic in vm.interfaces]},
        "provisioningState": vm.provisioning,
        "vmId": vm.vm_id,
        "timeCreated": timestamp(vm.created),
    }
    shown["etag"] = vm.etag
    return shown


def expanded(vm: VirtualMachine, tenant: str, expand: str) -> dict[str, Any]:
    """The VM with instanceView and/or userData, as `$expand` (a comma-separated list) asks."""
    shown = model(vm, tenant)
    wanted = {part.strip().lower() for part in expand.split(",")}
    if "instanceview" in wanted:
        shown["properties"]["instanceView"] = instance_view(vm)
    if "userdata" in wanted and vm.user_data is not None:
        shown["properties"]["userData"] = unpacked(vm.user_data)
    return shown


def status_only(vm: VirtualMachine) -> dict[str, Any]:
    """The VM as `statusOnly=true` lists it: who it is, and its state."""
    return {
        "name": vm.name,
        "id": vm.id,
        "type": _TYPE,
        "location": vm.location,
        "properties": {
            "vmId": vm.vm_id,
            "provisioningState": vm.provisioning,
            "instanceView": {"statuses": statuses(vm)},
        },
    }


def instance_view(vm: VirtualMachine) -> dict[str, Any]:
    """The run-time state of a VM."""
    view: dict[str, Any] = {"computerName": vm.computer_name, "hyperVGeneration": generation(vm.size, vm.model)}
    if vm.fault_domain is not None:
        view["platformFaultDomain"] = vm.fault_domain
    if vm.update_domain is not None:
        view["platformUpdateDomain"] = vm.update_domain
    if vm.power == "running" and _has_agent(vm):
        view["vmAgent"] = _agent(vm)
    view["disks"] = [
        {
            "name": disk.name,
            "statuses": [
                {
                    "code": "ProvisioningState/succeeded",
                    "level": "Info",
                    "displayStatus": "Provisioning succeeded",
                    "time": timestamp(disk.created),
                }
            ],
        }
        for disk in vm.disks
    ]
    diagnostics = boot_diagnostics.instance_view(vm)
    if diagnostics is not None:
        view["bootDiagnostics"] = diagnostics
    view["statuses"] = statuses(vm)
    return view


def _has_agent(vm: VirtualMachine) -> bool:
    """Whether the guest was not made without the VM agent (`provisionVMAgent`)."""
    kinds = ("linuxConfiguration", "windowsConfiguration")
    return all(part(vm.model, "osProfile", kind).get("provisionVMAgent") is not False for kind in kinds)


def _agent(vm: VirtualMachine) -> dict[str, Any]:
    """What the agent of a running guest has reported, or that it has not (texts: Microsoft's examples of the instance views of
    VirtualMachines and VirtualMachineScaleSetVMs)."""
    silent = vm.provisioning in (CREATING, FAILED)
    status = {
        "code": "ProvisioningState/Unavailable" if silent else "ProvisioningState/succeeded",
        "level": "Warning" if silent else "Info",
        "displayStatus": "Not Ready" if silent else "Ready",
        "message": "VM status blob is found but not yet populated."
        if silent
        else "GuestAgent is running and accepting new configurations.",
        "time": timestamp(vm.changed),
    }
    return {"vmAgentVersion": "Unknown" if silent else "2.9.1.1", "statuses": [status]}


def _interface(nic: NetworkInterface) -> dict[str, Any]:
    """An interface as the VM's model refers to it; what becomes of it in the end is shown if it was said."""
    shown: dict[str, Any] = {"primary": nic.primary}
    if nic.delete_with_vm is not None:
        shown["deleteOption"] = "Delete" if nic.delete_with_vm else "Detach"
    return {"id": nic.id, "properties": shown}


def statuses(vm: VirtualMachine) -> list[dict[str, Any]]:
    """Provisioning and power state ("States and billing status of Azure Virtual Machines")."""
    found = [_provisioning(vm)]
    if vm.power is not None:
        found.append({"code": f"PowerState/{vm.power}", "level": "Info", "displayStatus": f"VM {vm.power}"})
    if vm.hibernated and vm.power == "deallocated":
        found.append({"code": "HibernationState/Hibernated", "level": "Info", "displayStatus": "VM hibernated"})
    return found


def _provisioning(vm: VirtualMachine) -> dict[str, Any]:
    time = timestamp(vm.changed)
    if vm.provisioning == FAILED and vm.failure is not None:
        code, message = vm.failure
        return {
            "code": f"ProvisioningState/failed/{code}",
            "level": "Error",
            "displayStatus": "Provisioning failed",
            "message": message,
            "time": time,
        }
    words = "Provisioning succeeded" if vm.provisioning == SUCCEEDED else vm.provisioning
    code = f"ProvisioningState/{vm.provisioning.lower()}"
    if vm.provisioning == CREATING and vm.power is not None:
        code += "/osProvisioningInProgress"
        words = "OS provisioning in progress"
    return {"code": code, "level": "Info", "displayStatus": words, "time": time}


def _identity(system: Principal | None, users: tuple[Principal, ...], tenant: str) -> dict[str, Any]:
    kinds = (["SystemAssigned"] if system else []) + (["UserAssigned"] if users else [])
    shown: dict[str, Any] = {"type": ", ".join(kinds)}
    if system:
        shown |= {"principalId": system.object_id, "tenantId": tenant}
    if users:
        shown["userAssignedIdentities"] = {
            str(user.resource_id): {"principalId": user.object_id, "clientId": user.client_id} for user in users
        }
    return shown
