"""All or nothing: a job that cannot have all of its nodes gives back those it got, at once (pools with `all_or_nothing`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from slurm_azure.lifecycle.effects import Ask, Effect, Learn, Lesson, Note, Save
from slurm_azure.lifecycle.record import Facts, NodeRecord
from slurm_azure.model import Blame, Failure, FailureReason, Launch, NodeName, Scope

DETAIL = 160
"""Characters of the first node's cause that stand in the others' reasons."""


def doomed(lessons: Iterable[Learn], facts: Facts) -> Mapping[int, Failure]:
    """Jobs that have lost a node for good before they could start, in pools that give all or nothing, and what the job's other
    nodes are let go for."""
    found: dict[int, Failure] = {}
    for one in lessons:
        launch, pool = one.launch, facts.policy.pools.get(one.launch.pool)
        if one.lesson is not Lesson.LOST or launch.joined_at is not None or pool is None or not pool.all_or_nothing:
            continue
        if launch.failure is None or launch.failure.reason is FailureReason.JOB:
            continue
        for job in launch.jobs:
            found.setdefault(job, together(job, launch.node, launch.failure))
    return found


def together(job: int, node: NodeName, failure: Failure, hopeless: bool = False) -> Failure:
    """Why a node goes with which nothing is wrong. `hopeless`: the limits allow no such job at all, whatever else runs."""
    cause = f"{failure.reason.value}: {failure.detail}"
    if hopeless:
        detail = f"needed whole by job {job}, which is more than the limit allows at all: {cause}"
        return Failure(FailureReason.JOB, detail, Scope.POOL, Blame.SITE)
    shown = cause if len(cause) <= DETAIL else f"{cause[: DETAIL - 3]}... [slurm-azure why {node}]"
    detail = f"needed whole by job {job}, and {node} could not be had: {shown}"
    return Failure(FailureReason.JOB, detail, Scope.LAUNCH, Blame.SITE)


def is_hopeless(failure: Failure) -> bool:
    """Whether a job was refused that its limits allow never."""
    return failure.reason is FailureReason.JOB and failure.scope is Scope.POOL


def let_go(records: Iterable[NodeRecord], doom: Mapping[int, Failure], facts: Facts) -> list[Effect]:
    """Release the live launches that serve doomed jobs and no others."""
    effects: list[Effect] = []
    if not doom:
        return effects
    for record in records:
        failure = _doom(record, doom)
        if failure is not None and record.live is not None:
            over = replace(record.live, failure=failure, released_at=facts.now, release_reason="failed")
            effects += [Save(over), Note(record.node, "let go with nothing wrong: its job cannot have all its nodes")]
    return effects


def _doom(record: NodeRecord, doom: Mapping[int, Failure]) -> Failure | None:
    live = record.live
    if live is None or record.pool is None:
        return None
    jobs = _serves(record, live)
    if not jobs or any(job not in doom for job in jobs):
        return None
    return doom[jobs[0]]


def _serves(record: NodeRecord, live: Launch) -> tuple[int, ...]:
    """The jobs a launch is for: those that hold its node, as far as that is known, else those it was asked for. A node that has
    joined long ago serves whatever holds it, not what it was powered up for."""
    if record.jobs:
        return record.jobs
    return live.jobs if live.joined_at is None else ()


def is_doomed(ask: Ask, doom: Mapping[int, Failure]) -> Failure | None:
    """Why an ask of a doomed job is refused."""
    return doom[ask.jobs[0]] if ask.jobs and all(job in doom for job in ask.jobs) else None
