"""The seam between the control plane and the machines it boots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from slurm_azure.simulator.packing import decoded


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """What a machine is made of. `mac` is 52:54:.. in lower case, `prefix` the subnet's prefix length, memory in MiB.

    Custom data and user data are kept as `packing.packed` makes them, for not every grade of machine looks at them.
    `silent`: the boot never comes to an end; `failure`: the guest cannot be provisioned, and why.
    """

    vm_id: str
    vm_name: str
    computer_name: str
    admin_username: str
    packed_custom_data: bytes | None
    packed_user_data: bytes | None
    ssh_keys: tuple[str, ...]
    vm_size: str
    vcpus: int
    memory_mib: int
    mac: str
    ip: str
    prefix: int
    gateway: str
    tags: Mapping[str, str]
    silent: bool = False
    failure: str | None = None

    @property
    def custom_data(self) -> bytes | None:
        """customData as the guest gets it."""
        return decoded(self.packed_custom_data)

    @property
    def user_data(self) -> bytes | None:
        """userData as the guest gets it."""
        return decoded(self.packed_user_data)


class Guest(Protocol):
    """What a machine reports to the control plane. To be called in the event loop."""

    def ready(self) -> None:
        """The guest has finished provisioning (on a real machine: its agent said so to the wire server)."""
        ...

    def failed(self, detail: str) -> None:
        """The guest could not be provisioned, and why."""
        ...

    def up(self) -> None:
        """The guest has booted, and all that starts with it has been started."""
        ...

    def stopped(self, detail: str) -> None:
        """The guest has powered itself off; the VM stays, and is billed."""
        ...


class Machine(Protocol):
    """A machine that was booted."""

    async def destroy(self) -> None:
        """Take the machine away. Idempotent; when it returns, nothing of the machine is left."""
        ...

    def console(self) -> bytes:
        """What the machine has written to its serial console (the last part of it)."""
        ...

    async def pause(self) -> None:
        """Stop its processors for a while; memory and connections stay."""
        ...

    async def resume(self) -> None:
        """Go on after `pause`."""
        ...

    async def cut_off(self) -> None:
        """Take it from the network for good; only the platform's own addresses still answer it."""
        ...


class Hypervisor(Protocol):
    """Boots machines of one grade."""

    async def start(self) -> None:
        """Make what all machines share, such as their network. Called once, before the first boot. Raises SlurmAzureError."""
        ...

    async def boot(self, spec: MachineSpec, guest: Guest) -> Machine:
        """Start a machine and return once it runs, which is before its guest is ready. Raises if it cannot be started."""
        ...

    async def close(self) -> None:
        """Take away all machines, and whatever the hypervisor made for them."""
        ...
