"""The whole simulated Azure, apart from the machines and the doors into it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from slurm_azure.simulator.clock import Clock
from slurm_azure.simulator.estate import Estate, Principal, SubscriptionPlan
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.resource_id import location_name, subnet_id
from slurm_azure.simulator.world import placement
from slurm_azure.simulator.world.capacity import Capacity
from slurm_azure.simulator.world.disks import Disk
from slurm_azure.simulator.world.history import History
from slurm_azure.simulator.world.network import NetworkInterface, Subnet, new_subnet
from slurm_azure.simulator.world.operations import Operations, new_uuid
from slurm_azure.simulator.world.quotas import Quotas
from slurm_azure.simulator.world.scheduled_events import ScheduledEvents
from slurm_azure.simulator.world.vm import VirtualMachine


@dataclass(slots=True, eq=False)
class ResourceGroup:
    """A resource group; resources are found by their name in lower case, in the order they were made."""

    subscription: str
    name: str
    location: str
    vms: dict[str, VirtualMachine] = field(default_factory=dict)
    interfaces: dict[str, NetworkInterface] = field(default_factory=dict)
    disks: dict[str, Disk] = field(default_factory=dict)


class World:
    """Everything there is. All changes are made in the event loop, by synchronous code: nothing here needs a lock."""

    def __init__(self, estate: Estate, clock: Clock, source: random.Random) -> None:
        self.estate = estate
        self.clock = clock
        self.random = source
        self.history = History(clock)
        self.operations = Operations(clock, source)
        self.quotas = Quotas()
        self.capacity = Capacity()
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
        self._sequence = 0
        for plan in estate.subscriptions:
            self._build(plan)

    def _build(self, plan: SubscriptionPlan) -> None:
        for name, location in plan.resource_groups.items():
            self.groups[plan.id.lower(), name.lower()] = ResourceGroup(plan.id, name, location)
        for network in plan.networks:
            for subnet in network.subnets:
                identity = subnet_id(plan.id, network.resource_group, network.name, subnet.name)
                location = location_name(plan.resource_groups[network.resource_group])
                self.subnets[identity.lower()] = new_subnet(identity, subnet.name, location, subnet.prefix)
        for identity_principal in plan.identities:
            self.identities[str(identity_principal.resource_id).lower()] = identity_principal

    def subscription(self, name: str) -> SubscriptionPlan:
        """The subscription of that id; raises Refusal (404 SubscriptionNotFound)."""
        plan = self.subscriptions.get(name.lower())
        if plan is None:
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
        self._sequence += 1
        return self._sequence

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

    def group_of(self, identity: str) -> ResourceGroup:
        """The resource group that a resource id of ours names."""
        parts = identity.strip("/").split("/")
        return self.groups[parts[1].lower(), parts[3].lower()]

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
        placement.leave(self, vm)
        self.capacity.free(vm)
        self.quotas.give_back(vm)
        for interface in vm.interfaces:
            self.vms_by_address.pop(interface.ip, None)
            self.history.changing(interface)
            interface.vm = None
            if interface.delete_with_vm:
                self.drop_interface(interface)
        for disk in vm.disks:
            self.history.changing(disk)
            disk.vm = None
            if disk.delete_with_vm:
                self.drop_disk(disk)
