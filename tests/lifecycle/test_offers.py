"""Which offer a node is made of, and what cools down for how long."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.lifecycle.offers import (
    COOL_DOWNS,
    FORGET,
    Market,
    all_cold,
    cheapest,
    choose,
    cool,
    is_over,
    key_of,
    keys_of,
    keys_over,
    keys_to_try_anew,
    keys_to_warm,
)
from slurm_azure.lifecycle.record import Policy, PoolPolicy
from slurm_azure.model import CoolDown, Failure, NodeName, Offer, PoolName, Priority, Scope
from slurm_azure.model import FailureReason as R
from tests.support.nodes import NODE, NOW, POOL

SPOT = Priority.SPOT
POLICY = Policy({})
D1, D2 = Offer("D4", "1"), Offer("D4", "2")
S1, S2 = Offer("D4", "1", SPOT), Offer("D4", "2", SPOT)
E1, E2 = Offer("E4", "1"), Offer("E4", "2")


def a_pool(*offers: Offer, spread: bool = False, name: str = POOL) -> PoolPolicy:
    """A pool of these offers, in this order."""
    return PoolPolicy(PoolName(name), offers, 600.0, spread=spread)


def a_failure(scope: Scope = Scope.OFFER, reason: R = R.CAPACITY) -> Failure:
    """Azure's no."""
    return Failure(reason, "AllocationFailed: no room", scope)


def known_after(*failed: Offer, scope: Scope = Scope.OFFER, now: float = NOW) -> dict[str, CoolDown]:
    """The cool-downs after a failure of each of these offers."""
    known: dict[str, CoolDown] = {}
    for offer in failed:
        cold = cool(known, offer, POOL, a_failure(scope), POLICY, now)
        if cold is not None:
            known[cold.key] = cold
    return known


class TestKeys:
    """What a failure speaks of, as a key."""

    def test_an_offer_has_the_keys_of_every_scope(self) -> None:
        """Whatever an offer's failure cools, the offer itself is cold by it; a launch's own failure cools nothing."""
        wider = [scope for scope in Scope if scope is not Scope.LAUNCH]
        assert keys_of(S1, POOL) == tuple(key_of(scope, S1, POOL) for scope in wider)
        assert key_of(Scope.LAUNCH, S1, POOL) is None
        assert len(set(keys_of(S1, POOL))) == len(wider)

    def test_keys_are_readable(self) -> None:
        """They stand in status and metrics."""
        assert keys_of(S1, POOL) == ("offer D4/1/spot", "size D4/spot", "priority spot", "pool hb", "site")
        assert keys_of(Offer("D4"), POOL)[0] == "offer D4/-/on-demand"

    @pytest.mark.parametrize(
        ("scope", "left"),
        [
            (Scope.LAUNCH, {S1, S2, D1, D2, E1}),
            (Scope.OFFER, {S2, D1, D2, E1}),
            (Scope.SIZE, {D1, D2, E1}),
            (Scope.PRIORITY, {D1, D2, E1}),
            (Scope.POOL, set()),
            (Scope.SITE, set()),
        ],
    )
    def test_a_failure_leaves_warm_what_it_does_not_speak_of(self, scope: Scope, left: set[Offer]) -> None:
        """After a failure of Spot D4 in zone 1."""
        market = Market({POOL: a_pool(S1, S2, D1, D2, E1)}, known_after(S1, scope=scope), NOW)
        assert set(market.offers(POOL, NODE)) == left

    def test_one_pools_image_is_not_anothers(self) -> None:
        """A pool's own fault leaves other pools warm; the site's does not."""
        other = a_pool(D1, name="other")
        assert choose(other, known_after(D1, scope=Scope.POOL), NOW, NODE) == D1
        assert choose(other, known_after(D1, scope=Scope.SITE), NOW, NODE) is None


