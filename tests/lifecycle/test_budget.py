"""Budgets: what counts, what is refused, what waits."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.lifecycle.budget import NO_LIMIT, SITE, Census, Use, count, unpriced
from slurm_azure.lifecycle.record import Caps, Policy, PoolPolicy
from slurm_azure.lifecycle.record import Site as SiteFacts
from slurm_azure.model import Blame, Failure, Launch, Offer, PoolName, Scope
from slurm_azure.model import FailureReason as R
from tests.support.nodes import NOW, a_launch

NO_CAPS = Caps()
BIG, SMALL = Offer("D64"), Offer("D4")
CORES, PRICES = {"D64": 64, "D4": 4}, {BIG: 3.2, SMALL: 0.2}
MONTH = datetime(2027, 2, 1, tzinfo=UTC).timestamp()


def a_pool(name: str = "hb", *offers: Offer, caps: Caps = NO_CAPS, **changes: Any) -> PoolPolicy:
    """A pool in partition `cloud` with known cores and prices."""
    plain = PoolPolicy(PoolName(name), offers or (SMALL,), 600.0, cores=CORES, prices=PRICES, caps=caps, partitions=("cloud",))
    return replace(plain, **changes)


def a_policy(*pools: PoolPolicy, site: Caps = NO_CAPS, cloud: Caps = NO_CAPS) -> Policy:
    """Limits of the site and of partition `cloud`."""
    return Policy({pool.name: pool for pool in pools}, site, {"cloud": cloud})


def used(count: int, offer: Offer = SMALL, pool: str = "hb", **changes: Any) -> list[Launch]:
    """Launches of a pool that have joined."""
    joined = {
        "sent_at": NOW,
        "accepted_at": NOW,
        "joined_at": NOW,
        "offer": offer,
        "price": PRICES[offer],
        "pool": PoolName(pool),
    }
    return [a_launch(f"{pool}-{offer.size}-{number}", **{**joined, **changes}) for number in range(count)]


def census(launches: list[Launch], policy: Policy, spent: float = 0.0, now: float = NOW) -> Census:
    """What is used, after `spent` USD of this month by finished launches of pool hb."""
    return count(launches, policy, SiteFacts(spent={PoolName("hb"): spent}), now)


class TestCounting:
    """What counts where."""

    def test_sums_of_pools_partitions_and_site(self) -> None:
        """A pool counts in each of its partitions, and once for the site."""
        hb, gpu = a_pool(), a_pool("gpu", BIG, partitions=("cloud", "render"))
        taken = census(used(2) + used(1, BIG, "gpu"), a_policy(hb, gpu))
        assert taken.use_of("pool hb") == Use(2, 8, 0.4)
        assert taken.use_of("partition render") == Use(1, 64, 3.2)
        assert taken.use_of("partition cloud") == taken.use_of(SITE) == Use(3, 72, 3.6)

    def test_a_pool_that_is_no_more_counts_for_the_site(self) -> None:
        """Its VMs are billed until they are gone."""
        taken = census(used(1, pool="old"), a_policy(a_pool()))
        assert taken.use_of(SITE).nodes == 1
        assert taken.use_of("partition cloud") == Use()

    @pytest.mark.parametrize(
        ("launch", "nodes", "booting"),
        [
            (a_launch(), 1, 1),  # planned: its VM is as good as there
            (a_launch(sent_at=NOW, accepted_at=NOW), 1, 1),
            (a_launch(sent_at=NOW, accepted_at=NOW, joined_at=NOW), 1, 0),
            (a_launch(sent_at=NOW, released_at=NOW, delete_sent_at=NOW), 1, 0),  # Azure has not said that it is gone
            (a_launch(sent_at=NOW, failure=Failure(R.BOOT, "x")), 1, 0),  # another launch may be due
            (a_launch(released_at=NOW), 0, 0),  # never sent: there is no VM
            (a_launch(failure=Failure(R.QUOTA, "x")), 0, 0),  # Azure refused: there is no VM
            (a_launch(sent_at=NOW, released_at=NOW, deallocated_at=NOW), 0, 0),  # kept, but its host is given back
            (a_launch(sent_at=NOW, released_at=NOW, gone_at=NOW), 0, 0),
        ],
    )
    def test_what_may_be_billed_counts(self, launch: Launch, nodes: int, booting: int) -> None:
        """From its plan until Azure says that the VM is gone, or stopped."""
        use = census([launch], a_policy(a_pool())).use_of("pool hb")
        assert (use.nodes, use.booting) == (nodes, booting)

    def test_a_plan_counts_at_once(self) -> None:
        """What is admitted in a round is counted in that round: the sum is that of a census taken after it."""
        policy = a_policy(a_pool())
        planned = a_launch("az-9", price=PRICES[SMALL], offer=SMALL)
        assert census(used(3), policy).with_launch(a_pool(), SMALL).staying == census([*used(3), planned], policy).staying

    def test_the_month(self) -> None:
        """Finished launches by the journal's figure, running ones from Azure's yes or the first of the month (UTC) on."""
        policy = a_policy(a_pool(), site=Caps(cost_per_month=1000))
        hours = [
            *used(1, price=2.0, accepted_at=MONTH - 50 * 3600),
            *used(1, price=1.0, accepted_at=MONTH + 3600),
            *used(1, price=100.0, accepted_at=MONTH - 3600, released_at=MONTH - 60, deallocated_at=MONTH - 30),
        ]
        assert census(hours, policy, spent=5.0, now=MONTH + 3 * 3600).use_of(SITE).month == pytest.approx(5 + 3 * 2 + 2 * 1)


class TestRefusing:
    """The first launch that would break a limit."""

    @pytest.mark.parametrize(
        ("caps", "taken", "offer", "detail"),
        [
            (Caps(nodes=3), used(3), SMALL, "at most 3 nodes in {} (3 in use) [raise {}.nodes]"),
            (Caps(nodes=0), [], SMALL, "at most 0 nodes in {} (0 in use) [raise {}.nodes]"),
            (Caps(cores=70), used(1, BIG), BIG, "at most 70 cores in {} (64 in use, D64 has 64) [raise {}.cores]"),
            (
                Caps(cost_per_hour=5),
                used(1, BIG),
                BIG,
                "at most 5 USD per hour in {} (3.20 in use, D64 costs 3.20) [raise {}.cost_per_hour]",
            ),
            (
                Caps(cost_per_hour=3),
                [],
                BIG,
                "at most 3 USD per hour in {} (0.00 in use, D64 costs 3.20) [raise {}.cost_per_hour]",
            ),
        ],
    )
    @pytest.mark.parametrize(
        ("holder", "key"),
        [("pool hb", "pools.hb.budget"), ("partition cloud", "partitions.cloud.budget"), ("the site", "budget")],
    )
    def test_limits(self, holder: str, key: str, caps: Caps, taken: list[Launch], offer: Offer, detail: str) -> None:
        """Each limit, whoever has it: the message names it, its value, where it stands, and its key; the site's own affair."""
        hb = a_pool(caps=caps if holder == "pool hb" else NO_CAPS)
        policy = a_policy(
            hb, site=caps if holder == "the site" else NO_CAPS, cloud=caps if holder == "partition cloud" else NO_CAPS
        )
        failure = census(taken, policy).breaks(hb, offer)
        assert failure is not None
        assert (failure.reason, failure.blame, failure.detail) == (R.BUDGET, Blame.SITE, detail.format(holder, key))

    def test_up_to_the_limit_all_is_well(self) -> None:
        """A limit may be reached; ten launches of 0.2 USD are 2 USD, whatever binary fractions say."""
        hb = a_pool(caps=Caps(nodes=10, cores=40, cost_per_hour=2.0))
        taken = census([], a_policy(hb))
        for _ in range(10):
            assert taken.breaks(hb, SMALL) is None
            taken = taken.with_launch(hb, SMALL)
        assert taken.breaks(hb, SMALL) is not None
        assert taken.room(hb) == 0

    def test_a_smaller_offer_may_fit(self) -> None:
        """Cores and prices differ by offer, so the refusal speaks of the offer; the number of nodes does not."""
        hb = a_pool("hb", BIG, SMALL, caps=Caps(nodes=10, cores=20))
        taken = census(used(1), a_policy(hb))
        refused = taken.breaks(hb, BIG)
        assert refused is not None
        assert refused.scope is Scope.OFFER
        assert taken.breaks(hb, SMALL) is None
        assert taken.used_up(hb, hb.offers) is None
        full = census(used(10), a_policy(hb)).breaks(hb, SMALL)
        assert full is not None
        assert full.scope is Scope.POOL

    def test_the_month_is_over_when_it_is_spent(self) -> None:
        """What runs is not touched and goes on costing; nothing new begins."""
        hb = a_pool(caps=Caps(cost_per_month=100))
        assert census([], a_policy(hb), spent=99.9).breaks(hb, BIG) is None
        failure = census([], a_policy(hb), spent=100.0).breaks(hb, BIG)
        assert failure is not None
        assert failure.detail == "at most 100 USD per month in pool hb (100.00 spent) [raise pools.hb.budget.cost_per_month]"

    def test_a_price_that_is_not_known(self) -> None:
        """A limit in USD cannot be kept with it: refused, with the key to set; without such a limit it does not matter."""
        dear = Offer("X9")
        hb = a_pool("hb", dear, cores={"X9": 1})
        limited = a_policy(hb, site=Caps(cost_per_month=100))
        failure = census([], limited).breaks(hb, dear)
        assert failure is not None
        text = "a limit in USD for the site, and the price of X9 is not known [give pools.hb.price_per_hour]"
        assert failure.detail == text
        assert unpriced(hb, limited) == ("X9",)
        free = a_policy(hb, site=Caps(nodes=100))
        assert census([], free).breaks(hb, dear) is None
        assert unpriced(hb, free) == ()
        assert census([], limited).room(hb) == 0

    def test_cores_that_are_not_known(self) -> None:
        """A limit in cores cannot be kept either."""
        hb = a_pool("hb", Offer("X9"), caps=Caps(cores=100))
        failure = census([], a_policy(hb)).breaks(hb, Offer("X9"))
        assert failure is not None
        assert "pools.hb.hardware" in failure.detail


