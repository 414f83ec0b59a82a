"""From a request to a VM with its interfaces and disks; and what a later PUT or PATCH may change of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.refusal import Refusal, invalid_parameter, invalid_reference
from slurm_azure.simulator.resource_id import COMPUTE, NETWORK, location_name, resource_id, same
from slurm_azure.simulator.world import placement
from slurm_azure.simulator.world.disks import Disk
from slurm_azure.simulator.world.members import member
from slurm_azure.simulator.world.network import NetworkInterface
from slurm_azure.simulator.world.vm import VirtualMachine, packed, unpacked
from slurm_azure.simulator.world.vm_request import InterfaceRequest, VmRequest
from slurm_azure.simulator.world.world import ResourceGroup, World

_DEFAULT_OS_DISK_GB = 30
_CHANGEABLE = ("hardwareProfile", "securityProfile", "diagnosticsProfile", "billingProfile", "scheduledEventsProfile")


def make(world: World, group: ResourceGroup, name: str, request: VmRequest) -> VirtualMachine:
    """Write down a new VM, with its interfaces and disks. Raises Refusal, and then nothing was made."""
    location = location_name(request.location)
    _check_location(location, world)
    identity = resource_id(group.subscription, group.name, COMPUTE, "virtualMachines", name)
    system, users = identities(world, identity, request.identity)
    vm = VirtualMachine(
        sequence=world.next_sequence(),
        id=identity,
        name=name,
        group=group,
        location=location,
        vm_id=world.new_uuid(),
        created=world.clock.now(),
        computer_name=request.os_profile.get("computerName", name),
        model=_model(request),
        tags=request.tags,
        zones=request.zones,
        plan=request.plan,
        custom_data=packed(request.custom_data),
        user_data=packed(request.user_data),
        system_identity=system,
        identities=users,
    )
    _admit(world, vm)
    try:
        vm.interfaces = _interfaces(world, vm, request)
    except Refusal:
        placement.leave(world, vm)
        world.quotas.give_back(vm)
        raise
    vm.disks = _disks(world, vm)
    group.vms[name.lower()] = vm
    world.history.made(vm)
    for interface in vm.interfaces:
        world.vms_by_address[interface.ip] = vm
    return vm


def _admit(world: World, vm: VirtualMachine) -> None:
    """Quota and placement, both or (Refusal) none."""
    world.quotas.take(vm)
    try:
        placement.join(world, vm)
    except Refusal:
        world.quotas.give_back(vm)
        raise


def _check_location(location: str, world: World) -> None:
    if location not in world.locations:
        raise Refusal(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type 'Microsoft.Compute/virtualMachines'. "
            f"List of available regions for the resource type is '{','.join(sorted(world.locations))}'.",
        )


def identities(world: World, owner: str, wanted: Mapping[str, Any]) -> tuple[Principal | None, tuple[Principal, ...]]:
    """The system-assigned identity (or None) and the user-assigned ones of a body's `identity`; raises Refusal (400)."""
    kinds = [kind.strip() for kind in str(wanted.get("type") or "None").split(",")]
    if any(kind not in ("None", "SystemAssigned", "UserAssigned") for kind in kinds):
        raise invalid_parameter("identity.type", "The value of parameter identity.type is invalid.")
    system = None
    if "SystemAssigned" in kinds:
        client, object_id = world.new_uuid(), world.new_uuid()
        system = Principal(owner.rsplit("/", 1)[-1], client, object_id, (), owner)
    users = []
    for identity in member(wanted, "userAssignedIdentities"):
        found = world.identities.get(identity.lower())
        if found is None:
            raise Refusal(
                400,
                "FailedIdentityOperation",
                f"Identity operation for resource '{owner}' failed with error 'Failed to perform resource identity operation. "
                f"Status: 'BadRequest'. Response: 'Resource '{identity}' was not found.''.",
            )
        users.append(found)
    return system, tuple(users) if "UserAssigned" in kinds else ()


