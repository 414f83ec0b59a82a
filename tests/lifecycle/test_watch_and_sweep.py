"""Steps 5 and 6: a node that serves keeps its VM; what nobody asked for goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slurm_azure.lifecycle.closing import shelf_reason
from slurm_azure.lifecycle.decide import decide_node
from slurm_azure.lifecycle.effects import Delete, LookAtPower, Save, Say, Saying
from slurm_azure.lifecycle.sweep import sweep
from slurm_azure.lifecycle.watch import is_announced, lost, watch
from slurm_azure.model import Failure, FailureReason, Power, Scope, VmState
from tests.support.nodes import NOW, a_launch, a_node, a_record, a_vm, facts, spot

SERVING = a_launch(sent_at=NOW, accepted_at=NOW, running_at=NOW, joined_at=NOW, wanted_at=NOW)
LATER = NOW + 1000


def test_a_serving_node_whose_vm_is_missing_has_it_looked_at() -> None:
    """S13: lists that lack a VM do not prove its end, as it may have lost its tags: it is looked at, no job is touched."""
    record, effects = watch(a_record(live=SERVING, absent_since=LATER - 40), facts(LATER, list_at=LATER))
    assert record.live == SERVING
    assert effects == [LookAtPower(SERVING)]


def test_a_missing_spot_vm_was_evicted() -> None:
    """Spot with deletion as eviction policy simply disappears; that has its own reason."""
    assert (lost(SERVING).reason, lost(spot(SERVING)).reason) == (FailureReason.VANISHED, FailureReason.EVICTED)


def test_a_serving_node_without_a_new_list_is_left_alone() -> None:
    """S35: Azure unreachable for long: the last list is old, nothing is concluded."""
    record, _ = watch(a_record(live=SERVING, absent_since=NOW + 5), facts(LATER, list_at=NOW + 5))
    assert record.live == SERVING


def test_a_vm_of_a_finished_launch_is_deleted_after_the_lists_lag() -> None:
    """A VM that came after its launch was over (a create that arrived late) does not stay."""
    over = a_launch(sent_at=NOW, released_at=NOW, gone_at=NOW)
    vm = a_vm(over)
    record = a_record(last=over, vms=(vm,), slurm=a_node(Power.OFF), stray_since={vm.name: LATER - 61})
    _, early = sweep(a_record(last=over, vms=(vm,), stray_since={vm.name: LATER - 10}), facts(LATER, list_at=LATER))
    _, effects = sweep(record, facts(LATER, list_at=LATER))
    assert not any(isinstance(effect, Delete) for effect in early)
    assert [effect.vm_name for effect in effects if isinstance(effect, Delete)] == [vm.name]


def test_an_unknown_vm_of_a_node_in_use_is_adopted() -> None:
    """S29: the journal was lost, the node serves a job: its VM's tags give the launch back."""
    vm = a_vm(SERVING)
    record, effects = sweep(a_record(vms=(vm,), slurm=a_node(Power.UP)), facts(LATER, list_at=LATER))
    assert record.live is not None
    assert record.live.id == SERVING.id
    assert any(isinstance(effect, Save) for effect in effects)


def test_an_unknown_vm_is_not_deleted_while_slurm_is_out_of_sight() -> None:
    """Invariant 11: it may serve a job; only Slurm can say."""
    vm = a_vm(SERVING)
    record = a_record(vms=(vm,), slurm=None, stray_since={vm.name: NOW})
    _, effects = sweep(record, facts(LATER, slurm_at=None, list_at=LATER))
    assert effects == []


def test_a_second_vm_of_a_node_goes_however_it_came() -> None:
    """Invariant 2: one live launch; every other VM of the node is on its way out."""
    other = a_vm(a_launch(id="other"))
    record = a_record(live=SERVING, vms=(a_vm(SERVING), other), slurm=a_node(Power.UP), stray_since={other.name: NOW})
    _, effects = decide_node(record, facts(LATER, list_at=LATER))
    assert [effect.vm_name for effect in effects if isinstance(effect, Delete)] == [other.name]


def test_a_vm_that_is_being_deleted_is_not_deleted_again() -> None:
    """Azure is at it already."""
    over = a_launch(sent_at=NOW, released_at=NOW, gone_at=NOW)
    vm = a_vm(over, VmState.DELETING)
    _, effects = sweep(a_record(last=over, vms=(vm,), stray_since={vm.name: NOW}), facts(LATER, list_at=LATER))
    assert effects == []


def test_a_node_we_set_down_comes_back_after_the_hold() -> None:
    """S33: its reason was readable for a minute; then it is resumed, but not earlier, and not while a VM is left."""
    failed = a_launch(released_at=NOW, told_at=LATER - 70, gone_at=LATER - 61)
    down = a_node(Power.OFF, reason="slurm-azure: quota: no cores", down=True)
    _, early = sweep(a_record(last=failed, slurm=down), facts(LATER - 30))
    _, effects = sweep(a_record(last=failed, slurm=down), facts(LATER))
    assert early == []
    assert [effect.saying for effect in effects if isinstance(effect, Say)] == [Saying.RESUME]


def test_a_node_an_administrator_set_down_stays_down() -> None:
    """S34, invariant 5."""
    _, effects = sweep(a_record(slurm=a_node(Power.OFF, reason="bad fan", down=True)), facts(LATER))
    assert effects == []


def test_a_node_at_rest_needs_nothing() -> None:
    """Off, no VM, no wish: no effect at all."""
    _, effects = decide_node(a_record(slurm=a_node(Power.OFF)), facts(LATER, list_at=LATER))
    assert effects == []


