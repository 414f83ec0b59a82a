"""Closed pools, and what Slurm is told of their idle nodes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.lifecycle.breaker import count_failure
from slurm_azure.lifecycle.budget import count
from slurm_azure.lifecycle.closing import closures, idle_nodes, is_shelved, only_by_breaker, shelf_reason, shelve
from slurm_azure.lifecycle.effects import Say, Saying
from slurm_azure.lifecycle.offers import cool
from slurm_azure.lifecycle.record import Caps, Policy, PoolPolicy, Site
from slurm_azure.lifecycle.release import reason_text
from slurm_azure.model import (
    REASON_PREFIX,
    Blame,
    Breaker,
    CoolDown,
    Failure,
    Launch,
    NodeName,
    Offer,
    Pause,
    PoolName,
    Power,
    Priority,
    Scope,
    SlurmNode,
)
from slurm_azure.model import FailureReason as R
from tests.support.nodes import NOW, POOL, a_launch, a_node

# NOW is 2027-01-15 08:00:00 UTC
SPOT, PLAIN = Offer("D4", None, Priority.SPOT), Offer("D4")
HB = PoolPolicy(POOL, (SPOT, PLAIN), 600.0, cores={"D4": 4}, prices={SPOT: 0.2, PLAIN: 0.2}, partitions=("cloud",))
GPU = PoolPolicy(PoolName("gpu"), (Offer("NC4"),), 600.0, cores={"NC4": 4}, prices={Offer("NC4"): 1.0})
POLICY = Policy({POOL: HB, GPU.name: GPU})
AWAY = Failure(R.CAPACITY, "nothing is asked for until 08:05 UTC: AllocationFailed: no room", Scope.POOL, Blame.CAPACITY)


def cold(offer: Offer, scope: Scope, reason: R = R.CAPACITY, pool: PoolName = POOL) -> dict[str, CoolDown]:
    """A cool-down of NOW."""
    found = cool({}, offer, pool, Failure(reason, "AllocationFailed: no room", scope), POLICY, NOW)
    assert found is not None
    return {found.key: found}


def closed_by(
    now: float = NOW, launches: tuple[Launch, ...] = (), policy: Policy = POLICY, **site: Any
) -> dict[PoolName, Failure]:
    """The closed pools of a site where this is so."""
    facts = Site(**site)
    return dict(closures(policy, facts, count(launches, policy, facts, now), now))


def a_pause(pool: str | None = None, until: float | None = None, reason: str = "VPN is being rebuilt") -> dict[Any, Pause]:
    """An administrator's order."""
    name = None if pool is None else PoolName(pool)
    return {name: Pause(name, NOW - 60, until, "anna", reason)}


