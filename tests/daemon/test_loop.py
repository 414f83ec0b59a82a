"""The whole loop over a recording Azure and Slurm: requests become VMs, and VMs go, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_azure.azure.cloud import Call, VmOrder
from slurm_azure.errors import CloudUnreachable, CreateRefused, CredentialRefused, Throttled
from slurm_azure.model import Blame, Failure, FailureReason, Power, Scope, Stage, VmName, VmState
from slurm_azure.slurm.scheduler import Tell
from tests.support.daemons import Daemon, a_daemon
from tests.support.nodes import a_launch, a_vm


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with a_daemon(tmp_path) as daemon:
        daemon.settle()
        yield daemon


def names(orders: list[VmOrder]) -> list[str]:
    return [order.node for order in orders]


def resume(daemon: Daemon, nodes: str, *expanded: str) -> None:
    """slurmctld powers nodes up: they show so, and its hook runs."""
    daemon.power(Power.WAKING, *expanded)
    daemon.hook("resume", nodes)


def test_a_node_lives_and_dies(daemon: Daemon) -> None:
    """Request, create, running, joined, suspend, delete, gone: one create and one delete call, and the times in order."""
    resume(daemon, "az-1", "az-1")
    daemon.settle(20)
    daemon.power(Power.UP, "az-1")
    daemon.settle(10)
    [launch] = daemon.launches()
    assert launch.stage is Stage.JOINED
    daemon.power(Power.STOPPING, "az-1")
    daemon.hook("suspend", "az-1")
    daemon.settle(20)
    [launch] = daemon.launches()
    assert launch.stage is Stage.GONE
    moments = [launch.planned_at, launch.accepted_at, launch.running_at, launch.joined_at, launch.released_at, launch.gone_at]
    assert moments == sorted(moments, key=lambda at: at or 0)
    assert names(daemon.cloud.orders) == ["az-1"]
    assert daemon.cloud.deleted == [launch.vm_name]
    assert daemon.cloud.vms == {}
    assert list((daemon.folder / "spool").iterdir()) == []


def test_the_same_request_twice_makes_each_vm_once(daemon: Daemon) -> None:
    """Invariant 2 and S5: two hooks at once with the same 50 nodes: 50 VMs."""
    daemon.hook("resume", "az-[1-50]")
    daemon.hook("resume", "az-[1-50]")
    daemon.settle(5)
    daemon.hook("resume", "az-[1-50]")
    daemon.settle(5)
    assert len(daemon.cloud.orders) == len(daemon.cloud.vms) == 50


def test_names_that_are_not_ours_do_not_stop_the_others(daemon: Daemon) -> None:
    """S2, S25, invariant 7: strangers and broken hostlists are left alone; the rest starts."""
    daemon.hook("resume", "az-[1-2],onprem-[1-3],az-99999")
    daemon.hook("resume", "az-[3-")
    daemon.hook("resume", "az-4")
    daemon.settle(3)
    assert sorted(names(daemon.cloud.orders)) == ["az-1", "az-2", "az-4"]


def test_whole_jobs_are_created_one_after_the_other(daemon: Daemon) -> None:
    """The resume file says which nodes make which job: creates go job by job, not by node number."""
    daemon.cloud.wait[Call.CREATE] = 5.0
    jobs = b'{"jobs":[{"job_id":8,"nodes_resume":"az-[3,9]"},{"job_id":7,"nodes_resume":"az-[1,5]"}]}'
    daemon.hook("resume", "az-[1,3,5,9]", jobs)
    daemon.settle(1)
    assert daemon.cloud.orders == []
    daemon.parts.calls.calls_at_once = 1
    daemon.cloud.wait.clear()
    daemon.settle(10)
    assert names(daemon.cloud.orders) == ["az-3", "az-9", "az-1", "az-5"]
    assert [launch.jobs for launch in daemon.launches()] == [(8,), (8,), (7,), (7,)]


def told_of(daemon: Daemon, node: str) -> list[tuple[Tell, str]]:
    """What Slurm was told of a node, with the reasons."""
    return [(what, reason) for what, nodes, reason in daemon.slurm.told if node in nodes]


def test_a_refused_create_is_told_to_slurm_at_once(daemon: Daemon) -> None:
    """Invariant 6: down with Azure's words, then powered down so that the job is requeued; nothing is deleted in vain."""

    def refuse(order: VmOrder) -> None:
        raise CreateRefused("SkuNotAvailable", "The requested size is currently not available", 409)

    daemon.cloud.on_create = refuse
    resume(daemon, "az-[1-3]", "az-1", "az-2", "az-3")
    daemon.settle(2)
    for node in ("az-1", "az-2", "az-3"):
        assert [what for what, nodes, _ in daemon.slurm.told if node in nodes] == [Tell.DOWN, Tell.POWER_DOWN_FORCE]
    reason = told_of(daemon, "az-1")[0][1]
    assert reason.startswith("slurm-azure: capacity: ")
    assert "SkuNotAvailable" in reason
    assert daemon.cloud.deleted == []
    assert len(daemon.cloud.orders) == 3


