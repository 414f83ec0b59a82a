"""What a VM is placed by: its scale set, proximity placement group, capacity reservation and availability set.

Rules: texts of VirtualMachineProperties in Microsoft.Compute's OpenAPI (virtualMachine.json), "Orchestration modes for Virtual
Machine Scale Sets", "Proximity placement groups", "On-demand capacity reservation", "Availability sets overview". What is named
and not there is 404 NotFound ("The Availability Set '{0}' cannot be found.", "Understand common error messages"; for the others
by analogy). For the other refusals Microsoft documents the rule and no text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from slurm_azure.simulator.refusal import Refusal, invalid_parameter
from slurm_azure.simulator.resource_id import same
from slurm_azure.simulator.world.operations import SUCCEEDED
from slurm_azure.simulator.world.placement_resources import (
    AvailabilitySet,
    CapacityReservation,
    CapacityReservationGroup,
    Placement,
    ProximityPlacementGroup,
    ScaleSet,
)
from slurm_azure.simulator.world.vm import VirtualMachine, part

if TYPE_CHECKING:
    from slurm_azure.simulator.world.world import ResourceGroup, World

# Of a scale set; the second where it has fault domains and a VM's size cannot be paused for updates: "Orchestration modes for
# Virtual Machine Scale Sets".
MAX_INSTANCES, MAX_INSTANCES_IN_FAULT_DOMAINS = 1000, 200
MAX_IN_AVAILABILITY_SET = 200  # "Azure subscription and service limits"
STAYING = (ScaleSet, AvailabilitySet)  # a VM is in these for life


def join(world: World, vm: VirtualMachine) -> None:
    """Enter a new VM into what its model names; raises Refusal, and then nothing was entered."""
    found: list[Placement] = []
    for key, find in _FINDERS.items():
        if key in vm.model:
            found += find(world, vm)
    for placement in found:
        placement.vms[vm.id.lower()] = vm


def leave(world: World, vm: VirtualMachine) -> None:
    """A VM is gone."""
    for placement in placements(world, vm):
        placement.vms.pop(vm.id.lower(), None)
        if isinstance(placement, ScaleSet):
            drop_if_empty(world, placement)


def drop_if_empty(world: World, found: ScaleSet) -> None:
    """A scale set that is being deleted goes with the last of its VMs."""
    if found.deleting is None or found.vms:
        return
    world.group_of(found.id).scale_sets.pop(found.name.lower(), None)
    group = proximity_group(world, found.model.get("proximityPlacementGroup", {}).get("id", ""))
    if group is not None:
        group.scale_sets.pop(found.id.lower(), None)
    world.operations.end(found.deleting, SUCCEEDED)


def placements(world: World, vm: VirtualMachine) -> list[Placement]:
    """What a VM is in."""
    model = vm.model
    found: list[Placement] = []
    for key, wanted in _BY_ID.items():
        if key in model and (item := wanted(world, model[key]["id"])) is not None:
            found.append(item)
    if "capacityReservation" in model:
        group = reservation_group(world, model["capacityReservation"]["capacityReservationGroup"]["id"])
        if group is not None:
            found += [group, *(item for item in group.reservations.values() if vm.id.lower() in item.vms)]
    return found


def reserve(world: World, vm: VirtualMachine, identity: str) -> tuple[CapacityReservationGroup, CapacityReservation]:
    """The group of that id and the reservation in it that the VM falls under; raises Refusal (404, 400)."""
    parameter = "capacityReservation.capacityReservationGroup.id"
    group = reservation_group(world, identity)
    if group is None:
        raise _missing("Capacity Reservation Group", identity)
    _check_location(vm, group, parameter)
    size = vm.model["hardwareProfile"]["vmSize"]
    reservation = group.matching(size, list(vm.zones or ()))
    if reservation is None:
        where = f"zone '{vm.zones[0]}'" if vm.zones else "no zone"
        message = f"Capacity reservation group '{group.name}' has no capacity reservation for VM size '{size}' in {where}."
        raise invalid_parameter(parameter, message)
    return group, reservation


def reservation_of(world: World, vm: VirtualMachine) -> CapacityReservation | None:
    """The reservation that a VM falls under by its model; None if it names no group, or one without."""
    identity = part(vm.model, "capacityReservation", "capacityReservationGroup").get("id")
    group = reservation_group(world, identity) if isinstance(identity, str) else None
    return group.matching(vm.model["hardwareProfile"]["vmSize"], list(vm.zones or ())) if group is not None else None


def _reservations(world: World, vm: VirtualMachine) -> list[Placement]:
    profile = vm.model["capacityReservation"]
    identity = profile["capacityReservationGroup"]["id"]
    group, reservation = reserve(world, vm, identity)
    vm.model["capacityReservation"] = {**profile, "capacityReservationGroup": {"id": group.id}}
    return [group, reservation]


def _proximity(world: World, vm: VirtualMachine) -> list[Placement]:
    return [check_proximity(world, vm)]


def check_proximity(world: World, vm: VirtualMachine) -> ProximityPlacementGroup:
    """The proximity placement group that the VM's model names; raises Refusal (404, 400)."""
    identity = vm.model["proximityPlacementGroup"]["id"]
    group = proximity_group(world, identity)
    if group is None:
        raise _missing("Proximity Placement Group", identity)
    _check_location(vm, group, "proximityPlacementGroup.id")
    if group.zones and vm.zones and vm.zones[0] not in group.zones:
        raise invalid_parameter("zones", f"Proximity placement group '{group.name}' is in zone '{group.zones[0]}'.")
    vm.model["proximityPlacementGroup"] = {"id": group.id}
    return group