class TestClosures:
    """Why a pool is closed."""

    def test_nothing_is_closed_without_a_cause(self) -> None:
        """A plain site is open."""
        assert closed_by() == {}

    def test_a_pause_of_the_site_closes_all_pools(self) -> None:
        """Who, until when, why."""
        closed = closed_by(pauses=a_pause(until=NOW + 3599.5))
        assert set(closed) == {POOL, GPU.name}
        assert closed[POOL] == Failure(
            R.PAUSED,
            "stopped by anna until 09:00 UTC: VPN is being rebuilt [slurm-azure resume-service]",
            Scope.SITE,
            Blame.SITE,
        )

    def test_a_pause_of_a_pool_closes_that_one(self) -> None:
        """Without an end or a reason it says neither."""
        closed = closed_by(pauses=a_pause("gpu", reason=""))
        assert {pool: failure.detail for pool, failure in closed.items()} == {
            "gpu": "stopped by anna [slurm-azure resume-service --pool gpu]"
        }

    def test_a_pause_expires(self) -> None:
        """By itself, at its moment."""
        assert closed_by(NOW + 99, pauses=a_pause(until=NOW + 100)) != {}
        assert closed_by(NOW + 100, pauses=a_pause(until=NOW + 100)) == {}

    def test_a_pause_of_days_names_its_day(self) -> None:
        """A time of day alone would mislead."""
        assert closed_by(pauses=a_pause(until=NOW + 3 * 86400))[POOL].detail.startswith(
            "stopped by anna until 2027-01-18 08:00 UTC"
        )

    def test_one_cold_offer_closes_nothing(self) -> None:
        """On demand is still to be had."""
        assert closed_by(cool_downs=cold(SPOT, Scope.SIZE)) == {}

    def test_all_offers_cold(self) -> None:
        """The first that will be warm says when, and its failure why."""
        closed = closed_by(cool_downs=cold(SPOT, Scope.SIZE) | cold(PLAIN, Scope.OFFER))
        detail = "nothing is asked for until 08:03 UTC: AllocationFailed: no room"
        assert closed == {POOL: Failure(R.CAPACITY, detail, Scope.POOL, Blame.CAPACITY)}

    def test_the_pool_or_the_site_is_cold(self) -> None:
        """An image concerns one pool, the subnet all of them; nobody tries another offer."""
        closed = closed_by(cool_downs=cold(PLAIN, Scope.POOL, R.IMAGE))
        assert [(pool, why.scope, why.blame) for pool, why in closed.items()] == [(POOL, Scope.POOL, Blame.IMAGE)]
        closed = closed_by(cool_downs=cold(PLAIN, Scope.SITE, R.PERMISSION))
        assert {(pool, why.scope, why.elsewhere) for pool, why in closed.items()} == {
            (POOL, Scope.SITE, False),
            (GPU.name, Scope.SITE, False),
        }

    def test_a_budget_without_room(self) -> None:
        """The limit is named, and not what changes with each node: idle nodes get it as their reason."""
        policy = replace(POLICY, partition_caps={"cloud": Caps(nodes=2)})
        launches = (a_launch("az-1", offer=PLAIN), a_launch("az-2", "l2", offer=PLAIN))
        closed = closed_by(launches=launches, policy=policy)
        detail = "at most 2 nodes in partition cloud [raise partitions.cloud.budget.nodes]"
        assert closed == {POOL: Failure(R.BUDGET, detail, Scope.POOL, Blame.SITE)}
        assert closed_by(launches=launches[:1], policy=policy) == {}

    def test_only_offers_that_are_to_be_had_are_weighed(self) -> None:
        """Spot would fit the budget, but Spot is cold: the pool is closed."""
        cheap = replace(HB, prices={SPOT: 0.1, PLAIN: 9.0}, caps=Caps(cost_per_hour=1.0))
        policy = Policy({POOL: cheap})
        assert closed_by(policy=policy) == {}
        assert closed_by(policy=policy, cool_downs=cold(SPOT, Scope.SIZE))[POOL].reason is R.BUDGET

    def test_an_open_breaker(self) -> None:
        """It comes last: where it is the only cause, a canary may be tried."""
        breaker = Breaker(POOL)
        for _ in range(HB.breaker_failures):
            breaker = count_failure(breaker, HB, Failure(R.BOOT, "mounts: /home"), NodeName("az-7"), NOW)
        closed = closed_by(breakers={POOL: breaker})
        last = "5 boots in a row failed, the last of az-7: mounts: /home [slurm-azure why az-7 --console]"
        assert closed[POOL].detail == f"until a node has joined: {last}"
        assert only_by_breaker(closed[POOL])
        both = closed_by(breakers={POOL: breaker}, pauses=a_pause())
        assert not only_by_breaker(both[POOL])
        assert closed_by(breakers={POOL: Breaker(POOL, 4)}) == {}

    def test_an_order_comes_before_all_else(self) -> None:
        """Whoever paused the site wants to read that, whatever is cold."""
        assert closed_by(pauses=a_pause(), cool_downs=cold(PLAIN, Scope.SITE))[POOL].reason is R.PAUSED


def told(
    nodes: list[SlurmNode], closed: dict[PoolName, Failure], busy: set[str] | None = None, **given: Any
) -> dict[str, tuple[Saying, str]]:
    """What is said of each node; all nodes are of pool hb."""
    pool_of = {node.name: POOL for node in nodes}
    says = shelve({node.name: node for node in nodes}, pool_of, closed, busy or set(), **given)  # type: ignore[arg-type]
    assert len({say.node for say in says}) == len(says)
    return {say.node: (say.saying, say.reason) for say in says}


def shelved(name: str = "az-1", why: Failure = AWAY, power: Power = Power.OFF) -> SlurmNode:
    """A node that was put on the shelf."""
    return a_node(power, name, shelf_reason(why), "DRAIN")


REASON = "slurm-azure: capacity: closed until 08:05 UTC: AllocationFailed: no room"


