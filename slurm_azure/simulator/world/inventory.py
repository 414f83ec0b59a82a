"""All resources of a resource group, of whatever type, in the little that they have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slurm_azure.simulator.world.world import ResourceGroup, World


@dataclass(frozen=True, slots=True)
class Resource:
    """What a list of resources shows of one."""

    type: str
    id: str
    name: str
    location: str
    tags: Mapping[str, str]
    further: Mapping[str, Any]


def resources(world: World, group: ResourceGroup) -> Iterator[Resource]:
    """Those of a resource group, type by type."""
    yield from _compute(group)
    yield from _network(group)
    prefix = f"{group.id}/".lower()
    for key, identity in world.identities.items():
        if key.startswith(prefix):
            kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
            yield Resource(kind, str(identity.resource_id), identity.name, group.location, {}, {})


def _compute(group: ResourceGroup) -> Iterator[Resource]:
    for vm in group.vms.values():
        yield Resource("Microsoft.Compute/virtualMachines", vm.id, vm.name, vm.location, vm.tags, {})
    for disk in group.disks.values():
        sku = {"sku": {"name": disk.sku, "tier": disk.sku.partition("_")[0]}}
        owner = {"managedBy": disk.vm} if disk.vm else {}
        yield Resource("Microsoft.Compute/disks", disk.id, disk.name, disk.location, disk.tags, {**owner, **sku})
    for kind, placements in (
        ("virtualMachineScaleSets", group.scale_sets),
        ("proximityPlacementGroups", group.proximity_groups),
        ("capacityReservationGroups", group.reservation_groups),
        ("availabilitySets", group.availability_sets),
    ):
        for placement in placements.values():
            yield Resource(f"Microsoft.Compute/{kind}", placement.id, placement.name, placement.location, placement.tags, {})


def _network(group: ResourceGroup) -> Iterator[Resource]:
    for nic in group.interfaces.values():
        yield Resource("Microsoft.Network/networkInterfaces", nic.id, nic.name, nic.location, nic.tags, {})
    for network in group.networks.values():
        yield Resource("Microsoft.Network/virtualNetworks", network.id, network.name, network.location, network.tags, {})
    for kind, records in (("networkSecurityGroups", group.security_groups), ("publicIPAddresses", group.public_addresses)):
        for record in records.values():
            sku = {"sku": record.top["sku"]} if "sku" in record.top else {}
            tags = record.top.get("tags", {})
            yield Resource(f"Microsoft.Network/{kind}", record.id, record.name, record.location, tags, sku)
