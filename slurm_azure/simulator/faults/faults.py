"""The questions that the simulated Azure asks at each point where something may go wrong, and the answers of the plan."""

from __future__ import annotations

from dataclasses import dataclass

from slurm_azure.simulator.call import Call, Reply
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
    """No host is found for a VM: the create operation fails with `code` and `message`, `seconds` after the request (None = as
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


class Faults:
    """The faults that are in force. Every method is to be called in the event loop."""

    def before(self, call: Call) -> None:
        """A request is about to be answered; `call.operation` is known. Raises Refusal, Interrupted or Postponed."""

    def after(self, call: Call, reply: Reply) -> Reply:
        """A request was answered, its effect has taken place: the reply as it will reach the caller, if it does."""
        return reply

    def allocation(self, vm: VirtualMachine) -> AllocationFault | None:
        """The error with which the asynchronous part of a create ends, asked as it begins; None if it goes on."""
        return None

    def boot(self, vm: VirtualMachine) -> BootFault:
        """What goes wrong with the machine of `vm`, asked once per boot."""
        return NO_BOOT_FAULT

    def deletion(self, vm: VirtualMachine) -> DeletionFault:
        """What goes wrong with the deletion of `vm`, asked once per deletion."""
        return NO_DELETION_FAULT

    def list_lag(self) -> float:
        """By how many seconds lists of VMs are behind."""
        return 0.0

    def skew(self) -> float:
        """By how many seconds the clock of token endpoint and token checks is ahead of the world's."""
        return 0.0