class TestShelf:
    """What Slurm is told."""

    def test_idle_nodes_of_a_closed_pool_are_drained(self) -> None:
        """All with the same words, so that one call does them all."""
        says = told([a_node(name="az-1"), a_node(name="az-2")], {POOL: AWAY})
        assert says == {"az-1": (Saying.SHELVE, REASON), "az-2": (Saying.SHELVE, REASON)}
        assert told([shelved()], {POOL: AWAY}) == {}

    def test_they_return_when_it_opens(self) -> None:
        """Every one of them, once."""
        assert told([shelved("az-1"), shelved("az-2")], {}) == {"az-1": (Saying.RESUME, ""), "az-2": (Saying.RESUME, "")}
        assert told([a_node()], {}) == {}

    @pytest.mark.parametrize(
        "node",
        [
            a_node(Power.UP),
            a_node(Power.WAKING),
            a_node(Power.STOPPING),
            a_node(Power.OFF, "az-1", "slurm-azure: boot: no /home", down=True),
            a_node(Power.OFF, "az-1", "disk is odd", "DRAIN"),
            a_node(Power.OFF, "az-1", "", "POWER_UP"),
            SlurmNode(NodeName("az-1"), Power.OFF, frozenset({"ALLOCATED", "CLOUD", "POWERED_DOWN"})),
        ],
        ids=["up", "waking", "stopping", "failed", "drained by hand", "about to wake", "allocated"],
    )
    def test_nobody_elses_node_is_touched(self, node: SlurmNode) -> None:
        """Only nodes at rest and in service are drained."""
        assert told([node], {POOL: AWAY}) == {}

    @pytest.mark.parametrize(
        "node",
        [
            a_node(Power.OFF, "az-1", "closed for repair", "DRAIN"),
            a_node(Power.OFF, "az-1", f"{REASON_PREFIX} maintenance: reboot", "DRAIN"),
            a_node(Power.OFF, "az-1", shelf_reason(AWAY), "DRAIN", down=True),
            a_node(Power.OFF, "az-1", shelf_reason(AWAY)),
            shelved(power=Power.WAKING),
            shelved(power=Power.STOPPING),
        ],
        ids=["administrator", "ours, another reason", "down", "not drained", "canary on its way", "going down"],
    )
    def test_only_what_was_shelved_returns(self, node: SlurmNode) -> None:
        """An administrator's drain stays, whatever opens."""
        assert told([node], {}) == {}

    def test_busy_nodes_and_canaries_stay_in_service(self) -> None:
        """A launch is on its way there, or one that is to show whether the pool works."""
        nodes = [a_node(name="az-1"), a_node(name="az-2")]
        assert told(nodes, {POOL: AWAY}, busy={"az-1"}, canaries={"az-2"}) == {}

    def test_a_canary_that_joined_is_put_in_service(self) -> None:
        """It was shelved when it was powered up, and jobs could not come before it had shown that it works."""
        assert told([shelved(power=Power.UP)], {}) == {"az-1": (Saying.RESUME, "")}

    def test_a_new_cause_is_told(self) -> None:
        """Nobody reads of a time that has passed, or of a cause that is over; how Slurm writes it is no new cause."""
        later = replace(AWAY, detail=AWAY.detail.replace("08:05", "08:11"))
        assert told([shelved()], {POOL: later}) == {"az-1": (Saying.SHELVE, shelf_reason(later))}
        quoted = replace(AWAY, detail='until "then":  it works' + "x" * 300)
        shown = a_node(Power.OFF, "az-1", shelf_reason(quoted).replace('"', "'").replace("  ", " ")[:250] + "...", "DRAIN")
        assert told([shown], {POOL: quoted}) == {}

    def test_after_a_budget_no_more_return_than_have_room(self) -> None:
        """Else each VM that goes would bring back hundreds of nodes, and jobs for each of them, for one."""
        full = Failure(R.BUDGET, "at most 50 nodes in the site", Scope.POOL, Blame.SITE)
        nodes = [shelved(f"az-{number}", full) for number in range(1, 6)]
        assert set(told(nodes, {}, room=lambda _: 2)) == {"az-1", "az-2"}
        assert set(told([*nodes, a_node(name="az-9")], {}, room=lambda _: 2)) == {"az-1"}
        assert told(nodes, {}, room=lambda _: 0) == {}
        others = [shelved("az-7"), *nodes]
        assert set(told(others, {}, room=lambda _: 1)) == {"az-7", "az-1"}

    def test_after_a_budget_all_return_once_nobody_wants_any(self) -> None:
        """What there is room for lies idle, and nothing of the pool is in use: none stays on the shelf for ever."""
        full = Failure(R.BUDGET, "at most 2 nodes in the site", Scope.POOL, Blame.SITE)
        nodes = [a_node(name="az-8"), a_node(name="az-9"), *(shelved(f"az-{number}", full) for number in (1, 2, 3))]
        assert set(told(nodes, {}, room=lambda _: 2)) == {"az-1", "az-2", "az-3"}
        assert told(nodes, {}, busy={"az-9"}, room=lambda _: 2) == {}

    def test_nodes_of_no_pool_are_not_ours(self) -> None:
        """Whatever Slurm shows besides."""
        node = a_node(name="onprem-1")
        assert shelve({node.name: node}, {}, {POOL: AWAY}, set()) == []

    def test_reasons_of_shelf_and_failure_differ(self) -> None:
        """A failed node is told apart from one with which nothing is wrong, though both have the same cause."""
        paused = Failure(R.PAUSED, "stopped by anna", Scope.SITE, Blame.SITE)
        assert shelf_reason(paused) == "slurm-azure: paused: closed: stopped by anna"
        broken = Failure(R.PAUSED, "until a node has joined: 5 boots", Scope.POOL, Blame.IMAGE)
        assert shelf_reason(broken) == "slurm-azure: paused: closed until a node has joined: 5 boots"
        for why in (paused, broken, AWAY):
            assert is_shelved(shelved(why=why))
            assert not is_shelved(a_node(Power.OFF, "az-1", reason_text(why), "DRAIN"))
        assert not is_shelved(a_node(Power.OFF, "az-1", "slurm-azure: boot: closed-door: x", "DRAIN"))

    @pytest.mark.parametrize(
        "reason",
        [
            "slurm-azure: closed: capacity, nothing is asked for until 08:05 UTC: no room",
            "slurm-azure: closed: stopped by anna",
            "slurm-azure: closed: budget of the site: 50 nodes",
        ],
    )
    def test_what_an_earlier_release_shelved_returns(self, reason: str) -> None:
        """After an update no idle node stays drained for ever: the old words are known, budgets' among them, and replaced."""
        old = a_node(Power.OFF, "az-1", reason, "DRAIN")
        assert told([old], {}) == {"az-1": (Saying.RESUME, "")}
        assert told([old], {POOL: AWAY}) == {"az-1": (Saying.SHELVE, REASON)}
        assert bool(told([old], {}, room=lambda _: 0)) is ("budget" not in reason)

    def test_the_cause_is_within_twenty_characters(self) -> None:
        """Plain `sinfo -R` shows no more of a reason than that."""
        for reason, start in ((R.PAUSED, "paused:"), (R.QUOTA, "quota:"), (R.BUDGET, "budget:"), (R.CAPACITY, "capacit")):
            assert start in shelf_reason(replace(AWAY, reason=reason))[:20]

    def test_ten_thousand_nodes(self) -> None:
        """A look at them all takes a few hundredths of a second."""
        nodes = [shelved(f"az-{number}") for number in range(10_000)]
        slurm, pool_of = {node.name: node for node in nodes}, {node.name: POOL for node in nodes}
        begin = time.process_time()
        assert shelve(slurm, pool_of, {POOL: AWAY}, set()) == []
        assert time.process_time() - begin < 0.5


