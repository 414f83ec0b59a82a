"""Step 1: what is not wanted any more goes, and goes on going until Azure says it is not there."""

from __future__ import annotations

from dataclasses import replace

from slurm_azure.lifecycle.effects import Delete, Drop, Effect, Note, ReadConsole, Save, Say, Saying
from slurm_azure.lifecycle.jobs import is_hopeless
from slurm_azure.lifecycle.park import KEPT, follow_kept, is_kept, may_keep
from slurm_azure.lifecycle.record import Facts, NodeRecord
from slurm_azure.lifecycle.retry import fail
from slurm_azure.model import BUSY, REASON_PREFIX, Failure, FailureReason, Launch, Power, RequestKind, SlurmNode

CANCELLED = "cancelled"
"""`Launch.release_reason` when the jobs that the node was powered up for are gone."""

SLURMS_OWN_REASONS = (
    "ResumeTimeout reached",
    "Not responding",
    "Node unexpectedly rebooted",
    "Low ",  # RealMemory, CPUs, TmpDisk, socket*core*thread count: a registration that does not fit
    "gres/",
    "batch job complete failure",
    "Duplicate jobid",
    "Prolog error",
    "Epilog error",
    "Kill task failed",
)
"""What slurmctld and slurmd write on nodes by themselves begins so (power_save.c, ping_nodes.c, node_mgr.c, job_mgr.c, req.c of
22.05): no administrator stands behind it, and a new VM is free of it."""

SETTLING = 5.0
"""Seconds after a wake-up within which the queue of jobs may not show yet, or no more, what it was for."""

CONSOLE_PATIENCE = 30.0
"""Seconds that a VM whose boot failed is kept for its console log to be read; its end is billed."""

HOLD_BACK, LONGEST_HOLD = 60.0, 3600.0
"""Seconds that a job which could not have all of its nodes is held back: the first time, twice that each further time."""


def release(record: NodeRecord, facts: Facts) -> tuple[NodeRecord, list[Effect]]:
    """Let go of the live launch if Slurm does not want it; push the dying ones on."""
    effects: list[Effect] = []
    record = _obey_wishes(record, facts, effects)
    record = _follow_slurm(record, facts, effects)
    if not record.dying:
        return record, effects
    dying = []
    for launch in record.dying:
        moved = _push(record, launch, facts, effects)
        if moved.gone_at is None:
            dying.append(moved)
        else:
            record = replace(record, last=moved)
    return replace(record, dying=tuple(dying)), effects


def reason_text(failure: Failure) -> str:
    """What stands in `sinfo -R`, with where there is more about a boot that failed. Nodes that fail alike have the same: one
    call tells of them all."""
    unexplained = failure.reason in (FailureReason.BOOT, FailureReason.JOIN_TIMEOUT) and not failure.detail.endswith("]")
    remedy = " [slurm-azure why NODE --console]" if unexplained else ""
    return f"{REASON_PREFIX} {failure.reason.value}: {failure.detail}{remedy}"


def _let_go(record: NodeRecord, why: str, facts: Facts, effects: list[Effect]) -> NodeRecord:
    assert record.live is not None  # noqa: S101
    if why == RequestKind.SUSPEND.value and may_keep(record, record.live, facts):
        why = KEPT
    launch = replace(record.live, released_at=facts.now, release_reason=why)
    effects.append(Save(launch))
    return replace(record, live=None, dying=(*record.dying, launch))


def _obey_wishes(record: NodeRecord, facts: Facts, effects: list[Effect]) -> NodeRecord:
    for wish in record.wishes:
        if wish.kind is RequestKind.RESUME:
            continue
        live = record.live
        if live is not None and wish.at >= live.planned_at:
            if wish.kind is RequestKind.RESUME_FAIL:
                seconds = wish.at - live.planned_at
                late = Failure(FailureReason.JOIN_TIMEOUT, f"not joined after {seconds:.0f} s (ResumeTimeout)")
                record = fail(record, late, facts, effects, final=True)
            else:
                record = _let_go(record, wish.kind.value, facts, effects)
        # A resume that is older than this is overtaken by it: Slurm has given the node up since.
        for older in record.wishes:
            if older.kind is RequestKind.RESUME and older.at < wish.at:
                effects.append(Drop(older))
                record = record.without(older)
        effects.append(Drop(wish))
        record = record.without(wish)
    return record


