"""The watcher between the simulator's metadata service and Slurm's commands, here scripts that note what they are asked."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from slurm_node.metadata import Metadata, NoAnswer, launch_of
from slurm_node.node import Controller, MungeKey, Node, Spot
from slurm_node.watcher import Watcher

from slurm_azure.simulator.timing import constant
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.vm import VirtualMachine
from tests.boot.conftest import CLOUD_INIT
from tests.boot.services import Reply, ScriptedServer
from tests.simulator.raw import arm, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body

VM = "az-1-l1"
COMMAND = """#!/bin/sh
echo "${0##*/} $*" >> FOLDER/calls
[ ! -e FOLDER/away ] || { echo "slurm_update error: Unable to contact slurm controller (connect failure)"; exit 1; }
case "${0##*/} $*" in
*"show node"*) cat FOLDER/node ;;
*admincomment*) [ ! -e FOLDER/unheard ] || { cat FOLDER/unheard; exit 1; } ;;
*requeue*) [ ! -e FOLDER/refused ] || { cat FOLDER/refused; exit 1; } ;;
*--states=FAILED*) cat FOLDER/failed ;;
*--states=RUNNING*) cat FOLDER/running ;;
esac
"""
SHOW = "scontrol --oneliner show node az-1"
SQUEUE = "squeue --noheader --all --states=RUNNING,SUSPENDED,CONFIGURING,STOPPED,SIGNALING,RESIZING,STAGE_OUT --format=%i %N;"


class Site:
    """A VM of the simulated Azure, and the watcher on it; its clock is the simulator's. `calls` are Slurm's commands."""

    def __init__(self, azure: SimulatedAzure, folder: Path) -> None:
        self.azure, self.folder = azure, folder
        self.said: list[str] = []
        self.slept: list[float] = []
        self.opened: list[Metadata] = []
        for name, text in {"node": "NodeName=az-1 State=IDLE", "running": "", "failed": "", "calls": ""}.items():
            self.put(name, text)
        self.put("joining", "")
        self.put("slurm.conf", "")

    def put(self, name: str, text: str) -> None:
        """What a command says, or a file of the boot."""
        (self.folder / name).write_text(text, encoding="ascii")

    def now(self) -> float:
        """The simulator's time of day."""
        found: float = self.azure.control("/health")["time"]
        return found

    def watcher(self, **spot: Any) -> Watcher:
        """A watcher as it starts."""
        controllers = [Controller("10.0.0.4", 6817)]
        node = Node("az-1", "hb", "test", controllers, MungeKey("image"), None, [], 600.0, "", "l1", Spot(**spot))
        folder = str(self.folder)
        return Watcher(node, self.metadata(), self.now, self.slept.append, lambda: 0.5, folder, self.said.append)

    def metadata(self) -> Metadata:
        """The service as the VM has it: asked from its address."""
        ip = next(vm["ip"] for vm in self.azure.vms() if vm["name"] == VM)
        self.opened.append(Metadata(self.azure.imds, partial(http.client.HTTPConnection, source_address=(ip, 0))))
        return self.opened[-1]

    def announce(self, kind: str, notice: float | None = None) -> None:
        """As a plan of faults would."""

        async def announced() -> None:
            if kind == "Preempt":
                self._provisioning.evict(self._vm)
            else:
                self._provisioning.announce(kind, [self._vm], notice)

        self.azure.run(announced())

    def withdraw(self) -> None:
        """Azure thinks better of it."""

        async def withdrawn() -> None:
            self._provisioning._world.events.withdraw(self._vm)

        self.azure.run(withdrawn())

    @property
    def _provisioning(self) -> Provisioning:
        found = self.azure.simulator._provisioning
        assert found is not None
        return found

    @property
    def _vm(self) -> VirtualMachine:
        return self._provisioning._world.group(self.azure.subscription, self.azure.resource_group).vms[VM]

    def calls(self) -> list[str]:
        """What Slurm was asked since the last time."""
        lines = (self.folder / "calls").read_text(encoding="ascii").splitlines()
        self.put("calls", "")
        return lines

    def shown(self) -> list[tuple[str, str]]:
        """Kind and status of what Azure announces."""
        return [(event["EventType"], event["EventStatus"]) for event in self.metadata().events()["Events"]]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """One running Spot VM; Slurm's commands are ours."""
    if os.geteuid() != 0:
        pytest.skip("needs root, whose the watcher's files are")
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("scontrol", "squeue", "scancel"):
        (commands / name).write_text(COMMAND.replace("FOLDER", str(tmp_path)), encoding="ascii")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    spans = {"create_seconds": 2.0, "boot_seconds": 5.0, "delete_seconds": 30.0, "stop_seconds": 60.0}
    timing: dict[str, Any] = {name: constant(value) for name, value in spans.items()}
    with simulated_azure(clock=ManualClock(), **timing) as azure:
        body = vm_body(azure, VM, priority="Spot")
        body["tags"] = {"slurm-azure-launch": "l2"}
        assert arm(azure, "PUT", vm_path(azure, VM), body).status == 201
        azure.advance(30)
        running = Site(azure, tmp_path)
        yield running
        for metadata in running.opened:
            metadata.close()


