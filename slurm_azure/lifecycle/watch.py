"""Step 5: a node that serves keeps its VM, or Slurm hears at once that it has lost it."""

from __future__ import annotations

from slurm_azure.lifecycle.closing import is_shelved
from slurm_azure.lifecycle.effects import Effect, LookAtPower
from slurm_azure.lifecycle.join import evicted, has_vanished
from slurm_azure.lifecycle.record import Facts, NodeRecord
from slurm_azure.lifecycle.retry import fail
from slurm_azure.model import (
    BUSY,
    REASON_PREFIX,
    Blame,
    Failure,
    FailureReason,
    Launch,
    Power,
    Priority,
    Scope,
    SlurmNode,
    VmState,
)

NOTICES = {
    f"{REASON_PREFIX} {FailureReason.EVICTED.value}:": FailureReason.EVICTED,
    f"{REASON_PREFIX} {FailureReason.MAINTENANCE.value}:": FailureReason.MAINTENANCE,
}
"""What the watcher on a VM drains its node with when Azure announces the VM's end (cloud-init/)."""

SILENCE = 30.0
"""Seconds that a node is silent before its VM is looked at: a restarted slurmctld has heard of no node for a moment."""


def watch(record: NodeRecord, facts: Facts) -> tuple[NodeRecord, list[Effect]]:
    """A joined launch has failed when its VM is announced to go, is being deleted, is not there any more, or has been stopped.

    A list that lacks the VM is no proof: it may have lost its tags, and run a job. So the VM itself is looked at.
    """
    effects: list[Effect] = []
    live = record.live
    if live is None or live.joined_at is None:
        return record, effects
    announced = _announced(record.slurm)
    if announced is not None:
        return fail(record, announced, facts, effects, final=True), effects
    vm = record.vm_of(live)
    if vm is not None and vm.state is VmState.DELETING:
        return fail(record, lost(live), facts, effects, final=True), effects
    if (vm is None and has_vanished(record, live, facts)) or _is_silent_for_long(record, facts):
        effects.append(LookAtPower(live))
    return record, effects


def is_silent(slurm: SlurmNode) -> bool:
    """Slurm has heard nothing of a node that should be up."""
    return slurm.power is Power.UP and "NOT_RESPONDING" in slurm.flags


def is_announced(slurm: SlurmNode) -> bool:
    """The node's own watcher has drained it, because Azure announced the end of its VM (and not we, because its pool is closed
    after evictions)."""
    return slurm.drained and slurm.reason.startswith(tuple(NOTICES)) and not is_shelved(slurm)


def _announced(slurm: SlurmNode | None) -> Failure | None:
    """The node was drained by its own watcher, and its jobs have left it (what is left when Azure takes the VM is found by
    the list)."""
    if slurm is None or not is_announced(slurm) or slurm.flags & BUSY:
        return None
    for notice, reason in NOTICES.items():
        if slurm.reason.startswith(notice):
            said = slurm.reason.removeprefix(notice).strip()
            return evicted(said) if reason is FailureReason.EVICTED else Failure(reason, said, Scope.LAUNCH, Blame.TRANSIENT)
    return None


def _is_silent_for_long(record: NodeRecord, facts: Facts) -> bool:
    return record.silent_since is not None and facts.slurm_at is not None and facts.slurm_at - record.silent_since >= SILENCE


def lost(live: Launch) -> Failure:
    """The VM of a launch that served its node is not there any more."""
    if live.offer.priority is Priority.SPOT:
        return evicted("its VM was taken back by Azure (Spot), or deleted")
    return Failure(FailureReason.VANISHED, "its VM was deleted outside Slurm", Scope.LAUNCH, Blame.TRANSIENT)
