"""Mounts: what is run, what is tried again, what is believed, and that nothing waits for ever."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slurm_node.mounts import PROBE, Mounted, mount_command, mount_share, mount_shares, mounted_at, unescape
from slurm_node.node import Controller, Mount, MungeKey, Node
from slurm_node.outcome import Outcome, StepFailed
from slurm_node.system import TIMED_OUT, run

from tests.boot.patience import Clock


def a_mount(path: Path, required: bool = True, options: str = "rw") -> Mount:
    """filer:/export on `path`."""
    return Mount("filer:/export", str(path), options, required)


@pytest.fixture
def mount_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `mount` in front of the real one; its first word to say and its exit code come from files, one line each call."""
    program = tmp_path / "bin/mount"
    program.parent.mkdir()
    said = tmp_path / "said"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n'
        f'line=$(head -n 1 {said}); [ "$(wc -l < {said})" -lt 2 ] || sed -i 1d {said}\n'
        'echo "${line#* }" >&2; exit "${line%% *}"\n',
        encoding="ascii",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return said


def test_command() -> None:
    """The options go to mount as one argument, and version 3 has a type of its own."""
    assert mount_command(Mount("f:/e", "/x", "rw,vers=4.1", True)) == ["mount", "-t", "nfs4", "-o", "rw,vers=4.1", "f:/e", "/x"]
    assert mount_command(Mount("f:/e", "/x", "vers=3,hard", True))[2] == "nfs"
    assert mount_command(Mount("f:/e", "/x", "", True)) == ["mount", "-t", "nfs4", "f:/e", "/x"]


def test_no_is_no(mount_says: Path, tmp_path: Path) -> None:
    """A refusal that waiting will not change fails at once, with mount's words."""
    mount_says.write_text("32 mount.nfs4: access denied by server while mounting filer:/export\n", encoding="ascii")
    clock = Clock()
    with pytest.raises(StepFailed, match=rf"filer:/export on {tmp_path}/x: mount\.nfs4: access denied by server"):
        mount_share(a_mount(tmp_path / "x"), clock.patience(90))
    assert clock.pauses == []


@pytest.mark.parametrize(
    "word", ["Connection timed out", "Connection refused", "Failed to resolve server filer", "No route to host"]
)
def test_what_may_pass_is_tried_again(mount_says: Path, tmp_path: Path, word: str) -> None:
    """A server that cannot be reached is tried again until patience ends, and then the last word is told."""
    mount_says.write_text(f"32 mount.nfs4: {word}\n", encoding="ascii")
    clock = Clock()
    with pytest.raises(StepFailed, match=word):
        mount_share(a_mount(tmp_path / "x"), clock.patience(9))
    assert len((tmp_path / "calls").read_text(encoding="ascii").splitlines()) == 5


def test_a_silent_server_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told is how long nothing was heard in all, not how little was left for the last try."""
    program = tmp_path / "mount"
    program.write_text("#!/bin/sh\nexec sleep 30\n", encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    clock = Clock()
    patience = clock.patience(90)
    clock.now += 89
    with pytest.raises(StepFailed, match=r"no answer for 89 s: is the NFS server up"):
        mount_share(a_mount(tmp_path / "x"), patience)


def test_yes_is_not_believed(mount_says: Path, tmp_path: Path) -> None:
    """A mount command that says yes while nothing is mounted is a failure."""
    mount_says.write_text("0 \n", encoding="ascii")
    with pytest.raises(StepFailed, match="nothing is mounted"):
        mount_share(a_mount(tmp_path / "x"), Clock().patience(9))


def test_optional_share_is_a_warning(mount_says: Path, tmp_path: Path) -> None:
    """An optional share that fails leaves a warning; the required one after it is still tried, and ends it."""
    mount_says.write_text("32 no such export\n32 nor this one\n", encoding="ascii")
    mounts = [a_mount(tmp_path / "x", required=False), a_mount(tmp_path / "x/y")]
    node = Node("az-1", "hb", "test", [Controller("h", 1)], MungeKey("image"), None, mounts, 600.0)
    outcome = Outcome()
    with pytest.raises(StepFailed, match=r"x/y: nor this one"):
        mount_shares(node, Clock().patience(90), outcome)
    assert outcome.warnings == [f"filer:/export on {tmp_path}/x: no such export"]


def test_outer_folders_first(mount_says: Path, tmp_path: Path) -> None:
    """A share inside another's folder is mounted after that one, in whatever order they are configured."""
    mount_says.write_text("32 no\n", encoding="ascii")
    mounts = [a_mount(tmp_path / "a/b", required=False), a_mount(tmp_path / "a", required=False)]
    node = Node("az-1", "hb", "test", [Controller("h", 1)], MungeKey("image"), None, mounts, 600.0)
    mount_shares(node, Clock().patience(90), Outcome())
    calls = (tmp_path / "calls").read_text(encoding="ascii").splitlines()
    assert [call.rpartition("/")[2] for call in calls] == ["a", "b"]


def test_hanging_command_is_left(tmp_path: Path) -> None:
    """A command that does not end is killed with its children, and a daemon that holds its output delays nothing."""
    begun = time.monotonic()
    assert run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; wait"], 0.3)[0] == TIMED_OUT
    child = Path("/proc", (tmp_path / "child").read_text(encoding="ascii").strip(), "stat")
    while child.exists() and not child.read_text(encoding="ascii").rpartition(") ")[2].startswith("Z"):
        assert time.monotonic() - begun < 20, "the killed command's child lives on"
    assert run(["sh", "-c", "sleep 30 & echo left a child"], 20.0) == (0, "left a child")
    assert time.monotonic() - begun < 25


def test_missing_command() -> None:
    """A command that is not there is told as such."""
    assert run(["no-such-command"]) == (127, "no-such-command: No such file or directory")


def test_probe(tmp_path: Path) -> None:
    """The probe is content with an empty folder, and fails on what is none."""
    assert run([sys.executable, "-c", PROBE, str(tmp_path)])[0] == 0
    assert run([sys.executable, "-c", PROBE, str(tmp_path / "none")])[0] == 1


def test_mountinfo(tmp_path: Path) -> None:
    """The mounts of a folder are found with type and source, the topmost last, and blanks in names are understood."""
    (tmp_path / "mountinfo").write_text(
        "36 35 98:0 / / rw - ext4 /dev/sda1 rw\n"
        "40 36 0:50 / /a\\040b rw,relatime shared:1 - nfs4 filer:/ex\\040port rw,vers=4.1\n"
        "41 36 98:0 /srv/x /a\\040b rw - ext4 /dev/sda1 rw\n"
        "42 36 98:0 /srv/x /a rw - tmpfs none rw\n",
        encoding="ascii",
    )
    assert mounted_at("/a b", str(tmp_path / "mountinfo")) == [Mounted("nfs4", "filer:/ex port"), Mounted("ext4", "/dev/sda1")]


@given(st.text(st.characters(codec="ascii", exclude_characters="\0")))
def test_unescape(name: str) -> None:
    """Every name comes back from the kernel's way to write it (fs/proc_namespace.c, mangle)."""
    written = "".join(f"\\{ord(letter):03o}" if letter in " \t\n\\#" else letter for letter in name)
    assert unescape(written) == name
