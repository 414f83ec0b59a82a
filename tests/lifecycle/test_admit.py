"""Admission: which nodes get a launch now, of which offer, which wait, and which are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from slurm_azure.lifecycle.admit import admit, by_job, move
from slurm_azure.lifecycle.budget import Census, count
from slurm_azure.lifecycle.effects import Ask, Create, Drop, Plan, Save
from slurm_azure.lifecycle.jobs import is_hopeless
from slurm_azure.lifecycle.record import Caps, Facts, Policy, PoolPolicy, Site
from slurm_azure.model import Blame, CoolDown, Failure, FailureReason, NodeName, Offer, PoolName, Priority, Scope
from tests.support.nodes import NOW, POOL, a_launch, a_record, a_wish

SPOT, PLAIN = Offer("Standard_F2s_v2", None, Priority.SPOT), Offer("Standard_F2s_v2")


def a_pool(**given: Any) -> PoolPolicy:
    return PoolPolicy(**{"name": POOL, "offers": (SPOT, PLAIN), "resume_timeout": 600.0, **given})


def ask(node: str, *jobs: int, at: float = NOW, **given: Any) -> Ask:
    return Ask(NodeName(node), POOL, at, jobs=jobs, **given)


def facts_of(pool: PoolPolicy, *cold: CoolDown, closed: Failure | None = None) -> Facts:
    closures = {} if closed is None else {PoolName(POOL): closed}
    return Facts(NOW, Policy({pool.name: pool}), cool_downs={one.key: one for one in cold}, closed=closures)


def nobody(facts: Facts) -> Census:
    return count([], facts.policy, Site(), NOW)


def decided(asks: list[Ask], facts: Facts, census: Census | None = None) -> list[tuple[str, str]]:
    """Each planned node with its offer's priority, or what it is refused for."""
    effects = admit(asks, {}, facts, census or nobody(facts)).effects
    plans = [effect for effect in effects if isinstance(effect, Plan)]
    return [(plan.ask.node, plan.refused.reason.value if plan.refused else plan.offer.priority.value) for plan in plans]


def cold(key: str, reason: FailureReason = FailureReason.CAPACITY) -> CoolDown:
    return CoolDown(key, reason, "Azure says no", NOW - 10, NOW + 300)


def test_a_node_gets_the_first_warm_offer() -> None:
    """S23: Spot while it is warm; on demand while it is not."""
    pool = a_pool()
    assert decided([ask("az-1")], facts_of(pool)) == [("az-1", "spot")]
    assert decided([ask("az-1")], facts_of(pool, cold("offer Standard_F2s_v2/-/spot"))) == [("az-1", "on-demand")]


def test_no_warm_offer_is_a_refusal_with_the_cause() -> None:
    """All offers cold: nobody waits for a launch that cannot be."""
    everything = (cold("size Standard_F2s_v2/spot"), cold("size Standard_F2s_v2/on-demand", FailureReason.QUOTA))
    assert decided([ask("az-1")], facts_of(a_pool(), *everything))[0][1] in ("capacity", "quota")


def test_a_closed_pool_refuses_and_the_wish_is_seen_to() -> None:
    """The reason is that of the closure; the request that asked is over."""
    wish = a_wish()
    paused = Failure(FailureReason.PAUSED, "stopped by root", Scope.SITE, Blame.SITE)
    facts = facts_of(a_pool(), closed=paused)
    effects = admit([ask("az-1", wish=wish)], {}, facts, nobody(facts)).effects
    assert [effect.refused for effect in effects if isinstance(effect, Plan)] == [paused]
    assert Drop(wish) in effects


def test_whole_jobs_come_one_after_the_other_the_oldest_first() -> None:
    """Nodes of two jobs that arrive mixed are sorted by job; an older wake-up (a second attempt) comes before both."""
    asks = [ask("az-1", 7), ask("az-2", 8), ask("az-3", 7), ask("az-4", 8), ask("az-9", 5, at=NOW - 60, attempt=2)]
    assert [[one.node for one in group] for group in by_job(asks)] == [["az-9"], ["az-1", "az-3"], ["az-2", "az-4"]]


def test_the_growth_limit_lets_the_rest_wait_in_order() -> None:
    """Three may boot at once: the first job gets its two, the second one of two, the third waits although it would fit."""
    facts = facts_of(a_pool(caps=Caps(booting=3)))
    asks = [ask("az-1", 7), ask("az-2", 7), ask("az-3", 8), ask("az-4", 8), ask("az-5", 9)]
    assert [node for node, _ in decided(asks, facts)] == ["az-1", "az-2", "az-3"]


