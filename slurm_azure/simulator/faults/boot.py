"""What the life of a VM asks of the plan of faults, and is told."""

from __future__ import annotations

from dataclasses import dataclass


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
