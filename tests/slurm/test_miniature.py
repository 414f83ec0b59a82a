"""tests.support.slurmctld does what real ones were seen to do (22.05.8 and 24.11.5): scenarios are worth what it is worth."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from slurm_azure.hostlist import expand
from slurm_azure.model import NodeName, Power, SlurmNode
from slurm_azure.slurm.scheduler import Tell
from tests.support.slurmctld import Slurmctld


class Lab:
    """A slurmctld with nodes n1 to n9, its clock, and the hooks it has run."""

    def __init__(self, **timers: float) -> None:
        self.now = 1000.0
        self.hooks: list[tuple[str, str]] = []
        self.files: list[dict[str, Any]] = []
        self.slurm = Slurmctld("n[1-9]", lambda: self.now, self._hook, **timers)

    def _hook(self, kind: str, nodes: str, resume_file: bytes) -> None:
        self.hooks.append((kind, nodes))
        if resume_file:
            self.files.append(json.loads(resume_file))

    def step(self, ready: Sequence[str] = (), seconds: float = 1.0) -> None:
        """Time passes, then slurmctld has its turn."""
        self.now += seconds
        self.slurm.step(ready)

    def tell(self, what: Tell, nodes: str, reason: str = "") -> None:
        """scontrol update; nothing is refused."""
        assert self.slurm.tell(what, [NodeName(name) for name in expand(nodes)], reason) == {}

    def node(self, name: str) -> SlurmNode:
        """What `scontrol show node` shows."""
        return self.slurm.nodes([NodeName(name)])[NodeName(name)]

    def shows(self, name: str) -> set[str]:
        """The flags of a node but CLOUD."""
        return set(self.node(name).flags - {"CLOUD"})


def test_a_drained_node_that_is_off_is_left_alone_and_idle_brings_it_back() -> None:
    """Jobs that may go elsewhere do; `idle` leaves no flag, and the reason stays until the next job (24.11)."""
    lab = Lab()
    lab.tell(Tell.DRAIN, "n[1-8]", "slurm-azure: closed")
    assert lab.shows("n1") == {"IDLE", "DRAIN", "POWERED_DOWN"}
    job = lab.slurm.submit("n[1-9]", 1)
    lab.step()
    assert job.on == ("n9",)
    lab.tell(Tell.IDLE, "n[1-8]")
    assert lab.shows("n1") == {"IDLE", "POWERED_DOWN"}
    assert lab.node("n1").reason == "slurm-azure: closed"
    lab.slurm.submit("n1")
    lab.step()
    assert lab.node("n1").reason == ""


@pytest.mark.parametrize("broken", [Tell.DOWN, Tell.DRAIN])
def test_a_resumed_node_that_is_off_is_lost_at_the_next_restart(broken: Tell) -> None:
    """It has NOT_RESPONDING, and gets jobs until slurmctld starts again; then `resume` is refused, and `idle` heals."""
    lab = Lab()
    lab.tell(broken, "n[1-2]", "x")
    lab.tell(Tell.RESUME, "n[1-2]")
    assert lab.shows("n1") == {"IDLE", "POWERED_DOWN", "NOT_RESPONDING"}
    lab.slurm.submit("n1")
    lab.step()
    assert lab.node("n1").power is Power.WAKING
    lab.slurm.restart()
    waiting = lab.slurm.submit("n2")
    lab.step()
    assert waiting.state == "PENDING"
    assert lab.slurm.tell(Tell.RESUME, [NodeName("n2")]) == {"n2": "Invalid node state specified"}
    lab.tell(Tell.IDLE, "n2")
    lab.step()
    assert waiting.state == "CONFIGURING"


@pytest.mark.parametrize("down", [Tell.POWER_DOWN, Tell.POWER_DOWN_FORCE])
def test_a_power_down_takes_a_drain_away_and_leaves_a_down(down: Tell) -> None:
    """Also an administrator's; the reason stays, and SuspendProgram is run even for what is off."""
    lab = Lab(suspend_timeout=5.0)
    lab.tell(Tell.DRAIN, "n1", "admin: kernel")
    lab.tell(Tell.DOWN, "n2", "admin: broken")
    lab.tell(down, "n[1-2]")
    assert lab.hooks == [("suspend", "n[1-2]")]
    lab.step(seconds=6.0)
    assert (lab.shows("n1"), lab.node("n1").reason) == ({"IDLE", "POWERED_DOWN"}, "admin: kernel")
    assert (lab.shows("n2"), lab.node("n2").reason) == ({"DOWN", "POWERED_DOWN"}, "admin: broken")


def test_a_canary_boots_drained_and_comes_back() -> None:
    """A drained node that is powered up is for no job, joins, and stays drained; `idle` makes it one for jobs."""
    lab = Lab()
    lab.tell(Tell.DRAIN, "n1", "slurm-azure: closed")
    lab.tell(Tell.POWER_UP, "n1")
    lab.step()
    assert lab.files == [{"all_nodes_resume": "n1", "jobs": []}]
    assert lab.shows("n1") == {"IDLE", "DRAIN", "POWERING_UP", "NOT_RESPONDING"}
    lab.step(["n1"])
    assert lab.shows("n1") == {"IDLE", "DRAIN"}
    lab.tell(Tell.IDLE, "n1")
    job = lab.slurm.submit("n1")
    lab.step(["n1"])
    lab.step(["n1"])
    assert job.state == "RUNNING"


