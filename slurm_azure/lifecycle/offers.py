"""Which of a pool's offers Azure is asked for: the first in the pool's order that does not cool down.

A failure speaks of something (its scope), and that is what cools down: one offer, a size in every zone, all of Spot, the pool,
or the site. An offer is cold while any of its keys is. Each failure in a row (a strike) makes the next cool-down twice as long;
strikes are forgotten when a VM that was asked for after the last of them is provisioned, or when they are long over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from zlib import crc32

from slurm_azure.lifecycle.record import Policy, PoolPolicy
from slurm_azure.model import CoolDown, Failure, FailureReason, NodeName, Offer, PoolName, Priority, Scope

FORGET = 3600.0
"""Strikes are forgotten this long after a cool-down is over (seconds), or after as long as it lasted, if that was longer."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long something cools down, in seconds: after the `first` failure, then twice as long each time, `longest` at most.
    Spot may have its own times."""

    first: float
    longest: float
    spot_first: float | None = None
    spot_longest: float | None = None

    def of(self, priority: Priority) -> tuple[float, float]:
        """First and longest for offers of `priority`."""
        if priority is Priority.ON_DEMAND:
            return self.first, self.longest
        return self.spot_first or self.first, self.spot_longest or self.longest


_MINUTE, _HOUR = 60.0, 3600.0
_R = FailureReason

COOL_DOWNS: Mapping[FailureReason, Times] = MappingProxyType({
    # On demand comes last in most pools: while it is cold the pool is closed, so it is tried again sooner than Spot.
    # (Karpenter waits 1 h after a failed allocation: pkg/providers/instance/offerings/resperrorhandlers.go)
    _R.CAPACITY: Times(3 * _MINUTE, _HOUR, 5 * _MINUTE, _HOUR),
    _R.QUOTA: Times(10 * _MINUTE, _HOUR),  # until VMs go, or somebody raises it (Karpenter: 10 min to 1 h)
    _R.SPOT_PRICE: Times(10 * _MINUTE, _HOUR),
    _R.EVICTED: Times(5 * _MINUTE, 30 * _MINUTE),  # Azure needs the hosts: the next VM there would not last either
    _R.NETWORK: Times(2 * _MINUTE, 15 * _MINUTE),  # a full subnet: addresses come back as VMs go
    _R.IMAGE: Times(5 * _MINUTE, _HOUR),
    _R.CONFIGURATION: Times(5 * _MINUTE, _HOUR),
    _R.PERMISSION: Times(2 * _MINUTE, 10 * _MINUTE),  # a role that is given takes up to 10 min to be known everywhere
    _R.POLICY: Times(5 * _MINUTE, _HOUR),
    _R.UNKNOWN: Times(_MINUTE, 15 * _MINUTE),
})  # fmt: skip
"""After which reasons something cools down, and for how long. The others say nothing of what a next VM would meet (TRANSIENT,
VANISHED, MAINTENANCE), have their own bounds (BOOT, JOIN_TIMEOUT: attempts and breaker) or are the site's own (BUDGET, ..)."""

_NOBODY = NodeName("")

FIXABLE = frozenset({_R.IMAGE, _R.CONFIGURATION, _R.PERMISSION, _R.POLICY, _R.NETWORK, _R.UNKNOWN})
"""Reasons that an administrator may just have seen to when the configuration is read again."""


def key_of(scope: Scope, offer: Offer, pool: PoolName) -> str | None:
    """What cools down after a failure of `scope`; None: nothing does."""
    match scope:
        case Scope.LAUNCH:
            return None
        case Scope.OFFER:
            return f"offer {offer.size}/{offer.zone or '-'}/{offer.priority.value}"
        case Scope.SIZE:
            return f"size {offer.size}/{offer.priority.value}"
        case Scope.PRIORITY:
            return f"priority {offer.priority.value}"
        case Scope.POOL:
            return f"pool {pool}"
        case Scope.SITE:
            return "site"


def keys_of(offer: Offer, pool: PoolName) -> tuple[str, ...]:
    """All that must be warm for `offer` to be asked for in `pool`, the narrowest first."""
    return tuple(key for scope in Scope if (key := key_of(scope, offer, pool)) is not None)


def cool(
    known: Mapping[str, CoolDown],
    offer: Offer,
    pool: PoolName,
    failure: Failure,
    policy: Policy,
    now: float,
    planned_at: float | None = None,
) -> CoolDown | None:
    """The cool-down that begins with a failure of `offer` in `pool`; None: none does, or it is cold already.

    `planned_at`: when the failed launch was planned. Launches that were under way when the key became cold are no further
    strike, however late they fail.
    """
    key, times = key_of(failure.scope, offer, pool), COOL_DOWNS.get(failure.reason)
    if key is None or times is None:
        return None
    before = known.get(key)
    if before is not None and now < before.until:
        return None
    strikes = 1
    if before is not None and not is_over(before, now):
        under_way = planned_at is not None and planned_at < before.since
        strikes = before.strikes + (0 if under_way else 1)
    first, longest = times.of(offer.priority)
    first = policy.cool_downs.get(failure.reason, first)
    seconds = min(first * 2.0 ** min(strikes - 1, 30), max(first, longest))
    return CoolDown(key, failure.reason, failure.detail, now, now + seconds, strikes)


def is_over(cold: CoolDown, now: float) -> bool:
    """Whether a cool-down, with its strikes, is so long over that it can be forgotten."""
    return now - cold.until > max(FORGET, cold.until - cold.since)