def test_a_failed_node_comes_back_after_its_hold(daemon: Daemon) -> None:
    """The reason is readable for a minute, then the node is resumed; a new job gets a new launch. (The error speaks of that one
    VM: nothing cools down, and a second try met it again.)"""

    def refuse(order: VmOrder) -> None:
        raise CreateRefused("RetryableError", "A retryable error occurred.", 409)

    daemon.cloud.on_create = refuse
    resume(daemon, "az-1", "az-1")
    daemon.settle(2)
    daemon.power(Power.OFF, "az-1", reason=told_of(daemon, "az-1")[0][1], down=True)
    daemon.settle(50)
    assert [what for what, _ in told_of(daemon, "az-1")] == [Tell.DOWN, Tell.POWER_DOWN_FORCE]
    daemon.settle(30)
    assert [what for what, _ in told_of(daemon, "az-1")][2:3] == [Tell.IDLE]
    daemon.cloud.on_create = lambda order: None
    resume(daemon, "az-1", "az-1")
    daemon.settle(3)
    assert len(daemon.cloud.vms) == 1


def test_throttling_delays_and_loses_nothing(daemon: Daemon) -> None:
    """S6: a 429 for one create: it waits for its budget, the others go on, all are made."""
    refusals = iter([Throttled(30, "writes")])

    def throttle(order: VmOrder) -> None:
        for error in refusals:
            daemon.cloud.wait[Call.CREATE] = 30.0
            raise error

    daemon.cloud.on_create = throttle
    daemon.hook("resume", "az-[1-5]")
    daemon.settle(5)
    before = len(daemon.cloud.vms)
    daemon.cloud.wait.clear()
    daemon.settle(40)
    assert before < 5
    assert len(daemon.cloud.vms) == 5


def test_no_call_is_sent_into_an_empty_budget(daemon: Daemon) -> None:
    """Invariant 8: while `reserve` says wait, there is no create call at all."""
    daemon.cloud.wait[Call.CREATE] = 10.0
    daemon.hook("resume", "az-[1-5]")
    daemon.settle(30)
    assert daemon.cloud.orders == []


def test_a_lost_reply_makes_no_second_vm(daemon: Daemon) -> None:
    """S32: the VM was made, the reply never came: it is found by its name, and there is one."""
    lost = iter([True])

    def lose(order: VmOrder) -> None:
        for _ in lost:
            daemon.cloud.make(order)
            raise CloudUnreachable("connection reset")

    daemon.cloud.on_create = lose
    resume(daemon, "az-1", "az-1")
    daemon.settle(30)
    assert len(daemon.cloud.vms) == 1
    assert {order.vm_name for order in daemon.cloud.orders} == set(daemon.cloud.vms)
    assert daemon.launches()[0].accepted_at is not None