def _model(request: VmRequest) -> dict[str, Any]:
    """The properties as Azure shows them: defaults filled in, secrets and inline interface configurations left out."""
    model = dict(request.properties)
    for hidden in ("userData", "networkProfile", "provisioningState", "vmId", "timeCreated", "instanceView"):
        model.pop(hidden, None)
    if profile := request.os_profile:
        for hidden in ("customData", "adminPassword"):
            profile.pop(hidden, None)
        model["osProfile"] = {
            **profile,
            "secrets": profile.get("secrets") or [],
            "allowExtensionOperations": profile.get("allowExtensionOperations", True),
            "requireGuestProvisionSignal": True,
        }
    return model


def _interfaces(world: World, vm: VirtualMachine, request: VmRequest) -> tuple[NetworkInterface, ...]:
    """The VM's interfaces, all or (Refusal) none: an address that was taken is given back when the next one fails."""
    made: list[NetworkInterface] = []
    try:
        for wanted in request.interfaces:
            made.append(_existing(world, vm, wanted) if wanted.existing else _inline(world, vm, wanted))
    except Refusal:
        for interface, wanted in zip(made, request.interfaces, strict=False):
            if wanted.existing:
                interface.vm = None
            else:
                world.drop_interface(interface)
        raise
    return tuple(made)


def _existing(world: World, vm: VirtualMachine, wanted: InterfaceRequest) -> NetworkInterface:
    identity = str(wanted.existing)
    found = world.interface_by_id(identity)
    if found is None:
        raise invalid_reference(identity, vm.id)
    if found.vm is not None and not same(found.vm, vm.id):
        raise Refusal(
            400,
            "NicInUse",
            f"Network Interface {found.id} is used by existing resource {found.vm}. "
            "A network interface can be attached to only one virtual machine.",
        )
    found.vm, found.primary = vm.id, wanted.primary
    found.delete_with_vm = wanted.delete_with_vm
    return found


def _inline(world: World, vm: VirtualMachine, wanted: InterfaceRequest) -> NetworkInterface:
    guid = world.new_uuid()
    name = f"{wanted.name}-{guid[:8]}"
    identity = resource_id(vm.group.subscription, vm.group.name, NETWORK, "networkInterfaces", name)
    subnet = world.subnets.get(wanted.subnet.lower())
    if subnet is None or subnet.location != vm.location:
        raise invalid_reference(wanted.subnet, identity)
    settings = wanted.settings
    interface = NetworkInterface(
        id=identity,
        name=name,
        location=vm.location,
        guid=guid,
        subnet=subnet,
        ip=subnet.take_address(),
        configuration=wanted.configuration,
        tags=dict(settings.get("tags") or {}),
        primary=wanted.primary,
        delete_with_vm=wanted.delete_with_vm,
        accelerated=bool(settings.get("enableAcceleratedNetworking", False)),
        forwarding=bool(settings.get("enableIPForwarding", False)),
        security_group=(settings.get("networkSecurityGroup") or {}).get("id"),
        dns_servers=tuple((settings.get("dnsSettings") or {}).get("dnsServers") or ()),
        vm=vm.id,
        sequence=world.next_sequence(),
    )
    subnet.interfaces[identity.lower()] = interface
    vm.group.interfaces[name.lower()] = interface
    world.history.made(interface)
    return interface


def _disks(world: World, vm: VirtualMachine) -> tuple[Disk, ...]:
    """Make the OS disk and the data disks, and put their names and ids into the VM's model."""
    storage = dict(vm.model["storageProfile"])
    image = storage.get("imageReference")
    os_disk = dict(storage["osDisk"])
    local = bool(os_disk.get("diffDiskSettings"))
    os_disk.setdefault("osType", "Linux")
    os_disk.setdefault("name", f"{vm.name}_OsDisk_1_{world.new_uuid().replace('-', '')}")
    os_disk.setdefault("diskSizeGB", _DEFAULT_OS_DISK_GB)
    os_disk.setdefault("deleteOption", "Delete" if local else "Detach")
    made = [_disk(world, vm, os_disk, "Linux", image)]
    data_disks = []
    for item in storage.get("dataDisks") or ():
        data_disk = dict(item)
        data_disk.setdefault("name", f"{vm.name}_DataDisk_{data_disk['lun']}_{world.new_uuid().replace('-', '')}")
        data_disk.setdefault("deleteOption", "Detach")
        data_disk.setdefault("caching", "None")
        made.append(_disk(world, vm, data_disk, None, None))
        data_disks.append(data_disk)
    vm.model["storageProfile"] = {**storage, "osDisk": os_disk, "dataDisks": data_disks}
    return tuple(made)