def _follow_slurm(record: NodeRecord, facts: Facts, effects: list[Effect]) -> NodeRecord:
    """Slurm's state decides even where no request came (a lost hook, a restarted slurmctld, a node set down by hand)."""
    live, slurm = record.live, record.slurm
    if live is not None and record.unknown_since is not None and facts.now - record.unknown_since > facts.policy.list_lag:
        return _let_go(record, "unwanted", facts, effects)  # Slurm has forgotten the node: nobody can ever use its VM
    if live is not None and record.pool is None:
        return _clear(record, live, facts, effects)
    if live is None or slurm is None or record.pool is None:
        return record
    if _is_cancelled(record, live, facts):
        return _let_go(record, CANCELLED, facts, effects)
    if slurm.power in (Power.WAKING, Power.UP):
        if live.wanted_at is None:
            live = replace(live, wanted_at=facts.now)
            effects.append(Save(live))
            return record.with_live(live)
        return record
    if facts.slurm_at is None or facts.slurm_at <= live.planned_at:
        return record
    if live.wanted_at is not None:
        return _let_go(record, "suspend", facts, effects)
    # ResumeProgram was run without Slurm wanting the node (by hand): it has the time a node has to join, no more.
    if facts.now - live.planned_at > record.pool.resume_timeout:
        return _let_go(record, "unwanted", facts, effects)
    return record


def _clear(record: NodeRecord, live: Launch, facts: Facts, effects: list[Effect]) -> NodeRecord:
    """The node is configured no more: what runs there ends in peace, then its VM goes."""
    slurm = record.slurm
    if live.joined_at is None:
        return _let_go(record, "unwanted", facts, effects)
    if slurm is None:
        return record
    if slurm.power in (Power.OFF, Power.STOPPING):
        return _let_go(record, "suspend", facts, effects)
    if not slurm.flags & BUSY:
        return _let_go(record, CANCELLED, facts, effects)
    if not (slurm.drained or slurm.down):
        reason = f"{REASON_PREFIX} removed: the node is in no pool of slurm-azure.yaml any more"
        effects.append(Say(record.node, Saying.SHELVE, reason))
    return record


def _is_cancelled(record: NodeRecord, live: Launch, facts: Facts) -> bool:
    """Whether nobody waits for a booting node any more: the jobs it was asked for hold no nodes and wait for none."""
    if record.pool is None or not record.pool.release_cancelled or live.joined_at is not None or not live.jobs:
        return False
    if facts.pending is None or facts.jobs_at is None or facts.jobs_at <= live.planned_at + SETTLING:
        return False
    return record.jobs == () and facts.pending.isdisjoint(live.jobs)


def _push(record: NodeRecord, launch: Launch, facts: Facts, effects: list[Effect]) -> Launch:
    """One dying launch: tell Slurm if it failed, delete its VM, see it gone. One that is kept stays."""
    if is_kept(launch):
        launch = follow_kept(record, launch, facts, effects)
        if is_kept(launch) or launch.gone_at is not None:
            return launch
    if untold(launch):
        launch = _tell(record, launch, facts, effects)
        if untold(launch) and _nothing_is_wrong(launch):
            return launch  # Slurm first: by now another job may have the node, which then keeps its VM
    vm = record.vm_of(launch)
    if _console_is_wanted(launch, vm is not None, facts):
        effects.append(ReadConsole(launch))
        return launch
    if launch.sent_at is None and vm is None:
        return _gone(launch, facts, effects)  # its create call was never sent: there is nothing to delete
    if launch.delete_sent_at is None:
        effects.append(Delete(launch.node, launch.vm_name, launch))
        return launch
    unseen = vm is None and facts.list_at is not None and facts.list_at > launch.delete_sent_at
    if unseen:
        return _gone(launch, facts, effects)
    if facts.now - launch.delete_sent_at > facts.policy.delete_retry:
        effects.append(Delete(launch.node, launch.vm_name, launch))
        effects.append(Note(launch.node, f"{launch.vm_name} is still there: deleting it again"))
    return launch


