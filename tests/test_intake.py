"""The hooks: one durable spool file each, quickly, whatever state slurmctld starts them in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.intake import MAGIC, NotARequest, accept, read

HOOKS = Path(__file__).resolve().parents[1] / "hooks"
KINDS = ("resume", "suspend", "resume-fail")


def run(kind: str, *arguments: str, closed: bool = False, **env: str) -> subprocess.CompletedProcess[bytes]:
    """A hook as slurmctld runs it: hardly any environment; `closed`: descriptors 0 to 2 closed, as 22.05 does."""
    command = [str(HOOKS / kind), *arguments]
    if closed:
        command = ["/bin/sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", *command]
    return subprocess.run(command, env=env, capture_output=True, check=False)


def spooled(spool: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(spool.glob("*.request"))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closed", [False, True], ids=["", "descriptors closed"])
def test_a_hook_makes_its_request_durable(tmp_path: Path, kind: str, closed: bool) -> None:
    """Exit 0 means: one whole file in the spool, with the hostlist and the resume file as they were."""
    resume_file = tmp_path / "resume.json"
    resume_file.write_bytes(b'{"jobs":[]}\xff\x00')
    done = run(kind, "--spool", str(tmp_path / "spool"), "az-[1-3]", closed=closed, SLURM_RESUME_FILE=str(resume_file))
    assert done.returncode == 0, done.stderr
    [data] = spooled(tmp_path / "spool")
    assert read(data)[0] == kind
    assert read(data)[2:] == (b"az-[1-3]", b'{"jobs":[]}\xff\x00')
    assert [path.name for path in (tmp_path / "spool").iterdir() if not path.name.endswith(".request")] == []


def test_the_last_argument_is_the_hostlist(tmp_path: Path) -> None:
    """An administrator's own arguments (PowerAction of 26.05) come before it."""
    assert run("resume", "--spool", str(tmp_path), "anything", "az-7").returncode == 0
    assert read(spooled(tmp_path)[0])[2] == b"az-7"


def test_a_missing_resume_file_costs_nothing(tmp_path: Path) -> None:
    """S28: the file has vanished: the request counts all the same."""
    assert run("resume", "--spool", str(tmp_path), "az-7", SLURM_RESUME_FILE="/nowhere/at/all").returncode == 0
    assert read(spooled(tmp_path)[0])[2:] == (b"az-7", b"")


def test_an_unwritable_spool_is_exit_1_with_one_line(tmp_path: Path) -> None:
    """S15: the request could not be made durable, and slurmctld's log says why."""
    done = run("suspend", "--spool", str(tmp_path / "no" / "such" / "place"), "az-7")
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"slurm-azure suspend: cannot write to" in done.stderr


def test_a_hook_without_a_hostlist_is_exit_2() -> None:
    """Run by hand without an argument: one line, nothing spooled."""
    done = run("resume")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1


def test_a_hook_wakes_the_daemon(tmp_path: Path) -> None:
    """A byte arrives in the FIFO; without a reader nothing is waited for."""
    fifo = tmp_path / "wake"
    os.mkfifo(fifo)
    assert run("resume", "--spool", str(tmp_path), "--wake", str(fifo), "az-1").returncode == 0
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    assert run("resume", "--spool", str(tmp_path), "--wake", str(fifo), "az-2").returncode == 0
    assert os.read(reader, 10) == b"\n"
    os.close(reader)


def test_hooks_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """Ten hooks at once (arrays start many): ten files."""
    command = [str(HOOKS / "resume"), "--spool", str(tmp_path)]
    running = [subprocess.Popen([*command, f"az-{n}"], env={}) for n in range(10)]
    assert [one.wait() for one in running] == [0] * 10
    assert sorted(read(data)[2] for data in spooled(tmp_path)) == sorted(b"az-%d" % n for n in range(10))


def test_a_request_by_root_belongs_to_the_spools_owner(tmp_path: Path) -> None:
    """A hook run by hand as root must not leave a file that the daemon's user cannot read."""
    if os.geteuid() != 0:
        pytest.skip("needs root: only root can give a file away")
    os.chown(tmp_path, 12345, 12345)
    assert run("resume", "--spool", str(tmp_path), "az-1").returncode == 0
    [path] = tmp_path.glob("*.request")
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (12345, 0o600)


def test_a_spool_made_by_root_belongs_to_its_parents_owner(tmp_path: Path) -> None:
    """A hook run by hand as root, before the daemon ever ran, must not lock the daemon's user out of the spool."""
    if os.geteuid() != 0:
        pytest.skip("needs root: only root can give a folder away")
    os.chown(tmp_path, 12345, 12345)
    accept(str(tmp_path / "spool"), "resume", b"n1", b"", 1)
    spool = (tmp_path / "spool").stat()
    assert (spool.st_uid, spool.st_gid, spool.st_mode & 0o777) == (12345, 12345, 0o750)


def test_a_hook_loads_nothing_but_builtins_and_a_few_modules() -> None:
    """Start-up is what a hook costs: no azure, json, sqlite3, pathlib or subprocess behind it."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import slurm_azure.intake; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-IS", "-c", code, str(HOOKS.parent)], capture_output=True, text=True, check=True)
    bare = subprocess.run(
        [sys.executable, "-IS", "-c", "import sys; print(*sys.modules, sep='\\n')"], capture_output=True, text=True, check=True
    )
    extra = set(done.stdout.split()) - set(bare.stdout.split())
    assert extra <= {"slurm_azure", "slurm_azure.intake", "__future__", "os", "posixpath", "genericpath", "stat", "_stat",
                     "os.path", "_collections_abc"}  # fmt: skip


@given(nodes=st.binary(), resume_file=st.binary(), kind=st.sampled_from(KINDS), now=st.integers(0, 2**62))
def test_what_is_accepted_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, nodes: bytes, resume_file: bytes, kind: str, now: int
) -> None:
    """The file format keeps any bytes: newlines, quotes, no UTF-8 at all."""
    path = accept(str(tmp_path_factory.mktemp("spool")), kind, nodes, resume_file, now)
    got_kind, at, got_nodes, got_file = read(Path(path).read_bytes())
    assert (got_kind, got_nodes, got_file) == (kind, nodes, resume_file)
    assert at == pytest.approx(now / 1e9, abs=1e-3)


@given(st.binary() | st.binary().map(lambda tail: MAGIC + b"\n" + tail))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """A damaged spool file never does more than raise NotARequest."""
    try:
        _, _, nodes, resume_file = read(data)
    except NotARequest:
        return
    assert data.endswith(nodes + resume_file)
