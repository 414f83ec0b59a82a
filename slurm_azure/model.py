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
    MAINTENANCE = "maintenance"  # Azure announced a reboot, a redeploy or an end
    TRANSIENT = "transient"  # Azure had a fault of its own; the same may work next time
    BUDGET = "budget"  # a limit of the site's own
    PAUSED = "paused"  # an administrator stopped the service, or the pool's breaker is open
    JOB = "job"  # all or nothing: another node of the job could not be had
    UNKNOWN = "unknown"


class Blame(StrEnum):
    """Whose affair a failure is: who can do something about it."""

    CAPACITY = "capacity"  # Azure has no room: time, or another offer
    QUOTA = "quota"  # the subscription's quota: whoever may raise it
    CONFIGURATION = "configuration"  # slurm-azure.yaml, or the subscription's set-up
    THROTTLING = "throttling"  # request budgets: time
    TRANSIENT = "transient"  # a fault of Azure's: the next try
    IMAGE = "image"  # whoever makes the image, or the node's boot
    PERMISSION = "permission"  # whoever assigns roles
    POLICY = "policy"  # whoever writes Azure policies and locks
    SITE = "site"  # the site's own limits and orders


class Scope(StrEnum):
    """What a failure speaks of: that is what cools down after it. Another offer may help up to PRIORITY, none beyond."""

    LAUNCH = "launch"  # this one VM: nothing cools down
    OFFER = "offer"  # this size in this zone at this priority
    SIZE = "size"  # this size at this priority, in every zone
    PRIORITY = "priority"  # everything at this priority (Spot is not to be had at all)
    POOL = "pool"  # the pool's settings: its image, its disks
    SITE = "site"  # every pool: the subscription, the subnet, our rights


@dataclass(frozen=True, slots=True)
class Failure:
    """A reason from the closed list, the cause in one readable line (at most some 300 characters), whose affair it is, and
    what it speaks of."""

    reason: FailureReason
    detail: str
    scope: Scope = Scope.LAUNCH
    blame: Blame = Blame.TRANSIENT

    @property
    def elsewhere(self) -> bool:
        """Whether another offer may help."""
        return self.scope not in (Scope.POOL, Scope.SITE)


@dataclass(frozen=True, slots=True)
class Offer:
    """One way Azure can be asked for a node: size, zone and priority; `max_price` (USD/h) is for Spot, -1 = on-demand's."""

    size: str
    zone: str | None = None
    priority: Priority = Priority.ON_DEMAND
    max_price: float = -1.0

    def __str__(self) -> str:
        return "/".join(part for part in (self.size, self.zone and f"zone {self.zone}", self.priority.value) if part)


REPLACED = "replaced"
"""`Launch.release_reason` of a launch that failed and is followed by another, unnoticed by Slurm."""


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
    `told_at`: Slurm has been told of `failure`, or need not be, as another launch follows (`release_reason` REPLACED).

    A wake-up of a node may take several launches, one after the other: `asked_at` is when the first was planned,
    `attempt` counts from 1. `boot` is the node's own report of its boot, as it came. `console_at`: its console log was
    looked for. `deallocated_at`: its VM was stopped and kept, for a later launch that has the same `vm_name`.
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
    asked_at: float | None = None
    attempt: int = 1
    boot: str = ""
    console_at: float | None = None
    deallocated_at: float | None = None

    @property
    def live(self) -> bool:
        """Whether this launch is meant to serve its node (a node has at most one such)."""
        return self.released_at is None and self.gone_at is None

    @property
    def since(self) -> float:
        """When the wake-up began that this launch serves."""
        return self.planned_at if self.asked_at is None else self.asked_at

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


BUSY = frozenset({"ALLOCATED", "MIXED", "COMPLETING"})
"""Flags of a node that a job holds, or is just leaving."""


@dataclass(frozen=True, slots=True)
class SlurmNode:
    """A node as slurmctld shows it. `flags` are scontrol's own words (IDLE, CLOUD, POWERED_DOWN, ...)."""

    name: NodeName
    power: Power
    flags: frozenset[str]
    reason: str = ""
    comment: str = ""

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


@dataclass(frozen=True, slots=True)
class BootReport:
    """What a node told of its own boot, over Slurm's channel (slurm/boot_report.py reads it). `stages` and `seconds` are in
    seconds; `memory_mib` and `cpus` are what the node has; `cause` is empty if it joined."""

    launch: LaunchId
    ok: bool
    seconds: float
    stages: tuple[tuple[str, float], ...] = ()
    step: str = ""
    cause: str = ""
    memory_mib: int | None = None
    cpus: int | None = None


@dataclass(frozen=True, slots=True)
class CoolDown:
    """Something that is not asked for until `until`. `key` says what (lifecycle/offers.py makes keys); `strikes` counts
    failures in a row: each makes the next cool-down longer."""

    key: str
    reason: FailureReason
    detail: str
    since: float
    until: float
    strikes: int = 1


@dataclass(frozen=True, slots=True)
class Breaker:
    """A pool's count of boots that failed in a row. Open from `opened_at` on, until a canary has joined: one node that is
    powered up for the purpose, the next one at `probe_at`."""

    pool: PoolName
    failures: int = 0
    detail: str = ""
    opened_at: float | None = None
    probe_at: float | None = None
    probes: int = 0
    canary: NodeName | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """An administrator's order that nothing new is made: in the whole site (`pool` None) or one pool; `until` None = until it
    is taken back."""

    pool: PoolName | None
    since: float
    until: float | None
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class JobTrouble:
    """A job that lost nodes before it could start: how often, and since when."""

    job: int
    failures: int
    at: float


class LeftoverKind(StrEnum):
    """What a VM may leave behind."""

    INTERFACE = "network interface"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A network interface or disk that carries our cluster tag. `vm` is the VM it is attached to ('' = none)."""

    kind: LeftoverKind
    name: str
    node: NodeName
    launch: LaunchId
    pool: PoolName
    vm: VmName | None = None
    created_at: float | None = None
