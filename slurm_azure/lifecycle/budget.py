"""Budgets: what pools, partitions and the whole site use, and whether one more launch would break a limit.

A launch counts from its plan until Azure says that its VM is gone (or deallocated): until then it may be billed. A pool in two
partitions counts in both; launches of pools that are configured no more count for the site.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from slurm_azure.lifecycle.record import Caps, Policy, PoolPolicy, Site
from slurm_azure.lifecycle.spending import month_of, spending_of
from slurm_azure.model import Blame, Failure, FailureReason, Launch, Offer, PoolName, Scope

NO_LIMIT = 1_000_000_000
"""How much room there is where no limit is set."""

_GRAIN = 1e-9  # prices are decimal: ten launches of 0.1 USD are 1 USD


@dataclass(frozen=True, slots=True)
class Use:
    """What is used of a budget: `cost_per_hour` and `month` (this calendar month's) in USD; `booting`: not joined yet."""

    nodes: int = 0
    cores: int = 0
    cost_per_hour: float = 0.0
    booting: int = 0
    month: float = 0.0

    def plus(self, other: Use) -> Use:
        """Both together."""
        return Use(
            self.nodes + other.nodes,
            self.cores + other.cores,
            self.cost_per_hour + other.cost_per_hour,
            self.booting + other.booting,
            self.month + other.month,
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a budget; `name` is `pool hb`, `partition cloud` or `the site`, as messages say it, `key` where it is set."""

    name: str
    caps: Caps
    key: str


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that one more launch would break. `limit` and `remedy` stay the same as long as the configuration does (idle
    nodes get them as their reason), `stand` is where it stands now."""

    limit: str
    stand: str
    scope: Scope
    remedy: str

    def failure(self) -> Failure:
        """What a launch is refused with."""
        stand = f" ({self.stand})" if self.stand else ""
        return Failure(FailureReason.BUDGET, f"{self.limit}{stand} [{self.remedy}]", self.scope, Blame.SITE)


@dataclass(frozen=True, slots=True)
class Demand:
    """What one launch of an offer takes; None: not known."""

    pool: PoolName
    size: str
    cores: int | None
    price: float | None

    @classmethod
    def of(cls, pool: PoolPolicy, offer: Offer) -> Demand:
        """Of `offer` in `pool`."""
        return cls(pool.name, offer.size, pool.cores.get(offer.size) or None, pool.prices.get(offer))


_NOTHING = Use()
SITE = "the site"


@dataclass(frozen=True, slots=True)
class Census:
    """What is used of every budget, by the name of its holder. Each change makes a new one.

    `leaving` is what launches use whose VMs are on their way out. They may still be billed, so a limit holds for both
    together; but they are no reason to refuse: whoever would fit without them waits (`must_wait`).
    """

    holders: Mapping[PoolName, tuple[Holder, ...]]
    staying: Mapping[str, Use]
    leaving: Mapping[str, Use]

    def use_of(self, holder: str) -> Use:
        """All that `holder` uses: `pool hb`, `partition cloud` or `the site`."""
        return self.staying.get(holder, _NOTHING).plus(self.leaving.get(holder, _NOTHING))

    def with_launch(self, pool: PoolPolicy, offer: Offer) -> Census:
        """The census with one more launch, planned just now."""
        demand = Demand.of(pool, offer)
        one = Use(1, demand.cores or 0, demand.price or 0.0, 1)
        staying = dict(self.staying)
        for holder in self.holders[pool.name]:
            staying[holder.name] = staying.get(holder.name, _NOTHING).plus(one)
        return replace(self, staying=staying)

    def emptied(self) -> Census:
        """The census without any launch; what the month has cost remains."""
        return replace(self, staying={name: Use(month=use.month) for name, use in self.staying.items()}, leaving={})

    def breaks(self, pool: PoolPolicy, offer: Offer) -> Failure | None:
        """Why a launch of `offer` is refused: the first limit it would break (the pool's, its partitions', the site's), with
        VMs on their way out not counted. Scope OFFER: a smaller or cheaper offer might fit."""
        breach = self.breach(pool, offer)
        return None if breach is None else breach.failure()

    def breach(self, pool: PoolPolicy, offer: Offer) -> Breach | None:
        """The first limit that a launch of `offer` would break."""
        demand = Demand.of(pool, offer)
        for holder in self.holders[pool.name]:
            breach = next(_breaches(holder, self.staying.get(holder.name, _NOTHING), demand), None)
            if breach is not None:
                return breach
        return None

    def must_wait(self, pool: PoolPolicy, offer: Offer) -> bool:
        """Whether a launch that breaks no limit would break one together with VMs on their way out."""
        if not self.leaving:
            return False
        demand = Demand.of(pool, offer)
        return any(next(_breaches(one, self.use_of(one.name), demand), None) for one in self.holders[pool.name])

    def used_up(self, pool: PoolPolicy, offers: Sequence[Offer]) -> Breach | None:
        """If none of `offers` fits: the limit that the first one would break."""
        breaches = [self.breach(pool, offer) for offer in offers]
        return breaches[0] if breaches and None not in breaches else None

    def room(self, pool: PoolPolicy) -> int:
        """How many launches more fit into the budgets that hold for `pool`, of the offer of which most do."""
        return max((self._room(pool, Demand.of(pool, offer)) for offer in pool.offers), default=0)

    def room_to_boot(self, pool: PoolPolicy) -> int:
        """How many launches more may be on their way at once (`booting` of the pool, its partitions and the site)."""
        rooms = (
            one.caps.booting - self.staying.get(one.name, _NOTHING).booting
            for one in self.holders[pool.name]
            if one.caps.booting is not None
        )
        return max(0, min(rooms, default=NO_LIMIT))

    def _room(self, pool: PoolPolicy, demand: Demand) -> int:
        rooms = (room for one in self.holders[pool.name] for room in _rooms(one.caps, self.use_of(one.name), demand))
        return max(0, min(rooms, default=NO_LIMIT))


def count(launches: Iterable[Launch], policy: Policy, site: Site, now: float) -> Census:
    """The census of all unfinished `launches` at `now`; `site.spent` is what finished ones have cost in this month.

    A launch that has failed is on its way out even while it is live: another one may take its place.
    """
    by_month = _any_month(policy)
    staying: dict[PoolName, Use] = {}
    leaving: dict[PoolName, Use] = {}
    for launch in launches:
        stays = launch.live and launch.failure is None
        use = _use_of(launch, stays, policy)
        if use is not None:
            group = staying if stays else leaving
            group[launch.pool] = group.get(launch.pool, _NOTHING).plus(use)
        if by_month and (usd := this_month(launch, now)):
            staying[launch.pool] = staying.get(launch.pool, _NOTHING).plus(Use(month=usd))
    for pool, usd in site.spent.items():
        staying[pool] = staying.get(pool, _NOTHING).plus(Use(month=usd))
    holders = {name: tuple(_holders(pool, policy)) for name, pool in policy.pools.items()}
    return Census(holders, _summed(staying, holders), _summed(leaving, holders))


def unpriced(pool: PoolPolicy, policy: Policy) -> tuple[str, ...]:
    """Sizes of `pool` that are never launched: a limit in USD holds for them, and their price is not known."""
    if not any(_in_usd(holder.caps) for holder in _holders(pool, policy)):
        return ()
    return tuple(dict.fromkeys(offer.size for offer in pool.offers if offer not in pool.prices))


def this_month(launch: Launch, now: float) -> float:
    """USD that an unfinished launch has cost in the calendar month (UTC) of `now`; 0 if its price is not known."""
    if launch.price is None:
        return 0.0
    month = month_of(now)
    return sum(usd for name, usd, _ in spending_of(launch, now) if name == month)


def _use_of(launch: Launch, stays: bool, policy: Policy) -> Use | None:
    """What an unfinished launch uses now; None: it has no VM and will get none, or one that is deallocated."""
    no_vm = not stays and launch.sent_at is None
    if no_vm or launch.gone_at is not None or launch.deallocated_at is not None:
        return None
    pool = policy.pools.get(launch.pool)
    cores = 0 if pool is None else pool.cores.get(launch.offer.size, 0)
    return Use(1, cores, launch.price or 0.0, int(stays and launch.joined_at is None))


def _holders(pool: PoolPolicy, policy: Policy) -> Iterator[Holder]:
    """Whose budgets a launch of `pool` counts for."""
    yield Holder(f"pool {pool.name}", pool.caps, f"pools.{pool.name}.budget")
    for name in pool.partitions:
        yield Holder(f"partition {name}", policy.partition_caps.get(name, Caps()), f"partitions.{name}.budget")
    yield Holder(SITE, policy.caps, "budget")


def _summed(pools: Mapping[PoolName, Use], holders: Mapping[PoolName, tuple[Holder, ...]]) -> dict[str, Use]:
    sums: dict[str, Use] = {}
    for pool, use in pools.items():
        for holder in holders.get(pool, (Holder(SITE, Caps(), "budget"),)):
            sums[holder.name] = sums.get(holder.name, _NOTHING).plus(use)
    return sums


def _breaches(holder: Holder, use: Use, demand: Demand) -> Iterator[Breach]:
    """The limits of `holder` that one more launch would break."""
    caps, whose = holder.caps, f"in {holder.name}"
    if caps.nodes is not None and use.nodes >= caps.nodes:
        yield Breach(f"at most {caps.nodes} nodes {whose}", f"{use.nodes} in use", Scope.POOL, f"raise {holder.key}.nodes")
    if caps.cores is not None:
        limit = f"at most {caps.cores} cores {whose}"
        if demand.cores is None:
            stand = f"how many {demand.size} has is not known"
            yield Breach(limit, stand, Scope.OFFER, f"give pools.{demand.pool}.hardware")
        elif use.cores + demand.cores > caps.cores:
            stand = f"{use.cores} in use, {demand.size} has {demand.cores}"
            yield Breach(limit, stand, Scope.OFFER, f"raise {holder.key}.cores")
    if demand.price is None and _in_usd(caps):
        text = f"a limit in USD for {holder.name}, and the price of {demand.size} is not known"
        yield Breach(text, "", Scope.OFFER, f"give pools.{demand.pool}.price_per_hour")
        return
    if caps.cost_per_hour is not None and use.cost_per_hour + (demand.price or 0.0) > caps.cost_per_hour + _GRAIN:
        stand = f"{use.cost_per_hour:.2f} in use, {demand.size} costs {demand.price:.2f}"
        limit = f"at most {caps.cost_per_hour:g} USD per hour {whose}"
        yield Breach(limit, stand, Scope.OFFER, f"raise {holder.key}.cost_per_hour")
    if caps.cost_per_month is not None and use.month >= caps.cost_per_month:
        limit = f"at most {caps.cost_per_month:g} USD per month {whose}"
        yield Breach(limit, f"{use.month:.2f} spent", Scope.POOL, f"raise {holder.key}.cost_per_month")


def _rooms(caps: Caps, use: Use, demand: Demand) -> Iterator[int]:
    """How many launches more each limit allows."""
    if caps.nodes is not None:
        yield caps.nodes - use.nodes
    if caps.cores is not None:
        yield 0 if demand.cores is None else (caps.cores - use.cores) // max(1, demand.cores)
    if demand.price is None and _in_usd(caps):
        yield 0
        return
    if caps.cost_per_hour is not None:
        yield int((caps.cost_per_hour - use.cost_per_hour + _GRAIN) // (demand.price or _GRAIN))
    if caps.cost_per_month is not None and use.month >= caps.cost_per_month:
        yield 0


def _in_usd(caps: Caps) -> bool:
    return caps.cost_per_hour is not None or caps.cost_per_month is not None


def _any_month(policy: Policy) -> bool:
    everyone = (policy.caps, *policy.partition_caps.values(), *(pool.caps for pool in policy.pools.values()))
    return any(caps.cost_per_month is not None for caps in everyone)
