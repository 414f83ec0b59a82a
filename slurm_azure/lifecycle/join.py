"""Step 3: a launch on its way becomes a node of the cluster, or fails with a reason."""

from __future__ import annotations

from dataclasses import replace

from slurm_azure.lifecycle.effects import Diagnose, Effect, Save
from slurm_azure.lifecycle.record import Facts, NodeRecord
from slurm_azure.lifecycle.release import fail
from slurm_azure.model import REASON_PREFIX, Failure, FailureReason, Launch, Power, VmState


def join(record: NodeRecord, facts: Facts) -> tuple[NodeRecord, list[Effect]]:
    """See how far the live launch has come."""
    effects: list[Effect] = []
    live = record.live
    if live is None or live.joined_at is not None:
        return record, effects
    if _has_joined(record, live, facts):
        joined = replace(
            live,
            joined_at=facts.now,
            accepted_at=live.accepted_at or facts.now,
            running_at=live.running_at or facts.now,
        )
        effects.append(Save(joined))
        return record.with_live(joined), effects
    failure = _gave_up(record) or _too_late(record, live, facts)
    if failure is not None:
        return fail(record, failure, facts, effects), effects
    return _follow_vm(record, live, facts, effects), effects


def _has_joined(record: NodeRecord, live: Launch, facts: Facts) -> bool:
    """Registered: powered up and answering, in an observation of after the create call.

    A node that still shows up from its previous VM's time (Slurm has not noticed that one's end) must not count.
    """
    slurm = record.slurm
    if slurm is None or slurm.power is not Power.UP or "NOT_RESPONDING" in slurm.flags or slurm.down:
        return False
    return live.sent_at is not None and facts.slurm_at is not None and facts.slurm_at > live.sent_at


def _gave_up(record: NodeRecord) -> Failure | None:
    """The node told Slurm itself that it cannot join (its user data does so), in a reason that begins with ours."""
    slurm = record.slurm
    if slurm is None or not slurm.down or not slurm.ours_to_resume or slurm.power is not Power.WAKING:
        return None
    detail = slurm.reason.removeprefix(REASON_PREFIX).strip().removeprefix("boot:").strip()
    return Failure(FailureReason.BOOT, detail)


def _too_late(record: NodeRecord, live: Launch, facts: Facts) -> Failure | None:
    """A little before Slurm's own ResumeTimeout, so that the reason is ours and the node is handled once."""
    if record.pool is None:
        return None
    limit = record.pool.resume_timeout
    waited = facts.now - live.planned_at
    if waited <= limit - min(30.0, limit / 10):
        return None
    return Failure(FailureReason.JOIN_TIMEOUT, f"not joined {waited:.0f} s after its launch (last seen: {live.stage.value})")


def _follow_vm(record: NodeRecord, live: Launch, facts: Facts, effects: list[Effect]) -> NodeRecord:
    vm = record.vm_of(live)
    if vm is None:
        if has_vanished(record, live, facts):
            return fail(record, Failure(FailureReason.VANISHED, f"VM {live.vm_name} is not there any more"), facts, effects)
        return record
    if vm.state is VmState.FAILED:
        effects.append(Diagnose(live))
        return record
    changed = live
    if changed.accepted_at is None:
        changed = replace(changed, sent_at=changed.sent_at or facts.now, accepted_at=facts.now)  # its reply was lost
    if vm.state is VmState.SUCCEEDED and changed.running_at is None:
        changed = replace(changed, running_at=facts.now)
    if changed is not live:
        effects.append(Save(changed))
    return record.with_live(changed)


def has_vanished(record: NodeRecord, live: Launch, facts: Facts) -> bool:
    """Missing from lists for longer than lists may lag, and accepted for longer than that too."""
    if live.accepted_at is None or record.absent_since is None or facts.list_at is None:
        return False
    lag = facts.policy.list_lag
    return facts.list_at - live.accepted_at > lag and facts.list_at - record.absent_since >= lag / 2
