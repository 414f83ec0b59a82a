"""Closed pools: why nothing new may be made in a pool, and what Slurm is told of its idle nodes meanwhile.

An idle node of a closed pool would be given to a job only to fail it. So it is drained, with the reason, until the pool is open
again, and Slurm places jobs elsewhere. Only nodes that nobody uses are touched, and only our own reason is ever taken back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

from slurm_azure.lifecycle.breaker import is_open
from slurm_azure.lifecycle.budget import Census
from slurm_azure.lifecycle.effects import Say, Saying
from slurm_azure.lifecycle.offers import Market
from slurm_azure.lifecycle.record import Policy, PoolPolicy, Site
from slurm_azure.model import (
    BUSY,
    REASON_PREFIX,
    Blame,
    Breaker,
    CoolDown,
    Failure,
    FailureReason,
    NodeName,
    PoolName,
    Power,
    Scope,
    SlurmNode,
)

_CLOSED = "closed"
_COLD = "nothing is asked for "
_OLD = f"{REASON_PREFIX} {_CLOSED}:"  # nodes that an earlier release has drained
_WORD = "|".join(reason.value for reason in FailureReason)
_SHELVED = re.compile(rf"{REASON_PREFIX} (?:(?:{_WORD}): {_CLOSED}(?::| until )|{_CLOSED}:)")
_NO_ROOM = (f"{REASON_PREFIX} {FailureReason.BUDGET.value}: {_CLOSED}", f"{_OLD} budget of")
_FAR = 20 * 3600.0  # seconds; what is nearer is told by the time of day alone
_COMPARED = 80  # letters of two reasons
_NOT_IDLE = frozenset(
    {
        "DRAIN",
        "DOWN",
        "ERROR",
        "FAIL",
        "INVALID_REG",
        "POWER_UP",
        "POWER_DOWN",
        "COMPLETING",
        "REBOOT_REQUESTED",
        "REBOOT_ISSUED",
    }
)

_R = FailureReason
_BLAMES = {
    _R.CAPACITY: Blame.CAPACITY,
    _R.SPOT_PRICE: Blame.CAPACITY,
    _R.EVICTED: Blame.CAPACITY,
    _R.QUOTA: Blame.QUOTA,
    _R.IMAGE: Blame.IMAGE,
    _R.PERMISSION: Blame.PERMISSION,
    _R.POLICY: Blame.POLICY,
}


def closures(policy: Policy, site: Site, census: Census, now: float, market: Market | None = None) -> dict[PoolName, Failure]:
    """The pools where nothing new may be made at `now`, each with what an ask of it is refused with.

    An order of an administrator comes first, then what cools down, then budgets; the breaker last, so that a pool that it
    alone keeps closed can be told (`only_by_breaker`): a canary may be tried there.
    """
    market = market or Market(policy.pools, site.cool_downs, now)
    found: dict[PoolName, Failure] = {}
    for name, pool in policy.pools.items():
        failure = _stopped(site, name, now) or _cold(market, name) or _used_up(market, pool, census)
        failure = failure or _broken(site.breakers.get(name))
        if failure is not None:
            found[name] = failure
    return found


def only_by_breaker(failure: Failure) -> bool:
    """Whether it is the breaker that closes a pool, and nothing else."""
    return failure.reason is FailureReason.PAUSED and failure.blame is Blame.IMAGE


def is_stopped(failure: Failure | None) -> bool:
    """Whether it is an administrator's order that closes a pool."""
    return failure is not None and failure.reason is FailureReason.PAUSED and failure.blame is Blame.SITE


def shelf_reason(failure: Failure) -> str:
    """What idle nodes of a closed pool have as their reason: the same text for all of them, as long as the cause lasts.

    The word for the cause comes first, as `sinfo -R` shows 20 characters; `closed` behind it tells these nodes, with which
    nothing is wrong, from those that failed for the same cause.
    """
    said = failure.detail.removeprefix(_COLD)
    return f"{REASON_PREFIX} {failure.reason.value}: {_CLOSED}{' ' if said.startswith('until ') else ': '}{said}"


def is_shelved(node: SlurmNode) -> bool:
    """Whether `node` is drained because its pool is (or was) closed."""
    return node.drained and not node.down and _SHELVED.match(node.reason) is not None


