"""What VMs may leave behind: network interfaces and disks that carry our tags.

The interface has the tags that the create call gives it (vm.py). For a disk made along with a VM there is no place for tags in
that call: Azure gives it the VM's (hashicorp/terraform-provider-azurerm 8162, Azure/azure-sdk-for-js 17787; Microsoft's own
pages do not say so). A disk whose tags somebody has taken away is not seen here.

Both go with their VM (`deleteOption: Delete`); these are for the cases where Azure makes a VM fail, or go, without them.
"""

from __future__ import annotations

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from slurm_azure.azure.answers import Refused
from slurm_azure.azure.cloud import Call
from slurm_azure.azure.failures import one_line
from slurm_azure.azure.pipeline import Connection
from slurm_azure.azure.sender import Sender, charged_to
from slurm_azure.azure.vm import TAG_CLUSTER, TAG_LAUNCH, TAG_NODE, TAG_POOL, Json, moment, own_tags
from slurm_azure.errors import CloudUnreachable
from slurm_azure.model import LaunchId, Leftover, LeftoverKind, NodeName, PoolName, VmName

_TYPES = {
    # networkInterface.json of 2024-01-01; disks: what azure-mgmt-compute 39 sends (a test holds it)
    LeftoverKind.INTERFACE: ("Microsoft.Network/networkInterfaces", "2024-01-01"),
    LeftoverKind.DISK: ("Microsoft.Compute/disks", "2026-03-02"),
}
_IN_USE = frozenset({"nicinuse", "nicreservedforanothervm"})  # 400s of Microsoft.Network; Compute says 409


def list_leftovers(sender: Sender, cluster: str) -> tuple[Leftover, ...]:
    """All of the cluster's, attached or not. Whole or not at all. Raises Throttled, CredentialRefused, CloudUnreachable."""
    found: dict[tuple[LeftoverKind, str], Leftover] = {}
    for number, (kind, (type_, version)) in enumerate(_TYPES.items()):
        what = f"list of {kind}s"
        try:
            if number:
                sender.wait_for_token(Call.SWEEP)
            for page in sender.pages(Call.SWEEP, what, sender.url(type_, version)):
                read = (read_leftover(kind, item, cluster) for item in page)
                found.update({(one.kind, one.name): one for one in read if one is not None})
        except Refused as refused:
            raise refused.as_unreachable() from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CloudUnreachable(f"the {what} is not what Azure sends: {one_line(repr(error))}") from None
    return tuple(found.values())


def remove_leftover(sender: Sender, leftover: Leftover) -> bool:
    """Ask that it goes (see Cloud.remove). Azure itself refuses to delete what a VM uses."""
    type_, version = _TYPES[leftover.kind]
    url = sender.url(type_, version, leftover.name)
    try:
        what = f"delete of {leftover.kind} {leftover.name}"
        return sender.call(Call.REMOVE, what, lambda azure: _delete(azure, url)) != 202
    except Refused as refused:
        if refused.absent:
            return True
        if refused.status == 409 or refused.code.lower() in _IN_USE:
            return False
        raise refused.as_unreachable() from None


def read_leftover(kind: LeftoverKind, item: Json, cluster: str) -> Leftover | None:
    """An interface or disk as Azure lists it, if it carries the tag of `cluster`. Raises KeyError and the like for what is
    neither."""
    tags = own_tags(item.get("tags") or {})
    if tags.get(TAG_CLUSTER) != cluster:
        return None
    properties = item["properties"]
    if kind is LeftoverKind.DISK:
        owner = item.get("managedBy") or ""
    else:
        owner = (properties.get("virtualMachine") or {}).get("id") or ""
    return Leftover(
        kind=kind,
        name=item["name"],
        node=NodeName(tags.get(TAG_NODE, "")),
        launch=LaunchId(tags.get(TAG_LAUNCH, "")),
        pool=PoolName(tags.get(TAG_POOL, "")),
        vm=VmName(owner.rstrip("/").rpartition("/")[2]) if owner else None,
        created_at=moment(properties.get("timeCreated")),
    )


def _delete(azure: Connection, url: str) -> int:
    response = azure.arm.send_request(HttpRequest("DELETE", url), **charged_to(Call.REMOVE))
    if response.status_code not in (200, 202, 204):
        raise HttpResponseError(response=response)
    return response.status_code
