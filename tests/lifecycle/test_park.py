"""VMs that are stopped and kept: which, for how long, and who may take them over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from slurm_azure.lifecycle.admit import admit
from slurm_azure.lifecycle.budget import count
from slurm_azure.lifecycle.decide import decide_node
from slurm_azure.lifecycle.effects import Ask, Deallocate, Delete, Effect, Note, Plan, Save, Say, Saying
from slurm_azure.lifecycle.offers import key_of
from slurm_azure.lifecycle.park import (
    KEPT,
    follow_kept,
    is_kept,
    is_reused,
    may_keep,
    parking,
    reusable,
    taken_over,
)
from slurm_azure.lifecycle.record import Facts, NodeRecord, Parking, Policy, PoolPolicy, Site
from slurm_azure.model import (
    CoolDown,
    Failure,
    FailureReason,
    Launch,
    LaunchId,
    Offer,
    PoolName,
    Power,
    Priority,
    Scope,
    VmName,
    VmState,
)
from tests.support.nodes import NOW, OFFER, POOL, a_launch, a_node, a_record, a_vm

HOUR = 3600.0
KEEPING = PoolPolicy(POOL, (OFFER, Offer(OFFER.size, "2")), 600.0, deallocate=True, keep_most=2, keep_longest=24 * HOUR)


def the_facts(now: float = NOW, pool: PoolPolicy = KEEPING, **changes: Any) -> Facts:
    """A round in which the pool may keep two VMs."""
    policy = Policy({POOL: pool})
    return Facts(**{"now": now, "policy": policy, "slurm_at": now, "parking": parking((), policy), **changes})


def joined(**changes: Any) -> Launch:
    return a_launch(**{"sent_at": NOW, "accepted_at": NOW, "running_at": NOW, "joined_at": NOW, "wanted_at": NOW, **changes})


def kept(id: str = "l1", **changes: Any) -> Launch:
    """A launch whose VM was let go for keeping at NOW."""
    return joined(**{"id": id, "released_at": NOW, "release_reason": KEPT, **changes})


class TestMayKeep:
    """Whose VM is kept when Slurm suspends its node."""

    def test_a_healthy_one(self) -> None:
        """Joined, nothing wrong, room in the pool."""
        live = joined()
        assert may_keep(a_record(pool=KEEPING, live=live, vms=(a_vm(live),), slurm=a_node(Power.STOPPING)), live, the_facts())

    @pytest.mark.parametrize(
        "changes",
        [
            {"joined_at": None},
            {"failure": Failure(FailureReason.EVICTED, "Azure takes it back")},
            {"offer": Offer("Standard_gone")},
            {"offer": replace(OFFER, zone="3")},
            {"offer": replace(OFFER, priority=Priority.SPOT)},
        ],
        ids=["never joined", "failed", "size", "zone", "priority"],
    )
    def test_not_one_that_is_of_no_use(self, changes: dict[str, Any]) -> None:
        """What never joined, has failed, or would not be made like this any more."""
        live = joined(**changes)
        assert not may_keep(a_record(pool=KEEPING, live=live), live, the_facts())

    @pytest.mark.parametrize("flags", [("DRAIN",), ("DOWN",)])
    def test_not_under_a_node_that_somebody_took_out_of_service(self, flags: tuple[str, ...]) -> None:
        """A node that is drained or down may be so for what is on its disk."""
        live = joined()
        assert not may_keep(
            a_record(pool=KEEPING, live=live, slurm=a_node(Power.STOPPING, "az-1", "", *flags)), live, the_facts()
        )

    def test_not_one_that_azure_calls_failed(self) -> None:
        """A VM in state failed is no good for a start."""
        live = joined()
        assert not may_keep(a_record(pool=KEEPING, live=live, vms=(a_vm(live, VmState.FAILED),)), live, the_facts())

    def test_not_where_the_pool_deletes(self) -> None:
        """Without `release: deallocate` nothing is kept."""
        live, pool = joined(), replace(KEEPING, deallocate=False)
        assert not may_keep(a_record(pool=pool, live=live), live, the_facts(pool=pool))
        assert not may_keep(a_record(pool=None, live=live), live, the_facts())

    def test_not_where_there_is_no_room(self) -> None:
        """`keep.most` VMs are kept already."""
        live, policy = joined(), Policy({POOL: KEEPING})
        full = the_facts(parking=parking([kept("a"), kept("b")], policy))
        assert not may_keep(a_record(pool=KEEPING, live=live), live, full)


class TestParking:
    """The count over the whole pool."""

    def test_room_and_surplus(self) -> None:
        """Three kept where two may be: the one that was kept last is too many; what is not kept does not count."""
        launches = [kept("a", released_at=NOW + 3), kept("b", released_at=NOW + 1), kept("c", released_at=NOW + 2), joined()]
        found = parking([*launches, joined(id="d", released_at=NOW, release_reason="suspend")], Policy({POOL: KEEPING}))
        assert found == Parking({POOL: -1}, frozenset({LaunchId("a")}))

    def test_pool_that_is_gone(self) -> None:
        """VMs of a pool that keeps none, or is no more, are all too many."""
        old = kept("a", pool=PoolName("old"))
        assert parking([old], Policy({POOL: replace(KEEPING, deallocate=False)})).surplus == {"a"}

    def test_gone_ones_do_not_count(self) -> None:
        """What was taken over, or is gone, takes no room."""
        assert parking([taken_over(kept(), NOW)], Policy({POOL: KEEPING})).room == {POOL: 2}


class TestFollow:
    """What becomes of a kept VM from round to round."""

    def follow(self, launch: Launch, facts: Facts, **record: Any) -> tuple[Launch, list[Effect]]:
        effects: list[Effect] = []
        after = follow_kept(a_record(**{"pool": KEEPING, "dying": (launch,), **record}), launch, facts, effects)
        return after, effects

    def test_stopped_until_azure_says_so(self) -> None:
        """Each round asks for it again, for a call may be lost; once Azure says it is deallocated, nothing is left to do."""
        launch = kept()
        assert self.follow(launch, the_facts(NOW + 5)) == (launch, [Deallocate(launch)])
        stopped = replace(launch, deallocated_at=NOW + 9)
        assert self.follow(stopped, the_facts(NOW + 10)) == (stopped, [])

    @pytest.mark.parametrize(
        ("facts", "record", "cause"),
        [
            (the_facts(NOW + 25 * HOUR), {}, "nobody needed it for 25 h"),
            (the_facts(), {"pool": None}, "not in that pool"),
            (the_facts(), {"pool": replace(KEEPING, name=PoolName("other"))}, "not in that pool"),
            (the_facts(), {"pool": replace(KEEPING, deallocate=False)}, "does not keep"),
            (the_facts(), {"pool": replace(KEEPING, offers=(Offer("Standard_other"),))}, "does not keep"),
            (the_facts(), {"live": joined(id="l2", vm_name=VmName("az-1-l2"))}, "another VM"),
            (the_facts(parking=Parking({}, frozenset({LaunchId("l1")}))), {}, "2 at most"),
            (the_facts(), {"vms": (a_vm(kept(), VmState.FAILED),)}, "failed"),
        ],
    )
    def test_let_go(self, facts: Facts, record: dict[str, Any], cause: str) -> None:
        """Too old, not of its pool any more, not wanted like this, too many, or broken: it is kept no longer, and the timeline
        says why."""
        launch = kept(deallocated_at=NOW)
        after, effects = self.follow(launch, facts, **record)
        assert not is_kept(after)
        assert after.released_at == launch.released_at
        saved, note = effects
        assert saved == Save(after)
        assert isinstance(note, Note)
        assert cause in note.text

    @pytest.mark.parametrize(
        ("listed_at", "listed", "lost"), [(30, False, False), (None, False, False), (90, True, False), (90, False, True)]
    )
    def test_lost(self, listed_at: float | None, listed: bool, lost: bool) -> None:
        """Deleted in the portal: a list from well after says so; an early one, or one that shows it, does not."""
        launch = kept(deallocated_at=NOW)
        list_at = None if listed_at is None else NOW + listed_at
        after, _ = self.follow(launch, the_facts(NOW + 90, list_at=list_at), vms=(a_vm(launch),) if listed else ())
        assert (after.gone_at is not None) is lost

    def test_taken_over(self) -> None:
        """Another launch of the node has the VM, live or on its way out: this one is gone, and touches it no more."""
        launch = kept(deallocated_at=NOW)
        heir = joined(id="l2", vm_name=launch.vm_name)
        for record in ({"live": heir}, {"dying": (launch, replace(heir, released_at=NOW))}):
            after, effects = self.follow(launch, the_facts(NOW + 1), **record)
            assert after.gone_at == NOW + 1
            assert not any(isinstance(effect, Deallocate) for effect in effects)


class TestReuse:
    """Who may have a kept VM."""

    def test_one_that_is_stopped(self) -> None:
        """The node's own, once Azure has stopped it."""
        launch = kept(deallocated_at=NOW)
        other = joined(id="l0", released_at=NOW, release_reason="suspend")
        assert reusable(a_record(pool=KEEPING, dying=(other, launch)), the_facts()) == launch

    def test_not_one_that_is_still_being_stopped(self) -> None:
        """A node does not wait for its old VM to stop: it gets another one."""
        assert reusable(a_record(pool=KEEPING, dying=(kept(),)), the_facts()) is None

    def test_not_one_that_is_to_go(self) -> None:
        """Kept too long in this very moment."""
        launch = kept(deallocated_at=NOW)
        assert reusable(a_record(pool=KEEPING, dying=(launch,)), the_facts(NOW + 25 * HOUR)) is None

    def test_the_name_tells(self) -> None:
        """A launch that has another one's VM is known by the VM's name, also from the journal after a restart."""
        old = kept(deallocated_at=NOW)
        assert not is_reused(old)
        assert is_reused(a_launch(id="l2", vm_name=old.vm_name))


