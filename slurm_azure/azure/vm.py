"""A VM in Azure's JSON: the body of the one PUT that makes it with its NIC and disk, and what a list says of it.

Shapes: Microsoft's OpenAPI of Microsoft.Compute 2024-07-01 and the ARM template schema 2026-03-01. NIC and OS disk carry
`deleteOption: Delete`, so that one DELETE takes all of it away again.

**customData, not userData.** Both reach cloud-init, both take 64 KB of base64, and neither may hold a secret: customData
stays on the VM's disk, userData can be read through IMDS by every process on the VM for as long as it lives (Microsoft
Learn, "Custom data and cloud-init on Azure Virtual Machines" and "User Data for Azure Virtual Machine"). customData is
chosen because every release of cloud-init reads it by default, because jobs of users cannot fetch it from IMDS, and
because Azure never sends it back, which keeps lists small. What it cannot do, be changed later, is not needed: a node
that wants other user data gets another VM.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from sys import intern
from typing import Any

from slurm_azure.azure.cloud import VmOrder
from slurm_azure.config import Config, Image, OsDisk, Pool
from slurm_azure.model import LaunchId, NodeName, PoolName, Priority, Vm, VmName, VmState

Json = dict[str, Any]

TAG_CLUSTER = "slurm-azure-cluster"
TAG_NODE = "slurm-azure-node"
TAG_LAUNCH = "slurm-azure-launch"
TAG_POOL = "slurm-azure-pool"

_NETWORK_API = "2020-11-01"  # the only version that the 2024-07-01 API knows for inline NICs


@dataclass(frozen=True, slots=True)
class PoolParts:
    """What the bodies of a pool's VMs have in common. Bodies share these parts: they are to be read only."""

    location: str
    tags: Mapping[str, str]
    identity: Json | None
    plan: Json | None
    storage: Json
    network: Json
    user: str
    linux: Json

    def body(self, order: VmOrder) -> Json:
        """The create call's body for one VM."""
        tags = {**self.tags, TAG_NODE: order.node, TAG_LAUNCH: order.launch}
        body: Json = {"location": self.location, "tags": tags, "properties": self._properties(order, tags)}
        if order.offer.zone is not None:
            body["zones"] = [order.offer.zone]
        if self.identity is not None:
            body["identity"] = self.identity
        if self.plan is not None:
            body["plan"] = self.plan
        return body

    def _properties(self, order: VmOrder, tags: Mapping[str, str]) -> Json:
        properties: Json = {
            "hardwareProfile": {"vmSize": order.offer.size},
            "storageProfile": self.storage,
            "networkProfile": _network(self.network, tags),
            "osProfile": {
                "computerName": order.node,
                "adminUsername": self.user,
                "customData": b64encode(order.user_data.encode()).decode("ascii"),
                "linuxConfiguration": self.linux,
            },
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},  # without storageUri: Azure's own storage
        }
        if order.offer.priority is Priority.SPOT:
            # Delete, not Deallocate: a deallocated VM keeps its disk, is billed for it and counts against the quota.
            properties |= {
                "priority": "Spot",
                "evictionPolicy": "Delete",
                "billingProfile": {"maxPrice": order.offer.max_price},
            }
        return properties


def prepare(config: Config) -> dict[PoolName, PoolParts]:
    """The parts of all pools, made once for any number of VMs."""
    return {PoolName(name): _pool_parts(config, name, pool) for name, pool in config.pools.items()}


def vm_body(config: Config, order: VmOrder) -> Json:
    """The create call's body for one VM. For many VMs `prepare` once."""
    return _pool_parts(config, order.pool, config.pools[order.pool]).body(order)


def _pool_parts(config: Config, name: str, pool: Pool) -> PoolParts:
    identity = config.azure.node_identity
    return PoolParts(
        location=config.azure.location,
        tags={**pool.tags, TAG_CLUSTER: config.cluster, TAG_POOL: name},
        identity=None if identity is None else {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}},
        plan=_plan(pool.image),
        storage={"imageReference": _image(pool.image), "osDisk": _os_disk(pool.os_disk)},
        network=_nic(config, pool),
        user=config.ssh.user,
        linux={
            "disablePasswordAuthentication": True,
            "ssh": {
                "publicKeys": [
                    {"path": f"/home/{config.ssh.user}/.ssh/authorized_keys", "keyData": key} for key in config.ssh.keys
                ]
            },
        },
    )