def test_what_waits_keeps_its_wish() -> None:
    """Deferred is not decided: no effect at all."""
    facts = facts_of(a_pool(caps=Caps(booting=0)))
    assert admit([ask("az-1", wish=a_wish())], {}, facts, nobody(facts)).effects == ()


def test_who_has_waited_too_long_to_boot_in_time_is_refused() -> None:
    """Behind a growth limit, or while the daemon was away: its VM would be late, and count as a boot that failed."""
    pool = a_pool(caps=Caps(booting=1))
    assert decided([ask("az-1", at=NOW - 400), ask("az-2", at=NOW - 430)], facts_of(pool)) == [
        ("az-2", "budget"),
        ("az-1", "spot"),
    ]
    slow = a_pool(boot_deadline=3600.0)  # longer than Slurm waits: no reason to refuse everybody
    assert decided([ask("az-1")], facts_of(slow)) == [("az-1", "spot")]


def test_a_budget_refuses_what_it_has_no_room_for() -> None:
    """S22: two nodes fit, the third is refused with the limit's name."""
    facts = facts_of(a_pool(caps=Caps(nodes=2)))
    assert [what for _, what in decided([ask(f"az-{n}") for n in (1, 2, 3)], facts)] == ["spot", "spot", "budget"]


def test_who_waits_for_dying_vms_is_not_refused() -> None:
    """A node whose previous VM is on its way out does not break the limit: it waits until that one is gone."""
    facts = facts_of(a_pool(caps=Caps(nodes=1)))
    dying = a_launch(sent_at=NOW, accepted_at=NOW, released_at=NOW)
    census = count([dying], facts.policy, Site(), NOW)
    assert decided([ask("az-2")], facts, census) == []


def test_all_or_nothing_refuses_the_whole_job_if_one_node_has_to_be() -> None:
    """Two nodes are left in the budget: the job of three gets none of them, the job of two both."""
    facts = facts_of(a_pool(caps=Caps(nodes=3), all_or_nothing=True))
    asks = [ask("az-1", 7), ask("az-2", 7), ask("az-3", 7), ask("az-4", 8), ask("az-5", 8)]
    taken = count([a_launch("az-9", "l9", sent_at=NOW, accepted_at=NOW)], facts.policy, Site(), NOW)
    admission = admit(asks, {}, facts, taken)
    plans = [effect for effect in admission.effects if isinstance(effect, Plan)]
    assert [(plan.ask.node, plan.refused is None) for plan in plans] == [
        ("az-1", False),
        ("az-2", False),
        ("az-3", False),
        ("az-4", True),
        ("az-5", True),
    ]
    assert list(admission.refused) == [7]
    assert "needed whole by job 7, and az-3 could not be had" in admission.refused[7].detail
    assert not is_hopeless(admission.refused[7])


def test_a_job_that_its_limits_never_allow_is_told_so() -> None:
    """Three nodes where two are the limit: no waiting helps, whatever runs now; the limit's key is named."""
    facts = facts_of(a_pool(caps=Caps(nodes=2), all_or_nothing=True))
    admission = admit([ask(f"az-{number}", 7) for number in (1, 2, 3)], {}, facts, nobody(facts))
    assert is_hopeless(admission.refused[7])
    assert admission.refused[7].detail == (
        "needed whole by job 7, which is more than the limit allows at all: budget: at most 2 nodes in pool hb "
        "[raise pools.hb.budget.nodes]"
    )


def test_an_unsent_launch_moves_to_a_warm_offer() -> None:
    """999 launches wait for tokens when the first is refused: they do not go to ask the same."""
    pool = a_pool(prices={SPOT: 0.1, PLAIN: 0.5})
    facts = facts_of(pool, cold("offer Standard_F2s_v2/-/spot"))
    waiting, sent = a_launch(offer=SPOT), a_launch("az-2", "l2", offer=SPOT, sent_at=NOW)
    records = [a_record(live=waiting, pool=pool), a_record(node=NodeName("az-2"), live=sent, pool=pool)]
    moved = replace(waiting, offer=PLAIN, price=0.5)
    assert move(records, facts) == [Save(moved), Create(moved)]