class TestInTheSteps:
    """Kept VMs in the round over a node."""

    SEEN: ClassVar[dict[str, Any]] = {"slurm_at": NOW + 10, "list_at": NOW + 10}

    def decide(self, facts: Facts, **record: Any) -> tuple[NodeRecord, list[Effect]]:
        return decide_node(a_record(**{"pool": KEEPING, **record}), facts)

    def test_suspended_and_kept(self) -> None:
        """Slurm suspends a healthy node: its launch is released as kept, its VM stopped, nothing deleted."""
        live = joined(wanted_at=NOW)
        record, effects = self.decide(the_facts(NOW + 10), live=live, vms=(a_vm(live),), slurm=a_node(Power.STOPPING))
        (dying,) = record.dying
        assert is_kept(dying)
        assert [effect for effect in effects if isinstance(effect, (Deallocate, Delete))] == [Deallocate(dying)]

    def test_nothing_is_done_while_it_is_kept(self) -> None:
        """A node that is off, with a VM that is stopped, is at rest."""
        launch = kept(deallocated_at=NOW)
        _, effects = self.decide(the_facts(NOW + 90, **self.SEEN), dying=(launch,), vms=(a_vm(launch),), slurm=a_node())
        assert effects == []

    def test_woken_up_it_asks_with_its_vm(self) -> None:
        """The next wake-up knows of the VM that is kept, and admission gives it to the launch as long as its offer is warm."""
        launch = kept(deallocated_at=NOW)
        facts = the_facts(NOW + 90, slurm_at=NOW + 80)
        _, effects = self.decide(facts, dying=(launch,), vms=(a_vm(launch),), slurm=a_node(Power.WAKING))
        (ask,) = effects
        assert isinstance(ask, Ask)
        census = count([launch], facts.policy, Site(), facts.now)
        (plan,) = admit([ask], {}, facts, census).effects
        assert plan == Plan(ask, launch.offer, reuse=launch.vm_name)
        key = key_of(Scope.OFFER, launch.offer, POOL)
        assert key is not None
        cold = CoolDown(key, FailureReason.CAPACITY, "full", NOW, NOW + 600)
        (plan,) = admit([ask], {}, replace(facts, cool_downs={cold.key: cold}), census).effects
        assert plan == Plan(ask, Offer(OFFER.size, "2"))

    def test_another_launch_costs_the_node_its_kept_vm(self) -> None:
        """A node has one VM: the one that was kept is deleted when the node has got another."""
        launch, live = kept(deallocated_at=NOW), a_launch(id="l2", sent_at=NOW + 80, accepted_at=NOW + 80)
        record, effects = self.decide(the_facts(NOW + 90), dying=(launch,), live=live, slurm=a_node(Power.WAKING))
        assert [dying.release_reason for dying in record.dying] == ["unwanted"]
        assert [effect.vm_name for effect in effects if isinstance(effect, Delete)] == [launch.vm_name]

    def test_a_stopped_vm_does_not_count_as_started(self) -> None:
        """The list shows the VM all the time: only Azure's yes to the start, and a list of after that, tell anything."""
        live = a_launch(id="l2", vm_name=VmName("az-1-l1"), planned_at=NOW)
        record, _ = self.decide(the_facts(NOW + 10, **self.SEEN), live=live, vms=(a_vm(live),), slurm=a_node(Power.WAKING))
        assert record.live is not None
        assert record.live.accepted_at is None
        started = replace(live, sent_at=NOW + 1, accepted_at=NOW + 2)
        record, _ = self.decide(the_facts(NOW + 10, **self.SEEN), live=started, vms=(a_vm(live),), slurm=a_node(Power.WAKING))
        assert record.live is not None
        assert record.live.running_at == NOW + 10

    def test_a_failed_node_is_healed_beside_its_kept_vm(self) -> None:
        """A node whose wake-up was refused (a budget) comes back after a while, though a VM is kept for it."""
        launch = kept(deallocated_at=NOW)
        down = a_node(Power.OFF, "az-1", "slurm-azure: budget: used up", down=True)
        _, effects = self.decide(the_facts(NOW + 900, slurm_at=NOW + 900), dying=(launch,), vms=(a_vm(launch),), slurm=down)
        assert [effect.saying for effect in effects if isinstance(effect, Say)] == [Saying.RESUME]

    def test_lost_journal(self) -> None:
        """A stopped VM with our tags that no launch explains, of a node that is off, is a stray: it is deleted."""
        vm = a_vm(kept())
        facts = the_facts(NOW + 90, slurm_at=NOW + 90, list_at=NOW + 90)
        _, effects = self.decide(facts, vms=(vm,), slurm=a_node(), stray_since={vm.name: NOW})
        assert [effect.vm_name for effect in effects if isinstance(effect, Delete)] == [vm.name]

    def test_it_is_not_adopted_by_its_old_tag(self) -> None:
        """The last launch had an earlier one's VM and is over; a list that lags shows the VM with the earlier one's tag."""
        last = joined(id="l2", vm_name=VmName("az-1-l1"), released_at=NOW, gone_at=NOW)
        vm = a_vm(kept("l1"))
        _, effects = self.decide(the_facts(NOW + 5, slurm_at=NOW + 5), vms=(vm,), last=last, slurm=a_node(Power.WAKING))
        assert not any(isinstance(effect, Save) for effect in effects)
