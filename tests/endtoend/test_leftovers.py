"""Whenever and however the demonstration ends, the machine is as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from slurm_azure.demo.cache import cache_folder
from tests.endtoend.verbs import tell
from tests.support.processes import ROOT, until

pytestmark = [
    pytest.mark.endtoend,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a site is made of namespaces"),
]


def parents() -> dict[int, int]:
    """Each process's parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = stat.read_text(errors="replace").partition(" ")
            found[int(pid)] = int(rest.rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def pid_namespaces(pids: Iterable[int]) -> set[str]:
    """The PID namespaces these processes are in, but this one's."""
    found = set()
    for pid in pids:
        try:
            found.add(os.readlink(f"/proc/{pid}/ns/pid"))
        except OSError:
            continue
    return found - {os.readlink("/proc/self/ns/pid")}


def namespaces_below(ancestor: int) -> set[str]:
    """The PID namespaces of all that descends from a process: those of its site, its head node and its VMs."""
    parent = parents()
    family = {ancestor}
    while more := {pid for pid in parent if parent[pid] in family} - family:
        family |= more
    return pid_namespaces(family)


def surroundings() -> dict[str, object]:
    """What a site could change of the machine: mounts, interfaces, named network namespaces, files at its mount point."""
    mount_point = cache_folder() / "site"
    return {
        "mounts": Path("/proc/self/mounts").read_text(),
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "namespaces": sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else [],
        "files": sorted(os.listdir(mount_point)) if mount_point.is_dir() else [],
    }


class Demonstration:
    """`make demo` without make, in a session of its own as a terminal's foreground job is."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "slurm_azure.demo", "run", "--output", str(folder / "pictures")]
        self._said = folder / "said"
        with self._said.open("w") as said:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, start_new_session=True)

    def text(self) -> str:
        """Everything it has said."""
        return self._said.read_text()

    def until_it_says(self, what: str) -> None:
        """Wait for a line that holds `what`."""
        until(lambda: what in self.text() or self.process.poll() is not None, 120, what)
        assert what in self.text(), self.text()


@pytest.mark.parametrize(
    ("moment", "number", "group", "code"),
    [
        ("Starting a site", signal.SIGKILL, False, -signal.SIGKILL),
        ("running az-render", signal.SIGKILL, False, -signal.SIGKILL),
        ("Starting a site", signal.SIGINT, True, 130),
        ("new -> creating", signal.SIGINT, True, 130),
        ("running az-render", signal.SIGTERM, False, 143),
    ],
    ids=["kill -9 at the start", "kill -9 with VMs", "Ctrl-C at the start", "Ctrl-C with VMs", "TERM with VMs"],
)
def test_an_end_at_any_moment_leaves_nothing(
    moment: str, number: signal.Signals, group: bool, code: int, tmp_path: Path
) -> None:
    """No process, mount, interface or namespace; Ctrl-C reaches the whole foreground group, as in a terminal."""
    before = surroundings()
    demonstration = Demonstration(tmp_path)
    demonstration.until_it_says(moment)
    site = until(lambda: namespaces_below(demonstration.process.pid), 30, "the first process of the site")
    assert surroundings() == before
    (os.killpg if group else os.kill)(demonstration.process.pid, number)
    assert demonstration.process.wait(30) == code
    until(lambda: not site & pid_namespaces(parents()), 10, "the last process to end")
    tell(f"{moment}, then {number.name}: {len(site)} PID namespaces are gone")
    assert surroundings() == before
    assert "Traceback" not in demonstration.text()
