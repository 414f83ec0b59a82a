"""What a decision can ask for. The daemon carries these out; nothing here does anything."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from slurm_azure.model import Launch, NodeName, Offer, PoolName, RequestId, VmName, Wish


@dataclass(frozen=True, slots=True)
class Plan:
    """A new launch for a node: the daemon gives it an id, writes it to the journal, and only then creates its VM."""

    node: NodeName
    pool: PoolName
    offer: Offer
    request: RequestId | None
    jobs: tuple[int, ...]


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


class Saying(Enum):
    """What Slurm is to be told of a node."""

    FAILED = "down with the reason (its job is requeued), then powered down"
    POWER_DOWN = "powered down at once: it is down already, with the reason the node gave itself"
    RESUME = "back in service: what failed has been held long enough"


@dataclass(frozen=True, slots=True)
class Say:
    """Tell Slurm; `launch` is the failed one this is about, which then counts as told."""

    node: NodeName
    saying: Saying
    reason: str
    launch: Launch | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """An event for the node's timeline."""

    node: NodeName
    text: str


Effect = Plan | Save | Drop | Create | Delete | Diagnose | Say | Note
