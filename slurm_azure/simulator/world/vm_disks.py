"""The disks of a VM: made with it, copied, attached and detached.

Defaults: texts of OSDisk and DataDisk in Microsoft.Compute's OpenAPI (computeRPCommon.json), and Microsoft's examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurm_azure.simulator.refusal import Refusal, invalid_parameter, resource_not_found
from slurm_azure.simulator.resource_id import COMPUTE, resource_id, same
from slurm_azure.simulator.world.disks import Disk
from slurm_azure.simulator.world.storage_request import unmanaged
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World

_DEFAULT_OS_DISK_GB = {"Linux": 30, "Windows": 127}
_DEFAULT_DATA_DISK_GB = 32  # of one whose size comes from an image or a source that is not simulated


def check(world: World, vm: VirtualMachine) -> None:
    """Raises Refusal (404, 409, 400) unless the disks that the VM's model attaches or copies are there, and free."""
    storage = vm.model["storageProfile"]
    attached: set[str] = set()
    for disk in (storage["osDisk"], *storage.get("dataDisks", ())):
        check_source(world, vm, disk)
        identity = disk.get("managedDisk", {}).get("id", "").lower()
        if identity and identity in attached:
            raise invalid_parameter("managedDisk.id", "A disk can be attached only once.")
        attached.add(identity)


def check_source(world: World, vm: VirtualMachine, disk: Mapping[str, Any]) -> None:
    """The same for one disk. What is no managed disk (a snapshot, a restore point) is not simulated, and taken on trust."""
    if unmanaged(disk):
        return
    identity = disk.get("managedDisk", {}).get("id")
    if disk["createOption"] == "Attach":
        found = _existing(world, identity)
        if found.vm is not None:
            raise Refusal(409, "OperationNotAllowed", f"Disk {found.name} is attached to VM {found.vm}.")
        if found.location != vm.location:
            raise invalid_parameter("managedDisk.id", f"Disk {found.name} is in location '{found.location}'.")
        return
    if identity is not None:
        # Code and text: kubernetes-sigs/azuredisk-csi-driver 254.
        option = disk["createOption"]
        parameter = "dataDisk" if "lun" in disk else "osDisk"
        raise Refusal(
            400,
            "InvalidParameterConflictingProperties",
            f"The property '{parameter}.createOption' cannot have the value '{option}' when property "
            f"'{parameter}.managedDisk.id' is set.",
        )
    source = disk.get("sourceResource", {}).get("id", "")
    if "/disks/" in source.lower():
        _existing(world, source)


def _existing(world: World, identity: str) -> Disk:
    found = world.disk_by_id(identity)
    if found is None:
        parts = identity.strip("/").split("/")
        group = parts[3] if len(parts) > 3 else ""
        raise resource_not_found("Microsoft.Compute/disks", parts[-1], group)
    return found


def make(world: World, vm: VirtualMachine, os_type: str) -> tuple[Disk, ...]:
    """Make or attach the disks that `check` found good, and put their names and ids into the VM's model."""
    storage = dict(vm.model["storageProfile"])
    os_disk = dict(storage["osDisk"])
    local = "diffDiskSettings" in os_disk
    os_disk.setdefault("osType", os_type)
    made = _os_disk(world, vm, os_disk, local, storage.get("imageReference"))
    data_disks = []
    for item in storage.get("dataDisks", ()):
        data_disk = dict(item)
        made += add(world, vm, data_disk)
        data_disks.append(data_disk)
    vm.model["storageProfile"] = {**storage, "osDisk": os_disk, "dataDisks": data_disks}
    return tuple(made)


def _os_disk(world: World, vm: VirtualMachine, disk: dict[str, Any], local: bool, image: dict[str, Any] | None) -> list[Disk]:
    if unmanaged(disk):
        disk.setdefault("name", f"{vm.name}-osdisk")
        disk.setdefault("caching", "ReadWrite")
        return []
    disk.setdefault("deleteOption", "Delete" if local else "Detach")
    if disk["createOption"] == "Attach":
        return [_attach(world, vm, disk)]
    disk.setdefault("name", f"{vm.name}_OsDisk_1_{world.new_uuid().replace('-', '')}")
    disk.setdefault("diskSizeGB", _DEFAULT_OS_DISK_GB[disk["osType"]])
    return _new(world, vm, disk, disk["osType"], image)