def shelve(
    slurm: Mapping[NodeName, SlurmNode],
    pool_of: Mapping[NodeName, PoolName],
    closed: Mapping[PoolName, Failure],
    busy: Collection[NodeName],
    canaries: Collection[NodeName] = (),
    room: Callable[[PoolName], int] | None = None,
) -> list[Say]:
    """What Slurm is to be told so that idle nodes of closed pools are drained, and those of open ones are not.

    `busy`: nodes with a live or dying launch. `room`: how many more nodes the budgets of a pool allow (`Census.room`). After a
    budget was used up no more nodes return than it has room for: else each VM that goes would bring a whole pool back, and
    Slurm would start hundreds of jobs there for one node. The rest follows when nothing of the pool is in use.
    """
    reasons = {pool: shelf_reason(failure) for pool, failure in closed.items()}
    says: list[Say] = []
    idle: dict[PoolName, int] = {}
    returning: dict[PoolName, list[NodeName]] = {}
    for name, node in slurm.items():
        pool = pool_of.get(name)
        if pool is None:
            continue
        if is_shelved(node):
            if pool not in reasons:
                if node.power in (Power.OFF, Power.UP) and not node.flags & BUSY:  # state=idle is refused with jobs on it
                    returning.setdefault(pool, []).append(name)
            elif node.power is Power.OFF and not _says(node.reason, reasons[pool]):
                says.append(Say(name, Saying.SHELVE, reasons[pool]))
        elif _is_idle(node):
            idle[pool] = idle.get(pool, 0) + 1
            if pool in reasons and name not in busy and name not in canaries:
                says.append(Say(name, Saying.SHELVE, reasons[pool]))
    in_use = {pool_of.get(name) for name in busy} if returning else set()
    for pool, names in returning.items():
        nobody_waits = idle.get(pool, 0) > 0 and pool not in in_use
        most = len(names) if room is None else _most(room(pool), idle.get(pool, 0), len(names) if nobody_waits else 0)
        says += (Say(name, Saying.RESUME, "") for name in _some(names, most, slurm))
    return says


def idle_nodes(
    slurm: Mapping[NodeName, SlurmNode], pool_of: Mapping[NodeName, PoolName], pool: PoolName, busy: Collection[NodeName]
) -> list[NodeName]:
    """The nodes of `pool` that nobody uses, by name: powered down, in service or drained by us because their pool is closed."""
    return sorted(
        name
        for name, node in slurm.items()
        if pool_of.get(name) == pool and name not in busy and node.power is Power.OFF and (is_shelved(node) or _is_idle(node))
    )


def _stopped(site: Site, pool: PoolName, now: float) -> Failure | None:
    """An administrator's order that has not expired, the site's before the pool's."""
    for key, scope in ((None, Scope.SITE), (pool, Scope.POOL)):
        pause = site.pauses.get(key)
        if pause is not None and (pause.until is None or pause.until > now):
            until = "" if pause.until is None else f" until {moment(pause.until, pause.since)}"
            cause = f": {' '.join(pause.reason.split())}" if pause.reason.strip() else ""
            remedy = "slurm-azure resume-service" + ("" if key is None else f" --pool {key}")
            return Failure(FailureReason.PAUSED, f"stopped by {pause.by}{until}{cause} [{remedy}]", scope, Blame.SITE)
    return None


def _cold(market: Market, pool: PoolName) -> Failure | None:
    """All offers cool down: the cause of that one which ends first."""
    cold: CoolDown | None = market.all_cold(pool)
    if cold is None:
        return None
    detail = f"{_COLD}until {moment(cold.until, cold.since)}: {cold.detail}"
    scope = Scope.SITE if cold.key == "site" else Scope.POOL
    return Failure(cold.reason, detail, scope, _BLAMES.get(cold.reason, Blame.CONFIGURATION))


def _used_up(market: Market, pool: PoolPolicy, census: Census) -> Failure | None:
    breach = census.used_up(pool, market.offers(pool.name))
    return None if breach is None else replace(breach, stand="", scope=Scope.POOL).failure()


def _broken(breaker: Breaker | None) -> Failure | None:
    if breaker is None or not is_open(breaker):
        return None
    last = breaker.detail.partition(":")[0]
    detail = f"until a node has joined: {breaker.failures} boots in a row failed, the last of {breaker.detail}"
    detail += f" [slurm-azure why {last} --console]"
    return Failure(FailureReason.PAUSED, detail, Scope.POOL, Blame.IMAGE)


def moment(at: float, since: float) -> str:
    """`14:05 UTC`, with the date if it is far from `since`; rounded up, so that the pool is open when it says so."""
    minute = datetime.fromtimestamp(math.ceil(at / 60) * 60, UTC)
    return f"{minute:%H:%M} UTC" if at - since < _FAR else f"{minute:%Y-%m-%d %H:%M} UTC"


def _is_idle(node: SlurmNode) -> bool:
    """Powered down, in service, and nobody has plans with it."""
    return node.power is Power.OFF and "IDLE" in node.flags and not node.flags & _NOT_IDLE


def _says(shown: str, wanted: str) -> bool:
    """Whether a node shows the reason it should. Slurm may show it shortened, and with other quotes."""
    return _letters(shown) == _letters(wanted)


@lru_cache(maxsize=256)  # thousands of nodes show the same few texts
def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)[:_COMPARED]


def _most(room: int, idle: int, quiet: int) -> int:
    """How many may return; `quiet`: how many, once there are as many idle nodes as there is room for."""
    return room - idle if room > idle else quiet


def _some(names: list[NodeName], most: int, slurm: Mapping[NodeName, SlurmNode]) -> Iterator[NodeName]:
    """All of `names` but those beyond the first `most` for which a budget had no room."""
    for name in names:
        if slurm[name].reason.startswith(_NO_ROOM):
            if most <= 0:
                continue
            most -= 1
        yield name