def test_a_dead_credential_only_delays(daemon: Daemon) -> None:
    """S16: no token for two minutes: requests wait, then everything is made."""
    working = False

    def check(order: VmOrder) -> None:
        if not working:
            raise CredentialRefused("no token")

    daemon.cloud.on_create = check
    resume(daemon, "az-[1-3]", "az-1", "az-2", "az-3")
    daemon.settle(120)
    assert daemon.cloud.vms == {}
    working = True
    daemon.settle(70)
    assert len(daemon.cloud.vms) == 3


def test_a_vm_that_fails_later_is_asked_why_and_goes(daemon: Daemon) -> None:
    """An asynchronous failure: the list shows Failed, the instance view has the code, Slurm hears it, the VM is deleted."""
    daemon.cloud.new_state = VmState.FAILED
    resume(daemon, "az-1", "az-1")
    none_left = Failure(FailureReason.CAPACITY, "ZonalAllocationFailed: none left in zone 2", Scope.OFFER, Blame.CAPACITY)
    daemon.cloud.causes = {VmName("az-1-0001"): none_left}
    daemon.settle(10)
    daemon.power(Power.STOPPING, "az-1", down=True)
    daemon.settle(20)
    assert told_of(daemon, "az-1")[0][1] == "slurm-azure: capacity: ZonalAllocationFailed: none left in zone 2"
    assert daemon.cloud.deleted == ["az-1-0001"]
    assert daemon.cloud.vms == {}


def test_a_slow_delete_is_waited_for(daemon: Daemon) -> None:
    """Invariant 4: the launch is over when Azure says so, not when the delete was accepted."""
    daemon.cloud.slow_deletes = True
    daemon.hook("resume", "az-1")
    daemon.settle(5)
    daemon.hook("suspend", "az-1")
    daemon.settle(60)
    assert daemon.launches()[0].stage is Stage.RELEASED
    daemon.cloud.finish_deletes()
    daemon.settle(15)
    assert daemon.launches()[0].stage is Stage.GONE
    assert len(daemon.cloud.deleted) == 1


def test_a_node_can_come_back_while_its_old_vm_dies(daemon: Daemon) -> None:
    """S3: a new launch at once, under its own VM name."""
    daemon.cloud.slow_deletes = True
    for kind in ("resume", "suspend", "resume"):
        daemon.hook(kind, "az-1")
        daemon.settle(3)
    assert names(daemon.cloud.orders) == ["az-1", "az-1"]
    assert sorted(vm.state for vm in daemon.cloud.vms.values()) == [VmState.DELETING, VmState.SUCCEEDED]


def test_nothing_foreign_is_deleted_and_strays_of_ours_are(daemon: Daemon) -> None:
    """A VM with our tag that no launch explains goes, but only after the lists may not lag any more."""
    stray = a_vm(a_launch(node="az-9", id="ffff"))
    daemon.cloud.vms[stray.name] = stray
    daemon.power(Power.OFF, "az-9")
    daemon.settle(310)
    assert daemon.cloud.deleted == []
    daemon.settle(120)
    assert daemon.cloud.deleted == [stray.name]


def test_with_slurm_away_requests_are_served_and_nothing_is_deleted(daemon: Daemon) -> None:
    """S35, invariant 11: an hour without slurmctld."""
    daemon.hook("resume", "az-[1-3]")
    daemon.settle(5)
    daemon.slurm.reachable = False
    daemon.hook("resume", "az-4")
    daemon.settle(300)
    assert len(daemon.cloud.vms) == 4
    assert daemon.cloud.deleted == []


def test_with_azure_away_nothing_is_concluded(daemon: Daemon) -> None:
    """S35: lists fail for ten minutes: no node is called lost."""
    resume(daemon, "az-1", "az-1")
    daemon.settle(15)
    daemon.power(Power.UP, "az-1")
    daemon.settle(5)

    def away() -> None:
        raise CloudUnreachable("no route")

    daemon.cloud.on_list = away
    daemon.settle(600)
    assert daemon.slurm.told == []
    assert daemon.launches()[0].stage is Stage.JOINED


