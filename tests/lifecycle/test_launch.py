"""Step 2: what is wanted and has nothing gets a launch."""

from __future__ import annotations

from dataclasses import replace

from slurm_azure.lifecycle.effects import Ask, Create, Drop, Effect, Save
from slurm_azure.lifecycle.launch import launch
from slurm_azure.lifecycle.record import Facts
from slurm_azure.lifecycle.sweep import sweep
from slurm_azure.model import REPLACED, Blame, Failure, FailureReason, Power, RequestId, RequestKind, Scope
from tests.support.nodes import NODE, NOW, OFFER, POOL, a_launch, a_node, a_record, a_vm, a_wish, facts


def asks(effects: list[Effect]) -> list[Ask]:
    return [effect for effect in effects if isinstance(effect, Ask)]


def test_a_resume_request_asks_for_a_launch_without_waiting_for_slurm() -> None:
    """The request is enough: its jobs and id go with the launch."""
    wish = a_wish(request="r9")
    _, effects = launch(a_record(wishes=(wish,)), facts(slurm_at=None))
    assert effects == [Ask(NODE, POOL, wish.at, wish, wish.request)]


def test_a_node_that_slurm_powers_up_is_launched_even_if_the_hook_was_lost() -> None:
    """Level-triggered: POWERING_UP without launch or request (a full disk, a restarted slurmctld) is served."""
    _, effects = launch(a_record(slurm=a_node(Power.WAKING)), facts(list_at=NOW))
    assert len(asks(effects)) == 1


def test_a_node_of_which_the_journal_knows_nothing_waits_for_a_list() -> None:
    """S29: the journal may be lost, and its VM be there; a request, which is newer than that, does not wait."""
    waking = a_node(Power.WAKING)
    _, effects = launch(a_record(slurm=waking), facts())
    _, asked = launch(a_record(slurm=waking, wishes=(a_wish(),)), facts())
    assert (effects, len(asks(asked))) == ([], 1)


def test_a_vm_that_can_be_adopted_is_not_doubled() -> None:
    """S29: in one round the sweep step makes it the node's launch; asked for beside that, one of the two would be forgotten."""
    vm = a_vm(a_launch(id="lost"))
    for wishes in ((), (a_wish(),)):
        record, effects = launch(a_record(slurm=a_node(Power.WAKING), vms=(vm,), wishes=wishes), facts(list_at=NOW))
        adopted, _ = sweep(record, facts(list_at=NOW))
        assert effects == []
        assert adopted.live is not None
        assert adopted.live.id == "lost"


def stopped(now: float, list_at: float | None) -> Facts:
    """A round in which an administrator has stopped the pool."""
    order = Failure(FailureReason.PAUSED, "stopped by root", Scope.POOL, Blame.SITE)
    return replace(facts(now, list_at=list_at), closed={POOL: order})


def test_no_create_call_is_sent_again_while_the_pool_is_stopped() -> None:
    """A call that had no clear answer may have made the VM; if a list that is late enough shows none, none is to be."""
    live = a_launch(sent_at=NOW)
    waits, nothing = launch(a_record(live=live), stopped(NOW + 30, NOW + 20))
    there, still_nothing = launch(a_record(live=live, vms=(a_vm(live),)), stopped(NOW + 90, NOW + 80))
    failed, effects = launch(a_record(live=live), stopped(NOW + 90, NOW + 80))
    assert (waits.live, nothing, there.live, still_nothing) == (live, [], live, [])
    assert failed.live is None
    assert not any(isinstance(effect, Create) for effect in effects)
    assert failed.dying[0].failure is not None
    assert failed.dying[0].failure.reason is FailureReason.PAUSED


def test_a_second_request_for_a_node_that_has_a_launch_is_dropped() -> None:
    """Invariant 2: asked twice, one launch."""
    wish = a_wish(at=NOW + 1, request="r2")
    live = a_launch(sent_at=NOW, accepted_at=NOW)
    _, effects = launch(a_record(live=live, wishes=(wish,)), facts(NOW + 2))
    assert effects == [Drop(wish)]


def test_an_unanswered_create_is_asked_again() -> None:
    """A planned launch without an answer (a crash, a lost reply) sends its create call; the name makes that safe."""
    live = a_launch()
    _, effects = launch(a_record(live=live), facts())
    assert effects == [Create(live)]


