"""The boot report: its words, its limits, and what is done when slurmctld does not take it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slurm_node.node import Controller, MungeKey, Node
from slurm_node.outcome import Outcome
from slurm_node.report import boot_report, hardware, report_failure, report_success
from slurm_node.scontrol import tell

from slurm_azure.slurm.boot_report import parse_boot_report

NODE = Node("az-1", "hb", "test", [Controller("10.0.0.4", 6817)], MungeKey("image"), None, [], 600.0)
HEAD = r"launch=ab12 seconds=\d+\.\d stages=host-name:0\.01,munge-key:12\.35 memory=\d+ cpus=\d+"


def an_outcome(step: str = "", cause: str = "") -> Outcome:
    """Two steps done, and perhaps a third that failed."""
    outcome = Outcome("ab12")
    outcome.stages = {"host name": 0.012, "munge key": 12.345678}
    if step:
        outcome.fail(step, cause)
    return outcome


def test_success() -> None:
    """Launch, seconds since boot, stages and hardware."""
    assert re.fullmatch(f"slurm-azure boot=ok {HEAD}", boot_report(an_outcome()))


def test_failure() -> None:
    """Step and cause come last, the cause as it is."""
    text = boot_report(an_outcome("munge key", "https://v: HTTP 403 step=x cause=y"))
    assert re.fullmatch(rf"slurm-azure boot=failed {HEAD} step=munge-key cause=https://v: HTTP 403 step=x cause=y", text)


def test_nothing_known() -> None:
    """A boot that failed before its first step, of a VM without a launch, is still of that form."""
    outcome = Outcome()
    outcome.fail("mounts", "no")
    assert " launch=- " in boot_report(outcome)
    assert " stages=- " in boot_report(outcome)


@given(st.text(max_size=2000))
def test_any_cause(cause: str) -> None:
    """Whatever a server said: one line of printable ASCII without double quotes, at most 900 characters."""
    text = boot_report(an_outcome("mounts", cause))
    assert text.isascii()
    assert text.isprintable()
    assert '"' not in text
    assert len(text) <= 900
    assert " step=mounts cause=" in text + " "


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a scontrol that notes what it is asked and fails on what contains the text of `refuses`, and a slurmd."""
    if os.geteuid() != 0:
        pytest.skip("needs root, whose the node's files are")
    (tmp_path / "scontrol").write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\nword=$(cat {tmp_path}/refuses) || exit 0\n'
        'case "$*" in *"$word"*) echo no; exit 1;; esac\n',
        encoding="ascii",
    )
    (tmp_path / "slurmd").write_text(
        "#!/bin/sh\necho NodeName=x CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=2 RealMemory=31987\n"
        "echo UpTime=0-00:01:02\n",
        encoding="ascii",
    )
    for program in ("scontrol", "slurmd"):
        (tmp_path / program).chmod(0o755)
    (tmp_path / "slurm.conf").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def teller(slurm: Path) -> Callable[..., bool]:
    """Tells slurmctld as a node does, but without pauses."""
    return partial(tell, config=str(slurm / "slurm.conf"), pauses=(0.0, 0.0, 0.0))


def calls(slurm: Path) -> list[str]:
    """What scontrol was asked, in short."""
    text = (slurm / "calls").read_text(encoding="ascii") if (slurm / "calls").exists() else ""
    return [line.replace("update nodename=az-1 ", "") for line in text.splitlines()]


def test_hardware_is_slurmds(slurm: Path) -> None:
    """Memory and CPUs are what slurmd will claim, which is what slurmctld compares."""
    assert hardware() == (31987, 8)


def test_hardware_without_slurmd(slurm: Path) -> None:
    """An image without slurmd can still tell what it runs on."""
    (slurm / "slurmd").write_text("#!/bin/sh\necho broken\nexit 1\n", encoding="ascii")
    memory, cpus = hardware()
    assert memory > 100
    assert cpus >= 1


def test_success_is_one_call(slurm: Path) -> None:
    """A boot costs slurmctld one request."""
    report_success(NODE, an_outcome(), teller(slurm))
    [call] = calls(slurm)
    assert call.startswith("comment=slurm-azure boot=ok launch=ab12 ")


def test_success_that_cannot_be_told(slurm: Path) -> None:
    """A node that has joined stays one: nothing is set down, nothing is raised."""
    (slurm / "refuses").write_text("comment=", encoding="ascii")
    report_success(NODE, an_outcome(), teller(slurm))
    assert [call.split("=")[0] for call in calls(slurm)] == ["comment"] * 3


def test_failure_leaves_the_state_alone(slurm: Path) -> None:
    """The daemon decides what becomes of a node that says why it failed."""
    report_failure(NODE, an_outcome("mounts", "no"), teller(slurm))
    [call] = calls(slurm)
    assert call.endswith(" step=mounts cause=no")


def test_failure_that_has_no_comment(slurm: Path) -> None:
    """A node whose comment is not taken goes down by itself, with the cause as reason."""
    (slurm / "refuses").write_text("comment=", encoding="ascii")
    report_failure(NODE, an_outcome("mounts", "no"), teller(slurm))
    assert calls(slurm)[3:] == ["state=down reason=slurm-azure: boot: mounts: no"]


def test_before_munge(slurm: Path) -> None:
    """Without munge nobody is asked."""
    (slurm / "slurm.conf").unlink()
    report_failure(NODE, an_outcome("munge key", "no"), teller(slurm))
    assert calls(slurm) == []


def test_daemon_reads_it(slurm: Path) -> None:
    """What the node writes is what the daemon on the head node reads."""
    read = parse_boot_report(boot_report(an_outcome("mounts", "f:/x on /x: no")))
    assert read is not None
    assert (read.launch, read.ok, read.step, read.cause) == ("ab12", False, "mounts", "f:/x on /x: no")
    assert (read.memory_mib, read.cpus, read.stages) == (31987, 8, (("host-name", 0.01), ("munge-key", 12.35)))
