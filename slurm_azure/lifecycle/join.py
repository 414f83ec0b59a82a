"""Step 4: a launch on its way becomes a node of the cluster, or fails with a reason."""

from __future__ import annotations

import re
from dataclasses import replace

from slurm_azure.lifecycle.closing import only_by_breaker
from slurm_azure.lifecycle.effects import Diagnose, Effect, Learn, Lesson, Save
from slurm_azure.lifecycle.park import is_reused
from slurm_azure.lifecycle.record import Facts, NodeRecord
from slurm_azure.lifecycle.retry import fail, latest
from slurm_azure.model import (
    REASON_PREFIX,
    Blame,
    BootReport,
    Failure,
    FailureReason,
    Launch,
    PoolName,
    Power,
    Priority,
    Scope,
    VmState,
)

EVICTED_BOOT = "evicted"
"""What the cause begins with that a booting VM reports when Azure takes it back (cloud-init/slurm_node/outcome.py)."""

_REPORTED_MEMORY = re.compile(r"Low RealMemory \(reported:(\d+)")
"""slurmctld's words for a node with too little memory, in MiB (slurm/states.py has them whole)."""


def join(record: NodeRecord, facts: Facts) -> tuple[NodeRecord, list[Effect]]:
    """See how far the live launch has come. What its node told of the boot may come a moment after it has joined."""
    effects: list[Effect] = []
    if record.live is None:
        return record, effects
    live = _hear(record, record.live, effects)
    record = record.with_live(live)
    if live.joined_at is not None:
        return record, effects
    misfit = _misfit(record)
    if misfit is not None:
        return fail(record, misfit, facts, effects, final=True), effects
    if _has_joined(record, live, facts):
        return record.with_live(_joined(live, facts, effects)), effects
    gave_up = _gave_up(record)
    if gave_up is not None:
        return fail(record, gave_up, facts, effects, final=True), effects
    failure = _reported(record) or _too_late(record, live, facts)
    if failure is not None:
        return fail(record, failure, facts, effects), effects
    closed = facts.closed.get(live.pool)
    if live.sent_at is None and closed is not None and not (record.node in facts.canaries and only_by_breaker(closed)):
        return fail(record, replace(closed, scope=Scope.LAUNCH), facts, effects, final=True), effects
    return _follow_vm(record, live, facts, effects), effects


def _hear(record: NodeRecord, live: Launch, effects: list[Effect]) -> Launch:
    """Keep what the node told of its boot."""
    if record.boot is None or record.slurm is None or live.boot == record.slurm.comment:
        return live
    heard = replace(live, boot=record.slurm.comment)
    effects.append(Save(heard))
    return heard


def _joined(live: Launch, facts: Facts, effects: list[Effect]) -> Launch:
    joined = replace(
        live,
        joined_at=facts.now,
        accepted_at=live.accepted_at or facts.now,
        running_at=live.running_at or facts.now,
    )
    effects += [Save(joined), Learn(joined, Lesson.JOINED)]
    return joined


def _has_joined(record: NodeRecord, live: Launch, facts: Facts) -> bool:
    """Registered: powered up and answering, in an observation of after the create call.

    A node that still shows up from its previous VM's time (Slurm has not noticed that one's end) must not count.
    """
    slurm = record.slurm
    if slurm is None or slurm.power is not Power.UP or "NOT_RESPONDING" in slurm.flags or slurm.down:
        return False
    return live.sent_at is not None and facts.slurm_at is not None and facts.slurm_at > live.sent_at


def _misfit(record: NodeRecord) -> Failure | None:
    """It registered with less than its node line says: Slurm will never place a job on it (man slurm.conf, NodeName)."""
    slurm = record.slurm
    if slurm is None or "INVALID_REG" not in slurm.flags or record.pool is None:
        return None
    said = slurm.reason.removeprefix(REASON_PREFIX).strip()
    detail = f"the node has less than slurm.conf says: {said} [{_what_to_set(record.pool.name, said, record.boot)}]"
    return Failure(FailureReason.CONFIGURATION, detail, Scope.LAUNCH, Blame.CONFIGURATION)


def _what_to_set(pool: PoolName, said: str, boot: BootReport | None) -> str:
    """The remedy of a misfit. The node's report comes a moment after its registration: until then slurmctld's words must do."""
    if boot is not None and boot.memory_mib is not None:
        return f"it has {boot.memory_mib} MiB and {boot.cpus} CPUs: set hardware.memory_mib of pool {pool} below that"
    if told := _REPORTED_MEMORY.search(said):
        return f"set hardware.memory_mib of pool {pool} below {told[1]}"
    return f"set hardware of pool {pool} to what slurmd -C says there"