def test_eviction(site: Site) -> None:
    """Two questions, the drain, the requeue, a word to the owners, the acknowledgement, in this order; nothing afterwards."""
    watcher = site.watcher()
    watcher.look()
    site.put("running", "7_1 az-[1,9];8 az-2;9 az-[1-3];10+0 az-1;10+1 az-1;")
    site.announce("Preempt")
    watcher.look()
    drain, *rest = [call for call in site.calls() if call != SHOW]
    assert drain.startswith("scontrol update nodename=az-1 state=drain reason=slurm-azure: evicted: Azure takes this Spot VM")
    reason = drain.partition("reason=")[2]
    assert rest == [SQUEUE, "scontrol requeue 7_1,9,10", f"scontrol update jobid=7_1,9,10 admincomment={reason} (az-1)"]
    assert site.slept == [0.5]
    assert site.shown() == [("Preempt", "Scheduled")]
    site.azure.advance(2)
    watcher.look()
    assert site.shown() == [("Preempt", "Started")]
    watcher.look()
    assert site.calls() == []


def test_another_watcher_of_the_same_boot_does_nothing_twice(site: Site) -> None:
    """Started anew in the middle of an eviction, it goes on where the first one was."""
    watcher = site.watcher()
    site.announce("Preempt")
    watcher.look()
    site.calls()
    site.azure.advance(2)
    site.watcher().look()
    assert site.calls() == []
    assert site.shown() == [("Preempt", "Started")]


def test_signal_first(site: Site) -> None:
    """Every process of the jobs gets the signal, the requeue comes a grace later, and includes what ended by the signal."""
    watcher = site.watcher(signal="TERM", grace=5.0)
    site.put("running", "7 az-1;9 az-1;")
    site.announce("Preempt")
    watcher.look()
    assert "scancel --full --signal=TERM 7 9" in site.calls()
    site.azure.advance(4)
    watcher.look()
    assert site.calls() == []
    site.put("running", "9 az-1;")
    site.put("failed", "7 ;6 ;")
    site.azure.advance(1)
    watcher.look()
    requeue, comment = site.calls()[-2:]
    assert requeue == "scontrol requeue 9,7"
    assert comment.startswith("scontrol update jobid=9,7 admincomment=slurm-azure: evicted: ")


def test_job_that_cannot_be_requeued(site: Site) -> None:
    """It is named, and does not keep the VM from being handed back."""
    watcher = site.watcher()
    site.put("running", "7 az-1;")
    site.put("refused", "Requested operation is presently disabled for job 7")
    site.announce("Preempt")
    watcher.look()
    site.azure.advance(2)
    watcher.look()
    assert "requeued 7, but: Requested operation is presently disabled for job 7" in site.said
    assert site.shown() == [("Preempt", "Started")]


def test_owners_that_cannot_be_told(site: Site) -> None:
    """A comment that slurmctld does not take is said once, and keeps neither the requeue nor the acknowledgement waiting."""
    watcher = site.watcher()
    site.put("running", "7 az-1;")
    site.put("unheard", "slurm_update error: Socket timed out on send/recv operation")
    site.announce("Preempt")
    watcher.look()
    assert "AdminComment: slurm_update error: Socket timed out on send/recv operation" in site.said
    site.calls()
    site.azure.advance(2)
    watcher.look()
    assert site.calls() == []
    assert site.shown() == [("Preempt", "Started")]


