"""Microsoft.Compute/disks: to read, list and delete those that VMs were made with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slurm_azure.simulator.arm import asynchronous
from slurm_azure.simulator.arm.paging import page
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.clock import timestamp
from slurm_azure.simulator.refusal import Refusal, resource_not_found
from slurm_azure.simulator.resource_id import COMPUTE
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.disks import Disk
from slurm_azure.simulator.world.operations import SUCCEEDED
from slurm_azure.simulator.world.world import ResourceGroup, World

_KIND = "Microsoft.Compute/disks"
_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/disks"
_ONE = _GROUP + "/{diskName}"


class Disks:
    """Answers the requests on managed disks."""

    def __init__(self, world: World, page_size: int, retry_after: int) -> None:
        self._world = world
        self._page_size = page_size
        self._retry_after = retry_after

    def routes(self) -> list[Route]:
        """The operations."""
        everywhere = "/subscriptions/{subscriptionId}/providers/Microsoft.Compute/disks"
        return [
            Route("GET", _ONE, "Disks_Get", f"{_KIND}/read", self.get),
            Route("DELETE", _ONE, "Disks_Delete", f"{_KIND}/delete", self.delete),
            Route("GET", _GROUP, "Disks_ListByResourceGroup", f"{_KIND}/read", self.list_group),
            Route("GET", everywhere, "Disks_List", f"{_KIND}/read", self.list_all),
        ]

    def get(self, call: Call) -> Reply:
        """One disk."""
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        name = call.parameters["diskName"]
        disk = group.disks.get(name.lower())
        if disk is None:
            raise resource_not_found(_KIND, name, group.name)
        return Reply(200, disk_json(disk))

    def delete(self, call: Call) -> Reply:
        """Delete a disk that is attached to no VM; 204 if there is none of that name."""
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        disk = group.disks.get(call.parameters["diskName"].lower())
        if disk is None:
            return Reply(204)
        if disk.vm is not None:
            raise Refusal(409, "OperationNotAllowed", f"Disk {disk.name} is attached to VM {disk.vm}.")
        self._world.drop_disk(disk)
        operation = self._world.operations.begin(group.subscription, disk.location)
        self._world.operations.end(operation, SUCCEEDED)
        return Reply(202, None, asynchronous.headers(call, operation, self._retry_after, location=True, provider=COMPUTE))

    def list_group(self, call: Call) -> Reply:
        """The disks of a resource group."""
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        return self._page(call, [group])

    def list_all(self, call: Call) -> Reply:
        """The disks of a subscription."""
        return self._page(call, list(self._world.groups_of(call.parameters["subscriptionId"])))

    def _page(self, call: Call, groups: Sequence[ResourceGroup]) -> Reply:
        present = sorted((disk for group in groups for disk in group.disks.values()), key=lambda disk: disk.sequence)
        disks = self._world.history.seen(present, Disk, lambda disk: self._world.is_in(disk.id, groups))
        return page(call, disks, lambda disk: disk.sequence, disk_json, self._page_size)


def disk_json(disk: Disk) -> dict[str, Any]:
    """A disk as the Compute resource provider shows it."""
    creation: dict[str, Any] = {"createOption": "FromImage" if disk.image else "Empty"}
    if disk.source:
        creation = {"createOption": "Copy", "sourceResourceId": disk.source}
    if disk.image and disk.image.get("id"):
        creation["imageReference"] = {"id": disk.image["id"]}
    shown: dict[str, Any] = {
        "name": disk.name,
        "id": disk.id,
        "type": _KIND,
        "location": disk.location,
        "tags": disk.tags,
        "sku": {"name": disk.sku, "tier": disk.sku.partition("_")[0]},
        "properties": {
            "creationData": creation,
            "diskSizeGB": disk.size_gb,
            "diskSizeBytes": disk.size_gb * 2**30,
            "timeCreated": timestamp(disk.created),
            "provisioningState": "Succeeded",
            "diskState": "Attached" if disk.vm else "Unattached",
            "uniqueId": disk.guid,
        },
    }
    if disk.encryption_set:
        shown["properties"]["encryption"] = {
            "diskEncryptionSetId": disk.encryption_set,
            "type": "EncryptionAtRestWithCustomerKey",
        }
    if disk.os_type:
        shown["properties"]["osType"] = disk.os_type
    if disk.vm:
        shown["managedBy"] = disk.vm
    if disk.zones:
        shown["zones"] = disk.zones
    return shown
