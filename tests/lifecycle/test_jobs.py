"""All or nothing: jobs that cannot have all of their nodes."""

from __future__ import annotations

from dataclasses import replace

from slurm_azure.lifecycle.effects import Effect, Learn, Lesson, Save, Say, Saying
from slurm_azure.lifecycle.jobs import doomed, let_go, together
from slurm_azure.lifecycle.record import Facts, NodeRecord, Policy
from slurm_azure.lifecycle.release import LONGEST_HOLD, release
from slurm_azure.model import Failure, FailureReason, JobTrouble, NodeName, Power
from tests.support.nodes import NOW, POOL, POOLS, a_launch, a_node, a_record

WHOLE = replace(POOLS[POOL], all_or_nothing=True)
FACTS = Facts(NOW + 60, Policy({POOL: WHOLE}), NOW + 59)
LOST = a_launch(jobs=(7,), failure=Failure(FailureReason.QUOTA, "no cores"))


def booting(node: str, *jobs: int, held_by: tuple[int, ...] | None = None) -> NodeRecord:
    launch = a_launch(node, f"l-{node}", jobs=jobs, sent_at=NOW, accepted_at=NOW)
    return a_record(node=NodeName(node), pool=WHOLE, live=launch, jobs=held_by, slurm=a_node(Power.WAKING, node))


def released(effects: list[Effect]) -> dict[str, str]:
    """The nodes whose launches are let go, and for what."""
    saves = [effect.launch for effect in effects if isinstance(effect, Save)]
    return {launch.node: launch.failure.detail for launch in saves if launch.failure is not None}


def test_a_lost_node_dooms_its_job_only_in_pools_that_say_so() -> None:
    """Elsewhere the other nodes go on: the job may use them when it is tried again."""
    assert list(doomed([Learn(LOST, Lesson.LOST)], FACTS)) == [7]
    assert doomed([Learn(LOST, Lesson.FAILED)], FACTS) == {}
    assert doomed([Learn(replace(LOST, joined_at=NOW), Lesson.LOST)], FACTS) == {}
    assert doomed([Learn(LOST, Lesson.LOST)], replace(FACTS, policy=Policy(POOLS))) == {}


def test_the_other_nodes_of_a_doomed_job_are_let_go_and_no_others() -> None:
    """Not those of another job, nor one that another job holds too."""
    doom = doomed([Learn(LOST, Lesson.LOST)], FACTS)
    records = [booting("az-2", 7), booting("az-3", 8), booting("az-4", 7, held_by=(7, 8)), booting("az-5")]
    effects = let_go(records, doom, FACTS)
    assert released(effects) == {"az-2": "needed whole by job 7, and az-1 could not be had: quota: no cores"}


def test_a_released_node_is_powered_down_and_its_job_held_back_longer_each_time() -> None:
    """Nothing is wrong with the node, so it is not set down; its job gets the reason, and waits 60, 120, 240 s."""
    failure = Failure(FailureReason.JOB, "needed whole by job 7")
    dying = a_launch("az-2", jobs=(7,), released_at=NOW, failure=failure)
    for failures, delay in ((1, 60.0), (2, 120.0), (3, 240.0)):
        facts = replace(FACTS, troubles={7: JobTrouble(7, failures, NOW)}, slurm_at=NOW - 1)
        _, effects = release(a_record(pool=WHOLE, dying=(dying,), slurm=a_node(Power.WAKING)), facts)
        says = [effect for effect in effects if isinstance(effect, Say)]
        assert [(say.saying, say.jobs, say.delay) for say in says] == [(Saying.RELEASE, (7,), delay)]
        assert says[0].reason == "slurm-azure: job: needed whole by job 7"


def test_a_job_that_never_fits_is_held_back_for_the_longest_time_at_once() -> None:
    """Each try costs its users' patience and the journal's room; only a change of the limits can help."""
    failure = together(7, NodeName("az-2"), Failure(FailureReason.BUDGET, "at most 2 nodes in pool hb"), hopeless=True)
    dying = a_launch("az-2", jobs=(7,), released_at=NOW, failure=failure)
    facts = replace(FACTS, troubles={7: JobTrouble(7, 1, NOW)}, slurm_at=NOW - 1)
    _, effects = release(a_record(pool=WHOLE, dying=(dying,), slurm=a_node(Power.WAKING)), facts)
    says = [effect for effect in effects if isinstance(effect, Say)]
    assert [(say.saying, say.delay) for say in says] == [(Saying.RELEASE, LONGEST_HOLD)]
    assert "more than the limit allows at all" in says[0].reason


def test_long_causes_are_cut_with_where_the_rest_is() -> None:
    """The first node has it in full."""
    detail = together(7, NodeName("az-2"), Failure(FailureReason.QUOTA, "x" * 300)).detail
    assert detail.endswith("x... [slurm-azure why az-2]")
    assert len(detail) < 250