def test_maintenance_is_told_to_owners(site: Site) -> None:
    """A job that runs until a minute before the maintenance is requeued with Azure's word as its comment."""
    watcher = site.watcher()
    site.put("running", "7 az-1;")
    site.announce("Reboot")
    watcher.look()
    assert not [call for call in site.calls() if "admincomment" in call]
    site.azure.advance(850)
    watcher.look()
    requeue, comment = site.calls()[-2:]
    assert requeue == "scontrol requeue 7"
    assert comment.startswith("scontrol update jobid=7 admincomment=slurm-azure: maintenance: Azure announces Reboot not ")


def test_slurmctld_away(site: Site) -> None:
    """As long as slurmctld cannot be told nothing is acknowledged, and all is done when it is back."""
    watcher = site.watcher()
    site.put("running", "7 az-1;")
    site.put("away", "")
    site.announce("Preempt")
    for _ in range(10):
        watcher.look()
        site.azure.advance(1)
    assert {call.split()[0] for call in site.calls()} == {"scontrol"}
    assert site.shown() == [("Preempt", "Scheduled")]
    (site.folder / "away").unlink()
    watcher.look()
    assert site.calls()[-2] == "scontrol requeue 7"


def test_requeue_without_an_answer(site: Site) -> None:
    """Slurm's word for a requeue that slurmctld did not answer names the job too, and is no refusal: it is tried again."""
    watcher = site.watcher()
    site.put("running", "7 az-1;")
    site.put("refused", "Unexpected message received for job 7")
    site.announce("Preempt")
    for _ in range(3):
        watcher.look()
        site.azure.advance(2)
    calls = site.calls()
    assert calls.count("scontrol requeue 7") == 3
    assert not [call for call in calls if "admincomment" in call]
    assert site.shown() == [("Preempt", "Scheduled")]


def test_administrators_reason_stays(site: Site) -> None:
    """A node that an administrator has drained keeps the reason; its jobs are requeued all the same."""
    site.put("node", "NodeName=az-1 State=IDLE+DRAIN Reason=bad disk [root@2026-11-21T10:48:10] Comment=x")
    site.put("running", "7 az-1;")
    site.announce("Preempt")
    site.watcher().look()
    assert site.calls()[:3] == [SHOW, SQUEUE, "scontrol requeue 7"]


def test_maintenance(site: Site) -> None:
    """Drained with notice; the job goes on until a minute before; an idle node is handed over."""
    watcher = site.watcher()
    site.put("running", "7 az-1;")
    site.announce("Reboot")
    watcher.look()
    assert "reason=slurm-azure: maintenance: Azure announces Reboot not before" in site.calls()[1]
    site.azure.advance(830)
    watcher.look()
    assert site.calls() == [SQUEUE]
    site.put("running", "")
    site.azure.advance(15)
    watcher.look()
    site.azure.advance(2)
    watcher.look()
    assert site.shown() == [("Reboot", "Started")]


def test_cancelled(site: Site) -> None:
    """An event that Azure takes back is undone, if the node is still drained for it."""
    watcher = site.watcher()
    site.put("running", "7 az-1;")
    site.announce("Redeploy")
    watcher.look()
    [reason] = [call.split("reason=")[1] for call in site.calls() if "reason=" in call]
    site.put("node", f"NodeName=az-1 State=MIXED+DRAIN Reason={reason} [root@2026-11-21T10:48:10]")
    site.withdraw()
    watcher.look()
    assert site.calls() == [SHOW, "scontrol update nodename=az-1 state=resume"]


def test_cancelled_after_an_administrator_drained_it(site: Site) -> None:
    """The administrator's drain stays."""
    watcher = site.watcher()
    site.announce("Redeploy", 3600)
    site.put("running", "7 az-1;")
    watcher.look()
    site.put("node", "NodeName=az-1 State=MIXED+DRAIN Reason=mine [root@2026-11-21T10:48:10]")
    site.calls()
    site.withdraw()
    watcher.look()
    assert site.calls() == [SHOW]


