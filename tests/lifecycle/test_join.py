"""Step 4: a launch on its way becomes a node, or fails with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slurm_azure.lifecycle.effects import Diagnose, Learn, Lesson, Save
from slurm_azure.lifecycle.join import join
from slurm_azure.lifecycle.record import NodeRecord
from slurm_azure.model import REPLACED, BootReport, Failure, FailureReason, Launch, Power, VmState
from tests.support.nodes import NOW, a_launch, a_node, a_record, a_vm, facts

BOOTING = a_launch(sent_at=NOW, accepted_at=NOW + 1)


def test_a_registered_node_has_joined() -> None:
    """Slurm shows the node up, in a look begun after the create call."""
    record, _ = join(a_record(live=BOOTING, slurm=a_node(Power.UP)), facts(NOW + 60, slurm_at=NOW + 60))
    assert record.live is not None
    assert record.live.joined_at == NOW + 60
    assert record.live.running_at == NOW + 60


@pytest.mark.parametrize(
    ("node", "seen"),
    [
        (a_node(Power.WAKING), NOW + 60),
        (a_node(Power.UP), NOW - 1),
        (a_node(Power.UP, "az-1", "", "NOT_RESPONDING"), NOW + 60),
        (a_node(Power.UP, down=True), NOW + 60),
    ],
    ids=["powering up", "seen before the create call", "not responding", "down"],
)
def test_a_node_that_is_not_yet_up_has_not_joined(node: object, seen: float) -> None:
    """Powering up, seen too early, silent or down: not joined."""
    record, _ = join(a_record(live=BOOTING, slurm=node), facts(NOW + 60, slurm_at=seen))
    assert record.live is not None
    assert record.live.joined_at is None


def test_a_provisioned_vm_is_running() -> None:
    """Azure lists it as succeeded: the stage is noted once."""
    record, effects = join(a_record(live=BOOTING, vms=(a_vm(BOOTING),)), facts(NOW + 30))
    assert record.live is not None
    assert record.live.running_at == NOW + 30
    again, more = join(record, facts(NOW + 31))
    assert [type(effect) for effect in effects] == [Learn, Save]
    assert more == []
    assert again == record


def test_a_listed_vm_whose_create_reply_was_lost_counts_as_accepted() -> None:
    """S32: the list shows what the reply could not tell."""
    unanswered = a_launch(sent_at=NOW)
    record, _ = join(a_record(live=unanswered, vms=(a_vm(unanswered, VmState.CREATING),)), facts(NOW + 5))
    assert record.live is not None
    assert record.live.accepted_at == NOW + 5


def test_a_failed_vm_is_asked_why() -> None:
    """Provisioning failed after the create call was accepted: its instance view has the code."""
    _, effects = join(a_record(live=BOOTING, vms=(a_vm(BOOTING, VmState.FAILED),)), facts(NOW + 20))
    assert effects == [Diagnose(BOOTING)]


def test_a_node_that_says_it_cannot_join_has_failed_with_its_own_words() -> None:
    """The node set itself down with our prefix: that is the failure's text."""
    slurm = a_node(Power.WAKING, reason="slurm-azure: boot: mount /home: server does not answer", down=True)
    record, _ = join(a_record(live=BOOTING, slurm=slurm), facts(NOW + 20))
    assert record.live is None
    failure = record.dying[0].failure
    assert failure is not None
    assert (failure.reason, failure.detail) == (FailureReason.BOOT, "mount /home: server does not answer")


def test_an_administrators_down_is_no_failure_of_the_node() -> None:
    """Invariant 5: a reason without our prefix is somebody else's; the launch stays."""
    record, _ = join(a_record(live=BOOTING, slurm=a_node(Power.WAKING, reason="replacing switch", down=True)), facts(NOW + 20))
    assert record.live == BOOTING


def the_failure(record: NodeRecord) -> Failure:
    """What the record's newest dying launch failed for."""
    failure = record.dying[-1].failure
    assert failure is not None
    return failure


@pytest.mark.parametrize(
    ("live", "good", "late"),
    [
        (BOOTING, 300, 302),
        (replace(BOOTING, running_at=NOW + 50), 499, 501),
        (replace(BOOTING, running_at=NOW + 200), 569, 571),
    ],
    ids=["not provisioned within deadlines.create", "not joined within deadlines.boot", "a little before ResumeTimeout"],
)
def test_a_launch_that_comes_no_further_fails_at_its_deadline(live: Launch, good: int, late: int) -> None:
    """S9, S10: each stage has its time (300 s and 450 s here); and our reason comes before Slurm's own time-out (600 s)."""
    waiting, _ = join(a_record(live=live), facts(NOW + good, NOW + good, NOW + good))
    failed, _ = join(a_record(live=live), facts(NOW + late, NOW + late, NOW + late))
    assert waiting.live == live
    assert failed.live is None
    assert the_failure(failed).reason is FailureReason.JOIN_TIMEOUT


