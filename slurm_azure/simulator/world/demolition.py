"""Deleting a resource group: first its VMs, some at a time, then all else, then the group.

"Azure Resource Manager resource group and resource deletion": what others depend on goes last; a resource that cannot go
keeps the group.
"""

from __future__ import annotations

from itertools import islice

from slurm_azure.simulator.authorization import Authorization
from slurm_azure.simulator.world import reserved
from slurm_azure.simulator.world.operations import FAILED, SUCCEEDED, Operation
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.vm import DELETING
from slurm_azure.simulator.world.world import ResourceGroup, World

_AT_ONCE = 100  # VMs whose deletion begins in one round of the event loop
_LOOK = 0.5  # simulated seconds between two looks whether the VMs are gone


class Demolition:
    """Takes resource groups away."""

    def __init__(self, world: World, provisioning: Provisioning, authorization: Authorization) -> None:
        self._world = world
        self._provisioning = provisioning
        self._authorization = authorization

    def begin(self, group: ResourceGroup) -> Operation:
        """Begin to delete a resource group, or tell the deletion that is under way."""
        operation = group.deleting
        if operation is None:
            operation = group.deleting = self._world.operations.begin(group.subscription, group.location)
            self._go_on(group)
        return operation

    def _go_on(self, group: ResourceGroup) -> None:
        for vm in list(islice((vm for vm in group.vms.values() if vm.provisioning != DELETING), _AT_ONCE)):
            self._provisioning.delete(vm)
        if not group.vms:
            self._finish(group)
            return
        waiting = any(vm.provisioning != DELETING for vm in group.vms.values())
        self._world.clock.call_later(0.0 if waiting else _LOOK, lambda: self._go_on(group))

    def _finish(self, group: ResourceGroup) -> None:
        operation = group.deleting
        assert operation is not None
        user = self._foreign_user(group)
        if user is not None:
            group.deleting = None
            message = (
                f"Deletion of resource group '{group.name}' did not finish, since its virtual network is used by {user} of "
                "another resource group."
            )
            self._world.operations.end(operation, FAILED, ("ResourceGroupDeletionBlocked", message))
            return
        for interface in list(group.interfaces.values()):
            self._world.drop_interface(interface)
        for disk in list(group.disks.values()):
            self._world.drop_disk(disk)
        for reservations in group.reservation_groups.values():
            for reservation in reservations.reservations.values():
                reserved.release(self._world, reservation)
        self._drop_networks(group)
        prefix = f"{group.id}/".lower()
        for key in [key for key in self._world.identities if key.startswith(prefix)]:
            del self._world.identities[key]
        del self._world.groups[group.subscription.lower(), group.name.lower()]
        self._authorization.revoke_beneath(group.id)
        self._world.operations.end(operation, SUCCEEDED)

    def _drop_networks(self, group: ResourceGroup) -> None:
        for network in group.networks.values():
            for subnet in list(network.subnets.values()):
                self._world.drop_subnet(network, subnet)

    def _foreign_user(self, group: ResourceGroup) -> str | None:
        for network in group.networks.values():
            for subnet in network.subnets.values():
                for interface in subnet.interfaces.values():
                    if interface.name.lower() not in group.interfaces or interface.vm is not None:
                        return interface.id
        return None
