"""What may go wrong with a VM, and whom the world asks whether it does: the plan of faults, which stands above it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from slurm_azure.simulator.world.vm import VirtualMachine


@dataclass(frozen=True, slots=True)
class BootFault:
    """What goes wrong with a machine from power-on on. Spans in seconds.

    `slower` is added to the boot; `never_ready`: the guest agent never reports; `failure`: the guest reports that it could
    not be provisioned, and why; `cut_off`: the guest is ready, but nothing of the network reaches it from then on (it never
    joins a cluster); `dies_after`: the machine is dead so long after its power-on, and Azure shows it as `dead_state`;
    `error`: (code, message) with which the create operation fails `error_after` its power-on, the machine going on as it does.
    """

    slower: float = 0.0
    never_ready: bool = False
    failure: str | None = None
    cut_off: bool = False
    dies_after: float | None = None
    dead_state: str = "stopped"
    error: tuple[str, str] | None = None
    error_after: float = 0.0


@dataclass(frozen=True, slots=True)
class AllocationFault:
    """An operation fails with `code` and `message`, `seconds` after the request (None = at once; where a host is looked for, as
    long as it takes to find one)."""

    code: str
    message: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class DeletionFault:
    """A deletion takes `slower` seconds longer, and in the end fails with `failure` (code, message): the VM stays as it was,
    but for its provisioning state, which is Failed."""

    slower: float = 0.0
    failure: tuple[str, str] | None = None


NO_BOOT_FAULT = BootFault()
NO_DELETION_FAULT = DeletionFault()


class Trouble(Protocol):
    """Who decides what goes wrong. Each question is asked once."""

    def allocation(self, vm: VirtualMachine) -> AllocationFault | None:
        """How a create, or a start that needs a host, fails, asked as it begins; None if it does not."""
        ...

    def ending(self, vm: VirtualMachine) -> AllocationFault | None:
        """How another operation on `vm` fails, asked as it begins; None if it does not."""
        ...

    def ending_of(self, kind: str, resource: str, location: str) -> AllocationFault | None:
        """The same for an operation (`kind` its operationId) on something else than a VM, the resource id `resource`."""
        ...

    def boot(self, vm: VirtualMachine) -> BootFault:
        """What goes wrong with the machine of `vm`, asked once per boot."""
        ...

    def deletion(self, vm: VirtualMachine) -> DeletionFault:
        """What goes wrong with the deletion of `vm`, asked once per deletion."""
        ...
