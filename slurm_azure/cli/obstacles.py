"""What keeps new nodes from being made, and what they have cost: pauses, closed pools, cool-downs, breakers, budgets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slurm_azure.cli.moments import clock, iso, span
from slurm_azure.cli.orders import in_force
from slurm_azure.cli.table import table
from slurm_azure.daemon.standing import budgets, spent_by_pool
from slurm_azure.lifecycle.breaker import is_open
from slurm_azure.lifecycle.budget import count
from slurm_azure.lifecycle.closing import closures, moment
from slurm_azure.lifecycle.offers import Market
from slurm_azure.lifecycle.record import Policy, Site
from slurm_azure.lifecycle.spending import month_of
from slurm_azure.model import Breaker, CoolDown, Failure, FailureReason, Launch, Pause, PoolName
from slurm_azure.web.state import BudgetView


@dataclass(frozen=True, slots=True)
class Closed:
    """A pool where nothing new is made; `until` None = not known."""

    pool: PoolName
    failure: Failure
    until: float | None


@dataclass(frozen=True, slots=True)
class Obstacles:
    """All of it at one moment. `spent`: USD by pool in `month` (`YYYY-MM`, UTC)."""

    pauses: Sequence[Pause]
    closed: Sequence[Closed]
    cool_downs: Sequence[CoolDown]
    breakers: Sequence[Breaker]
    budgets: Sequence[BudgetView]
    month: str
    spent: Mapping[PoolName, float]


def obstacles(policy: Policy, site: Site, unfinished: Collection[Launch], now: float) -> Obstacles:
    """What the daemon goes by, from what it has written down. `unfinished`: all launches that are not gone."""
    census, market = count(unfinished, policy, site, now), Market(policy.pools, site.cool_downs, now)
    closed = closures(policy, site, census, now, market)
    return Obstacles(
        in_force(list(site.pauses.values()), now),
        [Closed(pool, failure, _until(pool, failure, site, market, now)) for pool, failure in sorted(closed.items())],
        [cold for cold in site.cool_downs.values() if cold.until > now],
        [breaker for breaker in site.breakers.values() if breaker.failures],
        list(budgets(policy, census)),
        month_of(now),
        spent_by_pool(unfinished, site, now),
    )


def _until(pool: PoolName, failure: Failure, site: Site, market: Market, now: float) -> float | None:
    """When the pool opens if nothing changes before."""
    if failure.reason is FailureReason.BUDGET:
        return None
    if failure.reason is not FailureReason.PAUSED:
        cold = market.all_cold(pool)
        return None if cold is None else cold.until
    pauses = in_force([pause for pause in site.pauses.values() if pause.pool in (None, pool)], now)
    if not pauses:
        return None  # its breaker: when a canary has joined
    ends = [pause.until for pause in pauses]
    return None if None in ends else max(end for end in ends if end is not None)


def paragraphs(seen: Obstacles, now: float) -> list[str]:
    """For people; nothing of what is well, but all limits that are set."""
    parts = []
    if seen.pauses:
        header = ["WHAT", "SINCE", "UNTIL", "BY", "REASON"]
        paused = [
            (one.pool or "the site", clock(one.since), _end(one.until, one.since), one.by, one.reason) for one in seen.pauses
        ]
        parts.append("Paused:\n" + table(header, paused))
    if seen.closed:
        shut = [(one.pool, one.failure.reason, _end(one.until, now), one.failure.detail) for one in seen.closed]
        parts.append("Closed, nothing new is made there:\n" + table(["POOL", "REASON", "UNTIL", "DETAIL"], shut))
    if seen.cool_downs:
        cold = [(one.key, one.reason, one.strikes, span(one.until - now), one.detail) for one in seen.cool_downs]
        parts.append("Cooling down:\n" + table(["WHAT", "REASON", "STRIKES", "LEFT", "DETAIL"], cold))
    if seen.breakers:
        header = ["POOL", "FAILED_BOOTS", "BREAKER", "NEXT_CANARY", "LAST"]
        rows = [(one.pool, one.failures, _state(one), _next(one, now), one.detail) for one in seen.breakers]
        parts.append("Boots that failed in a row:\n" + table(header, rows))
    if seen.budgets:
        limits = [
            (one.level, one.name, one.kind, _amount(one, one.used), _amount(one, one.limit), _share(one))
            for one in seen.budgets
        ]
        parts.append("Budgets:\n" + table(["OF", "NAME", "WHAT", "USED", "LIMIT", "SHARE"], limits))
    return parts


def _end(until: float | None, since: float) -> str:
    return "" if until is None else moment(until, since)


def _state(breaker: Breaker) -> str:
    return "open" if is_open(breaker) else ""


def _next(breaker: Breaker, now: float) -> str:
    if breaker.canary is not None:
        return f"{breaker.canary} boots"
    return "" if breaker.probe_at is None else f"in {span(max(0.0, breaker.probe_at - now))}"


def _amount(view: BudgetView, value: float) -> float:
    """Money with cents; nodes, cores and VMs are whole."""
    return float(value) if view.kind.startswith("cost_") else int(value)


def _share(view: BudgetView) -> str:
    return f"{100 * view.used / view.limit:.0f}%" if view.limit else ""


def document(seen: Obstacles) -> dict[str, Any]:
    """For scripts."""
    return {
        "pauses": [
            {"pool": one.pool, "since": iso(one.since), "until": iso(one.until), "by": one.by, "reason": one.reason}
            for one in seen.pauses
        ],
        "closed": [
            {
                "pool": one.pool,
                "reason": one.failure.reason,
                "blame": one.failure.blame,
                "until": iso(one.until),
                "detail": one.failure.detail,
            }
            for one in seen.closed
        ],
        "cool_downs": [
            {
                "key": one.key,
                "reason": one.reason,
                "strikes": one.strikes,
                "since": iso(one.since),
                "until": iso(one.until),
                "detail": one.detail,
            }
            for one in seen.cool_downs
        ],
        "breakers": [
            {
                "pool": one.pool,
                "failures": one.failures,
                "open": is_open(one),
                "opened_at": iso(one.opened_at),
                "next_canary_at": iso(one.probe_at),
                "canary": one.canary,
                "detail": one.detail,
            }
            for one in seen.breakers
        ],
        "budgets": [
            {"level": one.level, "name": one.name or None, "kind": one.kind, "used": round(one.used, 4), "limit": one.limit}
            for one in seen.budgets
        ],
        "month": seen.month,
        "spent_usd": {pool: round(usd, 4) for pool, usd in seen.spent.items()},
    }
