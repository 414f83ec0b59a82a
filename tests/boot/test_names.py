"""The node's own names, and its Slurm configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slurm_node.names import hosts_text, own_address
from slurm_node.node import Controller, MungeKey, Node
from slurm_node.outcome import StepFailed
from slurm_node.scontrol import slurm_conf
from slurm_node.slurmd import last_words, settle, start_unit
from slurm_node.system import write_file

from tests.boot.patience import Clock

NODE = Node("az-1", "hb", "test", [Controller("10.0.0.4", 6817)], MungeKey("image"), None, [], 600.0)


def test_hosts() -> None:
    """The name stands at the node's address alone; the other names of a line, comments and blank lines stay."""
    text = "127.0.0.1 localhost az-1\n# az-1 was here\n\n127.0.1.1\taz-1\n10.0.0.9 az-10\n"
    assert hosts_text(text, "10.1.2.3", "az-1") == "127.0.0.1 localhost\n# az-1 was here\n\n10.0.0.9 az-10\n10.1.2.3 az-1\n"


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e"), max_size=30)))
def test_hosts_is_idempotent(lines: list[str]) -> None:
    """A second run changes nothing, whatever stood there."""
    once = hosts_text("\n".join(lines), "10.1.2.3", "az-1")
    assert hosts_text(once, "10.1.2.3", "az-1") == once


def test_own_address() -> None:
    """The node's address is the one it has on its way to slurmctld."""
    assert own_address(Controller("127.0.0.1", 6817)) == "127.0.0.1"


def test_no_way_to_slurmctld() -> None:
    """A controller whose name nobody knows is named."""
    with pytest.raises(StepFailed, match=r"no way to slurmctld at head\.invalid:6817"):
        own_address(Controller("head.invalid", 6817))


def test_slurm_conf() -> None:
    """scontrol gets all controllers in order, and IPv6 only where one needs it."""
    assert slurm_conf(NODE).splitlines() == [
        "ClusterName=test",
        "AuthType=auth/munge",
        "SlurmctldPort=6817",
        "SlurmctldHost=10.0.0.4(10.0.0.4)",
    ]
    two = NODE._replace(controllers=[Controller("head", 7000), Controller("fd00::1", 7000)])
    assert slurm_conf(two).splitlines()[2:] == [
        "SlurmctldPort=7000",
        "SlurmctldHost=head(head)",
        "SlurmctldHost=fd00::1(fd00::1)",
        "CommunicationParameters=EnableIPv6",
    ]


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for /run, and in front of the real ones a `systemctl` that notes what it is asked and which options it would
    start slurmd with, and a `journalctl` with slurmd's last words. Restart fails while the folder holds `broken`."""
    if os.geteuid() != 0:
        pytest.skip("needs root, whose the unit's files are")
    here = tmp_path / "bin"
    here.mkdir()
    run_folder = tmp_path / "run/slurm-azure"
    run_folder.mkdir(parents=True)
    (here / "systemctl").write_text(
        f'#!/bin/sh\necho "$* $(cat {run_folder}/slurmd.env)" >> {tmp_path}/calls\n'
        f'if [ "$1" = restart ]; then touch {tmp_path}/config; [ ! -e {tmp_path}/broken ]; fi\n',
        encoding="ascii",
    )
    (here / "journalctl").write_text("#!/bin/sh\necho slurmd: fatal: no cgroup\n", encoding="ascii")
    for program in here.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{here}:/usr/bin:/bin")
    return run_folder


def test_slurmd_by_systemd(systemd: Path, tmp_path: Path) -> None:
    """The unit's first start says -b and a later one does not; the drop-in takes away the condition on slurm.conf."""
    start_unit(["-N", "az-1", "--conf-server", "h:1"], Clock().patience(60), str(systemd), str(tmp_path / "config"))
    calls = (tmp_path / "calls").read_text(encoding="ascii").splitlines()
    assert calls[:2] == [
        "daemon-reload SLURMD_OPTIONS='-b -N az-1 --conf-server h:1'",
        "restart slurmd.service SLURMD_OPTIONS='-b -N az-1 --conf-server h:1'",
    ]
    assert (systemd / "slurmd.env").read_text(encoding="ascii") == "SLURMD_OPTIONS='-N az-1 --conf-server h:1'\n"
    drop_in = (systemd.parent / "systemd/system/slurmd.service.d/slurm-azure.conf").read_text(encoding="ascii")
    assert drop_in.splitlines() == ["[Unit]", "ConditionPathExists=", "[Service]", f"EnvironmentFile={systemd}/slurmd.env"]


def test_unit_that_does_not_start(systemd: Path, tmp_path: Path) -> None:
    """A unit that fails is told with the end of slurmd's journal."""
    (tmp_path / "broken").touch()
    with pytest.raises(StepFailed, match="slurmd does not start: slurmd: fatal: no cgroup"):
        start_unit(["-N", "az-1"], Clock().patience(60), str(systemd), str(tmp_path / "config"))


def test_slurmd_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    """The fatal line of slurmd's log is the cause, not what came after it."""
    log = tmp_path / "log"
    log.write_text("slurmd: debug: x\nslurmd: fatal: no cgroup\nslurmd: bye\n", encoding="ascii")
    with pytest.raises(StepFailed, match="slurmd ended: slurmd: fatal: no cgroup"):
        settle(lambda: False, lambda: last_words(str(log)), Clock().patience(60))


def test_slurmd_without_configuration(tmp_path: Path) -> None:
    """A slurmd that lives but gets no configuration from slurmctld is not a node."""
    with pytest.raises(StepFailed, match="no configuration from slurmctld in time: waiting"):
        settle(lambda: True, lambda: "waiting", Clock().patience(5))


def test_no_words(tmp_path: Path) -> None:
    """An empty log is no reason to fall over."""
    (tmp_path / "log").touch()
    assert last_words(str(tmp_path / "log")) == ""


def test_secret_file_is_never_open_to_others(tmp_path: Path) -> None:
    """A file replaces the old one whole and with its final rights, even under a careless umask."""
    code = (
        "import os, sys; os.umask(0); from slurm_node.system import write_file;"
        "write_file(sys.argv[1], b'key', 0o400, (os.getuid(), os.getgid()))"
    )
    target = tmp_path / "key"
    target.write_bytes(b"old and longer")
    folder = Path(sys.modules[write_file.__module__].__file__ or "").parents[1]
    subprocess.run([sys.executable, "-c", code, str(target)], check=True, env={"PYTHONPATH": str(folder)}, timeout=20)
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"key", 0o400)
    assert list(tmp_path.iterdir()) == [target]