def _availability(world: World, vm: VirtualMachine) -> list[Placement]:
    identity = vm.model["availabilitySet"]["id"]
    found = availability_set(world, identity)
    if found is None:
        raise _missing("Availability Set", identity)
    _check_location(vm, found, "availabilitySet.id")
    if len(found.vms) >= MAX_IN_AVAILABILITY_SET:
        message = f"The maximum number of VMs in availability set '{found.name}' is {MAX_IN_AVAILABILITY_SET}."
        raise Refusal(409, "OperationNotAllowed", message)
    vm.model["availabilitySet"] = {"id": found.id}
    vm.fault_domain = _emptiest(found, found.fault_domains)
    vm.update_domain = len(found.vms) % found.update_domains
    return [found]


def _scale(world: World, vm: VirtualMachine) -> list[Placement]:
    identity = vm.model["virtualMachineScaleSet"]["id"]
    found = scale_set(world, identity)
    if found is None:
        raise _missing("Virtual Machine Scale Set", identity)
    _check_location(vm, found, "virtualMachineScaleSet.id")
    if found.deleting is not None:
        message = f"Virtual Machine Scale Set '{found.name}' is marked for deletion."
        raise Refusal(409, "OperationNotAllowed", message)
    if not found.flexible:
        message = (
            f"Virtual machines can only be added to a scale set in orchestration mode Flexible; '{found.name}' is Uniform."
        )
        raise invalid_parameter("virtualMachineScaleSet.id", message)
    _check_scale_set_zone(vm, found)
    _check_scale_set_proximity(vm, found)
    most = _most_instances(vm, found)
    if len(found.vms) >= most:
        message = f"The maximum number of VMs in virtual machine scale set '{found.name}' is {most}."
        raise Refusal(409, "OperationNotAllowed", message)
    vm.fault_domain = _fault_domain(vm.model.get("platformFaultDomain"), found)
    vm.model["virtualMachineScaleSet"] = {"id": found.id}
    return [found]


def _most_instances(vm: VirtualMachine, found: ScaleSet) -> int:
    spread = found.fault_domains > 1 and not vm.size.has("MemoryPreservingMaintenanceSupported")
    return MAX_INSTANCES_IN_FAULT_DOMAINS if spread else MAX_INSTANCES


