"""What `status` shows, computed from what was read: journal, configuration, and Slurm where it answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from slurm_azure.lifecycle.park import is_kept
from slurm_azure.model import Launch, NodeName, PoolName, Power, RequestKind, SlurmNode, Stage, Wish
from slurm_azure.web.state import NodeState, is_billed, node_state

K = TypeVar("K")

RECENT = 3600.0
"""Seconds for which a failure is shown."""


@dataclass(frozen=True, slots=True)
class PoolView:
    """One pool: its nodes by state, its VMs, what they cost (USD per hour; `unpriced` VMs have no known price).

    `slurm` counts the nodes as Slurm sees them; None = Slurm did not answer.
    """

    name: PoolName
    nodes: int
    states: Mapping[NodeState, int]
    vms: int
    cost_per_hour: float
    unpriced: int
    slurm: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class Pending:
    """Nodes for which a request has been taken in and not yet been seen to; `since` the oldest."""

    kind: RequestKind
    nodes: Sequence[NodeName]
    since: float
    jobs: Sequence[int]


@dataclass(frozen=True, slots=True)
class Motion:
    """Launches of a pool that are on their way in or out, at the same stage; `since` the oldest."""

    pool: PoolName
    stage: Stage
    offer: str
    nodes: Sequence[NodeName]
    since: float


@dataclass(frozen=True, slots=True)
class Failures:
    """Launches of a pool that failed for the same reason; `detail` and `last` are the latest one's."""

    pool: PoolName
    reason: str
    nodes: Sequence[NodeName]
    count: int
    last: float
    detail: str


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it. `spool`: requests that the daemon has not taken in."""

    pools: Sequence[PoolView]
    pending: Sequence[Pending]
    motion: Sequence[Motion]
    failures: Sequence[Failures]
    spool: int


def overview(
    pool_of: Mapping[str, PoolName],
    launches: Iterable[Launch],
    wishes: Iterable[Wish],
    spool: int,
    slurm: Mapping[NodeName, SlurmNode] | None,
    now: float,
) -> Overview:
    """`launches` are all unfinished ones and those of the recent past, each once; `slurm` None = it did not answer."""
    launches = list(launches)
    unfinished = [launch for launch in launches if launch.gone_at is None]
    return Overview(_pools(pool_of, unfinished, slurm), _pending(wishes), _motion(unfinished), _failures(launches, now), spool)


def _pools(
    pool_of: Mapping[str, PoolName], unfinished: Sequence[Launch], slurm: Mapping[NodeName, SlurmNode] | None
) -> list[PoolView]:
    state_of = {launch.node: node_state(launch) for launch in sorted(unfinished, key=lambda one: one.live)}
    members: dict[PoolName, list[NodeName]] = defaultdict(list)
    for node, pool in pool_of.items():
        members[pool].append(NodeName(node))
    for launch in unfinished:  # of pools, or nodes of pools, that are configured no more
        if launch.node not in pool_of and launch.node not in members[launch.pool]:
            members[launch.pool].append(launch.node)
    by_pool: dict[PoolName, list[Launch]] = defaultdict(list)
    for launch in unfinished:
        by_pool[launch.pool].append(launch)
    return [_pool(name, nodes, state_of, by_pool[name], slurm) for name, nodes in sorted(members.items())]


def _pool(
    name: PoolName,
    nodes: Sequence[NodeName],
    state_of: Mapping[NodeName, NodeState],
    launches: Sequence[Launch],
    slurm: Mapping[NodeName, SlurmNode] | None,
) -> PoolView:
    counted = Counter(state_of.get(node) or _resting(slurm, node) for node in nodes)
    vms = [launch for launch in launches if launch.accepted_at is not None]
    billed = [launch for launch in vms if is_billed(launch)]
    return PoolView(
        name,
        len(nodes),
        {state: counted[state] for state in NodeState},
        len(vms),
        sum(launch.price or 0.0 for launch in billed),
        sum(launch.price is None for launch in billed),
        None if slurm is None else _as_slurm_sees(slurm, nodes),
    )


def _resting(slurm: Mapping[NodeName, SlurmNode] | None, node: NodeName) -> NodeState:
    """A node without a launch: off, or held down by us after a failure (only Slurm tells)."""
    seen = None if slurm is None else slurm.get(node)
    return NodeState.FAILED if seen is not None and seen.down and seen.ours_to_resume else NodeState.OFF


_POWER = {Power.OFF: "off", Power.WAKING: "powering up", Power.UP: "up", Power.STOPPING: "powering down"}


def _as_slurm_sees(slurm: Mapping[NodeName, SlurmNode], nodes: Sequence[NodeName]) -> dict[str, int]:
    """`down` and `drained` count besides the four states of power; `unknown` are nodes that slurm.conf does not have."""
    counted = Counter({word: 0 for word in (*_POWER.values(), "down", "drained", "unknown")})
    for name in nodes:
        node = slurm.get(name)
        if node is None:
            counted["unknown"] += 1
            continue
        counted[_POWER[node.power]] += 1
        counted["down"] += node.down
        counted["drained"] += node.drained
    return dict(counted)


def _pending(wishes: Iterable[Wish]) -> list[Pending]:
    by_kind: dict[RequestKind, list[Wish]] = defaultdict(list)
    for wish in wishes:
        by_kind[wish.kind].append(wish)
    return [
        Pending(
            kind,
            [wish.node for wish in group],
            min(wish.at for wish in group),
            sorted({job for wish in group for job in wish.jobs}),
        )
        for kind, group in sorted(by_kind.items())
    ]


def _motion(unfinished: Iterable[Launch]) -> list[Motion]:
    moving = (one for one in unfinished if not (one.live and one.joined_at is not None) and not is_kept(one))
    groups = _grouped(moving, lambda launch: (launch.pool, launch.stage, str(launch.offer)))
    order = list(Stage)
    return [
        Motion(
            pool,
            stage,
            offer,
            [launch.node for launch in group],
            min(launch.released_at or launch.planned_at for launch in group),
        )
        for (pool, stage, offer), group in sorted(
            groups.items(), key=lambda item: (item[0][0], order.index(item[0][1]), item[0][2])
        )
    ]


def _failures(launches: Iterable[Launch], now: float) -> list[Failures]:
    recent = (one for one in launches if one.failure is not None and now - (one.released_at or one.planned_at) <= RECENT)
    groups = _grouped(recent, lambda launch: (launch.pool, launch.failure.reason if launch.failure else ""))
    found = []
    for (pool, reason), group in groups.items():
        last = max(group, key=lambda launch: launch.released_at or launch.planned_at)
        detail = last.failure.detail if last.failure else ""
        nodes = list(dict.fromkeys(launch.node for launch in group))
        found.append(Failures(pool, str(reason), nodes, len(group), last.released_at or last.planned_at, detail))
    return sorted(found, key=lambda one: -one.last)


def _grouped(launches: Iterable[Launch], key: Callable[[Launch], K]) -> dict[K, list[Launch]]:
    groups: dict[K, list[Launch]] = defaultdict(list)
    for launch in launches:
        groups[key(launch)].append(launch)
    return groups