class TestCool:
    """How long."""

    def test_each_strike_doubles_up_to_the_longest(self) -> None:
        """3, 6, 12, .. minutes without capacity on demand, an hour at most."""
        known: dict[str, CoolDown] = {}
        now, lasted = NOW, []
        for _ in range(7):
            cold = cool(known, D1, POOL, a_failure(), POLICY, now)
            assert cold is not None
            known[cold.key] = cold
            lasted.append((cold.until - cold.since) / 60)
            now = cold.until
        assert lasted == [3, 6, 12, 24, 48, 60, 60]

    def test_spot_has_its_own_times(self) -> None:
        """As the table says."""
        cold = cool({}, S1, POOL, a_failure(), POLICY, NOW)
        assert cold is not None
        assert cold.until - NOW == COOL_DOWNS[R.CAPACITY].spot_first == 300

    def test_the_site_may_set_the_first_time(self) -> None:
        """limits.cool_downs; a first time above the longest is taken as it is."""
        for seconds in (1.0, 86400.0):
            cold = cool({}, D1, POOL, a_failure(), replace(POLICY, cool_downs={R.CAPACITY: seconds}), NOW)
            assert cold is not None
            assert cold.until - cold.since == seconds

    @pytest.mark.parametrize("reason", [R.TRANSIENT, R.BOOT, R.VANISHED, R.BUDGET, R.PAUSED, R.JOB, R.MAINTENANCE])
    def test_what_says_nothing_of_the_next_vm_cools_nothing(self, reason: R) -> None:
        """Faults, boots, and the site's own limits."""
        assert cool({}, D1, POOL, a_failure(Scope.SITE, reason), POLICY, NOW) is None

    def test_what_was_in_flight_is_one_strike(self) -> None:
        """A thousand launches that fail for the same cause are one failure, even those that fail after the cool-down."""
        known = known_after(D1)
        until = known["offer D4/1/on-demand"].until
        assert cool(known, D1, POOL, a_failure(), POLICY, until - 1, planned_at=NOW - 5) is None
        late = cool(known, D1, POOL, a_failure(), POLICY, until + 1, planned_at=NOW - 5)
        assert late is not None
        assert (late.strikes, late.until - late.since) == (1, 180)
        anew = cool(known, D1, POOL, a_failure(), POLICY, until + 1, planned_at=until)
        assert anew is not None
        assert anew.strikes == 2

    def test_strikes_are_forgotten_when_long_over(self) -> None:
        """Last night's shortage is not today's."""
        cold = known_after(D1)["offer D4/1/on-demand"]
        assert keys_over({cold.key: cold}, cold.until + FORGET) == ()
        assert keys_over({cold.key: cold}, cold.until + FORGET + 1) == (cold.key,)
        again = cool({cold.key: cold}, D1, POOL, a_failure(), POLICY, cold.until + FORGET + 1)
        assert again is not None
        assert again.strikes == 1

    def test_a_configuration_that_was_read_again_is_given_a_try(self) -> None:
        """What an administrator can mend is tried at once; capacity is not his to mend."""
        known = {
            cold.key: cold
            for reason, scope in ((R.IMAGE, Scope.POOL), (R.CAPACITY, Scope.OFFER), (R.PERMISSION, Scope.SITE))
            if (cold := cool({}, D1, POOL, a_failure(scope, reason), POLICY, NOW)) is not None
        }
        assert set(keys_to_try_anew(known)) == {"pool hb", "site"}

    @given(st.lists(st.tuples(st.sampled_from(list(Scope)), st.sampled_from(list(R)), st.floats(0, 90_000)), max_size=30))
    def test_any_failures(self, failures: list[tuple[Scope, R, float]]) -> None:
        """A cool-down always lies ahead, is bounded, and never replaces one that still lasts."""
        known: dict[str, CoolDown] = {}
        now = NOW
        for scope, reason, seconds in failures:
            cold = cool(known, S1, POOL, a_failure(scope, reason), POLICY, now)
            if cold is not None:
                before = known.get(cold.key)
                assert before is None or before.until <= now
                assert now < cold.until <= now + 3600
                assert not is_over(cold, now)
                known[cold.key] = cold
            now += seconds


class TestWarm:
    """What a VM that was made proves."""

    def test_its_own_keys_and_no_others(self) -> None:
        """Room in zone 1 says nothing of zone 2, and on demand nothing of Spot."""
        known = known_after(D1, D2, S1, scope=Scope.OFFER)
        assert keys_to_warm(D1, POOL, known, NOW) == ("offer D4/1/on-demand",)

    def test_it_proves_rights_and_image(self) -> None:
        """Pool and site are warm with it."""
        known = known_after(D1, scope=Scope.POOL) | known_after(D1, scope=Scope.SITE)
        assert set(keys_to_warm(D1, POOL, known, NOW)) == {"pool hb", "site"}

    def test_what_was_in_flight_proves_nothing(self) -> None:
        """Of 100 VMs that exceed a quota together 60 come up: the quota is used up all the same."""
        known = known_after(D1, scope=Scope.SIZE)
        assert keys_to_warm(D1, POOL, known, planned_at=NOW - 1) == ()
        assert keys_to_warm(D1, POOL, known, planned_at=NOW) == ("size D4/on-demand",)

    def test_a_new_spot_vm_may_be_evicted_like_the_last(self) -> None:
        """That it was made does not show that it stays."""
        cold = cool({}, S1, POOL, a_failure(Scope.OFFER, R.EVICTED), POLICY, NOW)
        assert cold is not None
        assert keys_to_warm(S1, POOL, {cold.key: cold}, NOW + 9999) == ()