def add(world: World, vm: VirtualMachine, disk: dict[str, Any]) -> list[Disk]:
    """Make or attach a data disk; `disk` (its entry in the model) is filled in. A blob is no disk of ours: []."""
    disk.setdefault("caching", "None")
    disk.setdefault("toBeDetached", False)
    if unmanaged(disk):
        disk.setdefault("name", f"{vm.name}-datadisk-{disk['lun']}")
        return []
    disk.setdefault("deleteOption", "Detach")
    if disk["createOption"] == "Attach":
        return [_attach(world, vm, disk)]
    disk.setdefault("name", f"{vm.name}_DataDisk_{disk['lun']}_{world.new_uuid().replace('-', '')}")
    source = world.disk_by_id(disk.get("sourceResource", {}).get("id", ""))
    disk.setdefault("diskSizeGB", source.size_gb if source else _DEFAULT_DATA_DISK_GB)
    return _new(world, vm, disk, None, None)


def _attach(world: World, vm: VirtualMachine, written: dict[str, Any]) -> Disk:
    disk = _existing(world, written["managedDisk"]["id"])
    disk.vm, disk.delete_with_vm = vm.id, written["deleteOption"] == "Delete"
    written["name"] = disk.name
    written["diskSizeGB"] = disk.size_gb = max(disk.size_gb, written.get("diskSizeGB", 0))
    written["managedDisk"] = {**written["managedDisk"], "id": disk.id, "storageAccountType": disk.sku}
    written.setdefault("caching", _caching(disk.sku))
    if disk.os_type and "lun" not in written:
        written["osType"] = disk.os_type
    return disk


def _new(
    world: World, vm: VirtualMachine, written: dict[str, Any], os_type: str | None, image: dict[str, Any] | None
) -> list[Disk]:
    managed = dict(written.get("managedDisk") or {})
    sku = managed.setdefault("storageAccountType", "Standard_LRS")
    name = written["name"]
    identity = resource_id(vm.group.subscription, vm.group.name, COMPUTE, "disks", name)
    written["managedDisk"] = {**managed, "id": identity}
    written.setdefault("caching", _caching(sku))
    if name.lower() in vm.group.disks:
        # Not told by the PUT, but by the operation it begins: hashicorp/terraform-provider-azurerm 15513.
        message = (
            f"Disk {name} already exists in resource group {vm.group.name.upper()}. Only CreateOption.Attach is supported."
        )
        vm.doom = ("ConflictingUserInput", message)
        return []
    disk = vm.group.disks[name.lower()] = Disk(
        id=identity,
        name=name,
        location=vm.location,
        guid=world.new_uuid(),
        created=world.clock.now(),
        size_gb=written["diskSizeGB"],
        sku=sku,
        os_type=os_type,
        image=image,
        zones=vm.zones,
        tags=vm.tags,
        delete_with_vm=written["deleteOption"] == "Delete",
        vm=vm.id,
        sequence=world.next_sequence(),
        source=written.get("sourceResource", {}).get("id"),
        encryption_set=managed.get("diskEncryptionSet", {}).get("id"),
    )
    return [disk]


def retry(world: World, vm: VirtualMachine) -> None:
    """A creation that failed because of a disk's name is asked for again: make the disks that could not be made, if their
    names are free by now."""
    if vm.doom is None:
        return
    vm.doom = None
    present = {disk.id.lower() for disk in vm.disks}
    storage = vm.model["storageProfile"]
    for written in (storage["osDisk"], *storage["dataDisks"]):
        if not unmanaged(written) and written["managedDisk"]["id"].lower() not in present:
            image = None if "lun" in written else storage.get("imageReference")
            vm.disks += tuple(_new(world, vm, written, written.get("osType"), image))


def _caching(sku: str) -> str:
    """ "None for Standard storage. ReadOnly for Premium storage." (OpenAPI, OSDisk.caching)"""
    return "ReadOnly" if sku.startswith("Premium") else "None"


def drop(world: World, vm: VirtualMachine, written: Mapping[str, Any]) -> None:
    """Detach a data disk; it is there without the VM afterwards."""
    for disk in vm.disks:
        if same(disk.id, written.get("managedDisk", {}).get("id", "")):
            disk.vm = None
            disk.delete_with_vm = False
            vm.disks = tuple(item for item in vm.disks if item is not disk)
            return
