"""What meets in the same moment: requests that come twice, answers that come late, wake-ups that are over already."""

from __future__ import annotations

from dataclasses import replace

from slurm_azure.lifecycle.budget import count
from slurm_azure.lifecycle.closing import shelve
from slurm_azure.lifecycle.decide import Cluster, decide
from slurm_azure.lifecycle.effects import Ask, Drop, Effect, Learn, Lesson, Say, Saying
from slurm_azure.lifecycle.launch import launch
from slurm_azure.lifecycle.learn import TROUBLE_COUNTS, learn, troubled
from slurm_azure.lifecycle.record import NodeRecord, Site
from slurm_azure.lifecycle.release import CANCELLED
from slurm_azure.model import Blame, Breaker, Failure, FailureReason, JobTrouble, NodeName, Power, SlurmNode
from tests.support.nodes import NOW, POOL, a_launch, a_node, a_record, a_wish, facts

REFUSED = Failure(FailureReason.QUOTA, "QuotaExceeded: no")
TOLD = a_launch(released_at=NOW, release_reason="failed", failure=REFUSED, told_at=NOW + 0.5)


def asks(effects: list[Effect]) -> list[NodeName]:
    return [effect.node for effect in effects if isinstance(effect, Ask)]


def late_twin(**given: object) -> NodeRecord:
    """A node whose wake-up was refused, and whose second resume hook has run before Slurm was told."""
    return a_record(dying=(TOLD,), wishes=(a_wish(at=NOW + 0.1, request="twin"),), **given)


def test_a_resume_hook_that_ran_twice_does_not_serve_a_wake_up_that_was_refused() -> None:
    """Slurm has set the node down since: a VM for it would be billed until ResumeTimeout, for nobody."""
    after, effects = launch(late_twin(slurm=a_node(Power.STOPPING, down=True)), facts(NOW + 2, slurm_at=NOW + 1))
    assert asks(effects) == []
    assert [effect.wish.request for effect in effects if isinstance(effect, Drop)] == ["twin"]
    assert after.wishes == ()


def test_nothing_is_decided_of_such_a_request_before_slurm_is_seen_again() -> None:
    """A look from before Slurm was told shows the node as it was for the wake-up that is over."""
    for seen in (late_twin(), late_twin(slurm=a_node(Power.WAKING))):
        after, effects = launch(seen, facts(NOW + 0.6, slurm_at=NOW + 0.4))
        assert effects == []
        assert after.wishes == seen.wishes


def test_a_request_whose_hook_ran_just_before_slurm_was_told_is_served_if_slurm_wakes_the_node() -> None:
    """It was a new wake-up after all: no wish is lost."""
    _, effects = launch(late_twin(slurm=a_node(Power.WAKING)), facts(NOW + 2, slurm_at=NOW + 1))
    assert asks(effects) == ["az-1"]


def test_a_request_from_after_slurm_was_told_is_served_at_once() -> None:
    """The node's next wake-up does not wait for a look at Slurm."""
    record = replace(late_twin(), wishes=(a_wish(at=NOW + 0.7, request="next"),))
    _, effects = launch(record, facts(NOW + 0.8, slurm_at=NOW + 0.4))
    assert asks(effects) == ["az-1"]


def test_a_node_let_go_of_for_a_cancelled_job_is_not_asked_for_before_slurm_knows() -> None:
    """Slurm did not answer when it was to be told, so it shows the node as waking still: that is the wake-up which is over."""
    leaving = a_launch(released_at=NOW, release_reason=CANCELLED, sent_at=NOW - 5)
    _, effects = launch(a_record(dying=(leaving,), slurm=a_node(Power.WAKING)), facts(NOW + 5, slurm_at=NOW + 4))
    assert asks(effects) == []


def test_a_breaker_counts_no_boot_of_a_vm_that_azure_never_made() -> None:
    """Ten nodes wait too long for an Azure that cannot be reached, or fail unsent when their image cools down: when that is
    over, the pool must not stay closed until a canary has joined."""
    for reason in (FailureReason.JOIN_TIMEOUT, FailureReason.IMAGE):
        failed = a_launch(failure=Failure(reason, "late", blame=Blame.IMAGE), sent_at=NOW)
        site, _ = learn([Learn(failed, Lesson.LOST)] * 10, Site(), facts().policy, NOW)
        assert site.breakers == {}
        made = replace(failed, accepted_at=NOW)
        site, _ = learn([Learn(made, Lesson.LOST)] * 10, Site(), facts().policy, NOW)
        assert site.breakers[POOL].opened_at == NOW


def test_troubles_of_jobs_that_are_long_over_are_forgotten() -> None:
    """One for each job that ever lost a node would fill the memory of a daemon that runs for years."""
    old, new = JobTrouble(1, 3, NOW - TROUBLE_COUNTS), JobTrouble(2, 1, NOW - 60)
    site = troubled([3], Site(troubles={1: old, 2: new}), NOW, [])
    assert list(site.troubles) == [2, 3]


def test_a_shelved_node_that_a_job_has_got_in_the_same_moment_returns_when_the_job_has_left_it() -> None:
    """Slurm refuses state=idle while it is there: asked for each minute it would be refused each minute."""
    for flags, expected in ((("DRAIN", "ALLOCATED"), []), (("DRAIN",), [Saying.RESUME])):
        node = a_node(Power.UP, "az-1", "slurm-azure: paused: closed: stopped by root", *flags)
        says = shelve({node.name: node}, {node.name: POOL}, {}, busy=())
        assert [say.saying for say in says] == expected


def test_a_pool_whose_nodes_have_all_failed_gets_a_canary_all_the_same() -> None:
    """Its breaker has closed it, and every node is held down: they come back from that, and are shelved; then one is woken."""
    site = Site(breakers={POOL: Breaker(POOL, 5, "az-1: mounts", NOW - 700, NOW - 1)})
    here, pool_of = facts(NOW, slurm_at=NOW - 1, list_at=NOW - 1), {NodeName("az-1"): POOL}
    census = count((), here.policy, site, NOW)
    down = a_node(Power.OFF, "az-1", "slurm-azure: boot: mounts", down=True)
    last = replace(TOLD, told_at=NOW - 500, gone_at=NOW - 450)

    def says(node: SlurmNode, *records: NodeRecord) -> list[Saying]:
        effects = decide(records, site, here, census, Cluster({node.name: node}, pool_of)).effects
        return [effect.saying for effect in effects if isinstance(effect, Say)]

    assert says(down, a_record(slurm=down, last=last)) == [Saying.RESUME, Saying.SHELVE]
    shelved = a_node(Power.OFF, "az-1", "slurm-azure: paused: closed until a node has joined", "DRAIN")
    assert Saying.WAKE in says(shelved)