def test_a_new_launch_waits_until_slurm_knows_of_the_failed_one() -> None:
    """Else one wake-up would be served twice, and the reason be lost."""
    failed = a_launch(released_at=NOW, failure=Failure(FailureReason.QUOTA, "no"))
    _, effects = launch(a_record(dying=(failed,), slurm=a_node(Power.WAKING)), facts())
    assert effects == []


def test_a_new_launch_does_not_wait_for_the_old_vm_to_die() -> None:
    """S3: the previous VM is still being deleted; the node comes back under another VM name at once."""
    dying = a_launch(sent_at=NOW, released_at=NOW, delete_sent_at=NOW, id="old")
    _, effects = launch(a_record(dying=(dying,), wishes=(a_wish(),)), facts())
    assert len(asks(effects)) == 1


def test_a_node_that_is_down_is_not_launched() -> None:
    """Set down while powering up (by us or an administrator): not wanted, whatever its power state says."""
    _, effects = launch(a_record(slurm=a_node(Power.WAKING, down=True)), facts())
    assert effects == []


def test_a_request_older_than_a_node_may_take_is_dropped_when_slurm_shows_it_off() -> None:
    """The daemon was away for an hour and Slurm has given up since: no VM for nobody."""
    _, effects = launch(a_record(wishes=(a_wish(),), slurm=a_node(Power.OFF)), facts(NOW + 3600, slurm_at=NOW + 3599))
    assert asks(effects) == []
    assert any(isinstance(effect, Drop) for effect in effects)


def test_a_node_of_no_pool_is_left_alone() -> None:
    """Invariant 5: Slurm powers up a node that is not ours (any more)."""
    _, effects = launch(a_record(pool=None, slurm=a_node(Power.WAKING)), facts())
    assert effects == []


def test_an_old_look_at_slurm_does_not_bring_back_what_was_just_suspended() -> None:
    """The suspend request came after Slurm was last seen: that it showed the node powering up then is no reason now."""
    dying = a_launch(sent_at=NOW, released_at=NOW + 100)
    stale = launch(a_record(dying=(dying,), slurm=a_node(Power.WAKING)), facts(NOW + 101, slurm_at=NOW + 99))
    fresh = launch(a_record(dying=(dying,), slurm=a_node(Power.WAKING)), facts(NOW + 103, slurm_at=NOW + 102))
    assert asks(stale[1]) == []
    assert len(asks(fresh[1])) == 1


def test_a_launch_that_was_replaced_is_followed_while_slurm_waits() -> None:
    """The next attempt of the same wake-up: its request, jobs and beginning, and not the same offer if there is another."""
    over = a_launch(released_at=NOW + 9, told_at=NOW + 9, release_reason=REPLACED, jobs=(7,), request="r1")
    _, effects = launch(a_record(dying=(over,), slurm=a_node(Power.WAKING)), facts(NOW + 10))
    assert effects == [Ask(NODE, POOL, NOW, None, RequestId("r1"), (7,), 2, OFFER)]


def test_a_replaced_launch_of_an_earlier_wake_up_is_not_followed() -> None:
    """Slurm gave that one up long ago: what it wakes now is a new wake-up, with all its time."""
    over = a_launch(released_at=NOW + 9, told_at=NOW + 9, release_reason=REPLACED, gone_at=NOW + 20)
    _, effects = launch(a_record(last=over, slurm=a_node(Power.WAKING)), facts(NOW + 5000, slurm_at=NOW + 5000))
    assert [(ask.attempt, ask.asked_at) for ask in asks(effects)] == [(1, NOW + 5000)]


def test_a_launch_that_came_before_its_request_learns_whom_it_is_for() -> None:
    """Slurm showed the node powering up before the hook's request was there: the request's jobs are the launch's."""
    record, effects = launch(a_record(live=a_launch(), wishes=(a_wish(RequestKind.RESUME, NODE, NOW, 7),)), facts())
    saved = [effect.launch for effect in effects if isinstance(effect, Save)]
    assert [(one.jobs, one.request) for one in saved] == [((7,), RequestId("r1"))]
    assert record.live == saved[0]
    again = launch(a_record(live=saved[0], wishes=(a_wish(RequestKind.RESUME, NODE, NOW, 8),)), facts())
    assert not [effect for effect in again[1] if isinstance(effect, Save)]
