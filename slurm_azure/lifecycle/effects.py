"""What a decision can ask for. The daemon carries these out; nothing here does anything."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from slurm_azure.model import (
    Breaker,
    CoolDown,
    Failure,
    JobTrouble,
    Launch,
    NodeName,
    Offer,
    PoolName,
    RequestId,
    VmName,
    Wish,
)


@dataclass(frozen=True, slots=True)
class Ask:
    """A node wants a launch: admission (admit.py) says which offer, not yet, or no. Never leaves the decisions.

    `avoid`: the offer that its last launch failed on. `wish` is what asked, if a request did. `kept`: the launch whose VM was
    stopped and kept for the node.
    """

    node: NodeName
    pool: PoolName
    asked_at: float
    wish: Wish | None = None
    request: RequestId | None = None
    jobs: tuple[int, ...] = ()
    attempt: int = 1
    avoid: Offer | None = None
    kept: Launch | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A new launch for a node: the daemon gives it an id, writes it to the journal, and only then creates its VM.

    With `refused` it is one that is not to be: it goes into the journal as failed, and Slurm is told. With `reuse` it starts
    the deallocated VM of that name.
    """

    ask: Ask
    offer: Offer
    refused: Failure | None = None
    reuse: VmName | None = None


@dataclass(frozen=True, slots=True)
class Save:
    """A launch that has changed."""

    launch: Launch


@dataclass(frozen=True, slots=True)
class Drop:
    """A wish that has been seen to."""

    wish: Wish


@dataclass(frozen=True, slots=True)
class Create:
    """Send the launch's create call (again)."""

    launch: Launch


@dataclass(frozen=True, slots=True)
class Delete:
    """Send a delete call; `launch` is None for a VM that no launch of ours explains."""

    node: NodeName
    vm_name: VmName
    launch: Launch | None


@dataclass(frozen=True, slots=True)
class Diagnose:
    """Azure lists the launch's VM as failed: ask why."""

    launch: Launch


@dataclass(frozen=True, slots=True)
class ReadConsole:
    """Keep the VM's serial console log before the VM goes: it is the only witness of a boot that failed."""

    launch: Launch


@dataclass(frozen=True, slots=True)
class LookAtPower:
    """A node does not answer, or lists lack the launch's VM: is it there, and running? (A list does not tell.)"""

    launch: Launch


@dataclass(frozen=True, slots=True)
class Deallocate:
    """Stop the launch's VM and keep it for the next launch of its node."""

    launch: Launch


class Saying(Enum):
    """What Slurm is to be told of a node."""

    FAILED = "down with the reason (its job is requeued), then powered down"
    POWER_DOWN = "powered down at once: it is down already, with the reason the node gave itself"
    RESUME = "back in service: what failed has been held long enough, or its pool is open again"
    SHELVE = "drained with the reason: its pool is closed, jobs should go elsewhere"
    RELEASE = "powered down at once, with nothing wrong with it: its job is gone, or could not have all of its nodes"
    WAKE = "powered up, as the canary of a closed pool"


@dataclass(frozen=True, slots=True)
class Say:
    """Tell Slurm; `launch` is the failed one this is about, which then counts as told.

    Its `jobs` get the reason as their AdminComment, and are held back for `delay` seconds (0 = as Slurm itself does).
    """

    node: NodeName
    saying: Saying
    reason: str
    launch: Launch | None = None
    jobs: tuple[int, ...] = ()
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Note:
    """An event for the node's timeline."""

    node: NodeName
    text: str


class Lesson(Enum):
    """What a launch has shown of its offer and its pool."""

    FAILED = "it failed; another launch follows"
    LOST = "it failed for good: the node could not be had, or was lost"
    PROVISIONED = "Azure has made the VM"
    JOINED = "its node has joined"


@dataclass(frozen=True, slots=True)
class Learn:
    """Something to be learnt from a launch, by those who look at the whole site. Never leaves the decisions."""

    launch: Launch
    lesson: Lesson


@dataclass(frozen=True, slots=True)
class Cool:
    """A cool-down that begins, or has changed."""

    cool_down: CoolDown


@dataclass(frozen=True, slots=True)
class Warm:
    """What has that key has worked: its cool-down and its strikes are forgotten."""

    key: str


@dataclass(frozen=True, slots=True)
class SaveBreaker:
    """A pool's breaker has changed."""

    breaker: Breaker


@dataclass(frozen=True, slots=True)
class SaveTrouble:
    """A job has lost nodes once more."""

    trouble: JobTrouble


Effect = (
    Ask | Learn | Plan | Save | Drop | Create | Delete | Diagnose | ReadConsole | LookAtPower | Deallocate | Say | Note
    | Cool | Warm | SaveBreaker | SaveTrouble
)  # fmt: skip
