"""Resources that appear without a request: made as Azure makes them, so that nothing tells them from others."""

from __future__ import annotations

from typing import Any

from slurm_azure.simulator.faults import kinds
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.world import vm_factory, vm_request
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import ResourceGroup, World


def appear(world: World, provisioning: Provisioning, what: kinds.Stranger, name: str) -> str:
    """Make it; the name it has in the end. Raises Refusal where Azure would refuse it, for its name or the lack of a subnet.

    An interface or a disk is what is left of a VM that is gone, as orphans come to be.
    """
    group = _group(world, what.resource_group)
    body = _body(world, group, what, name)
    vm = vm_factory.make(world, group, name, vm_request.read(name, body))
    for interface in vm.interfaces:
        interface.tags = dict(what.tags)
    for disk in vm.disks:
        disk.tags = dict(what.tags)
    if what.resource == "vm":
        provisioning.create(vm)
        return vm.name
    left = vm.primary.name if what.resource == "nic" else vm.disks[0].name
    _leave(world, vm, what.resource)
    return left


def _leave(world: World, vm: VirtualMachine, resource: str) -> None:
    for interface in vm.interfaces:
        interface.delete_with_vm = resource != "nic"
    for disk in vm.disks:
        disk.delete_with_vm = resource != "disk"
    world.drop_vm(vm)


def _group(world: World, name: str | None) -> ResourceGroup:
    if name is None:
        return next(iter(world.groups.values()))
    found = next((group for group in world.groups.values() if group.name.lower() == name.lower()), None)
    if found is None:
        raise Refusal(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
    return found


def _subnet(world: World, group: ResourceGroup, wanted: str | None) -> str:
    found = [
        subnet.id
        for subnet in world.subnets.values()
        if subnet.location == group.location and (wanted is None or wanted.lower() in (subnet.name.lower(), subnet.id.lower()))
    ]
    if not found:
        raise Refusal(400, "InvalidResourceReference", f"There is no subnet {wanted or ''} in {group.location}.")
    return found[0]


def _body(world: World, group: ResourceGroup, what: kinds.Stranger, name: str) -> dict[str, Any]:
    address = {"name": "ipconfig1", "properties": {"subnet": {"id": _subnet(world, group, what.subnet)}}}
    interface = {"primary": True, "deleteOption": "Delete", "ipConfigurations": [address]}
    key = {"path": "/home/azureuser/.ssh/authorized_keys", "keyData": "ssh-rsa AAAAB3NzaC1yc2E= nobody"}
    return {
        "location": group.location,
        "tags": dict(what.tags),
        "properties": {
            "hardwareProfile": {"vmSize": what.size},
            "storageProfile": {
                "imageReference": {
                    "publisher": "Canonical",
                    "offer": "ubuntu-24_04-lts",
                    "sku": "server",
                    "version": "latest",
                },
                "osDisk": {"createOption": "FromImage", "deleteOption": "Delete", "managedDisk": {}},
            },
            "osProfile": {
                "computerName": name,
                "adminUsername": "azureuser",
                "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}},
            },
            "networkProfile": {
                "networkApiVersion": "2020-11-01",
                "networkInterfaceConfigurations": [{"name": f"{name}-nic", "properties": interface}],
            },
        },
    }
