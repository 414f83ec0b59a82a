"""Step 3: a launch on its way becomes a node, or fails with a reason."""

from __future__ import annotations

import pytest

from slurm_azure.lifecycle.effects import Diagnose, Save
from slurm_azure.lifecycle.join import join
from slurm_azure.model import FailureReason, Power, VmState
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
    assert [type(effect) for effect in effects] == [Save]
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


def test_a_node_that_never_joins_fails_a_little_before_resume_timeout() -> None:
    """S9: our reason comes before Slurm's own time-out (600 s here), not after it."""
    waiting, _ = join(a_record(live=BOOTING), facts(NOW + 560))
    failed, _ = join(a_record(live=BOOTING), facts(NOW + 571))
    assert waiting.live == BOOTING
    assert failed.live is None
    assert failed.dying[0].failure is not None
    assert failed.dying[0].failure.reason is FailureReason.JOIN_TIMEOUT


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