@pytest.mark.parametrize("running", [None, NOW + 50], ids=["not provisioned", "not joined"])
def test_no_deadline_passes_unseen(running: float | None) -> None:
    """Invariant 11: while Slurm and Azure cannot be asked the node may have joined and run a job; a look from after the
    deadline decides."""
    live = replace(BOOTING, running_at=running)
    unseen, _ = join(a_record(live=live), facts(NOW + 900, NOW + 100, NOW + 100))
    never, _ = join(a_record(live=live), facts(NOW + 900, None, None))
    assert (unseen.live, never.live) == (live, live)


def test_a_failed_boot_is_tried_once_more_unnoticed_by_slurm() -> None:
    """The node reports a failing mount: its launch is replaced, Slurm need not be told; the second time it has to be."""
    report = BootReport(BOOTING.id, ok=False, seconds=9.0, step="mounts", cause="filer:/home does not answer")
    waking = a_node(Power.WAKING)
    first, effects = join(a_record(live=BOOTING, slurm=waking, boot=report), facts(NOW + 20))
    second, _ = join(a_record(live=replace(BOOTING, attempt=2), slurm=waking, boot=report), facts(NOW + 20))
    assert the_failure(first).detail == "mounts: filer:/home does not answer"
    assert (first.dying[0].release_reason, first.dying[0].told_at) == (REPLACED, NOW + 20)
    assert (second.dying[0].release_reason, second.dying[0].told_at) == ("failed", None)
    assert [effect.lesson for effect in effects if isinstance(effect, Learn)] == [Lesson.FAILED]


def test_no_other_launch_follows_when_no_time_is_left() -> None:
    """Half a boot's time has to be left before Slurm gives up: else the job is better off being told now."""
    late = replace(BOOTING, asked_at=NOW - 300)
    record, _ = join(a_record(live=late, slurm=a_node(Power.WAKING)), facts(NOW + 302, NOW + 302, NOW + 302))
    assert record.dying[0].release_reason == "failed"


def test_what_a_node_tells_after_it_has_joined_is_kept_too() -> None:
    """Its report comes a moment after its registration, which may be seen first: its stages and their seconds are not lost."""
    joined = replace(BOOTING, joined_at=NOW + 10)
    slurm = replace(a_node(Power.UP), comment="slurm-azure boot=ok")
    report = BootReport(BOOTING.id, ok=True, seconds=9.0)
    record, effects = join(a_record(live=joined, slurm=slurm, boot=report), facts(NOW + 20, slurm_at=NOW + 19))
    heard = replace(joined, boot=slurm.comment)
    assert (record.live, effects) == (heard, [Save(heard)])
    assert join(record, facts(NOW + 21, slurm_at=NOW + 20)) == (record, [])


def test_a_node_that_has_less_than_its_line_says_has_failed_for_good() -> None:
    """S19: another VM of that size would have no more; the reason has Slurm's words and what to set."""
    slurm = a_node(Power.UP, "az-1", "Low RealMemory (reported:7000 < 90.00% of configured:8000)", "INVALID_REG", "DRAIN")
    report = BootReport(BOOTING.id, ok=True, seconds=9.0, memory_mib=7000, cpus=2)
    record, _ = join(a_record(live=BOOTING, slurm=slurm, boot=report), facts(NOW + 20, slurm_at=NOW + 19))
    assert record.dying[0].release_reason == "failed"
    assert the_failure(record).reason is FailureReason.CONFIGURATION
    assert "reported:7000" in the_failure(record).detail
    assert "it has 7000 MiB and 2 CPUs" in the_failure(record).detail


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (
            "Low CPUs, Low RealMemory (reported:7000 < 90.00% of configured:8000)",
            "set hardware.memory_mib of pool hb below 7000",
        ),
        ("gres/gpu count reported lower than configured (1 < 2)", "set hardware of pool hb to what slurmd -C says there"),
    ],
)
def test_what_to_set_is_told_before_the_node_has_reported(words: str, remedy: str) -> None:
    """The report follows the registration by a moment: seen in between, slurmctld's words must do."""
    slurm = a_node(Power.UP, "az-1", words, "INVALID_REG", "DRAIN")
    record, _ = join(a_record(live=BOOTING, slurm=slurm), facts(NOW + 20, slurm_at=NOW + 19))
    assert the_failure(record).detail == f"the node has less than slurm.conf says: {words} [{remedy}]"


def test_a_list_that_lags_loses_no_vm() -> None:
    """S31: missing in one list, or within a minute of the create call: nothing is concluded."""
    young, _ = join(a_record(live=BOOTING, absent_since=NOW + 5), facts(NOW + 40, list_at=NOW + 40))
    first, _ = join(a_record(live=BOOTING, absent_since=NOW + 100), facts(NOW + 100, list_at=NOW + 100))
    assert young.live == BOOTING
    assert first.live == BOOTING


def test_a_vm_missing_for_long_has_vanished() -> None:
    """S13: deleted while it boots: Slurm is told, not left to wait."""
    record, _ = join(a_record(live=BOOTING, absent_since=NOW + 70), facts(NOW + 101, list_at=NOW + 101))
    assert record.live is None
    assert record.dying[0].failure is not None
    assert record.dying[0].failure.reason is FailureReason.VANISHED
