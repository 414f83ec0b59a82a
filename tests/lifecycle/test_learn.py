"""What launches teach: cool-downs, breakers, jobs' troubles."""

from __future__ import annotations

from dataclasses import replace

from slurm_azure.lifecycle.effects import Cool, Learn, Lesson, SaveBreaker, SaveTrouble, Warm
from slurm_azure.lifecycle.learn import learn, troubled
from slurm_azure.lifecycle.record import Policy, Site
from slurm_azure.model import Blame, Failure, FailureReason, Scope
from tests.support.nodes import NOW, POOL, POOLS, a_launch

POLICY = Policy(POOLS)
NO_ROOM = Failure(FailureReason.CAPACITY, "SkuNotAvailable", Scope.SIZE, Blame.CAPACITY)
NO_BOOT = Failure(FailureReason.BOOT, "mounts: no answer", Scope.LAUNCH, Blame.IMAGE)


def test_a_refusal_cools_its_offer_and_a_vm_warms_it_again() -> None:
    """Once for all launches that met the same; a VM planned later disproves it."""
    failed = [Learn(a_launch(node, f"l{node}", failure=NO_ROOM), Lesson.FAILED) for node in ("az-1", "az-2")]
    site, effects = learn(failed, Site(), POLICY, NOW)
    assert [effect.cool_down.key for effect in effects if isinstance(effect, Cool)] == ["size Standard_F2s_v2/on-demand"]
    made = Learn(a_launch(planned_at=NOW + 400), Lesson.PROVISIONED)
    site, effects = learn([made], site, POLICY, NOW + 430)
    assert effects == [Warm("size Standard_F2s_v2/on-demand")]
    assert site.cool_downs == {}


def test_the_sites_own_refusals_cool_nothing() -> None:
    """A budget or a pause says nothing of Azure."""
    own = Failure(FailureReason.BUDGET, "50 nodes", Scope.POOL, Blame.SITE)
    site, effects = learn([Learn(a_launch(failure=own), Lesson.LOST)], Site(), POLICY, NOW)
    assert (site.cool_downs, effects) == ({}, [])


def test_boots_that_fail_in_a_row_open_the_breaker_and_a_join_closes_it() -> None:
    """Five here; kept each time, because the daemon may be restarted in between."""
    site = Site()
    for number in range(5):
        launch = a_launch(f"az-{number}", f"l{number}", failure=NO_BOOT, accepted_at=NOW)
        site, effects = learn([Learn(launch, Lesson.LOST)], site, POLICY, NOW + number)
        assert any(isinstance(effect, SaveBreaker) for effect in effects)
    assert site.breakers[POOL].opened_at == NOW + 4
    site, _ = learn([Learn(a_launch(), Lesson.JOINED)], site, POLICY, NOW + 900)
    assert site.breakers[POOL].opened_at is None


def test_a_jobs_lost_nodes_of_one_wake_up_are_one_trouble() -> None:
    """Two nodes within a minute count once, one an hour later again; a launch that is followed by another does not count."""
    lost = a_launch(jobs=(7,), failure=NO_BOOT)
    both = [Learn(lost, Lesson.LOST), Learn(replace(lost, node=lost.node), Lesson.LOST)]
    site, effects = learn(both, Site(), POLICY, NOW)
    assert [effect.trouble.failures for effect in effects if isinstance(effect, SaveTrouble)] == [1]
    site, _ = learn([Learn(lost, Lesson.FAILED)], site, POLICY, NOW + 3000)
    assert site.troubles[7].failures == 1
    assert troubled([7], site, NOW + 3600, []).troubles[7].failures == 2
