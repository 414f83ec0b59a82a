"""Step 4: a node that serves keeps its VM, or Slurm hears at once that it has lost it."""

from __future__ import annotations

from slurm_azure.lifecycle.effects import Effect
from slurm_azure.lifecycle.join import has_vanished
from slurm_azure.lifecycle.record import Facts, NodeRecord
from slurm_azure.lifecycle.release import fail
from slurm_azure.model import Failure, FailureReason, Priority


def watch(record: NodeRecord, facts: Facts) -> tuple[NodeRecord, list[Effect]]:
    """A joined launch whose VM Azure does not list any more has failed (deleted by hand, or a Spot VM taken back)."""
    effects: list[Effect] = []
    live = record.live
    if live is None or live.joined_at is None or record.vm_of(live) is not None or not has_vanished(record, live, facts):
        return record, effects
    spot = live.offer.priority is Priority.SPOT
    reason = FailureReason.EVICTED if spot else FailureReason.VANISHED
    cause = "was taken back by Azure (Spot), or deleted" if spot else "was deleted outside Slurm"
    return fail(record, Failure(reason, f"VM {live.vm_name} {cause}"), facts, effects), effects
