"""What happens between a look and what is done about it: Slurm has gone on meanwhile."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from slurm_azure.azure.cloud import Call
from slurm_azure.errors import SchedulerUnreachable
from slurm_azure.lifecycle.release import CANCELLED
from slurm_azure.model import NodeName, Power
from slurm_azure.slurm.scheduler import Job, Tell
from tests.support.daemons import Daemon, a_daemon
from tests.support.nodes import NOW, a_launch, a_vm
from tests.support.recording_scheduler import RecordingScheduler


class Quick(RecordingScheduler):
    """Its queue is `queue` for who looks at all nodes, and `now` for who asks of a few of them a moment later. While it is
    `deaf` it cannot be told anything."""

    def __init__(self) -> None:
        super().__init__()
        self.now: list[Job] = []
        self.deaf = False

    def jobs(self, names: Collection[NodeName]) -> Sequence[Job]:
        return super().jobs(names) if len(names) > 10 else tuple(self.now)

    def tell(self, what: Tell, names: Sequence[NodeName], reason: str = "") -> Mapping[NodeName, str]:
        if self.deaf:
            raise SchedulerUnreachable("slurmctld takes no updates (the test says so)")
        return super().tell(what, names, reason)


def resumed(daemon: Daemon, job: int, *nodes: str) -> Quick:
    """Nodes that boot for a job which is gone by now."""
    slurm = daemon.slurm = daemon.parts.actor.scheduler = Quick()
    text = {"all_nodes_resume": ",".join(nodes), "jobs": [{"job_id": job, "nodes_alloc": ",".join(nodes)}]}
    text["jobs"][0]["nodes_resume"] = ",".join(nodes)  # type: ignore[index]
    daemon.hook("resume", ",".join(nodes), json.dumps(text).encode())
    daemon.power(Power.WAKING, *nodes)
    return slurm


def a_job(id: int, state: str, nodes: str) -> Job:
    return Job(id, "job", "user", "cloud", state, nodes)


def test_a_booting_node_that_another_job_has_got_meanwhile_is_not_powered_down(tmp_path: Path) -> None:
    """The job it was woken for was cancelled; between that look and the word to Slurm, Slurm gave it to job 9."""
    with a_daemon(tmp_path) as daemon:
        slurm = resumed(daemon, 5, "az-1", "az-2")
        slurm.queue = [a_job(5, "CONFIGURING", "az-[1-2]")]
        daemon.settle(8)
        slurm.queue, slurm.now = [], [a_job(9, "CONFIGURING", "az-1")]
        daemon.settle(3)
        assert [names for what, names, _ in slurm.told if what is Tell.POWER_DOWN_FORCE] == [("az-2",)]
        slurm.queue = [a_job(9, "CONFIGURING", "az-1")]
        daemon.power(Power.STOPPING, "az-2")
        daemon.settle(20)
        az1, az2 = daemon.launches()
        assert az1.live
        assert az2.release_reason == CANCELLED
        assert list(daemon.cloud.deleted) == [az2.vm_name]
        daemon.power(Power.UP, "az-1")
        daemon.settle(5)
        assert daemon.launches()[0].joined_at is not None


def test_a_daemon_killed_before_it_told_slurm_of_a_cancelled_job_ends_no_other_job(tmp_path: Path) -> None:
    """It comes back after the node has joined and another job runs there."""
    with a_daemon(tmp_path) as daemon:
        slurm = resumed(daemon, 5, "az-1")
        slurm.queue = [a_job(5, "CONFIGURING", "az-1")]
        daemon.settle(8)
        slurm.queue, slurm.deaf = [], True
        daemon.settle(3)
        assert daemon.launches()[0].release_reason == CANCELLED
        slurm.deaf = False
        slurm.queue = slurm.now = [a_job(9, "RUNNING", "az-1")]
        daemon.power(Power.UP, "az-1")
        daemon.restart()
        daemon.settle(5)
        assert [what for what, names, _ in slurm.told if names] == []
        assert daemon.launches()[0].live
        assert not daemon.cloud.deleted


def test_a_delete_that_waits_for_its_budget_is_not_sent_once_its_vm_serves_a_node(tmp_path: Path) -> None:
    """A VM that no launch explained was to go; then Slurm woke its node, and it was adopted."""
    with a_daemon(tmp_path) as daemon:
        vm = a_vm(a_launch("az-3", "lost"), created_at=NOW + 300)
        daemon.cloud.vms[vm.name] = vm
        daemon.cloud.wait[Call.DELETE] = 5.0
        daemon.settle(400)
        assert list(daemon.parts.actor.deletes) == [vm.name]
        daemon.power(Power.WAKING, "az-3")
        daemon.settle(20)
        assert daemon.launches()[0].vm_name == vm.name
        daemon.cloud.wait.clear()
        daemon.settle(60)
        assert daemon.cloud.deleted == []
