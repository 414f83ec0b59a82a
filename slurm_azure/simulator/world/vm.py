"""A virtual machine as the control plane knows it. There may be ten thousand, so it holds no more than it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slurm_azure.simulator.clock import Timer
from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.machines.machine import Machine
from slurm_azure.simulator.world.disks import Disk
from slurm_azure.simulator.world.network import NetworkInterface
from slurm_azure.simulator.world.operations import Operation
from slurm_azure.simulator.world.skus import Size

if TYPE_CHECKING:
    from slurm_azure.simulator.world.trouble import BootFault
    from slurm_azure.simulator.world.world import ResourceGroup

CREATING, UPDATING, SUCCEEDED, FAILED, DELETING = "Creating", "Updating", "Succeeded", "Failed", "Deleting"


@dataclass(slots=True, eq=False)
class VirtualMachine:
    """One VM. `model` is the `properties` of its JSON without secrets and without what is worked out when it is shown.

    `power` is the last part of PowerState/.. (None before it has a host), `changed` when its state last changed.
    `identities` are its managed identities; the system-assigned one has no `resource_id` of its own, but the VM's.
    `hosted`: it has a host; `hibernated`: it was deallocated that way; `boots` counts the machines it has had, so that what an
    earlier one says can be told apart; `fault` is what goes wrong with the present one. `timer` is the next step of its
    operation, `faulty` are the faults to come, `awaited`: an operation or event waits for the guest to be up. `log` is what the
    last machine left on its console, compressed.
    """

    sequence: int
    id: str
    name: str
    group: ResourceGroup
    location: str
    vm_id: str
    created: float
    computer_name: str
    size: Size
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
    faulty: tuple[Timer, ...] = ()
    booting: asyncio.Task[None] | None = None
    machine: Machine | None = field(default=None, repr=False)
    hosted: bool = False
    hibernated: bool = False
    boots: int = 0
    fault: BootFault | None = None
    awaited: bool = False
    log: bytes | None = None
    fault_domain: int | None = None
    update_domain: int | None = None
    top: dict[str, Any] = field(default_factory=dict)
    doom: tuple[str, str] | None = None

    @property
    def etag(self) -> str:
        """Changes with every write."""
        return f'"{self.version}"'

    @property
    def spot(self) -> bool:
        """Whether it is a Spot VM (`Low` is the old name of the same)."""
        return self.model.get("priority") in ("Spot", "Low", "SpotPlus")

    @property
    def ephemeral(self) -> bool:
        """Whether its OS disk is on the host and nowhere else."""
        return bool(self.model["storageProfile"]["osDisk"].get("diffDiskSettings"))

    @property
    def boot_diagnostics(self) -> dict[str, Any] | None:
        """diagnosticsProfile.bootDiagnostics, if that is enabled."""
        found = part(self.model, "diagnosticsProfile", "bootDiagnostics")
        return found if found.get("enabled") is True else None

    @property
    def primary(self) -> NetworkInterface:
        """The interface whose address the VM is known by."""
        return next((nic for nic in self.interfaces if nic.primary), self.interfaces[0])


def part(model: Mapping[str, Any], *way: str) -> dict[str, Any]:
    """The object at the end of `way` in a model, {} where there is none: nobody checks what is not made anything of."""
    found: Any = model
    for key in way:
        found = found.get(key) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}