def _check_scale_set_zone(vm: VirtualMachine, found: ScaleSet) -> None:
    zones = list(vm.zones or ())
    if bool(zones) != bool(found.zones) or not set(zones) <= set(found.zones):
        theirs = f"zones '{','.join(found.zones)}'" if found.zones else "no zone"
        raise invalid_parameter(
            "zones", f"Virtual machine scale set '{found.name}' is in {theirs}: its VMs have to be there too."
        )


def _check_scale_set_proximity(vm: VirtualMachine, found: ScaleSet) -> None:
    theirs = (found.model.get("proximityPlacementGroup") or {}).get("id", "")
    ours = (vm.model.get("proximityPlacementGroup") or {}).get("id", theirs)
    if not same(theirs, ours):
        message = f"Virtual machine scale set '{found.name}' and its VMs have to be in the same proximity placement group."
        raise invalid_parameter("proximityPlacementGroup.id", message)


def _fault_domain(wanted: int | None, found: ScaleSet) -> int | None:
    """The fault domain of the next VM: the wanted one, else the emptiest; None where the set spreads as far as it can."""
    count = found.fault_domains
    if count <= 1:
        if wanted is None:
            return None
        message = "platformFaultDomain can be set only in a scale set with a platformFaultDomainCount greater than 1."
        raise invalid_parameter("platformFaultDomain", message)
    if wanted is None:
        return _emptiest(found, count)
    if wanted >= count:
        raise invalid_parameter("platformFaultDomain", f"platformFaultDomain has to be less than {count}, the set's count.")
    return wanted


def _emptiest(placement: Placement, count: int) -> int:
    used = Counter(vm.fault_domain for vm in placement.vms.values())
    return min(range(count), key=lambda domain: used[domain])


def _check_location(vm: VirtualMachine, placement: Placement, parameter: str) -> None:
    if vm.location != placement.location:
        message = f"'{placement.id}' is in location '{placement.location}', and the virtual machine in '{vm.location}'."
        raise invalid_parameter(parameter, message)


def _missing(what: str, identity: str) -> Refusal:
    return Refusal(404, "NotFound", f"The {what} '{identity}' cannot be found.")


def scale_set(world: World, identity: str) -> ScaleSet | None:
    """The scale set of that id."""
    found = _place(world, identity, "virtualmachinescalesets")
    return found[0].scale_sets.get(found[1]) if found else None


def proximity_group(world: World, identity: str) -> ProximityPlacementGroup | None:
    """The proximity placement group of that id."""
    found = _place(world, identity, "proximityplacementgroups")
    return found[0].proximity_groups.get(found[1]) if found else None


def reservation_group(world: World, identity: str) -> CapacityReservationGroup | None:
    """The capacity reservation group of that id."""
    found = _place(world, identity, "capacityreservationgroups")
    return found[0].reservation_groups.get(found[1]) if found else None


def availability_set(world: World, identity: str) -> AvailabilitySet | None:
    """The availability set of that id."""
    found = _place(world, identity, "availabilitysets")
    return found[0].availability_sets.get(found[1]) if found else None


def _place(world: World, identity: str, kind: str) -> tuple[ResourceGroup, str] | None:
    """The resource group and the name (in lower case) that an id of that kind names."""
    parts = identity.strip("/").lower().split("/")
    if len(parts) != 8 or parts[5] != "microsoft.compute" or parts[6] != kind:
        return None
    group = world.groups.get((parts[1], parts[3]))
    return (group, parts[7]) if group else None


_BY_ID: dict[str, Callable[[World, str], Placement | None]] = {
    "virtualMachineScaleSet": scale_set,
    "proximityPlacementGroup": proximity_group,
    "availabilitySet": availability_set,
}
_FINDERS: dict[str, Callable[[World, VirtualMachine], list[Placement]]] = {
    "virtualMachineScaleSet": _scale,
    "availabilitySet": _availability,
    "proximityPlacementGroup": _proximity,
    "capacityReservation": _reservations,
}
