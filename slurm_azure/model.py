"""The nouns: node, offer, launch, VM, request. Frozen values; nothing here reads a clock or touches the outside.

Moments are seconds since the epoch (UTC, float), durations are seconds (float), money is USD.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NewType

NodeName = NewType("NodeName", str)
PoolName = NewType("PoolName", str)
LaunchId = NewType("LaunchId", str)
VmName = NewType("VmName", str)
RequestId = NewType("RequestId", str)

REASON_PREFIX = "slurm-azure:"
"""Reasons we write on Slurm nodes begin with this; any other reason belongs to an administrator or to Slurm."""


class Priority(StrEnum):
    """How Azure sells a VM (its API says Regular and Spot)."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"


class FailureReason(StrEnum):
    """Why a launch failed: a closed list, fit for a metric label. `Failure.detail` has the cause's own words."""

    CAPACITY = "capacity"
    QUOTA = "quota"
    CONFIGURATION = "configuration"
    PERMISSION = "permission"
    POLICY = "policy"
    IMAGE = "image"
    NETWORK = "network"
    SPOT_PRICE = "spot-price"
    EVICTED = "evicted"
    BOOT = "boot"
    JOIN_TIMEOUT = "join-timeout"
    VANISHED = "vanished"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Failure:
    """A reason from the closed list, and the cause in one readable line (at most some 300 characters)."""

    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True)
class Offer:
    """One way Azure can be asked for a node: size, zone and priority; `max_price` (USD/h) is for Spot, -1 = on-demand's."""

    size: str
    zone: str | None = None
    priority: Priority = Priority.ON_DEMAND
    max_price: float = -1.0

    def __str__(self) -> str:
        return "/".join(part for part in (self.size, self.zone and f"zone {self.zone}", self.priority.value) if part)


class Stage(StrEnum):
    """Where a launch stands; derived from its moments, never stored."""

    PLANNED = "planned"  # in the journal, create call not answered yet
    CREATING = "creating"  # Azure accepted the create call
    RUNNING = "running"  # Azure says the VM is provisioned
    JOINED = "joined"  # Slurm says the node is up
    RELEASED = "released"  # on its way out
    GONE = "gone"  # Azure says it is not there


@dataclass(frozen=True, slots=True)
class Launch:
    """One attempt to give one node one VM.

    It is in the journal before its create call. The moments say what has been observed; None = not (yet).
    `wanted_at`: Slurm has been seen to want the node since it was planned. `sent_at`: create call issued at least once,
    so the VM may exist. `accepted_at`: Azure answered yes. `released_at`: not wanted any more, for `release_reason`.
    `told_at`: Slurm has been told of `failure`.
    """

    id: LaunchId
    node: NodeName
    pool: PoolName
    vm_name: VmName
    offer: Offer
    planned_at: float
    request: RequestId | None = None
    jobs: tuple[int, ...] = ()
    price: float | None = None  # USD per hour when it was launched, None = not known
    wanted_at: float | None = None
    sent_at: float | None = None
    accepted_at: float | None = None
    running_at: float | None = None
    joined_at: float | None = None
    released_at: float | None = None
    release_reason: str = ""
    delete_sent_at: float | None = None
    gone_at: float | None = None
    failure: Failure | None = None
    told_at: float | None = None

    @property
    def live(self) -> bool:
        """Whether this launch is meant to serve its node (a node has at most one such)."""
        return self.released_at is None and self.gone_at is None

    @property
    def stage(self) -> Stage:
        """The furthest stage that was observed."""
        moments = (
            (self.gone_at, Stage.GONE),
            (self.released_at, Stage.RELEASED),
            (self.joined_at, Stage.JOINED),
            (self.running_at, Stage.RUNNING),
            (self.accepted_at, Stage.CREATING),
        )
        return next((stage for at, stage in moments if at is not None), Stage.PLANNED)


class Power(Enum):
    """What Slurm's power saving says of a node (the suffixes `~ # %` of sinfo)."""

    OFF = "powered down"
    WAKING = "powering up"
    UP = "up"
    STOPPING = "powering down"


@dataclass(frozen=True, slots=True)
class SlurmNode:
    """A node as slurmctld shows it. `flags` are scontrol's own words (IDLE, CLOUD, POWERED_DOWN, ...)."""

    name: NodeName
    power: Power
    flags: frozenset[str]
    reason: str = ""

    @property
    def down(self) -> bool:
        """Base state DOWN or ERROR: no job is placed here until somebody resumes it."""
        return "DOWN" in self.flags or "ERROR" in self.flags

    @property
    def drained(self) -> bool:
        """An administrator (or Slurm, or we) asked that no new job is placed here."""
        return "DRAIN" in self.flags

    @property
    def ours_to_resume(self) -> bool:
        """Whether the reason that stands on it is one of ours."""
        return self.reason.startswith(REASON_PREFIX)


class VmState(StrEnum):
    """Azure's provisioningState, as far as it matters."""

    CREATING = "creating"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DELETING = "deleting"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Vm:
    """A VM of this cluster as Azure lists it; node, launch and pool come from its tags ('' = tag missing)."""

    name: VmName
    node: NodeName
    launch: LaunchId
    pool: PoolName
    state: VmState
    size: str = ""
    zone: str | None = None
    priority: Priority = Priority.ON_DEMAND
    created_at: float | None = None


class RequestKind(StrEnum):
    """Which hook slurmctld ran."""

    RESUME = "resume"
    SUSPEND = "suspend"
    RESUME_FAIL = "resume-fail"


@dataclass(frozen=True, slots=True)
class JobNodes:
    """A job of SLURM_RESUME_FILE and those of its nodes that must be powered up."""

    job_id: int
    nodes: tuple[NodeName, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One run of a hook: what slurmctld asked for. `jobs` is a bonus: the resume file may be missing or unreadable."""

    id: RequestId
    kind: RequestKind
    nodes: tuple[NodeName, ...]
    at: float
    jobs: tuple[JobNodes, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request wants of one node, until it has been seen to: a request of 5,000 nodes makes 5,000 wishes."""

    node: NodeName
    kind: RequestKind
    at: float
    request: RequestId
    jobs: tuple[int, ...] = ()
