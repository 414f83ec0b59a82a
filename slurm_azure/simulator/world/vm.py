"""A virtual machine as the control plane knows it. There may be ten thousand, so it holds no more than it needs."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slurm_azure.simulator.clock import Timer
from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.machines.machine import Machine
from slurm_azure.simulator.world.disks import Disk
from slurm_azure.simulator.world.network import NetworkInterface
from slurm_azure.simulator.world.operations import Operation

if TYPE_CHECKING:
    from slurm_azure.simulator.world.world import ResourceGroup

CREATING, SUCCEEDED, FAILED, DELETING = "Creating", "Succeeded", "Failed", "Deleting"


@dataclass(slots=True, eq=False)
class VirtualMachine:
    """One VM. `model` is the `properties` of its JSON without secrets and without what is worked out when it is shown.

    `power` is the last part of PowerState/.. (None before it has a host), `changed` when its state last changed.
    `identities` are its managed identities; the system-assigned one has no `resource_id` of its own, but the VM's.
    """

    sequence: int
    id: str
    name: str
    group: ResourceGroup
    location: str
    vm_id: str
    created: float
    computer_name: str
    model: dict[str, Any]
    tags: dict[str, str]
    zones: list[str] | None
    plan: dict[str, Any] | None
    custom_data: bytes | None
    user_data: bytes | None
    system_identity: Principal | None
    identities: tuple[Principal, ...]
    interfaces: tuple[NetworkInterface, ...] = ()
    disks: tuple[Disk, ...] = ()
    provisioning: str = CREATING
    power: str | None = None
    failure: tuple[str, str] | None = None
    changed: float = 0.0
    version: int = 1
    operation: Operation | None = None
    timer: Timer | None = None
    booting: asyncio.Task[None] | None = None
    machine: Machine | None = field(default=None, repr=False)

    @property
    def etag(self) -> str:
        """Changes with every write."""
        return f'"{self.version}"'

    @property
    def primary(self) -> NetworkInterface:
        """The interface whose address the VM is known by."""
        return next((nic for nic in self.interfaces if nic.primary), self.interfaces[0])


def packed(text: str | None) -> bytes | None:
    """customData or userData as it is kept: as sent (base64), compressed, because a cluster's are nearly alike and long."""
    return None if text is None else zlib.compress(text.encode("ascii"), 1)


def unpacked(data: bytes | None) -> str | None:
    """What was given to `packed`."""
    return None if data is None else zlib.decompress(data).decode("ascii")