def keys_over(known: Mapping[str, CoolDown], now: float) -> tuple[str, ...]:
    """The keys of cool-downs that can be forgotten."""
    return tuple(key for key, cold in known.items() if is_over(cold, now))


def keys_to_warm(
    offer: Offer, pool: PoolName, known: Mapping[str, CoolDown], planned_at: float | None = None
) -> tuple[str, ...]:
    """What a VM of `offer` in `pool`, planned at `planned_at` and now provisioned, has disproved.

    It shows that Azure had room, quota, rights and the image for it, so for its offer, size, priority, pool and site; of other
    offers it shows nothing. If it was under way when a key became cold it shows nothing of what has been since: of 100 VMs
    that exceed a quota together, the 60 that fit do not disprove it. And that a Spot VM was made does not show that it stays.
    """
    if not known:
        return ()
    found = ((key, known[key]) for key in keys_of(offer, pool) if key in known)
    return tuple(
        key
        for key, cold in found
        if cold.reason is not FailureReason.EVICTED and (planned_at is None or planned_at >= cold.since)
    )


def keys_to_try_anew(known: Mapping[str, CoolDown]) -> tuple[str, ...]:
    """What is worth a try at once after the configuration was read again: an administrator may have mended it."""
    return tuple(key for key, cold in known.items() if cold.reason in FIXABLE)


def cheapest(offers: Sequence[Offer], prices: Mapping[Offer, float]) -> tuple[Offer, ...]:
    """`offers` by price (USD per hour); what has no known price comes last, equals stay in order.

    Spot stays before on-demand, whatever the figures say: of a Spot price only the most it can be is known (its limit, or the
    on-demand price), and mostly it is far below.
    """

    def rank(offer: Offer) -> tuple[bool, float]:
        return offer.priority is Priority.ON_DEMAND, prices.get(offer, float("inf"))

    return tuple(sorted(offers, key=rank))


class Market:
    """The offers of all pools at one moment. Made once a round: what it finds out of a pool it keeps."""

    def __init__(self, pools: Mapping[PoolName, PoolPolicy], known: Mapping[str, CoolDown], now: float) -> None:
        self._pools, self._now = pools, now
        lasting = {key: cold for key, cold in known.items() if cold.until > now}
        # Where VMs were taken back others may still be had: they come last, but they are not refused.
        self._cold = {key: cold for key, cold in lasting.items() if cold.reason is not FailureReason.EVICTED}
        self._shaky = lasting.keys() - self._cold.keys()
        self._rows: dict[PoolName, tuple[tuple[Offer, ...], ...]] = {}

    def offers(self, pool: PoolName, node: NodeName = _NOBODY, avoid: Offer | None = None) -> tuple[Offer, ...]:
        """The warm offers of `pool` in the order in which `node` should try them; `avoid` comes last."""
        row = self._row(pool, node)
        if avoid is None or avoid not in row:
            return row
        return (*(offer for offer in row if offer != avoid), avoid)

    def choose(self, pool: PoolName, node: NodeName, avoid: Offer | None = None) -> Offer | None:
        """The offer that `node` is to be made of; None: all are cold. `avoid` only if nothing else is warm."""
        row = self._row(pool, node)
        return next((offer for offer in row if offer != avoid), row[0] if row else None)

    def all_cold(self, pool: PoolName) -> CoolDown | None:
        """If no offer of `pool` is warm: the cool-down at whose end the first one is. Else None."""
        ends: list[CoolDown] = []
        for offer in self._pools[pool].offers:
            cold = self.coldest(offer, pool)
            if cold is None:
                return None
            ends.append(cold)
        return min(ends, key=lambda cold: cold.until, default=None)

    def coldest(self, offer: Offer, pool: PoolName) -> CoolDown | None:
        """The cool-down that keeps `offer` cold longest; None: it is warm."""
        if not self._cold:
            return None
        held = (self._cold[key] for key in keys_of(offer, pool) if key in self._cold)
        return max(held, key=lambda cold: cold.until, default=None)

    def _row(self, pool: PoolName, node: NodeName) -> tuple[Offer, ...]:
        rows = self._rows.get(pool)
        if rows is None:
            rows = self._rows[pool] = tuple(self._turned(self._pools[pool]))
        return rows[0] if len(rows) == 1 else rows[crc32(node.encode()) % len(rows)]

    def _turned(self, pool: PoolPolicy) -> Iterator[tuple[Offer, ...]]:
        """The warm offers of `pool`; with `spread` once for each zone that may come first, sizes and priorities in order."""
        alike = [list(zones) for _, zones in groupby(pool.offers, lambda offer: (offer.size, offer.priority))]
        for turn in range(max(map(len, alike), default=1) if pool.spread else 1):
            turned = (zones[turn % len(zones) :] + zones[: turn % len(zones)] for zones in alike)
            warm = [offer for zones in turned for offer in zones if self.coldest(offer, pool.name) is None]
            yield tuple(sorted(warm, key=lambda offer: not self._shaky.isdisjoint(keys_of(offer, pool.name))))


def choose(
    pool: PoolPolicy, known: Mapping[str, CoolDown], now: float, node: NodeName, avoid: Offer | None = None
) -> Offer | None:
    """As `Market.choose`, for a single question."""
    return Market({pool.name: pool}, known, now).choose(pool.name, node, avoid)


def all_cold(pool: PoolPolicy, known: Mapping[str, CoolDown], now: float) -> CoolDown | None:
    """As `Market.all_cold`, for a single question."""
    return Market({pool.name: pool}, known, now).all_cold(pool.name)
