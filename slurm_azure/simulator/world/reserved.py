"""What capacity reservations hold: quota and hosts for the VMs that are not there yet.

"If Azure doesn't have capacity available that meets the request, the reservation deployment fails. Your deployment fails if you
don't have an adequate subscription quota" (On-demand capacity reservation); all or nothing (Create a capacity reservation). VMs
beyond the reserved number are VMs like any other (Overallocate capacity reservation). A VM that uses a reservation is charged
as ever, and the reservation for what is left of it: VMs can be moved into reservations one after the other without twice the
quota (Create a capacity reservation, Considerations). All Microsoft Learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.world import placement
from slurm_azure.simulator.world.capacity import Key, sku_not_available
from slurm_azure.simulator.world.placement_resources import CapacityReservation
from slurm_azure.simulator.world.vm import VirtualMachine

if TYPE_CHECKING:
    from slurm_azure.simulator.world.world import World


def reserve(world: World, reservation: CapacityReservation, number: int) -> tuple[str, str] | None:
    """Let it be for `number` VMs from now on. Raises Refusal for quota (409 OperationNotAllowed), and for hosts where their
    shortage is told at once (409 SkuNotAvailable); the error (code, message) of the operation if there are no hosts otherwise.
    Either way nothing has changed then."""
    before, reservation.reserved = reservation.reserved, number
    try:
        _hold_quota(world, reservation)
        failure = world.capacity.hold(reservation, _key(reservation), _idle(world, reservation))
        if failure is None:
            return None
        if failure[0] == "SkuNotAvailable":
            subscription = reservation.id.split("/")[2]
            raise sku_not_available(reservation.id, reservation.location, reservation.zones, subscription, False)
    except Refusal:
        reservation.reserved = before
        settle(world, reservation)
        raise
    reservation.reserved = before
    settle(world, reservation)
    return failure


def release(world: World, reservation: CapacityReservation) -> None:
    """It is gone."""
    reservation.reserved = 0
    settle(world, reservation)


def settle(world: World, reservation: CapacityReservation) -> None:
    """Its VMs came, went, or have or lost a host: what it holds beside theirs follows, whatever the limits."""
    _hold_quota(world, reservation, check=False)
    world.capacity.hold(reservation, _key(reservation), _idle(world, reservation), check=False)


@contextmanager
def room(world: World, vm: VirtualMachine) -> Iterator[None]:
    """While a VM is charged for, or gets a host: what its reservation has left is the VM's to take."""
    reservation = placement.reservation_of(world, vm) if "capacityReservation" in vm.model else None
    if reservation is None:
        yield
        return
    try:
        if vm.id.lower() not in reservation.vms:
            _hold_quota(world, reservation, taken=1, check=False)
        if not world.capacity.has(vm):
            world.capacity.hold(reservation, _key(reservation), max(0, _idle(world, reservation) - 1), check=False)
        yield
    finally:
        settle(world, reservation)


def _hold_quota(world: World, reservation: CapacityReservation, taken: int = 0, check: bool = True) -> None:
    size = world.skus.find(reservation.size)
    assert size is not None  # it was looked for when the reservation was made
    left = max(0, reservation.reserved - len(reservation.vms) - taken)
    world.quotas.hold(reservation, reservation.id.split("/")[2], reservation.location, size, left, check=check)


def _idle(world: World, reservation: CapacityReservation) -> int:
    """For how many more VMs it has a host."""
    return max(0, reservation.reserved - sum(map(world.capacity.has, reservation.vms.values())))


def _key(reservation: CapacityReservation) -> Key:
    return (reservation.location, reservation.size.lower(), "".join(reservation.zones[:1]), "regular")
