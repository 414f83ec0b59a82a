"""All that is known of one node at one moment, and the facts that hold for every node of a round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from slurm_azure.model import (
    BootReport,
    Breaker,
    CoolDown,
    Failure,
    FailureReason,
    JobTrouble,
    Launch,
    LaunchId,
    NodeName,
    Offer,
    Pause,
    PoolName,
    SlurmNode,
    Vm,
    VmName,
    Wish,
)


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits of a budget, None = none. Costs in USD; `booting`: launches on their way at once."""

    nodes: int | None = None
    cores: int | None = None
    cost_per_hour: float | None = None
    cost_per_month: float | None = None
    booting: int | None = None


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """What decisions need to know of a pool: offers in order, how long Slurm waits for its nodes, how long a VM may take until
    it is provisioned (`create_deadline`) and from then until it has joined (`boot_deadline`), all in seconds.

    `attempts`: launches for one wake-up whose boot may fail. `cores`: of each offer, by size. `partitions`: those it is in.
    """

    name: PoolName
    offers: tuple[Offer, ...]
    resume_timeout: float
    create_deadline: float = 300.0
    boot_deadline: float = 450.0
    attempts: int = 2
    all_or_nothing: bool = False
    spread: bool = False
    release_cancelled: bool = True
    breaker_failures: int = 5
    breaker_pause: float = 600.0
    deallocate: bool = False
    keep_most: int = 50
    keep_longest: float = 3 * 86400.0
    cores: Mapping[str, int] = field(default_factory=dict)
    prices: Mapping[Offer, float] = field(default_factory=dict)
    caps: Caps = Caps()
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What decisions need to know of the configuration. All in seconds."""

    pools: Mapping[PoolName, PoolPolicy]
    caps: Caps = Caps()
    partition_caps: Mapping[str, Caps] = field(default_factory=dict)
    cool_downs: Mapping[FailureReason, float] = field(default_factory=dict)
    delete_retry: float = 180.0
    failed_node_hold: float = 60.0
    list_lag: float = 60.0  # how far Azure's lists may lag behind its own answers (30 s have been seen)


@dataclass(frozen=True, slots=True)
class Parking:
    """VMs that were stopped and are kept (park.py): how many more there may be (by pool), and which are too many."""

    room: Mapping[PoolName, int] = field(default_factory=dict)
    surplus: frozenset[LaunchId] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """The round: `now`; when the newest whole observations were begun (None = none yet); `closed`: pools where nothing new may
    be made, and why; `cool_downs` and `troubles` as in `Site`; `pending`: jobs that wait for nodes (None = not known);
    `canaries`: nodes that are powered up although their pool is closed, to see whether it works again.

    What has not been seen proves nothing: an absence counts only in an observation begun after the moment in question.
    """

    now: float
    policy: Policy
    slurm_at: float | None = None
    list_at: float | None = None
    jobs_at: float | None = None
    closed: Mapping[PoolName, Failure] = field(default_factory=dict)
    cool_downs: Mapping[str, CoolDown] = field(default_factory=dict)
    troubles: Mapping[int, JobTrouble] = field(default_factory=dict)
    pending: frozenset[int] | None = None
    parking: Parking = Parking()
    canaries: frozenset[NodeName] = frozenset()


@dataclass(frozen=True, slots=True)
class Site:
    """What holds across nodes: what cools down (by key), the pools' breakers, pauses, jobs in trouble, and what launches that
    are over have cost in this month (USD by pool)."""

    cool_downs: Mapping[str, CoolDown] = field(default_factory=dict)
    breakers: Mapping[PoolName, Breaker] = field(default_factory=dict)
    pauses: Mapping[PoolName | None, Pause] = field(default_factory=dict)
    troubles: Mapping[int, JobTrouble] = field(default_factory=dict)
    spent: Mapping[PoolName, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node. `live`: the launch that serves it. `dying`: those on their way out. `last`: its newest finished one.

    `slurm` is None while Slurm has not been seen (or does not know the node), `pool` None if the node is in no pool any
    more. `vms`: what Azure lists for it. `absent_since`/`stray_since`: since which list a VM of ours has been missing, or
    one without a launch been there. `jobs`: those that hold it (None = not known). `boot`: what it told of its boot, if that is
    of its live launch. `bare_since`: since which list Slurm has shown it up without any VM;
    `silent_since`, `unknown_since`: since which look at Slurm it has not answered, or Slurm has not known it, in spite of its
    live launch.
    """

    node: NodeName
    pool: PoolPolicy | None
    slurm: SlurmNode | None = None
    wishes: tuple[Wish, ...] = ()
    live: Launch | None = None
    dying: tuple[Launch, ...] = ()
    last: Launch | None = None
    vms: tuple[Vm, ...] = ()
    absent_since: float | None = None
    stray_since: Mapping[VmName, float] | None = None
    jobs: tuple[int, ...] | None = None
    boot: BootReport | None = None
    bare_since: float | None = None
    silent_since: float | None = None
    unknown_since: float | None = None

    def vm_of(self, launch: Launch) -> Vm | None:
        """The launch's VM, if Azure lists it."""
        return next((vm for vm in self.vms if vm.name == launch.vm_name), None)

    def with_live(self, live: Launch | None) -> NodeRecord:
        """The record with another live launch."""
        return replace(self, live=live)

    def without(self, wish: Wish) -> NodeRecord:
        """The record with a wish seen to."""
        return replace(self, wishes=tuple(other for other in self.wishes if other is not wish))
