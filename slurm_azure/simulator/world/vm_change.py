"""What a PUT over an existing VM, or a PATCH, may change of it, and what not.

What cannot change: texts of VirtualMachineProperties in Microsoft.Compute's OpenAPI ("This property cannot be updated once the
VM is created", "Changing .. is not allowed"), "Move a VM to a proximity placement group", "Associate a virtual machine to a
Capacity Reservation group", "Add network interfaces to or remove network interfaces from virtual machines", "Error codes for
Azure Spot Virtual Machines". The texts of the refusals are those of public issues ("Changing property '{0}' is not allowed.").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.packing import packed, unpacked
from slurm_azure.simulator.refusal import Refusal, invalid_parameter
from slurm_azure.simulator.resource_id import location_name, same
from slurm_azure.simulator.world import placement, reserved, size_rules, vm_disks, vm_interfaces, vm_request
from slurm_azure.simulator.world.placement_resources import CapacityReservation, Placement
from slurm_azure.simulator.world.skus import Size
from slurm_azure.simulator.world.storage_request import unmanaged
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.vm_factory import identities, shown_profile
from slurm_azure.simulator.world.vm_request import VmRequest
from slurm_azure.simulator.world.world import World

_FIXED = (
    "osProfile.computerName",
    "osProfile.adminUsername",
    "osProfile.linuxConfiguration.disablePasswordAuthentication",
    "osProfile.linuxConfiguration.ssh",
    "storageProfile.imageReference",
    "storageProfile.osDisk.name",
    "storageProfile.osDisk.osType",
    "storageProfile.osDisk.createOption",
    "storageProfile.osDisk.diffDiskSettings",
    "storageProfile.osDisk.vhd",
    "storageProfile.osDisk.image",
    "storageProfile.osDisk.managedDisk.id",
    "priority",
    "evictionPolicy",
    "availabilitySet.id",
    "virtualMachineScaleSet.id",
    "platformFaultDomain",
)
_CHANGEABLE = (
    "hardwareProfile",
    "securityProfile",
    "diagnosticsProfile",
    "billingProfile",
    "scheduledEventsProfile",
    "scheduledEventsPolicy",
    "additionalCapabilities",
    "applicationProfile",
    "licenseType",
    "extensionsTimeBudget",
    "resiliencyProfile",
    "proximityPlacementGroup",
    "capacityReservation",
)
_PROFILES = ("hardwareProfile", "storageProfile", "osProfile", "networkProfile")
_IDS = ("id",)


def change(world: World, vm: VirtualMachine, request: VmRequest) -> None:
    """What a PUT asks of a VM that exists. Raises Refusal (409 for what cannot be changed), and then nothing has changed.

    Inline interface configurations are not looked at again: the interfaces were made with the VM.
    """
    if location_name(request.location) != vm.location:
        raise Refusal(
            409,
            "InvalidResourceLocation",
            f"The resource '{vm.name}' already exists in location '{vm.location}' in resource group '{vm.group.name}'. "
            f"A resource with the same name cannot be created in location '{request.location}'. "
            "Please select a new resource name.",
        )
    _refuse_changes(vm, request)
    size = size_rules.check(world, vm.id, vm.location, vm.zones, request, vm.size)
    disks = _changed_disks(world, vm, request)
    interfaces = _changed_interfaces(world, vm, request)
    system, users = _changed_identities(world, vm, request.identity)
    world.history.changing(vm)
    _replace_model(world, vm, request, size)
    vm.system_identity, vm.identities = system, users
    vm.tags = request.tags
    if request.user_data is not None:
        vm.user_data = packed(request.user_data)
    _apply_interfaces(world, vm, interfaces)
    _apply_disks(world, vm, request, disks)
    vm.version += 1


def put(world: World, vm: VirtualMachine, body: dict[str, Any]) -> None:
    """What a PUT over a VM asks. Raises Refusal, and then nothing has changed.

    Profiles that it leaves out are as they were, and neither the image nor a password has to be told again: what was read can
    be sent back, as clients do that change a VM by reading, changing and putting it (azure-cli takes the image out first, "to
    avoid unnecessary permission check").
    """
    given = vm_request.clean(body)
    properties = given.get("properties")
    if properties is not None:
        form = _put_form(vm)
        if "osProfile" in form and "osProfile" in properties:
            properties["osProfile"] = _merged(form["osProfile"], properties["osProfile"])
        image = form["storageProfile"].get("imageReference")
        if image and "storageProfile" in properties:
            properties["storageProfile"] = {"imageReference": image, **properties["storageProfile"]}
        given["properties"] = {**{key: form[key] for key in _PROFILES if key in form}, **properties}
    change(world, vm, vm_request.from_clean(vm.name, given))
    vm_disks.retry(world, vm)


def patch(world: World, vm: VirtualMachine, body: dict[str, Any]) -> None:
    """What a PATCH asks: the members it has take the place of the VM's, lists as a whole, and all is judged as in a PUT.
    Raises Refusal, and then nothing has changed. `null` and what is read-only is as good as not given."""
    given = vm_request.clean(body)
    location = given.pop("location", vm.location)
    whole = {
        "location": location,
        "tags": given.get("tags", vm.tags),
        "properties": _merged(_put_form(vm), given.get("properties", {})),
    }
    for key in ("identity", "plan", "zones"):
        if key in given:
            whole[key] = given[key]
    change(world, vm, vm_request.from_clean(vm.name, whole))


def _put_form(vm: VirtualMachine) -> dict[str, Any]:
    """The `properties` that a PUT of the VM as it is would have."""
    form = dict(vm.model)
    form["networkProfile"] = {
        "networkInterfaces": [{"id": nic.id, "properties": {"primary": nic.primary}} for nic in vm.interfaces]
    }
    profile = form.get("osProfile")
    if profile is not None:
        # A password is not kept; the one that was given was good.
        form["osProfile"] = {**profile, "adminPassword": "not kept, but good"}
        if vm.custom_data is not None:
            form["osProfile"]["customData"] = unpacked(vm.custom_data)
        if form["storageProfile"]["osDisk"]["createOption"] == "Attach":
            del form["osProfile"]
    return form


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(old)
    for key, value in new.items():
        before = found.get(key)
        found[key] = _merged(before, value) if isinstance(value, dict) and isinstance(before, dict) else value
    return found


def _refuse_changes(vm: VirtualMachine, request: VmRequest) -> None:
    _refuse_priority(vm, request)
    for path in _FIXED:
        way = path.split(".")
        _refuse_change(path, _at(vm.model, way), _at(request.properties, way))
    _refuse_change("osProfile.customData", unpacked(vm.custom_data), request.custom_data)
    _refuse_change("zones", vm.zones, request.zones)
    _refuse_change("plan", vm.plan, request.plan)
    _check_os_disk_size(vm, request)
    deallocated = vm.power == "deallocated"
    for path in ("proximityPlacementGroup.id", "capacityReservation.capacityReservationGroup.id"):
        _refuse_allocated(vm, path, request, deallocated)
    price = ("billingProfile", "maxPrice")
    new = _at(request.properties, price)
    if not deallocated and new is not None and new != _at(vm.model, price):
        message = (
            f"Max price change isn't allowed when the VM '{vm.name}' is currently allocated. Please deallocate and try again."
        )
        raise Refusal(409, "MaxPriceChangeNotAllowedForAllocatedVMs", message)


def _refuse_priority(vm: VirtualMachine, request: VmRequest) -> None:
    """A VM that was made without a priority cannot be given one (text: "Error messages for Azure Spot Virtual Machines")."""
    wanted = request.properties.get("priority")
    if wanted is not None and "priority" not in vm.model and wanted != "Regular":
        message = (
            f"The specified priority value '{wanted}' can't be applied to the Virtual Machine '{vm.name}' since no priority "
            "was specified when the Virtual Machine was created."
        )
        raise Refusal(409, "VMPriorityCannotBeApplied", message)


def _at(model: Mapping[str, Any], way: tuple[str, ...] | list[str]) -> Any:
    found: Any = model
    for key in way:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _refuse_change(path: str, old: Any, new: Any) -> None:
    if new is None or new == old:
        return
    if isinstance(new, str) and isinstance(old, str) and path.endswith(_IDS) and same(new, old):
        return
    parameter = path.removeprefix("storageProfile.").replace("osProfile.linux", "linux")
    raise Refusal(409, "PropertyChangeNotAllowed", f"Changing property '{parameter}' is not allowed.", parameter)


def _refuse_allocated(vm: VirtualMachine, path: str, request: VmRequest, deallocated: bool) -> None:
    way = path.split(".")
    old, new = _at(vm.model, way), _at(request.properties, way)
    if deallocated or new is None or (old is not None and same(old, new)):
        return
    message = f"Changing property '{path}' is not allowed on VM '{vm.name}' unless it is deallocated."
    raise Refusal(409, "OperationNotAllowed", message, path)


def _check_os_disk_size(vm: VirtualMachine, request: VmRequest) -> None:
    old = vm.model["storageProfile"]["osDisk"].get("diskSizeGB", 0)
    new = request.properties["storageProfile"]["osDisk"].get("diskSizeGB", old)
    if new < old:
        raise Refusal(409, "ResizeDiskError", f"Disk size cannot be reduced, from {old} GB to {new} GB.", "osDisk.diskSizeGB")


def _changed_identities(
    world: World, vm: VirtualMachine, wanted: Mapping[str, Any]
) -> tuple[Principal | None, tuple[Principal, ...]]:
    if not wanted:
        return vm.system_identity, vm.identities
    system, users = identities(world, vm.id, wanted)
    return (vm.system_identity or system) if system else None, users


def _replace_model(world: World, vm: VirtualMachine, request: VmRequest, size: Size) -> None:
    """Put what may change into the model; if quota or placement refuse that, the VM is as it was."""
    old, old_placements = vm.model, placement.placements(world, vm)
    new = {**old, **{key: request.properties[key] for key in _CHANGEABLE if key in request.properties}}
    profile = request.properties.get("osProfile")
    if profile is not None and "osProfile" in old:
        new["osProfile"] = {**old["osProfile"], **shown_profile(profile, request.os_type)}
    if size is not vm.size:
        world.quotas.resize(vm, size)
    vm.model = new
    try:
        _move(world, vm, old_placements)
    except Refusal:
        vm.model = old
        world.quotas.resize(vm, vm.size, back=True)
        raise
    if size is not vm.size:
        vm.size = size
        world.capacity.resize(vm)
        world.bids.resized(vm)
    for item in {*old_placements, *placement.placements(world, vm)}:
        if isinstance(item, CapacityReservation):
            reserved.settle(world, item)


def _move(world: World, vm: VirtualMachine, before: list[Placement]) -> None:
    """Leave what the VM was placed by, and enter what its model names now."""
    after: list[Placement] = [item for item in before if isinstance(item, placement.STAYING)]
    if "proximityPlacementGroup" in vm.model:
        after.append(placement.check_proximity(world, vm))
    if "capacityReservation" in vm.model:
        after += placement.reserve(world, vm, vm.model["capacityReservation"]["capacityReservationGroup"]["id"])
    for item in before:
        item.vms.pop(vm.id.lower(), None)
    for item in after:
        item.vms[vm.id.lower()] = vm


def _changed_disks(world: World, vm: VirtualMachine, request: VmRequest) -> dict[int, dict[str, Any]] | None:
    """The data disks after the change, by lun; None if the body does not speak of them. Raises Refusal."""
    wanted = request.properties["storageProfile"].get("dataDisks")
    if wanted is None:
        return None
    present = {disk["lun"]: disk for disk in vm.model["storageProfile"].get("dataDisks", ())}
    found: dict[int, dict[str, Any]] = {}
    for disk in wanted:
        old = present.get(disk["lun"])
        if old is None:
            if disk.get("toBeDetached"):
                raise invalid_parameter("dataDisk.toBeDetached", f"There is no data disk with lun {disk['lun']} to detach.")
            vm_disks.check_source(world, vm, disk)
        else:
            _check_same_disk(old, disk)
        found[disk["lun"]] = disk
    return found


def _check_same_disk(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for key in ("name", "createOption"):
        # what is attached may be named as it was created, and the other way round
        if key == "createOption" and "Attach" in (old[key], new[key]):
            continue
        _refuse_change(f"dataDisk.{key}", old.get(key), new.get(key))
    _refuse_change("dataDisk.managedDisk.id", _at(old, ["managedDisk", "id"]), _at(new, ["managedDisk", "id"]))
    if new.get("diskSizeGB", old.get("diskSizeGB", 0)) < old.get("diskSizeGB", 0):
        raise Refusal(
            409, "ResizeDiskError", f"The size of data disk '{old.get('name')}' cannot be reduced.", "dataDisk.diskSizeGB"
        )


def _apply_disks(world: World, vm: VirtualMachine, request: VmRequest, wanted: Mapping[int, Mapping[str, Any]] | None) -> None:
    """Detach what is not asked for any more, or asked to be detached; attach or make what is new."""
    storage = vm.model["storageProfile"]
    os_disk = _merged(storage["osDisk"], request.properties["storageProfile"]["osDisk"])
    _apply_delete_option(vm, os_disk)
    vm.model = {**vm.model, "storageProfile": {**storage, "osDisk": os_disk}}
    if wanted is None:
        return
    entries = []
    for old in storage.get("dataDisks", ()):
        new = wanted.get(old["lun"])
        if new is None or new.get("toBeDetached"):
            vm_disks.drop(world, vm, old)
            continue
        entry = _merged(old, {key: value for key, value in new.items() if key != "createOption"})
        _apply_delete_option(vm, entry)
        entries.append(entry)
    known = {old["lun"] for old in storage.get("dataDisks", ())}
    for lun, disk in wanted.items():
        if lun not in known:
            entry = dict(disk)
            vm.disks += tuple(vm_disks.add(world, vm, entry))
            entries.append(entry)
    vm.model["storageProfile"]["dataDisks"] = entries


def _apply_delete_option(vm: VirtualMachine, entry: Mapping[str, Any]) -> None:
    if unmanaged(entry):
        return
    for disk in vm.disks:
        if same(disk.id, entry["managedDisk"]["id"]):
            disk.delete_with_vm = entry.get("deleteOption") == "Delete"
            disk.size_gb = max(disk.size_gb, entry.get("diskSizeGB", 0))


def _changed_interfaces(world: World, vm: VirtualMachine, request: VmRequest) -> tuple[Any, ...] | None:
    """The interfaces that the VM is to have, None if they stay. Raises Refusal."""
    wanted = request.interfaces
    if not wanted[0].existing:
        return None
    present = {nic.id.lower() for nic in vm.interfaces}
    asked = {str(item.existing).lower() for item in wanted}
    if asked != present and vm.power != "deallocated":
        message = f"Network interfaces cannot be added to or removed from VM '{vm.name}' unless it is deallocated."
        raise Refusal(409, "OperationNotAllowed", message, "networkProfile")
    for item in wanted:
        vm_interfaces.check(world, vm, str(item.existing))
    return wanted


def _apply_interfaces(world: World, vm: VirtualMachine, wanted: tuple[Any, ...] | None) -> None:
    if wanted is None:
        return
    asked = {str(item.existing).lower() for item in wanted}
    for nic in vm.interfaces:
        world.vms_by_address.pop(nic.ip, None)
        if nic.id.lower() not in asked:
            world.history.changing(nic)
            nic.vm = None
    vm.interfaces = vm_interfaces.make(world, vm, wanted)
    for nic in vm.interfaces:
        world.vms_by_address[nic.ip] = vm
