"""The whole simulated Azure, apart from the machines and the doors into it."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from slurm_azure.simulator.clock import Clock
from slurm_azure.simulator.estate import Estate, NetworkPlan, Principal, SubscriptionPlan
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.resource_id import NETWORK, location_name, resource_id
from slurm_azure.simulator.world import placement, public_addresses, reserved
from slurm_azure.simulator.world.bids import Bids
from slurm_azure.simulator.world.capacity import Capacity
from slurm_azure.simulator.world.disks import Disk
from slurm_azure.simulator.world.history import History
from slurm_azure.simulator.world.network import NetworkInterface, Subnet, new_subnet
from slurm_azure.simulator.world.operations import Operation, Operations, new_uuid
from slurm_azure.simulator.world.placement_resources import (
    AvailabilitySet,
    CapacityReservationGroup,
    ProximityPlacementGroup,
    ScaleSet,
)
from slurm_azure.simulator.world.price_list import PriceList
from slurm_azure.simulator.world.quotas import Quotas
from slurm_azure.simulator.world.scheduled_events import ScheduledEvents
from slurm_azure.simulator.world.skus import Skus
from slurm_azure.simulator.world.virtual_networks import NetworkRecord, VirtualNetwork
from slurm_azure.simulator.world.vm import VirtualMachine

_IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(slots=True, eq=False)
class ResourceGroup:
    """A resource group; resources are found by their name in lower case, in the order they were made."""

    subscription: str
    name: str
    location: str
    vms: dict[str, VirtualMachine] = field(default_factory=dict)
    interfaces: dict[str, NetworkInterface] = field(default_factory=dict)
    disks: dict[str, Disk] = field(default_factory=dict)
    scale_sets: dict[str, ScaleSet] = field(default_factory=dict)
    proximity_groups: dict[str, ProximityPlacementGroup] = field(default_factory=dict)
    reservation_groups: dict[str, CapacityReservationGroup] = field(default_factory=dict)
    availability_sets: dict[str, AvailabilitySet] = field(default_factory=dict)
    networks: dict[str, VirtualNetwork] = field(default_factory=dict)
    security_groups: dict[str, NetworkRecord] = field(default_factory=dict)
    public_addresses: dict[str, NetworkRecord] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    managed_by: str | None = None
    deleting: Operation | None = None

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.name}"


class World:
    """Everything there is. All changes are made in the event loop, by synchronous code: nothing here needs a lock."""

    def __init__(self, estate: Estate, clock: Clock, source: random.Random) -> None:
        self.estate = estate
        self.clock = clock
        self.random = source
        self.history = History(clock)
        self.operations = Operations(clock, source)
        offering = estate.offering
        self.skus = Skus(offering.sizes, offering.restrictions)
        self.skus.check(offering)
        self.quotas = Quotas(offering.quotas)
        self.capacity = Capacity(offering.capacity)
        self.bids = Bids()
        self.prices = PriceList(self.skus, offering.prices)
        self.events = ScheduledEvents(clock, source)
        self.subscriptions = {plan.id.lower(): plan for plan in estate.subscriptions}
        self.groups: dict[tuple[str, str], ResourceGroup] = {}
        self.subnets: dict[str, Subnet] = {}
        self.identities: dict[str, Principal] = {}
        self.principals = {principal.client_id: principal for principal in estate.principals()}
        self.vms_by_address: dict[str, VirtualMachine] = {}
        self.locations = {estate.location} | {
            location_name(place) for plan in estate.subscriptions for place in plan.resource_groups.values()
        }
        self.sequence = 0  # of the resource made last
        for plan in estate.subscriptions:
            self._build(plan)

    def _build(self, plan: SubscriptionPlan) -> None:
        for name, location in plan.resource_groups.items():
            self.groups[plan.id.lower(), name.lower()] = ResourceGroup(plan.id, name, location)
        for network in plan.networks:
            self._build_network(plan, network)
        for identity_principal in plan.identities:
            self.identities[str(identity_principal.resource_id).lower()] = identity_principal

    def _build_network(self, plan: SubscriptionPlan, planned: NetworkPlan) -> None:
        group = self.groups[plan.id.lower(), planned.resource_group.lower()]
        identity = resource_id(plan.id, group.name, NETWORK, "virtualNetworks", planned.name)
        prefixes = tuple(subnet.prefix for subnet in planned.subnets)
        location = location_name(group.location)
        network = VirtualNetwork(identity, planned.name, location, self.new_uuid(), prefixes, sequence=self.next_sequence())
        group.networks[network.name.lower()] = network
        for wanted in planned.subnets:
            subnet = new_subnet(f"{identity}/subnets/{wanted.name}", wanted.name, location, wanted.prefix)
            for address in filter(subnet.addresses.usable, wanted.taken):
                subnet.addresses.reserve(address)
            self.add_subnet(network, subnet)

    def add_subnet(self, network: VirtualNetwork, subnet: Subnet) -> None:
        """A subnet is there from now on."""
        network.subnets[subnet.name.lower()] = self.subnets[subnet.id.lower()] = subnet

    def drop_subnet(self, network: VirtualNetwork, subnet: Subnet) -> None:
        """A subnet that nothing uses is gone."""
        network.subnets.pop(subnet.name.lower(), None)
        self.subnets.pop(subnet.id.lower(), None)

    def subscription(self, name: str) -> SubscriptionPlan:
        """The subscription of that id; raises Refusal: 404 SubscriptionNotFound, or for what is no id at all
        400 InvalidSubscriptionId (as recorded in Azure/apiops issue 460)."""
        plan = self.subscriptions.get(name.lower())
        if plan is None:
            if not _IDENTIFIER.fullmatch(name):
                message = f"The provided subscription identifier '{name}' is malformed or invalid."
                raise Refusal(400, "InvalidSubscriptionId", message)
            raise Refusal(404, "SubscriptionNotFound", f"The subscription '{name}' could not be found.")
        return plan

    def group(self, subscription: str, name: str) -> ResourceGroup:
        """The resource group; raises Refusal (404 ResourceGroupNotFound)."""
        self.subscription(subscription)
        group = self.groups.get((subscription.lower(), name.lower()))
        if group is None:
            raise Refusal(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
        return group

    def groups_of(self, subscription: str) -> Iterator[ResourceGroup]:
        """All resource groups of a subscription; raises Refusal (404)."""
        self.subscription(subscription)
        return (group for (owner, _), group in self.groups.items() if owner == subscription.lower())

    def next_sequence(self) -> int:
        """A number that grows with every resource made: lists are in this order, whatever goes in between."""
        self.sequence += 1
        return self.sequence

    def new_uuid(self) -> str:
        """A random UUID that follows the seed."""
        return new_uuid(self.random)

    def interface_by_id(self, identity: str) -> NetworkInterface | None:
        """A network interface by its resource id."""
        parts = identity.strip("/").split("/")
        if len(parts) != 8 or parts[6].lower() != "networkinterfaces":
            return None
        group = self.groups.get((parts[1].lower(), parts[3].lower()))
        return group.interfaces.get(parts[7].lower()) if group else None

    def disk_by_id(self, identity: str) -> Disk | None:
        """A managed disk by its resource id."""
        parts = identity.strip("/").split("/")
        if len(parts) != 8 or parts[6].lower() != "disks":
            return None
        group = self.groups.get((parts[1].lower(), parts[3].lower()))
        return group.disks.get(parts[7].lower()) if group else None

    def group_of(self, identity: str) -> ResourceGroup:
        """The resource group that a resource id of ours names."""
        parts = identity.strip("/").split("/")
        return self.groups[parts[1].lower(), parts[3].lower()]

    def is_in(self, identity: str, groups: Collection[ResourceGroup]) -> bool:
        """Whether a resource id names one of these groups, which may be gone by now."""
        parts = identity.strip("/").split("/")
        group = self.groups.get((parts[1].lower(), parts[3].lower()))
        return group is not None and group in groups

    def drop_interface(self, interface: NetworkInterface) -> None:
        """A network interface is gone, its address free."""
        self.history.changing(interface)
        interface.release()
        self.group_of(interface.id).interfaces.pop(interface.name.lower(), None)

    def drop_disk(self, disk: Disk) -> None:
        """A disk is gone."""
        self.history.changing(disk)
        self.group_of(disk.id).disks.pop(disk.name.lower(), None)

    def drop_vm(self, vm: VirtualMachine) -> None:
        """A VM is gone; what it had goes with it or stays behind, as each part's deleteOption says."""
        self.history.changing(vm)
        vm.group.vms.pop(vm.name.lower(), None)
        self.events.forget(vm)
        reservation = placement.reservation_of(self, vm) if "capacityReservation" in vm.model else None
        placement.leave(self, vm)
        self.capacity.free(vm)
        self.bids.leave(vm)
        self.quotas.give_back(vm)
        if reservation is not None:
            reserved.settle(self, reservation)
        for interface in vm.interfaces:
            self.vms_by_address.pop(interface.ip, None)
            self.history.changing(interface)
            interface.vm = None
            if interface.delete_with_vm:
                public_addresses.drop(self, interface)
                self.drop_interface(interface)
        for disk in vm.disks:
            self.history.changing(disk)
            disk.vm = None
            if disk.delete_with_vm:
                self.drop_disk(disk)