class TestChoose:
    """The first warm one."""

    def test_spot_then_on_demand_then_spot_again(self) -> None:
        """Fallback and return come by themselves."""
        pool, known = a_pool(S1, D1), known_after(S1, scope=Scope.SIZE)
        until = known["size D4/spot"].until
        assert choose(pool, {}, NOW, NODE) == S1
        assert choose(pool, known, until - 1, NODE) == D1
        assert choose(pool, known, until, NODE) == S1

    def test_what_it_just_failed_on_comes_last(self) -> None:
        """Another offer if there is one, else the same."""
        assert choose(a_pool(D1, D2), {}, NOW, NODE, avoid=D1) == D2
        assert choose(a_pool(D1), {}, NOW, NODE, avoid=D1) == D1
        assert choose(a_pool(D1, D2), known_after(D2), NOW, NODE, avoid=D1) == D1
        assert Market({POOL: a_pool(D1, D2, E1)}, {}, NOW).offers(POOL, NODE, D1) == (D2, E1, D1)

    def test_spread_takes_zones_in_turn_and_sizes_in_order(self) -> None:
        """Every node has its own first zone, always the same; the second size comes after all zones of the first."""
        pool = a_pool(D1, D2, E1, E2, spread=True)
        names = [NodeName(f"az-{number}") for number in range(1000)]
        market = Market({POOL: pool}, {}, NOW)
        first = Counter(market.choose(POOL, name) for name in names)
        assert set(first) == {D1, D2}
        assert min(first.values()) > 400
        assert [market.choose(POOL, name) for name in names] == [choose(pool, {}, NOW, name) for name in names]
        assert choose(pool, known_after(D1), NOW, names[0]) == choose(pool, known_after(D1), NOW, names[1]) == D2
        assert {choose(pool, known_after(D1, D2), NOW, name) for name in names} == {E1, E2}

    def test_no_offer_is_warm(self) -> None:
        """The one that is warm first says when, and why."""
        pool = a_pool(S1, D1)
        known = known_after(S1, D1)
        assert choose(pool, known, NOW, NODE) is None
        cold = all_cold(pool, known, NOW)
        assert cold is not None
        assert (cold.key, cold.detail) == ("offer D4/1/on-demand", "AllocationFailed: no room")
        assert all_cold(pool, known, cold.until) is None

    def test_an_offer_is_as_cold_as_its_coldest_key(self) -> None:
        """A pool is not open again while its site is closed."""
        known = known_after(D1) | known_after(D1, scope=Scope.SITE, now=NOW + 100)
        cold = all_cold(a_pool(D1), known, NOW + 100)
        assert cold is not None
        assert cold.key == "site"

    def test_ten_thousand_nodes_choose_in_a_blink(self) -> None:
        """What is found out of a pool is kept for the round."""
        offers = tuple(
            Offer(f"D{size}", str(zone), priority)
            for priority in (SPOT, Priority.ON_DEMAND)
            for size in range(5)
            for zone in (1, 2, 3)
        )
        market = Market({POOL: a_pool(*offers, spread=True)}, known_after(*offers[:10]), NOW)
        names = [NodeName(f"az-{number}") for number in range(10_000)]
        begin = time.process_time()
        assert all(market.choose(POOL, name, offers[20]) for name in names)
        assert time.process_time() - begin < 0.25


@given(
    st.lists(st.sampled_from([S1, S2, D1, D2, E1, E2]), min_size=1, max_size=6, unique=True),
    st.lists(st.tuples(st.sampled_from([S1, S2, D1, D2, E1, E2]), st.sampled_from(list(Scope)), st.floats(0, 900)), max_size=6),
    st.booleans(),
    st.sampled_from([None, S1, D1]),
    st.text(max_size=5),
)
def test_any_market(
    offers: list[Offer], failures: list[tuple[Offer, Scope, float]], spread: bool, avoid: Offer | None, name: str
) -> None:
    """An offer is chosen exactly if one is warm; it is one of the pool's, warm, and not the avoided one unless it must be."""
    pool, known, now = a_pool(*offers, spread=spread), dict[str, CoolDown](), NOW
    for offer, scope, seconds in failures:
        cold = cool(known, offer, POOL, a_failure(scope), POLICY, now)
        known |= {} if cold is None else {cold.key: cold}
        now += seconds
    market = Market({POOL: pool}, known, now)
    warm = {o for o in offers if not any(k in known and known[k].until > now for k in keys_of(o, POOL))}
    chosen = market.choose(POOL, NodeName(name), avoid)
    assert (chosen is None) == (not warm) == (market.all_cold(POOL) is not None)
    assert chosen is None or chosen in warm
    assert chosen != avoid or avoid is None or warm == {avoid}
    assert set(market.offers(POOL, NodeName(name), avoid)) == warm


def test_cheapest() -> None:
    """By price, Spot before on-demand, unknown prices last, equals as they were."""
    prices = {D1: 0.2, D2: 0.2, E1: 0.1, S1: 0.2}
    assert cheapest((D1, D2, E2, E1, S1), prices) == (S1, E1, D1, D2, E2)
