"""Admission: of all nodes that ask for a launch, which get one now, of which offer; which wait; and which are refused, and why.

Whole jobs come one after the other, the oldest first: where not all can boot at once (growth limit), jobs become startable one
by one, instead of all at the very end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from slurm_azure.lifecycle.budget import Census
from slurm_azure.lifecycle.closing import only_by_breaker
from slurm_azure.lifecycle.effects import Ask, Create, Drop, Effect, Plan, Save
from slurm_azure.lifecycle.jobs import is_doomed, together
from slurm_azure.lifecycle.offers import Market
from slurm_azure.lifecycle.park import is_reused
from slurm_azure.lifecycle.record import Facts, NodeRecord, PoolPolicy
from slurm_azure.lifecycle.retry import has_time
from slurm_azure.model import Blame, Failure, FailureReason, Offer, PoolName, Scope


@dataclass(frozen=True, slots=True)
class Admission:
    """What was decided: effects, the jobs that are refused as a whole, each with what its other nodes are let go for, and the
    census with what was planned."""

    effects: tuple[Effect, ...]
    refused: Mapping[int, Failure]
    census: Census


def admit(asks: Iterable[Ask], doom: Mapping[int, Failure], facts: Facts, census: Census) -> Admission:
    """Decide on all `asks`. `doom`: jobs that have lost a node already, and are given nothing."""
    desk = _Desk(facts, census, Market(facts.policy.pools, facts.cool_downs, facts.now), dict(doom))
    for group in by_job(asks):
        desk.take(group)
    return Admission(tuple(desk.effects), {job: why for job, why in desk.doom.items() if job not in doom}, desk.census)


def by_job(asks: Iterable[Ask]) -> list[list[Ask]]:
    """The asks of each job together, the oldest first; a node without a job is a group of its own."""
    groups: dict[object, list[Ask]] = {}
    for ask in asks:
        groups.setdefault(ask.jobs[0] if ask.jobs else ask.node, []).append(ask)
    return sorted(groups.values(), key=lambda group: min(ask.asked_at for ask in group))


@dataclass
class _Desk:
    """Where asks are decided on, group by group. `blocked`: pools whose growth limit is reached in this round."""

    facts: Facts
    census: Census
    market: Market
    doom: dict[int, Failure]
    effects: list[Effect] = field(default_factory=list)
    blocked: set[PoolName] = field(default_factory=set)

    def take(self, group: list[Ask]) -> None:
        """Decide on one job's asks."""
        whole = [ask for ask in group if ask.jobs and self._pool(ask).all_or_nothing]
        if whole:
            self._try_whole(group)
        for ask in group:
            refused = is_doomed(ask, self.doom)
            if refused is not None:
                self._refuse(ask, self._pool(ask).offers[0], refused)
            else:
                self._decide(ask)

    def _try_whole(self, group: list[Ask]) -> None:
        """All or nothing: if one of the job's nodes has to be refused, so are all."""
        census = self.census
        for ask in group:
            offer, failure = self._offer(ask, census)
            if failure is not None:
                never = self._never(group) if failure.reason is FailureReason.BUDGET else None
                self.doom.update({job: together(job, ask.node, never or failure, never is not None) for job in ask.jobs})
                return
            if offer is not None:
                census = census.with_launch(self._pool(ask), offer)

    def _never(self, group: list[Ask]) -> Failure | None:
        """The limit that a whole job breaks even if nothing else runs."""
        census = self.census.emptied()
        for ask in group:
            pool = self._pool(ask)
            fits = next((offer for offer in pool.offers if census.breach(pool, offer) is None), None)
            breach = census.breach(pool, pool.offers[0])
            if fits is not None:
                census = census.with_launch(pool, fits)
            elif breach is not None:
                return replace(breach, stand="").failure()
        return None

    def _decide(self, ask: Ask) -> None:
        pool = self._pool(ask)
        offer, failure = self._offer(ask, self.census)
        if failure is not None:
            self._refuse(ask, pool.offers[0], failure)
            return
        assert offer is not None  # noqa: S101 - one of the two
        if pool.name in self.blocked or self.census.room_to_boot(pool) < 1 or self.census.must_wait(pool, offer):
            self.blocked.add(pool.name)  # nobody younger overtakes: a large job would never get its nodes
            return
        self.census = self.census.with_launch(pool, offer)
        reuse = ask.kept.vm_name if ask.kept is not None and ask.kept.offer == offer else None
        self.effects.append(Plan(ask, offer, reuse=reuse))
        self._see_to(ask)

    def _offer(self, ask: Ask, census: Census) -> tuple[Offer | None, Failure | None]:
        """The offer a node gets, or why it gets none."""
        pool, closed = self._pool(ask), self.facts.closed.get(ask.pool)
        if closed is not None and not (ask.node in self.facts.canaries and only_by_breaker(closed)):
            return None, closed
        if not has_time(pool, ask.asked_at, self.facts.now):
            return None, _too_late(self.facts.now - ask.asked_at)
        if ask.kept is not None and self.market.coldest(ask.kept.offer, ask.pool) is None:
            return ask.kept.offer, census.breaks(pool, ask.kept.offer)
        warm = self.market.offers(ask.pool, ask.node, ask.avoid)
        if not warm:
            cold = self.market.all_cold(ask.pool)
            assert cold is not None  # noqa: S101 - else one would have been warm
            return None, Failure(cold.reason, cold.detail, Scope.POOL)
        broken: Failure | None = None
        for offer in warm:
            failure = census.breaks(pool, offer)
            if failure is None:
                return offer, None
            broken = broken or failure
        return None, broken

    def _refuse(self, ask: Ask, offer: Offer, failure: Failure) -> None:
        self.effects.append(Plan(ask, offer, refused=failure))
        self._see_to(ask)

    def _see_to(self, ask: Ask) -> None:
        if ask.wish is not None:
            self.effects.append(Drop(ask.wish))

    def _pool(self, ask: Ask) -> PoolPolicy:
        return self.facts.policy.pools[ask.pool]


def _too_late(seconds: float) -> Failure:
    why = "growth limit, budgets, or a daemon that was away"
    detail = f"asked for {seconds:.0f} s ago, and not made yet ({why}): no time is left to boot"
    return Failure(FailureReason.BUDGET, detail, Scope.LAUNCH, Blame.SITE)


def move(records: Iterable[NodeRecord], facts: Facts) -> list[Effect]:
    """Give launches that are planned and not sent another offer, if their own has become cold meanwhile."""
    if not facts.cool_downs:
        return []
    market = Market(facts.policy.pools, facts.cool_downs, facts.now)
    effects: list[Effect] = []
    for record in records:
        launch, pool = record.live, record.pool
        if launch is None or pool is None or launch.sent_at is not None or launch.failure is not None:
            continue
        if is_reused(launch) or market.coldest(launch.offer, pool.name) is None:
            continue
        offer = market.choose(pool.name, record.node, launch.offer)
        if offer is not None:
            moved = replace(launch, offer=offer, price=pool.prices.get(offer))
            effects += [Save(moved), Create(moved)]
    return effects