def test_a_vm_deleted_in_the_portal_is_noticed(daemon: Daemon) -> None:
    """S13: the node is set down with a reason and powered down, its job is requeued."""
    resume(daemon, "az-1", "az-1")
    daemon.settle(15)
    daemon.power(Power.UP, "az-1")
    daemon.settle(65)
    daemon.cloud.vms.clear()
    daemon.settle(400)
    assert [what for what, _, _ in daemon.slurm.told][:2] == [Tell.DOWN, Tell.POWER_DOWN_FORCE]
    assert "vanished" in daemon.slurm.told[0][2]


def test_a_vm_that_has_lost_its_tags_serves_on_and_goes_in_the_end(daemon: Daemon) -> None:
    """Somebody has replaced all tags: no list of ours shows the VM, but it runs a job. That is told, nothing is done to it
    until Slurm powers the node down, and then it goes like any other."""
    resume(daemon, "az-1", "az-1")
    daemon.settle(15)
    daemon.power(Power.UP, "az-1")
    daemon.settle(65)
    daemon.cloud.untagged = set(daemon.cloud.vms)
    daemon.settle(900)
    assert daemon.slurm.told == []
    assert [launch.stage for launch in daemon.launches()] == [Stage.JOINED]
    assert any("lost its tags" in event.text for event in daemon.parts.journal.events("az-1"))
    daemon.power(Power.STOPPING, "az-1")
    daemon.hook("suspend", "az-1")
    daemon.settle(120)
    assert daemon.cloud.vms == {}
    assert [launch.stage for launch in daemon.launches()] == [Stage.GONE]


@pytest.mark.parametrize("settled", [0, 1, 30], ids=["at once", "after a second", "when running"])
def test_after_kill_9_everything_goes_on(daemon: Daemon, settled: float) -> None:
    """S4: killed and started again at different moments: each VM once, each goes in the end."""
    resume(daemon, "az-[1-5]", *(f"az-{n}" for n in range(1, 6)))
    daemon.settle(settled)
    daemon.restart()
    daemon.settle(30)
    assert len(daemon.cloud.vms) == 5
    daemon.power(Power.STOPPING, *(f"az-{n}" for n in range(1, 6)))
    daemon.hook("suspend", "az-[1-5]")
    daemon.parts.loop.turn()
    daemon.restart()
    daemon.settle(30)
    assert daemon.cloud.vms == {}
    assert {launch.stage for launch in daemon.launches()} == {Stage.GONE}
    assert len(daemon.launches()) == 5


def test_a_request_of_before_the_start_is_served(tmp_path: Path) -> None:
    """Invariant 10: the hook ran while there was no daemon."""
    with a_daemon(tmp_path) as daemon:
        daemon.parts.close()
        daemon.hook("resume", "az-[1-2]")
        daemon.parts = daemon._start()
        daemon.settle(5)
        assert len(daemon.cloud.vms) == 2


def test_lists_are_few(daemon: Daemon) -> None:
    """One list a tick while something moves, none a node: 50 nodes that boot for 60 s cost at most 0.3 reads each."""
    daemon.cloud.new_state = VmState.CREATING
    before = daemon.cloud.lists
    resume(daemon, "az-[1-50]", *(f"az-{n}" for n in range(1, 51)))
    daemon.settle(60)
    assert 1 <= daemon.cloud.lists - before <= 11
    daemon.power(Power.UP, *(f"az-{n}" for n in range(1, 51)))
    daemon.settle(10)
    before = daemon.cloud.lists
    daemon.settle(250)
    assert daemon.cloud.lists - before <= 1


def test_an_unreadable_spool_file_is_set_aside(daemon: Daemon) -> None:
    """A damaged file stops nothing and is kept for a person to look at."""
    (daemon.folder / "spool" / "00000000000000000001-x.request").write_bytes(b"garbage")
    daemon.hook("resume", "az-1")
    daemon.settle(3)
    assert names(daemon.cloud.orders) == ["az-1"]
    assert [path.suffix for path in (daemon.folder / "spool").iterdir()] == [".unreadable"]
