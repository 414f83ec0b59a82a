"""The gauges of a ClusterState, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TypeVar

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from slurm_azure.lifecycle.offers import COOL_DOWNS
from slurm_azure.model import FailureReason, LeftoverKind, PoolName, VmState
from slurm_azure.web.state import BudgetKind, BudgetView, ClusterState, Level, NodeState

NAMESPACE = "slurm_azure"
OTHER = "other"

Pools = tuple[PoolName, ...]
S = TypeVar("S", bound=StrEnum)

CLOSING = (*COOL_DOWNS, FailureReason.BUDGET, FailureReason.PAUSED)
"""Why a pool may be closed."""

ORPHANS = {LeftoverKind.INTERFACE: "interface", LeftoverKind.DISK: "disk"}
"""Leftovers, as label values."""


class StateCollector(Collector):
    """Renders the latest ClusterState; nothing at all before the first, rather than zeros nobody has seen."""

    def __init__(self) -> None:
        self.pools: Pools = ()
        self.state: ClusterState | None = None

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The families without a sample, for the registry's check of names."""
        return _families(ClusterState(), ())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families with the latest state."""
        state = self.state  # one read: show() may replace it meanwhile
        return iter(()) if state is None else _families(state, self.pools)


def _families(state: ClusterState, pools: Pools) -> Iterator[GaugeMetricFamily]:
    yield from _nodes_and_vms(state, pools)
    yield from _money(state, pools)
    yield from _closures(state, pools)
    yield _gauge("spool_depth", "Requests of the hooks that the daemon has not taken in.", state.spool_depth)
    family = _family("reachable", "1 if the last look at the peer got an answer.", "peer")
    family.add_metric(["azure"], float(state.azure_reachable))
    family.add_metric(["slurm"], float(state.slurm_reachable))
    yield family


def _nodes_and_vms(state: ClusterState, pools: Pools) -> Iterator[GaugeMetricFamily]:
    yield _by_pool_and_state("nodes", "Nodes by where they stand.", NodeState, state.nodes, pools)
    yield _by_pool_and_state("vms", "VMs of this cluster as Azure lists them.", VmState, state.vms, pools)
    yield _gauge("orphan_vms", "VMs of this cluster that no launch accounts for.", state.orphans)
    family = _family("orphan_resources", "Network interfaces and disks of this cluster that belong to nobody.", "kind")
    for kind, label in ORPHANS.items():
        family.add_metric([label], state.leftovers.get(kind, 0))
    yield family
    yield _by_pool("oldest_pending_age_seconds", "Age of the oldest unjoined launch.", state.oldest_pending_seconds, pools)
    yield _by_pool("resume_timeout_seconds", "How long Slurm waits for a node.", state.resume_timeout, pools)


def _money(state: ClusterState, pools: Pools) -> Iterator[GaugeMetricFamily]:
    yield _by_pool("cost_usd_per_hour", "What the pool's VMs cost at the moment.", state.cost_per_hour, pools)
    family = _by_pool("spent_this_month_usd", "What the pool's VMs have cost in this month (UTC).", state.spent, pools)
    rest = sum(usd for pool, usd in state.spent.items() if pool not in pools)
    if rest:
        family.add_metric([OTHER], rest)
    yield family
    used = _family("budget_used", "How much of a limit is used.", "level", "holder", "kind")
    limit = _family("budget_limit", "The limits of the configuration's budgets.", "level", "holder", "kind")
    for view in state.budgets:
        used.add_metric(_labels(view), view.used)
        limit.add_metric(_labels(view), view.limit)
    yield used
    yield limit


def _labels(view: BudgetView) -> list[str]:
    return [Level(view.level).value, view.name, BudgetKind(view.kind).value]


def _closures(state: ClusterState, pools: Pools) -> Iterator[GaugeMetricFamily]:
    family = _family("pool_closed", "1 if nothing new is made in the pool, for this reason.", "pool", "reason")
    for pool in pools:
        why = state.closed.get(pool)
        for reason in CLOSING:
            family.add_metric([pool, reason.value], float(why is reason))
        if why is not None and why not in CLOSING:
            family.add_metric([pool, OTHER], 1.0)
    yield family
    family = _family("offer_cold", "1 if the offer cools down after a failure.", "pool", "size", "zone", "priority")
    for (pool, offer), cold in state.cold.items():
        family.add_metric([pool, offer.size, offer.zone or "", offer.priority.value], float(cold))
    yield family
    open_ones = {pool: 1.0 for pool in state.breakers}
    yield _by_pool("breaker_open", "1 if boots have failed in a row and the pool waits for a canary.", open_ones, pools)
    paused = {pool: 1.0 for pool in state.paused if pool is not None}
    yield _by_pool("pool_paused", "1 if an administrator has paused the pool.", paused, pools)
    yield _gauge("service_paused", "1 if an administrator has paused the whole site.", float(None in state.paused))


def _family(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", text, labels=labels)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", text, value=value)


def _by_pool(name: str, text: str, values: Mapping[PoolName, float], pools: Pools) -> GaugeMetricFamily:
    family = _family(name, text, "pool")
    for pool in pools:
        family.add_metric([pool], values.get(pool, 0.0))
    return family


def _by_pool_and_state(
    name: str, text: str, states: type[S], counts: Mapping[tuple[PoolName, S], int], pools: Pools
) -> GaugeMetricFamily:
    """Every state of every pool is there, 0 or not.

    VMs of a pool that is configured no more still cost money: they are shown as pool `other`.
    """
    family = _family(name, text, "pool", "state")
    known = set(pools)
    for pool in pools:
        for state in states:
            family.add_metric([pool, state.value], counts.get((pool, state), 0))
    for state in states:
        rest = sum(count for (pool, its), count in counts.items() if its == state and pool not in known)
        if rest:
            family.add_metric([OTHER, state.value], rest)
    return family
