"""From a request to a VM with its interfaces and disks. What a later PUT or PATCH may change of it: vm_change.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.packing import packed
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.resource_id import COMPUTE, location_name, resource_id
from slurm_azure.simulator.world import placement, reserved, size_rules, spot_price, vm_disks, vm_interfaces
from slurm_azure.simulator.world.regions import all_regions
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.vm_request import VmRequest
from slurm_azure.simulator.world.world import ResourceGroup, World

_SECRETS = ("customData", "adminPassword")
_NOT_IN_MODEL = ("userData", "networkProfile")


def make(world: World, group: ResourceGroup, name: str, request: VmRequest) -> VirtualMachine:
    """Write down a new VM, with its interfaces and disks. Raises Refusal, and then nothing was made."""
    location = location_name(request.location)
    check_location(world, location, "virtualMachines")
    identity = resource_id(group.subscription, group.name, COMPUTE, "virtualMachines", name)
    size = size_rules.check(world, identity, location, request.zones, request)
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
        size=size,
        model=_model(request),
        tags=request.tags,
        zones=request.zones,
        plan=request.plan,
        custom_data=packed(request.custom_data),
        user_data=packed(request.user_data),
        system_identity=system,
        identities=users,
        top=request.top,
    )
    _admit(world, vm, request)
    vm.disks = vm_disks.make(world, vm, request.os_type)
    group.vms[name.lower()] = vm
    for interface in vm.interfaces:
        world.vms_by_address[interface.ip] = vm
    world.history.made(vm)
    for interface in vm.interfaces:
        world.history.made(interface)
    for disk in vm.disks:
        world.history.made(disk)
    return vm


def _admit(world: World, vm: VirtualMachine, request: VmRequest) -> None:
    """All that can be refused, and is either there altogether afterwards or (Refusal) not at all: quota, disks that are to be
    attached, placement, interfaces with their addresses."""
    spot_price.check(world.prices, vm, spot_price.CREATE)
    vm_disks.check(world, vm)
    with reserved.room(world, vm):
        world.quotas.take(vm)
        try:
            world.capacity.admit(vm)
            placement.join(world, vm)
            vm.interfaces = vm_interfaces.make(world, vm, request.interfaces)
        except Refusal:
            placement.leave(world, vm)
            world.capacity.free(vm)
            world.quotas.give_back(vm)
            raise


def check_location(world: World, location: str, kind: str) -> None:
    """Raises Refusal (400) for a place that is no region of Azure's, nor one of the estate's; `kind` such as
    virtualMachines."""
    available = all_regions(world.locations)
    if location not in available:
        raise Refusal(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type 'Microsoft.Compute/{kind}'. "
            f"List of available regions for the resource type is '{','.join(sorted(available))}'.",
        )


def identities(world: World, owner: str, wanted: Mapping[str, Any]) -> tuple[Principal | None, tuple[Principal, ...]]:
    """The system-assigned identity (or None) and the user-assigned ones of a body's `identity`; raises Refusal (400)."""
    kinds = [kind.strip() for kind in wanted.get("type", "None").split(",")]
    system = None
    if "SystemAssigned" in kinds:
        client, object_id = world.new_uuid(), world.new_uuid()
        system = Principal(owner.rsplit("/", 1)[-1], client, object_id, (), owner)
    users = []
    for identity in wanted.get("userAssignedIdentities", ()):
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
    model = {key: value for key, value in request.properties.items() if key not in _NOT_IN_MODEL}
    if "osProfile" in model:
        model["osProfile"] = shown_profile(model["osProfile"], request.os_type)
    return model


def shown_profile(profile: Mapping[str, Any], os_type: str) -> dict[str, Any]:
    """An osProfile without its secrets and with the defaults of Microsoft's examples; the content of an unattended setup may
    hold a password and is not shown either."""
    shown = {key: value for key, value in profile.items() if key not in _SECRETS}
    if os_type == "Windows":
        windows = {"provisionVMAgent": True, "enableAutomaticUpdates": True, **profile.get("windowsConfiguration", {})}
        if "additionalUnattendContent" in windows:
            contents = windows["additionalUnattendContent"]
            windows["additionalUnattendContent"] = [
                {key: value for key, value in item.items() if key != "content"} for item in contents
            ]
        shown["windowsConfiguration"] = windows
    else:
        shown.setdefault("linuxConfiguration", {"disablePasswordAuthentication": False})
    shown.setdefault("secrets", [])
    shown.setdefault("allowExtensionOperations", True)
    shown["requireGuestProvisionSignal"] = True
    return shown
