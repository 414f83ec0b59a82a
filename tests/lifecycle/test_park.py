"""VMs that are stopped and kept: which, for how long, and who may take them over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slurm_azure.lifecycle.effects import Deallocate, Effect, Note, Save
from slurm_azure.lifecycle.park import (
    KEPT,
    follow_kept,
    is_kept,
    is_lost,
    is_reused,
    may_keep,
    parking,
    reusable,
    taken_over,
)
from slurm_azure.lifecycle.record import Facts, Parking, Policy, PoolPolicy
from slurm_azure.model import Failure, FailureReason, Launch, Offer, PoolName, Power, Priority, VmName, VmState
from tests.support.nodes import NOW, OFFER, POOL, a_launch, a_node, a_record, a_vm

HOUR = 3600.0
KEEPING = PoolPolicy(POOL, (OFFER, Offer(OFFER.size, "2")), 600.0, deallocate=True, keep_most=2, keep_longest=24 * HOUR)


def the_facts(now: float = NOW, pool: PoolPolicy = KEEPING, **changes: Any) -> Facts:
    """A round in which the pool may keep two VMs."""
    policy = Policy({POOL: pool})
    return Facts(**{"now": now, "policy": policy, "slurm_at": now, "parking": parking((), policy), **changes})


def joined(**changes: Any) -> Launch:
    return a_launch(**{"sent_at": NOW, "accepted_at": NOW, "running_at": NOW, "joined_at": NOW, **changes})


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
        assert found == Parking({POOL: -1}, frozenset({"a"}))

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
            (the_facts(parking=Parking({}, frozenset({"l1"}))), {}, "2 at most"),
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

    def test_lost(self) -> None:
        """Deleted in the portal: a list from well after says so, an early one or one that shows it does not."""
        launch = kept(deallocated_at=NOW)
        assert not is_lost(a_record(dying=(launch,)), launch, the_facts(list_at=NOW + 30))
        assert not is_lost(a_record(dying=(launch,)), launch, the_facts())
        assert not is_lost(a_record(dying=(launch,), vms=(a_vm(launch),)), launch, the_facts(list_at=NOW + 90))
        assert is_lost(a_record(dying=(launch,)), launch, the_facts(list_at=NOW + 90))


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
