"""How the cluster stands at the end of a round, for those who look at metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from slurm_azure.daemon.settings import Settings
from slurm_azure.daemon.world import World
from slurm_azure.lifecycle.breaker import is_open
from slurm_azure.lifecycle.budget import SITE, Census, Use, count, this_month
from slurm_azure.lifecycle.offers import Market
from slurm_azure.lifecycle.record import Caps, Policy, Site
from slurm_azure.model import Failure, Launch, LeftoverKind, NodeName, PoolName, SlurmNode
from slurm_azure.web.state import BudgetKind, BudgetView, ClusterState, Level, NodeState, is_billed, node_state


def cluster_state(
    world: World,
    settings: Settings,
    spool_depth: int,
    now: float,
    slurm_ok: bool,
    azure_ok: bool,
    closed: Mapping[PoolName, Failure] | None = None,
    site: Site | None = None,
    leftovers: Mapping[LeftoverKind, int] | None = None,
) -> ClusterState:
    """The gauges of one round. `site` is the world's own unless given."""
    site, policy = site or world.site, settings.policy
    census = count(world.unfinished(), policy, site, now)
    market = Market(policy.pools, site.cool_downs, now)
    offers = ((name, offer) for name, pool in policy.pools.items() for offer in pool.offers)
    return ClusterState(
        nodes=_nodes(world),
        vms=Counter((vm.pool, vm.state) for group in world.vms.values() for vm in group),
        orphans=sum(len(names) for names in world.stray_since.values()),
        spool_depth=spool_depth,
        oldest_pending_seconds=_pending(world, now),
        cost_per_hour=_cost(world),
        resume_timeout={name: pool.resume_timeout for name, pool in policy.pools.items()},
        slurm_reachable=slurm_ok,
        azure_reachable=azure_ok,
        closed={name: failure.reason for name, failure in (closed or {}).items()},
        cold={(name, offer): market.coldest(offer, name) is not None for name, offer in offers},
        breakers=[name for name, breaker in site.breakers.items() if is_open(breaker)],
        paused=[pause.pool for pause in site.pauses.values() if pause.until is None or pause.until > now],
        budgets=list(budgets(policy, census)),
        spent=spent_by_pool(world.unfinished(), site, now),
        leftovers=leftovers or {},
    )


def budgets(policy: Policy, census: Census) -> Iterator[BudgetView]:
    """Every limit that is set, with what is used of it: the site's first, then the partitions', then the pools'."""
    yield from _views(Level.SITE, "", policy.caps, census.use_of(SITE))
    for name, caps in policy.partition_caps.items():
        yield from _views(Level.PARTITION, name, caps, census.use_of(f"partition {name}"))
    for pool in policy.pools.values():
        yield from _views(Level.POOL, pool.name, pool.caps, census.use_of(f"pool {pool.name}"))


def _views(level: Level, name: str, caps: Caps, use: Use) -> Iterator[BudgetView]:
    for kind, used, limit in (
        (BudgetKind.NODES, use.nodes, caps.nodes),
        (BudgetKind.CORES, use.cores, caps.cores),
        (BudgetKind.COST_PER_HOUR, use.cost_per_hour, caps.cost_per_hour),
        (BudgetKind.COST_PER_MONTH, use.month, caps.cost_per_month),
        (BudgetKind.BOOTING, use.booting, caps.booting),
    ):
        if limit is not None:
            yield BudgetView(level, name, kind, float(used), float(limit))


def _nodes(world: World) -> Counter[tuple[PoolName, NodeState]]:
    """Nodes of each pool by where they stand; each counts once."""
    states: dict[NodeName, tuple[PoolName, NodeState]] = {}
    for launch in world.unfinished():  # live ones first
        states.setdefault(launch.node, (launch.pool, node_state(launch)))
    for name in _held(world):
        states[name] = (world.pool_of[name], NodeState.FAILED)
    nodes = Counter(states.values())
    for pool, size in Counter(world.pool_of.values()).items():
        nodes[pool, NodeState.OFF] = size - sum(nodes[pool, state] for state in NodeState if state is not NodeState.OFF)
    return nodes


def _held(world: World) -> list[NodeName]:
    """Nodes without a launch that we keep down for a while."""

    def held(name: NodeName, node: SlurmNode) -> bool:
        return node.down and node.ours_to_resume and name not in world.live and name not in world.dying

    return [name for name, node in world.slurm.items() if name in world.pool_of and held(name, node)]


def _pending(world: World, now: float) -> dict[PoolName, float]:
    """How long the oldest wake-up of each pool has taken that is not over."""
    pending: dict[PoolName, float] = {}
    for launch in world.live.values():
        if launch.joined_at is None:
            age = now - (launch.asked_at or launch.planned_at)
            pending[launch.pool] = max(pending.get(launch.pool, 0.0), age)
    return pending


def _cost(world: World) -> dict[PoolName, float]:
    """USD per hour of each pool's VMs, as far as their prices are known."""
    cost: dict[PoolName, float] = {}
    for launch in world.unfinished():
        if is_billed(launch) and launch.price is not None:
            cost[launch.pool] = cost.get(launch.pool, 0.0) + launch.price
    return cost


def spent_by_pool(unfinished: Iterable[Launch], site: Site, now: float) -> dict[PoolName, float]:
    """USD of this month by pool: of launches that are over, and of those that are not gone."""
    spent = dict(site.spent)
    for launch in unfinished:
        usd = this_month(launch, now)
        if usd:
            spent[launch.pool] = spent.get(launch.pool, 0.0) + usd
    return spent