class TestWaiting:
    """VMs on their way out, and the growth limit."""

    def test_what_is_going_makes_others_wait_but_refuses_nobody(self) -> None:
        """At the limit, a node that was suspended is followed by the next one as soon as its VM is gone."""
        hb = a_pool(caps=Caps(nodes=3))
        going = used(1, released_at=NOW)
        taken = census(used(2) + going, a_policy(hb))
        assert taken.breaks(hb, SMALL) is None
        assert taken.must_wait(hb, SMALL)
        assert taken.room(hb) == 0
        after = census(used(2), a_policy(hb))
        assert not after.must_wait(hb, SMALL)
        assert after.room(hb) == 1

    def test_spending_of_what_is_going_counts(self) -> None:
        """Money does not come back."""
        hb = a_pool(caps=Caps(cost_per_month=100))
        going = used(1, price=60.0, accepted_at=NOW - 7200, released_at=NOW)
        assert census(going, a_policy(hb)).breaks(hb, SMALL) is not None

    def test_boots_at_once(self) -> None:
        """The narrowest of pool, partition and site; without a limit there is room for everyone."""
        hb, gpu = a_pool(caps=Caps(booting=10)), a_pool("gpu")
        policy = a_policy(hb, gpu, site=Caps(booting=12))
        booting = [a_launch(f"az-{number}") for number in range(4)]
        others = [a_launch(f"gpu-{number}", pool=PoolName("gpu")) for number in range(5)]
        taken = census(booting + others + used(50), policy)
        assert (taken.room_to_boot(hb), taken.room_to_boot(gpu)) == (3, 3)
        assert taken.with_launch(gpu, SMALL).room_to_boot(hb) == 2
        assert census([], a_policy(gpu)).room_to_boot(gpu) == NO_LIMIT