def test_one_node_of_a_job_fails_and_the_job_waits_again() -> None:
    """Its other nodes go on booting, without it; a delay takes the place of Slurm's own; the comment survives."""
    lab = Lab(requeue_delay=121.0)
    job = lab.slurm.submit("n[1-3]")
    lab.step()
    assert lab.files[0]["jobs"] == [{"job_id": job.id, "nodes_alloc": "n[1-3]", "nodes_resume": "n[1-3]"}]
    lab.step(["n1"])
    assert lab.slurm.tell_jobs([job.id], "first", 30.0) == {}
    lab.tell(Tell.DOWN, "n2", "slurm-azure: capacity: no room")
    lab.tell(Tell.POWER_DOWN_FORCE, "n2")
    assert (job.state, job.restarts, job.begin, job.comment) == ("PENDING", 1, lab.now + 121.0, "first")
    assert [lab.shows(name) for name in ("n1", "n2", "n3")] == [
        {"IDLE"},
        {"DOWN", "POWERING_DOWN"},
        {"IDLE", "POWERING_UP", "NOT_RESPONDING"},
    ]
    assert lab.slurm.tell_jobs([job.id, 99], "second", 10.0) == {99: "Invalid job id specified"}
    assert (job.begin, job.comment) == (lab.now + 10.0, "second")


def test_a_node_that_never_joins_is_down_when_its_time_is_over() -> None:
    """ResumeFailProgram and not SuspendProgram is run; the job waits again."""
    lab = Lab(resume_timeout=60.0)
    job = lab.slurm.submit("n1")
    lab.step()
    lab.step(seconds=61.0)
    assert lab.hooks == [("resume", "n1"), ("resume-fail", "n1")]
    assert lab.shows("n1") == {"DOWN", "POWERED_DOWN"}
    assert lab.node("n1").reason == "ResumeTimeout reached"
    assert job.restarts == 1


def test_a_cancelled_job_leaves_its_nodes_booting() -> None:
    """They would join and sleep again only after SuspendTime; `power_down_force` ends that at once and cleanly."""
    lab = Lab(suspend_timeout=5.0)
    job = lab.slurm.submit("n[1-2]")
    lab.step()
    lab.slurm.cancel(job)
    assert lab.shows("n1") == {"IDLE", "POWERING_UP", "NOT_RESPONDING"}
    lab.tell(Tell.POWER_DOWN_FORCE, "n[1-2]")
    lab.step(seconds=6.0)
    assert lab.shows("n1") == {"IDLE", "POWERED_DOWN"}
    assert lab.hooks == [("resume", "n[1-2]"), ("suspend", "n[1-2]")]
    assert lab.slurm.tell_jobs([job.id], "x") == {job.id: "Job has already finished"}


def test_a_node_with_a_job_is_drained_but_not_made_idle() -> None:
    """Its job runs on; `idle` is refused, `resume` is not."""
    lab = Lab()
    job = lab.slurm.submit("n1", seconds=500.0)
    lab.step()
    lab.step(["n1"])
    lab.tell(Tell.DRAIN, "n1", "slurm-azure: maintenance: x")
    lab.step(["n1"])
    assert job.state == "RUNNING"
    assert lab.slurm.tell(Tell.IDLE, [NodeName("n1")]) == {"n1": "Invalid node state specified"}
    lab.tell(Tell.RESUME, "n1")
    lab.step(["n1"])
    assert lab.shows("n1") == {"ALLOCATED"}


def test_what_a_node_told_outlives_its_power_down() -> None:
    """A comment stays until somebody sets another: a report must be compared with the launch it speaks of."""
    lab = Lab(suspend_timeout=5.0)
    lab.slurm.set_node("n1", comment="slurm-azure boot=ok launch=1 seconds=1")
    lab.tell(Tell.POWER_DOWN, "n1")
    lab.step(seconds=6.0)
    assert lab.node("n1").comment.startswith("slurm-azure")


def test_registered_with_too_little_only_a_power_down_heals() -> None:
    """`resume` and `idle` are refused; a power-down clears INVALID_REG and the drain."""
    lab = Lab(suspend_timeout=5.0)
    lab.slurm.set_node("n1", drained=True, reason="Low RealMemory", flags=frozenset({"INVALID_REG"}))
    refusals: list[Callable[[], object]] = [
        lambda: lab.slurm.tell(Tell.RESUME, [NodeName("n1")]),
        lambda: lab.slurm.tell(Tell.IDLE, [NodeName("n1")]),
    ]
    assert all(refusal() == {"n1": "Invalid node state specified"} for refusal in refusals)
    lab.tell(Tell.POWER_DOWN_FORCE, "n1")
    lab.step(seconds=6.0)
    assert lab.shows("n1") == {"IDLE", "POWERED_DOWN"}