def untold(launch: Launch) -> bool:
    """Whether Slurm has still to be told of the launch's end."""
    return launch.told_at is None and (launch.failure is not None or launch.release_reason == CANCELLED)


def _nothing_is_wrong(launch: Launch) -> bool:
    return launch.failure is None or launch.failure.reason is FailureReason.JOB


def _console_is_wanted(launch: Launch, listed: bool, facts: Facts) -> bool:
    """The only witness of a boot that failed goes with the VM: read it first, if that does not take long."""
    failure = launch.failure
    if failure is None or failure.reason not in (FailureReason.BOOT, FailureReason.JOIN_TIMEOUT, FailureReason.IMAGE):
        return False
    if launch.console_at is not None or launch.delete_sent_at is not None or launch.released_at is None:
        return False
    return (listed or launch.running_at is not None) and facts.now - launch.released_at < CONSOLE_PATIENCE


def _tell(record: NodeRecord, launch: Launch, facts: Facts, effects: list[Effect]) -> Launch:
    slurm = record.slurm
    if slurm is not None and facts.slurm_at is not None and launch.released_at is not None:
        seen_since = facts.slurm_at > launch.released_at
        if seen_since and slurm.power in (Power.OFF, Power.STOPPING) and not slurm.down:
            told = replace(launch, told_at=facts.now)  # Slurm has given the node up by itself; nobody waits for it
            effects.append(Save(told))
            return told
    if slurm is not None and is_administrators(slurm):
        # power_down_force would take the drain off it, and down its reason (both seen on 22.05 and 24.11).
        effects.append(Note(launch.node, f"Slurm is not told, an administrator has set it aside: {slurm.reason}"))
        told = replace(launch, told_at=facts.now)
        effects.append(Save(told))
        return told
    effects.append(_saying(record, launch, facts))
    return launch


def is_administrators(slurm: SlurmNode) -> bool:
    """Whether the node is down or drained for a reason that is neither ours nor Slurm's own (of a boot that took too long, or a
    registration that does not fit)."""
    if not (slurm.down or slurm.drained) or not slurm.reason or "INVALID_REG" in slurm.flags:
        return False
    return not slurm.ours_to_resume and not slurm.reason.startswith(SLURMS_OWN_REASONS)


def _saying(record: NodeRecord, launch: Launch, facts: Facts) -> Say:
    failure, slurm = launch.failure, record.slurm
    if failure is None:
        return Say(launch.node, Saying.RELEASE, "", launch)
    reason, jobs = reason_text(failure), record.jobs or (launch.jobs if launch.joined_at is None else ())
    if failure.reason is FailureReason.JOB:
        hold = LONGEST_HOLD if is_hopeless(failure) else _hold_back(jobs, facts)
        return Say(launch.node, Saying.RELEASE, reason, launch, jobs, hold)
    said_itself = slurm is not None and slurm.down and slurm.ours_to_resume
    saying = Saying.POWER_DOWN if said_itself else Saying.FAILED
    whole = record.pool is not None and record.pool.all_or_nothing and launch.joined_at is None
    return Say(launch.node, saying, reason, launch, jobs, _hold_back(jobs, facts) if whole else 0.0)


def _hold_back(jobs: tuple[int, ...], facts: Facts) -> float:
    """Seconds until a job is tried again: longer each time it could not have its nodes."""
    failures = max((facts.troubles[job].failures for job in jobs if job in facts.troubles), default=1)
    return float(min(LONGEST_HOLD, HOLD_BACK * 2.0 ** min(failures - 1, 10)))


def _gone(launch: Launch, facts: Facts, effects: list[Effect]) -> Launch:
    if untold(launch):
        return launch  # it stays in sight until Slurm knows
    gone = replace(launch, gone_at=facts.now)
    effects.append(Save(gone))
    return gone