def test_freeze_is_only_said(site: Site) -> None:
    """A pause of seconds changes nothing: no command, no acknowledgement."""
    watcher = site.watcher()
    site.announce("Freeze")
    watcher.look()
    watcher.look()
    assert site.calls() == []
    assert [line.split(",")[0] for line in site.said] == ["Azure announces Freeze"]
    assert site.shown() == [("Freeze", "Scheduled")]
    site.withdraw()
    watcher.look()
    assert json.loads((site.folder / "events.json").read_text()) == []


def test_eviction_while_booting(site: Site) -> None:
    """Not joined: join.py is stopped by a file, and slurmctld gets a failed boot with the launch of the VM's tag."""
    (site.folder / "joining").unlink()
    (site.folder / "slurm.conf").unlink()
    watcher = site.watcher()
    site.announce("Preempt")
    watcher.look()
    assert (site.calls(), (site.folder / "evicted").exists()) == ([], True)
    site.put("slurm.conf", "")
    watcher.look()
    [comment] = site.calls()
    assert comment.startswith("scontrol update nodename=az-1 comment=slurm-azure boot=failed launch=l2 seconds=")
    assert comment.endswith("step=spot cause=evicted while booting")
    assert site.shown() == [("Preempt", "Started")]


def test_service_that_is_away_stops_nothing(site: Site) -> None:
    """A service that fails in the middle: what has begun is brought to its end, and the pauses stay below 5 s."""
    watcher = site.watcher()
    site.put("running", "7 az-1;")
    site.put("away", "")
    site.announce("Preempt")
    watcher.look()
    (site.folder / "away").unlink()
    site.calls()
    watcher._metadata = Metadata("http://127.0.0.1:1")
    pauses = []
    for _ in range(8):
        watcher.look()
        pauses.append(watcher.pause(0.1))
    assert site.calls()[-2] == "scontrol requeue 7"
    assert pauses == sorted(pauses)
    assert 1 <= pauses[0] <= pauses[-1] <= 5


def test_pace(site: Site) -> None:
    """A second from one look to the next, a little more or less, and less when the look itself took its time."""
    watcher = site.watcher()
    watcher.look()
    assert (watcher.pause(0.0), watcher.pause(0.25)) == (1.0, 0.75)
    assert 0 < watcher.pause(100.0) <= 0.11


@pytest.mark.parametrize("text", ["", "[]", "{", '[{"id": "x"}]', '[{"id": "x", "kind": "Preempt", "odd": 1}]', "null"])
def test_spoilt_state(site: Site, text: str) -> None:
    """What an earlier watcher left half-written is as if it were not there."""
    site.put("events.json", text)
    site.announce("Preempt")
    site.watcher().look()
    assert any("state=drain" in call for call in site.calls())


def test_launch_of_the_tags() -> None:
    """The launch is that of our tag alone."""
    tags = [{"name": "slurm-azure-node", "value": "az-1"}, {"name": "slurm-azure-launch", "value": "l2"}]
    assert (launch_of({"tagsList": tags}), launch_of({"tagsList": []}), launch_of({})) == ("l2", "", "")


@pytest.mark.parametrize("reply", [Reply(500), Reply(429), Reply(body=[1])])
def test_what_is_no_answer(reply: Reply) -> None:
    """A refusal and what is no object are told apart from an empty document."""
    with ScriptedServer({"/metadata/scheduledevents": [reply]}) as server, pytest.raises(NoAnswer):
        Metadata(server.url).events()


def test_one_watcher_at_a_time(tmp_path: Path) -> None:
    """A second one ends at once while the first one lives."""
    code = f"import sys; sys.path.insert(0, {str(CLOUD_INIT)!r}); import watch; "
    code += f"sys.exit(not watch.alone(sys.stdin.read, {str(tmp_path)!r}))"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as first:
        held = ["flock", "--nonblock", "--conflict-exit-code=9", str(tmp_path / "watch.lock"), "true"]
        while not (tmp_path / "watch.lock").exists() or subprocess.run(held, check=False).returncode != 9:
            assert first.poll() is None
        second = subprocess.run([sys.executable, "-c", code], input="", capture_output=True, text=True, timeout=20, check=False)
        first.kill()
    assert (second.returncode, second.stdout) == (1, "slurm-azure: there is a watcher already\n")