@given(
    st.builds(
        Caps,
        nodes=st.none() | st.integers(0, 8),
        cores=st.none() | st.integers(0, 200),
        cost_per_hour=st.none() | st.integers(0, 100).map(lambda tenths: tenths / 10),
    ),
    st.sampled_from(["pool", "partition", "site"]),
    st.lists(st.sampled_from([BIG, SMALL]), max_size=12),
)
def test_no_limit_is_ever_broken(caps: Caps, holder: str, wanted: list[Offer]) -> None:
    """Whatever is asked for, what is admitted stays within the limit, and as many are as there was said to be room for."""
    hb = a_pool("hb", BIG, SMALL, caps=caps if holder == "pool" else NO_CAPS)
    policy = a_policy(hb, site=caps if holder == "site" else NO_CAPS, cloud=caps if holder == "partition" else NO_CAPS)
    taken = census([], policy)
    for offer in wanted:
        room = taken.room(hb)
        if taken.breaks(hb, offer) is None:
            assert room >= 1
            taken = taken.with_launch(hb, offer)
        elif offer == SMALL:
            assert room == 0
    use = taken.use_of(SITE)
    assert use.nodes <= (NO_LIMIT if caps.nodes is None else caps.nodes)
    assert use.cores <= (NO_LIMIT if caps.cores is None else caps.cores)
    assert use.cost_per_hour <= (NO_LIMIT if caps.cost_per_hour is None else caps.cost_per_hour + 1e-6)


def test_ten_thousand_launches_are_counted_and_admitted_quickly() -> None:
    """A round at full size stays far below its second, with limits of every kind."""
    hb = a_pool(caps=Caps(nodes=50_000, cores=500_000, cost_per_hour=50_000.0, cost_per_month=1e7, booting=20_000))
    policy = a_policy(hb, site=Caps(cost_per_month=1e7), cloud=Caps(cores=10**6))
    launches = used(10_000)
    begin = time.process_time()
    taken = census(launches, policy, now=NOW + 60)
    for _ in range(10_000):
        assert taken.breaks(hb, SMALL) is None
        taken = taken.with_launch(hb, SMALL)
    assert time.process_time() - begin < 1.5
