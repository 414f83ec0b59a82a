"""Step 1: what is not wanted any more goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slurm_azure.lifecycle.effects import Delete, Drop, Effect, ReadConsole, Save, Say, Saying
from slurm_azure.lifecycle.release import release
from slurm_azure.model import Failure, FailureReason, Launch, Power, RequestKind, VmState
from tests.support.nodes import NOW, a_launch, a_node, a_record, a_vm, a_wish, facts

SERVING = a_launch(sent_at=NOW, accepted_at=NOW, running_at=NOW, joined_at=NOW, wanted_at=NOW)
DYING = a_launch(sent_at=NOW, accepted_at=NOW, released_at=NOW + 5, release_reason="suspend")


def saved(effects: list[Effect]) -> list[Launch]:
    return [effect.launch for effect in effects if isinstance(effect, Save)]


def test_a_suspend_request_releases_the_live_launch_and_deletes_its_vm() -> None:
    """Slurm suspends a node: the launch is released and its VM's delete is asked for in the same round."""
    wish = a_wish(RequestKind.SUSPEND, at=NOW + 50)
    record, effects = release(a_record(live=SERVING, wishes=(wish,)), facts(NOW + 51))
    assert record.live is None
    assert [launch.release_reason for launch in saved(effects)] == ["suspend"]
    assert [effect.vm_name for effect in effects if isinstance(effect, Delete)] == [SERVING.vm_name]
    assert Drop(wish) in effects


def test_a_suspend_request_from_before_the_launch_is_dropped() -> None:
    """An old suspend (for the node's previous VM) never takes the new launch down."""
    wish = a_wish(RequestKind.SUSPEND, at=NOW - 10)
    record, effects = release(a_record(live=SERVING, wishes=(wish,), slurm=a_node(Power.UP)), facts(NOW + 1))
    assert record.live == SERVING
    assert effects == [Drop(wish)]


def test_a_suspend_overtakes_the_resume_before_it_but_not_the_one_after() -> None:
    """resume, suspend, resume taken in together: the last resume stays open, the first does not."""
    before, suspend, after = (
        a_wish(at=NOW, request="1"),
        a_wish(RequestKind.SUSPEND, at=NOW + 1, request="2"),
        a_wish(at=NOW + 2, request="3"),
    )
    record, _ = release(a_record(wishes=(before, suspend, after)), facts(NOW + 3))
    assert record.wishes == (after,)


def test_resume_fail_counts_as_a_failure_to_join() -> None:
    """Slurm gave up on a node that never joined: the launch has failed, with that reason."""
    wish = a_wish(RequestKind.RESUME_FAIL, at=NOW + 600)
    record, _ = release(a_record(live=a_launch(sent_at=NOW, accepted_at=NOW), wishes=(wish,)), facts(NOW + 601))
    assert record.live is None
    assert [launch.failure and launch.failure.reason for launch in record.dying] == [FailureReason.JOIN_TIMEOUT]


def test_a_node_that_slurm_powered_down_without_a_word_is_released() -> None:
    """Invariant 4: the suspend hook was lost, Slurm shows the node off: its VM is not wanted."""
    record, _ = release(a_record(live=SERVING, slurm=a_node(Power.OFF)), facts(NOW + 60, slurm_at=NOW + 59))
    assert record.live is None


def test_an_old_look_at_slurm_releases_nothing() -> None:
    """Invariant 11: Slurm was last seen before this launch was planned; that it showed the node off proves nothing."""
    record, effects = release(a_record(live=SERVING, slurm=a_node(Power.OFF)), facts(NOW + 60, slurm_at=NOW - 1))
    assert record.live == SERVING
    assert effects == []


def test_with_slurm_out_of_sight_nothing_is_released() -> None:
    """Invariant 11: no observation of Slurm, no conclusion."""
    record, effects = release(a_record(live=SERVING), facts(NOW + 9999, slurm_at=None))
    assert record.live == SERVING
    assert effects == []


def test_a_resume_by_hand_is_kept_until_the_node_has_had_its_time_to_join() -> None:
    """ResumeProgram run by hand for a node Slurm shows off: a launch all the same, but not for ever."""
    live = a_launch(sent_at=NOW, accepted_at=NOW)
    early, _ = release(a_record(live=live, slurm=a_node(Power.OFF)), facts(NOW + 590, slurm_at=NOW + 589))
    late, _ = release(a_record(live=live, slurm=a_node(Power.OFF)), facts(NOW + 601, slurm_at=NOW + 600))
    assert early.live == live
    assert late.live is None


def test_a_vm_is_gone_only_when_a_list_begun_after_the_delete_lacks_it() -> None:
    """Invariant 4: a list from before the delete call, or one that still shows it, leaves the launch dying."""
    dying = a_launch(sent_at=NOW, released_at=NOW + 5, delete_sent_at=NOW + 6)
    still, _ = release(a_record(dying=(dying,), vms=(a_vm(dying, VmState.DELETING),)), facts(NOW + 9, list_at=NOW + 8))
    old, _ = release(a_record(dying=(dying,)), facts(NOW + 9, list_at=NOW + 5))
    gone, effects = release(a_record(dying=(dying,)), facts(NOW + 9, list_at=NOW + 8))
    assert still.dying == (dying,)
    assert old.dying == (dying,)
    assert gone.dying == ()
    assert [launch.gone_at for launch in saved(effects)] == [NOW + 9]


