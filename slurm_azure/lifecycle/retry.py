"""Step 2: a live launch that has failed is followed by another one, unnoticed by Slurm; or Slurm hears why, at once."""

from __future__ import annotations

from dataclasses import replace

from slurm_azure.lifecycle.effects import Effect, Learn, Lesson, Note, Save
from slurm_azure.lifecycle.offers import key_of, keys_of
from slurm_azure.lifecycle.record import Facts, NodeRecord, PoolPolicy
from slurm_azure.model import REPLACED, Failure, FailureReason, Launch, Power, Scope


def retry(record: NodeRecord, facts: Facts) -> tuple[NodeRecord, list[Effect]]:
    """A failure that a call has brought stands on the live launch until it is decided here."""
    effects: list[Effect] = []
    if record.live is not None and record.live.failure is not None:
        record = fail(record, record.live.failure, facts, effects)
    return record, effects


def fail(record: NodeRecord, failure: Failure, facts: Facts, effects: list[Effect], final: bool = False) -> NodeRecord:
    """The live launch has failed. `final`: nobody waits for another one. The launch step plans what follows."""
    assert record.live is not None  # noqa: S101 - callers look first
    launch = replace(record.live, failure=failure)
    if not final and _may_follow(record, launch, failure, facts):
        effects.append(Learn(launch, Lesson.FAILED))
        effects.append(Note(record.node, f"attempt {launch.attempt} failed ({failure.reason.value}), another follows"))
        over = replace(launch, released_at=facts.now, release_reason=REPLACED, told_at=facts.now)
    else:
        effects.append(Learn(launch, Lesson.LOST))
        over = replace(launch, released_at=facts.now, release_reason="failed")
    effects.append(Save(over))
    return replace(record, live=None, dying=(*record.dying, over))


def latest(pool: PoolPolicy, asked_at: float) -> float:
    """When a wake-up that began at `asked_at` has to be over: a little before Slurm's own ResumeTimeout, so that the reason is
    ours and the node is handled once."""
    return asked_at + pool.resume_timeout - min(30.0, pool.resume_timeout / 10)


def has_time(pool: PoolPolicy, asked_at: float, now: float) -> bool:
    """Whether a VM that is made now may join before the wake-up has to be over: it would be paid for, and end as a late one."""
    return latest(pool, asked_at) - now >= min(pool.boot_deadline / 2, pool.resume_timeout / 4)


def _may_follow(record: NodeRecord, launch: Launch, failure: Failure, facts: Facts) -> bool:
    pool, slurm = record.pool, record.slurm
    if pool is None or launch.joined_at is not None or not failure.elsewhere or pool.name in facts.closed:
        return False
    again = failure.scope is Scope.LAUNCH or failure.reason is FailureReason.EVICTED
    if launch.pool != pool.name or (again and launch.attempt >= pool.attempts):
        return False  # what is wider cools down, and so is not met again
    looked_since = facts.slurm_at is not None and facts.slurm_at > launch.since  # before that, the node was off
    if looked_since and slurm is not None and (slurm.power is not Power.WAKING or slurm.down):
        return False  # nobody waits for it
    if not has_time(pool, launch.since, facts.now):
        return False
    return _another_is_warm(pool, launch, failure, facts)


def _another_is_warm(pool: PoolPolicy, launch: Launch, failure: Failure, facts: Facts) -> bool:
    """Whether admission will find an offer. Where VMs were taken back is its last choice, but one."""
    hit = None if failure.reason is FailureReason.EVICTED else key_of(failure.scope, launch.offer, pool.name)
    cold = {key for key, one in facts.cool_downs.items() if one.until > facts.now and one.reason is not FailureReason.EVICTED}
    return any(hit not in keys and cold.isdisjoint(keys) for keys in (keys_of(offer, pool.name) for offer in pool.offers))