def test_a_serving_node_needs_nothing() -> None:
    """Up, with its VM: no effect at all."""
    _, effects = decide_node(a_record(live=SERVING, slurm=a_node(Power.UP), vms=(a_vm(SERVING),)), facts(LATER, list_at=LATER))
    assert effects == []


def test_a_powered_down_node_that_does_not_respond_is_healed() -> None:
    """S33: nobody could ever use it again, and no reason would be shown; one that Slurm is about to power up is left."""
    trapped = a_node(Power.OFF, "az-1", "", "NOT_RESPONDING")
    _, effects = sweep(a_record(slurm=trapped), facts(LATER))
    _, waking = sweep(a_record(slurm=a_node(Power.OFF, "az-1", "", "NOT_RESPONDING", "POWER_UP")), facts(LATER))
    assert [effect.saying for effect in effects if isinstance(effect, Say)] == [Saying.RESUME]
    assert waking == []


def test_a_node_up_in_slurm_without_a_vm_is_set_down() -> None:
    """Its jobs would wait for ever; but only once it has been so for longer than lists lag."""
    up = a_node(Power.UP)
    _, early = sweep(a_record(slurm=up, bare_since=LATER - 30), facts(LATER, list_at=LATER))
    _, effects = sweep(a_record(slurm=up, bare_since=LATER - 61), facts(LATER, list_at=LATER))
    assert early == []
    assert [effect.saying for effect in effects if isinstance(effect, Say)] == [Saying.FAILED]


@pytest.mark.parametrize("reason", ["slurm-azure: evicted: at 12:00:00Z", "slurm-azure: maintenance: Reboot"])
def test_a_node_whose_vm_was_announced_to_go_fails_when_its_jobs_have_left(reason: str) -> None:
    """S11: its watcher has drained it; what still runs there is not cut short by us."""
    busy = replace(a_node(Power.UP, "az-1", reason, "DRAIN"), flags=frozenset({"ALLOCATED", "DRAIN", "CLOUD"}))
    kept, _ = watch(a_record(live=SERVING, slurm=busy, vms=(a_vm(SERVING),)), facts(LATER))
    gone, _ = watch(a_record(live=SERVING, slurm=a_node(Power.UP, "az-1", reason, "DRAIN"), vms=(a_vm(SERVING),)), facts(LATER))
    assert kept.live == SERVING
    assert gone.live is None
    assert gone.dying[0].failure is not None
    assert gone.dying[0].failure.reason.value in reason


def test_a_pool_closed_after_evictions_is_no_announcement() -> None:
    """Its nodes are drained with the same word first, by us: a canary among them that has joined is not lost."""
    closed = Failure(FailureReason.EVICTED, "nothing is asked for until 12:00 UTC: taken back", Scope.POOL)
    slurm = a_node(Power.UP, "az-1", shelf_reason(closed), "DRAIN")
    assert not is_announced(slurm)
    record, _ = watch(a_record(live=SERVING, slurm=slurm, vms=(a_vm(SERVING),)), facts(LATER))
    assert record.live == SERVING


def test_a_vm_that_azure_deletes_is_lost_at_once() -> None:
    """Nobody of us asked for it: it is taken back, and there is no need to wait until it is gone."""
    record, _ = watch(a_record(live=SERVING, vms=(a_vm(SERVING, VmState.DELETING),)), facts(LATER))
    assert record.live is None


def test_a_node_that_has_been_silent_for_long_has_its_vm_looked_at() -> None:
    """S12: a list does not tell a stopped VM from one that runs."""
    silent = a_record(live=SERVING, vms=(a_vm(SERVING),), silent_since=LATER - 40)
    _, effects = watch(silent, facts(LATER, slurm_at=LATER))
    _, early = watch(replace(silent, silent_since=LATER - 5), facts(LATER, slurm_at=LATER))
    assert effects == [LookAtPower(SERVING)]
    assert early == []


def test_a_node_that_a_killed_slurmctld_shows_up_again_is_set_down_soon() -> None:
    """S30: its VM is known to be gone, and slurmctld has come back with a state of some seconds before."""
    last = a_launch(released_at=NOW, gone_at=LATER - 15)
    seen = facts(LATER, slurm_at=LATER, list_at=LATER - 1)
    _, effects = sweep(a_record(slurm=a_node(Power.UP), bare_since=LATER - 1, last=last), seen)
    _, early = sweep(a_record(slurm=a_node(Power.UP), bare_since=LATER - 1, last=replace(last, gone_at=LATER - 5)), seen)
    drained = a_node(Power.UP, "az-1", "bad fan", "DRAIN")
    _, kept = sweep(a_record(slurm=drained, bare_since=LATER - 1, last=last), seen)
    assert [effect.saying for effect in effects if isinstance(effect, Say)] == [Saying.FAILED]
    assert (early, kept) == ([], [])


@pytest.mark.parametrize(
    "reason", ["Not responding", "ResumeTimeout reached", "Low RealMemory (reported:1 < 2)", "Kill task failed"]
)
def test_what_slurm_set_down_by_itself_comes_back(reason: str) -> None:
    """S33: nobody decided it, and the next VM is another one."""
    down = a_node(Power.OFF, reason=reason, down=True)
    _, effects = sweep(a_record(slurm=down, last=a_launch(gone_at=LATER - 100)), facts(LATER))
    assert [effect.saying for effect in effects if isinstance(effect, Say)] == [Saying.RESUME]