def test_a_vm_that_stays_is_deleted_again() -> None:
    """Invariant 4: three minutes after the delete call the VM is still listed: it is deleted once more."""
    dying = a_launch(sent_at=NOW, released_at=NOW, delete_sent_at=NOW)
    _, effects = release(a_record(dying=(dying,), vms=(a_vm(dying),)), facts(NOW + 181, list_at=NOW + 180))
    assert [effect.vm_name for effect in effects if isinstance(effect, Delete)] == [dying.vm_name]


def test_a_launch_whose_create_was_never_sent_is_over_without_a_delete() -> None:
    """Suspended before the create call: nothing was made, nothing is deleted."""
    planned = a_launch(released_at=NOW + 1)
    record, effects = release(a_record(dying=(planned,)), facts(NOW + 2))
    assert record.dying == ()
    assert not any(isinstance(effect, Delete) for effect in effects)


def test_a_failed_launch_stays_in_sight_until_slurm_has_been_told() -> None:
    """Invariant 6: with nothing left in Azure, a failure that Slurm does not know of is still said."""
    failed = a_launch(released_at=NOW, failure=Failure(FailureReason.QUOTA, "QuotaExceeded: no cores"))
    record, effects = release(a_record(dying=(failed,), slurm=a_node(Power.WAKING)), facts(NOW + 1))
    assert record.dying == (failed,)
    assert effects == [Say(failed.node, Saying.FAILED, "slurm-azure: quota: QuotaExceeded: no cores", failed)]


def test_a_node_that_has_told_slurm_itself_is_only_powered_down() -> None:
    """The node wrote its own reason (a mount failed): it must stay readable, not be written over."""
    failed = a_launch(sent_at=NOW, released_at=NOW, failure=Failure(FailureReason.BOOT, "mount /home: timed out"))
    slurm = a_node(Power.WAKING, reason="slurm-azure: boot: mount /home: timed out", down=True)
    _, effects = release(a_record(dying=(failed,), slurm=slurm), facts(NOW + 1))
    assert [effect.saying for effect in effects if isinstance(effect, Say)] == [Saying.POWER_DOWN]


def test_nothing_is_said_of_a_node_that_slurm_gave_up_by_itself() -> None:
    """The job was cancelled while the create failed: the node is off already, nobody waits for a reason."""
    failed = a_launch(released_at=NOW, failure=Failure(FailureReason.QUOTA, "no"))
    _, effects = release(a_record(dying=(failed,), slurm=a_node(Power.OFF)), facts(NOW + 5, slurm_at=NOW + 4))
    assert not any(isinstance(effect, Say) for effect in effects)
    assert saved(effects)[-1].told_at == NOW + 5


def test_slurm_is_not_told_of_a_node_that_an_administrator_has_set_aside() -> None:
    """S34, invariant 5: telling would replace the administrator's reason, and take the drain away; the VM goes all the same."""
    failed = a_launch(sent_at=NOW, released_at=NOW, failure=Failure(FailureReason.VANISHED, "gone"))
    drained = a_node(Power.UP, "az-1", "bad fan", "DRAIN")
    _, effects = release(a_record(dying=(failed,), slurm=drained), facts(NOW + 5, slurm_at=NOW + 4))
    assert [effect for effect in effects if isinstance(effect, Say)] == []
    assert any(isinstance(effect, Delete) for effect in effects)


@pytest.mark.parametrize(("held", "pending", "goes"), [((), (), True), ((), (7,), False), ((7,), (), False), (None, (), False)])
def test_a_booting_node_goes_when_its_job_is_gone(held: tuple[int, ...] | None, pending: tuple[int, ...], goes: bool) -> None:
    """S26: cancelled, not only waiting again (another of its nodes failed), and not while the queue is out of sight."""
    live = a_launch(sent_at=NOW, accepted_at=NOW, wanted_at=NOW, jobs=(7,))
    seen = replace(facts(NOW + 30, slurm_at=NOW + 29), jobs_at=NOW + 29, pending=frozenset(pending))
    record, _ = release(a_record(live=live, slurm=a_node(Power.WAKING), jobs=held), seen)
    assert (record.live is None) is goes


def test_a_node_that_is_configured_no_more_ends_in_peace() -> None:
    """S20: drained while a job runs on it, powered down and deleted when that has ended, also if Slurm has forgotten it."""
    live = a_launch(sent_at=NOW, accepted_at=NOW, joined_at=NOW)
    busy = replace(a_node(Power.UP), flags=frozenset({"ALLOCATED", "CLOUD"}))
    kept, effects = release(a_record(pool=None, live=live, slurm=busy), facts(NOW + 90))
    idle, _ = release(a_record(pool=None, live=live, slurm=a_node(Power.UP)), facts(NOW + 90))
    forgotten, _ = release(a_record(live=live, unknown_since=NOW), facts(NOW + 90))
    assert kept.live == live
    assert [effect.saying for effect in effects if isinstance(effect, Say)] == [Saying.SHELVE]
    assert idle.live is None
    assert forgotten.live is None


def test_a_failed_boots_console_is_read_before_its_vm_goes() -> None:
    """It is the only witness; but it is not waited for longer than half a minute."""
    failed = a_launch(
        sent_at=NOW,
        accepted_at=NOW,
        running_at=NOW,
        released_at=NOW,
        told_at=NOW,
        failure=Failure(FailureReason.BOOT, "mounts"),
    )
    record = a_record(dying=(failed,), vms=(a_vm(failed),))
    _, effects = release(record, facts(NOW + 1))
    _, late = release(record, facts(NOW + 31))
    _, read = release(replace(record, dying=(replace(failed, console_at=NOW + 1),)), facts(NOW + 2))
    assert effects == [ReadConsole(failed)]
    for after in (late, read):
        assert [type(effect) for effect in after] == [Delete]