def _gave_up(record: NodeRecord) -> Failure | None:
    """The node has set itself down (it could not leave a report), with a reason that begins with ours."""
    slurm = record.slurm
    if slurm is None or not slurm.down or not slurm.ours_to_resume or slurm.power is not Power.WAKING:
        return None
    detail = slurm.reason.removeprefix(REASON_PREFIX).strip().removeprefix("boot:").strip()
    return Failure(FailureReason.BOOT, detail, Scope.LAUNCH, Blame.IMAGE)


def _reported(record: NodeRecord) -> Failure | None:
    """The node told itself which step of its boot failed."""
    boot = record.boot
    if boot is None or boot.ok:
        return None
    if boot.cause.startswith(EVICTED_BOOT):
        return evicted(boot.cause)
    return Failure(FailureReason.BOOT, f"{boot.step}: {boot.cause}", Scope.LAUNCH, Blame.IMAGE)


def _too_late(record: NodeRecord, live: Launch, facts: Facts) -> Failure | None:
    """A deadline has passed, and a look from after it shows what is missing: a node may have joined, and run a job, while Slurm
    could not be asked, and a VM be ready while Azure could not. Told in the same words of all: one call tells of many nodes."""
    pool = record.pool
    if pool is None:
        return None
    if _seen_since(facts.slurm_at, latest(pool, live.since)):
        return _late(f"not joined in time for ResumeTimeout, {pool.resume_timeout:.0f} s (last seen: {live.stage.value})")
    if live.running_at is not None:
        if _seen_since(facts.slurm_at, live.running_at + pool.boot_deadline):
            return _late(f"not joined {pool.boot_deadline:.0f} s after Azure had made its VM (deadlines.boot)")
    elif live.accepted_at is not None and _seen_since(facts.list_at, live.accepted_at + pool.create_deadline):
        return _late(f"its VM is not ready {pool.create_deadline:.0f} s after it was accepted (deadlines.create)")
    return None


def _seen_since(look: float | None, moment: float) -> bool:
    return look is not None and look > moment


def _late(detail: str) -> Failure:
    return Failure(FailureReason.JOIN_TIMEOUT, detail, Scope.LAUNCH, Blame.IMAGE)


def _follow_vm(record: NodeRecord, live: Launch, facts: Facts, effects: list[Effect]) -> NodeRecord:
    vm = record.vm_of(live)
    if vm is None:
        if has_vanished(record, live, facts):
            return fail(record, _missing(live), facts, effects)
        return record
    if vm.state is VmState.DELETING:
        return fail(record, _missing(live), facts, effects)
    if vm.state is VmState.FAILED:
        effects.append(Diagnose(live))
        return record
    changed = live
    if is_reused(live) and not _was_started(live, facts):
        return record  # it has been there all the time, stopped
    if changed.accepted_at is None:
        changed = replace(changed, sent_at=changed.sent_at or facts.now, accepted_at=facts.now)  # its reply was lost
    if vm.state is VmState.SUCCEEDED and changed.running_at is None:
        changed = replace(changed, running_at=facts.now)
        effects.append(Learn(changed, Lesson.PROVISIONED))
    if changed is not live:
        effects.append(Save(changed))
    return record.with_live(changed)


def _was_started(live: Launch, facts: Facts) -> bool:
    return live.accepted_at is not None and facts.list_at is not None and facts.list_at > live.accepted_at


def _missing(live: Launch) -> Failure:
    gone = "its VM is not there any more"
    return evicted(gone) if live.offer.priority is Priority.SPOT else Failure(FailureReason.VANISHED, gone)


def evicted(detail: str) -> Failure:
    """Azure has taken a Spot VM back: the next one there might not last either."""
    return Failure(FailureReason.EVICTED, detail, Scope.OFFER, Blame.CAPACITY)


def has_vanished(record: NodeRecord, live: Launch, facts: Facts) -> bool:
    """Missing from lists for longer than lists may lag, and accepted for longer than that too."""
    if live.accepted_at is None or record.absent_since is None or facts.list_at is None:
        return False
    lag = facts.policy.list_lag
    return facts.list_at - live.accepted_at > lag and facts.list_at - record.absent_since >= lag / 2