def test_idle_nodes_of_a_pool() -> None:
    """From which a canary is taken: at rest, in service or shelved, in the order of their names."""
    nodes = [
        shelved("az-3"),
        a_node(name="az-1"),
        a_node(Power.UP, "az-2"),
        a_node(Power.OFF, "az-4", "odd", "DRAIN"),
        a_node(name="az-5"),
    ]
    slurm = {node.name: node for node in nodes}
    pool_of = {node.name: POOL for node in nodes}
    assert idle_nodes(slurm, pool_of, POOL, {NodeName("az-5")}) == ["az-1", "az-3"]
    assert idle_nodes(slurm, pool_of, GPU.name, set()) == []


def obeyed(slurm: dict[NodeName, SlurmNode], says: list[Say]) -> dict[NodeName, SlurmNode]:
    """Slurm after it was told."""
    after = dict(slurm)
    for say in says:
        node = after[say.node]
        if say.saying is Saying.SHELVE:
            after[say.node] = replace(node, flags=node.flags | {"DRAIN"}, reason=say.reason)
        else:
            after[say.node] = replace(node, flags=node.flags - {"DRAIN"}, reason="")
    return after


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Power.OFF, Power.UP, Power.WAKING, Power.STOPPING]),
            st.sampled_from(["", "odd", shelf_reason(AWAY), "slurm-azure: boot: x"]),
            st.sets(st.sampled_from(["DRAIN", "POWER_UP", "FAIL", "INVALID_REG"]), max_size=2),
            st.booleans(),
        ),
        max_size=8,
    ),
    st.sets(st.integers(0, 7)),
    st.text(max_size=30),
)
def test_any_cluster_comes_to_rest(shapes: list[tuple[Power, str, set[str], bool]], busy: set[int], words: str) -> None:
    """Whatever Slurm shows: told once, there is nothing more to say; and an administrator's reason is never touched."""
    slurm = {
        NodeName(f"az-{number}"): a_node(power, f"az-{number}", reason, *flags, down=down)
        for number, (power, reason, flags, down) in enumerate(shapes)
    }
    pool_of = dict.fromkeys(slurm, POOL)
    names = {NodeName(f"az-{number}") for number in busy}
    for closed in ({POOL: replace(AWAY, detail=words)}, {}, {POOL: AWAY}):
        says = shelve(slurm, pool_of, closed, names)
        assert not any(slurm[say.node].reason == "odd" and slurm[say.node].drained for say in says)
        assert not any(say.saying is Saying.SHELVE and say.node in names and not is_shelved(slurm[say.node]) for say in says)
        slurm = obeyed(slurm, says)
        assert shelve(slurm, pool_of, closed, names) == []
