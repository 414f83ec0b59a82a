"""What VMs can be placed by: scale sets, proximity placement groups, capacity reservations, availability sets.

`model` is the `properties` as sent, cleaned; `top` what stands beside it (zones, tags, sku, ..). VMs are found by their ids in
lower case, in the order they came.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slurm_azure.simulator.world.operations import Operation

if TYPE_CHECKING:
    from slurm_azure.simulator.world.vm import VirtualMachine

VMs = dict[str, "VirtualMachine"]


@dataclass(slots=True, eq=False)
class Placement:
    """What they have in common. `created` is in seconds since the epoch."""

    sequence: int
    id: str
    name: str
    location: str
    created: float
    top: dict[str, Any]
    model: dict[str, Any]
    vms: VMs = field(default_factory=dict)

    @property
    def zones(self) -> list[str]:
        """Its availability zones, [] for none."""
        return list(self.top.get("zones") or ())

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return dict(self.top.get("tags") or {})


@dataclass(slots=True, eq=False)
class ScaleSet(Placement):
    """A virtual machine scale set. `deleting` is the operation that began to delete it, `state` its provisioning state."""

    unique_id: str = ""
    version: int = 1
    deleting: Operation | None = None
    state: str = "Succeeded"

    @property
    def etag(self) -> str:
        """Changes with every write."""
        return f'"{self.version}"'

    @property
    def flexible(self) -> bool:
        """Whether its orchestration mode is Flexible; the API's default is Uniform."""
        return self.model.get("orchestrationMode") == "Flexible"

    @property
    def fault_domains(self) -> int:
        """In how many fault domains it spreads its VMs; 1 = as many as there are (max spreading)."""
        return int(self.model.get("platformFaultDomainCount", 1))


@dataclass(slots=True, eq=False)
class ProximityPlacementGroup(Placement):
    """A proximity placement group, with the scale sets and availability sets that name it, by their ids in lower case."""

    scale_sets: dict[str, ScaleSet] = field(default_factory=dict)
    availability_sets: dict[str, AvailabilitySet] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing names it."""
        return not (self.vms or self.scale_sets or self.availability_sets)


@dataclass(slots=True, eq=False)
class AvailabilitySet(Placement):
    """An availability set."""

    @property
    def fault_domains(self) -> int:
        """How many fault domains it has: 2 unless told ("Availability sets overview")."""
        return int(self.model.get("platformFaultDomainCount", 2))

    @property
    def update_domains(self) -> int:
        """How many update domains it has: 5 unless told (the same page)."""
        return int(self.model.get("platformUpdateDomainCount", 5))


@dataclass(slots=True, eq=False)
class CapacityReservation(Placement):
    """Room for `capacity` VMs of one size, in one zone or in none. `vms` are those associated with it; `reserved` is for how
    many there is room indeed, `state` its provisioning state."""

    reservation_id: str = ""
    provisioned: float = 0.0
    version: int = 1
    reserved: int = 0
    state: str = "Creating"

    @property
    def size(self) -> str:
        """The VM size it is for."""
        return str(self.top["sku"]["name"])

    @property
    def capacity(self) -> int:
        """For how many VMs."""
        return int(self.top["sku"].get("capacity", 0))


@dataclass(slots=True, eq=False)
class CapacityReservationGroup(Placement):
    """A group of capacity reservations, which are found by their names in lower case."""

    reservations: dict[str, CapacityReservation] = field(default_factory=dict)

    def matching(self, size: str, zones: list[str]) -> CapacityReservation | None:
        """The reservation that a VM of that size and zone falls under."""
        for reservation in self.reservations.values():
            if reservation.size.lower() == size.lower() and reservation.zones == zones:
                return reservation
        return None