def _image(image: Image) -> Json:
    if image.marketplace is not None:
        publisher, offer, sku, version = image.marketplace.split(":")
        return {"publisher": publisher, "offer": offer, "sku": sku, "version": version}
    where = image.gallery or image.id or ""
    if where.lower().startswith("/sharedgalleries/"):
        return {"sharedGalleryImageId": where}
    if where.lower().startswith("/communitygalleries/"):
        return {"communityGalleryImageId": where}
    return {"id": where}


def _plan(image: Image) -> Json | None:
    if not image.plan or image.marketplace is None:
        return None
    publisher, offer, sku, _ = image.marketplace.split(":")
    return {"name": sku, "product": offer, "publisher": publisher}


def _os_disk(disk: OsDisk) -> Json:
    described: Json = {"createOption": "FromImage", "deleteOption": "Delete"}
    if disk.kind == "ephemeral":
        local = {"option": "Local"} | ({} if disk.placement is None else {"placement": disk.placement})
        described |= {"caching": "ReadOnly", "diffDiskSettings": local}
    else:
        described |= {"caching": "ReadWrite", "managedDisk": {"storageAccountType": disk.storage}}
    if disk.size_gb is not None:
        described["diskSizeGB"] = disk.size_gb
    return described


def _nic(config: Config, pool: Pool) -> Json:
    """The properties of the VM's one network interface: made with the VM, gone with the VM."""
    group = config.azure.network_security_group
    address = {"name": "ip", "properties": {"primary": True, "subnet": {"id": config.azure.subnet}}}
    return {
        "primary": True,
        "deleteOption": "Delete",
        "enableAcceleratedNetworking": pool.accelerated_networking,
        "ipConfigurations": [address],
    } | ({} if group is None else {"networkSecurityGroup": {"id": group}})


def _network(nic: Json, tags: Mapping[str, str]) -> Json:
    """The NIC carries the VM's tags too, so that one which is left behind can be told from a stranger's."""
    return {
        "networkApiVersion": _NETWORK_API,
        "networkInterfaceConfigurations": [{"name": "nic", "properties": nic, "tags": tags}],
    }


_STATES = {
    "creating": VmState.CREATING,
    "succeeded": VmState.SUCCEEDED,
    "failed": VmState.FAILED,
    "canceled": VmState.FAILED,
    "deleting": VmState.DELETING,
}


def read_vm(item: Json, cluster: str) -> Vm | None:
    """A VM as Azure lists it, if it carries the tag of `cluster`; None = somebody else's. Beyond its name nothing has to be
    there: one odd VM must not hide all others. Raises KeyError and the like for what is no VM."""
    tags = own_tags(item.get("tags") or {})
    if tags.get(TAG_CLUSTER) != cluster:
        return None
    properties = item.get("properties") or {}
    zones = item.get("zones") or (None,)
    spot = properties.get("priority") in ("Spot", "Low")
    node, launch = NodeName(tags.get(TAG_NODE, "")), LaunchId(tags.get(TAG_LAUNCH, ""))
    return Vm(
        name=_as_written(item["name"], f"{node}-{launch}"),
        node=node,
        launch=launch,
        pool=PoolName(intern(tags.get(TAG_POOL, ""))),
        state=_STATES.get(str(properties.get("provisioningState")).lower(), VmState.OTHER),
        size=intern(str((properties.get("hardwareProfile") or {}).get("vmSize") or "")),
        zone=zones[0],
        priority=Priority.SPOT if spot else Priority.ON_DEMAND,
        created_at=moment(properties.get("timeCreated")),
    )


def _as_written(name: str, ours: str) -> VmName:
    """A VM's name as we gave it: Azure's names are of any case, and it may send them in another (Microsoft Learn, "Naming rules
    and restrictions for Azure resources")."""
    return VmName(ours if name.lower() == ours.lower() else name)


def moment(written: object) -> float | None:
    """Azure's date-time in seconds since the epoch (UTC, if it does not say); None = there is none that can be read."""
    try:
        at = datetime.fromisoformat(str(written))
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def own_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """Tags by their names as we write them: Azure takes tag names in any case, and may send them in another."""
    if TAG_CLUSTER in tags:
        return tags
    return {name.lower(): value for name, value in tags.items()}


def launch_of(item: Json) -> str:
    """The launch that made this VM, from its tag; '' = none of ours."""
    return own_tags(item.get("tags") or {}).get(TAG_LAUNCH, "")