def _disk(world: World, vm: VirtualMachine, written: dict[str, Any], os_type: str | None, image: dict[str, Any] | None) -> Disk:
    managed = dict(written.get("managedDisk") or {})
    sku = managed.setdefault("storageAccountType", "Standard_LRS")
    name = written["name"]
    identity = resource_id(vm.group.subscription, vm.group.name, COMPUTE, "disks", name)
    written["managedDisk"] = {**managed, "id": identity}
    # "None for Standard storage. ReadOnly for Premium storage." (OpenAPI, OSDisk.caching)
    written.setdefault("caching", "ReadOnly" if sku.startswith("Premium") else "None")
    disk = Disk(
        id=identity,
        name=name,
        location=vm.location,
        guid=world.new_uuid(),
        created=world.clock.now(),
        size_gb=int(written.get("diskSizeGB") or _DEFAULT_OS_DISK_GB),
        sku=sku,
        os_type=os_type,
        image=image,
        zones=vm.zones,
        tags=vm.tags,
        delete_with_vm=written["deleteOption"] == "Delete",
        vm=vm.id,
        sequence=world.next_sequence(),
    )
    vm.group.disks[name.lower()] = disk
    world.history.made(disk)
    return disk


def change(world: World, vm: VirtualMachine, request: VmRequest) -> None:
    """What a PUT over an existing VM may change; raises Refusal (409) for what cannot be changed once the VM is there."""
    if location_name(request.location) != vm.location:
        raise Refusal(
            409,
            "InvalidResourceLocation",
            f"The resource '{vm.name}' already exists in location '{vm.location}' in resource group '{vm.group.name}'. "
            f"A resource with the same name cannot be created in location '{request.location}'. "
            "Please select a new resource name.",
        )
    _refuse_changes(vm, request)
    world.history.changing(vm)
    vm.system_identity, vm.identities = _changed_identities(world, vm, request.identity)
    vm.tags = request.tags
    if request.user_data is not None:
        vm.user_data = packed(request.user_data)
    vm.model = {**vm.model, **{key: request.properties[key] for key in _CHANGEABLE if key in request.properties}}
    vm.version += 1


def _changed_identities(
    world: World, vm: VirtualMachine, wanted: Mapping[str, Any]
) -> tuple[Principal | None, tuple[Principal, ...]]:
    if not wanted:
        return vm.system_identity, vm.identities
    system, users = identities(world, vm.id, wanted)
    return (vm.system_identity or system) if system else None, users


def _refuse_changes(vm: VirtualMachine, request: VmRequest) -> None:
    old_os, new_os = vm.model.get("osProfile", {}), request.os_profile
    for key in ("computerName", "adminUsername"):
        _refuse_change(f"osProfile.{key}", old_os.get(key), new_os.get(key))
    _refuse_change("osProfile.customData", unpacked(vm.custom_data), request.custom_data)
    old, new = vm.model["storageProfile"], request.properties["storageProfile"]
    _refuse_change("imageReference", old.get("imageReference"), new.get("imageReference"))
    for key in ("name", "createOption", "diffDiskSettings"):
        _refuse_change(f"osDisk.{key}", old["osDisk"].get(key), new["osDisk"].get(key))
    _refuse_change("priority", vm.model.get("priority"), request.properties.get("priority"))
    _refuse_change("zones", vm.zones, request.zones)


def _refuse_change(parameter: str, old: Any, new: Any) -> None:
    if new is not None and new != old:
        raise Refusal(409, "PropertyChangeNotAllowed", f"Changing property '{parameter}' is not allowed.", parameter)
