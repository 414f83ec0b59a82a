"""What one tick of the daemon saw, as far as metrics show it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from slurm_azure.lifecycle.park import is_kept
from slurm_azure.model import FailureReason, Launch, LeftoverKind, Offer, PoolName, Stage, VmState


class NodeState(StrEnum):
    """Where a node of ours stands: each node of a pool is in exactly one of these."""

    OFF = "off"  # no VM, none wanted
    PLANNED = "planned"  # wanted; Azure has not answered the create call
    CREATING = "creating"  # Azure accepted, the VM is being made
    RUNNING = "running"  # Azure says the VM is there, Slurm not yet
    JOINED = "joined"  # Slurm says the node is up
    RELEASING = "releasing"  # the VM is on its way out
    KEPT = "kept"  # powered down; its VM is stopped and kept for the next time
    FAILED = "failed"  # its launch failed; it stays down with the reason for a while


_STATE_OF = {
    Stage.PLANNED: NodeState.PLANNED,
    Stage.CREATING: NodeState.CREATING,
    Stage.RUNNING: NodeState.RUNNING,
    Stage.JOINED: NodeState.JOINED,
}


def node_state(launch: Launch) -> NodeState:
    """Where a node stands whose latest launch this is. The launch is not gone."""
    if launch.live:
        return _STATE_OF[launch.stage]
    return NodeState.KEPT if is_kept(launch) else NodeState.RELEASING


def is_billed(launch: Launch) -> bool:
    """Whether Azure bills a VM's compute for an unfinished launch."""
    return launch.accepted_at is not None and launch.deallocated_at is None


class Level(StrEnum):
    """Who may have a budget."""

    SITE = "site"
    PARTITION = "partition"
    POOL = "pool"


class BudgetKind(StrEnum):
    """What a budget can limit; costs are USD."""

    NODES = "nodes"
    CORES = "cores"
    COST_PER_HOUR = "cost_per_hour"
    COST_PER_MONTH = "cost_per_month"
    BOOTING = "booting"


@dataclass(frozen=True, slots=True)
class BudgetView:
    """One limit and how much of it is used; `name` is the pool's or partition's ('' for the site)."""

    level: Level
    name: str
    kind: BudgetKind
    used: float
    limit: float


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The gauges of one tick. Absent keys count as 0.

    `orphans`: VMs with our cluster tag that no launch accounts for. `spool_depth`: requests not taken in.
    `oldest_pending_seconds`: age of the oldest wake-up of the pool that has not joined, in seconds.
    `cost_per_hour`: USD per hour of the pool's VMs. `resume_timeout`: Slurm's patience with the pool, in seconds.
    `closed`: pools where nothing new may be made, and why. `cold`: offers of each pool, and whether they cool down.
    `breakers`: pools whose breaker is open. `paused`: what an administrator paused, None = the whole site.
    `spent`: USD of this month (UTC). `leftovers`: network interfaces and disks that belong to nobody.
    """

    nodes: Mapping[tuple[PoolName, NodeState], int] = field(default_factory=dict)
    vms: Mapping[tuple[PoolName, VmState], int] = field(default_factory=dict)
    orphans: int = 0
    spool_depth: int = 0
    oldest_pending_seconds: Mapping[PoolName, float] = field(default_factory=dict)
    cost_per_hour: Mapping[PoolName, float] = field(default_factory=dict)
    resume_timeout: Mapping[PoolName, float] = field(default_factory=dict)
    slurm_reachable: bool = False
    azure_reachable: bool = False
    closed: Mapping[PoolName, FailureReason] = field(default_factory=dict)
    cold: Mapping[tuple[PoolName, Offer], bool] = field(default_factory=dict)
    breakers: Collection[PoolName] = ()
    paused: Collection[PoolName | None] = ()
    budgets: Sequence[BudgetView] = ()
    spent: Mapping[PoolName, float] = field(default_factory=dict)
    leftovers: Mapping[LeftoverKind, int] = field(default_factory=dict)
