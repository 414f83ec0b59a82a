"""Nothing outlives a sandbox, however the one who made it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slurm_azure.demo import sandbox
from tests.support.processes import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: namespaces")

# A tree as a site makes it: mounts, interfaces, a process in a session and namespaces of its own.
_TREE = """
mount -t tmpfs walls "$1" && touch "$1/here" && ip link add walls0 type bridge && ip link set walls0 up
setsid unshare --pid --fork --mount sh -c 'exec sleep 4{mark}' &
exec sleep 3{mark}
"""


def processes(mark: str) -> list[str]:
    """Command lines on this machine that hold `mark`."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if line.startswith("sleep") and mark in line:
            found.append(line)
    return found


@pytest.fixture
def mark() -> str:
    """A number of seconds that no other process on this machine sleeps for."""
    return f"77{os.getpid()}"


def started(argv: list[str], mark: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(argv, start_new_session=True)
    until(lambda: len(processes(mark)) == 2, 10, "both processes in the sandbox")
    return process


def surroundings() -> tuple[str, set[str]]:
    return Path("/proc/self/mounts").read_text(), set(os.listdir("/sys/class/net"))


def test_its_end_is_the_end_of_all_in_it(mark: str, tmp_path: Path) -> None:
    """`end_of` takes processes, mounts and interfaces, and the machine looks as before."""
    before = surroundings()
    process = started(sandbox.walled(["sh", "-c", _TREE.replace("{mark}", mark), "sh", str(tmp_path)]), mark)
    assert surroundings() == before
    assert list(tmp_path.iterdir()) == []
    sandbox.end_of(process)
    assert processes(mark) == []
    assert surroundings() == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_its_maker_may_be_killed(mark: str, tmp_path: Path, number: int) -> None:
    """kill -9 of the process that made the sandbox leaves nothing of it, with nobody there to clean up."""
    argv = sandbox.walled(["sh", "-c", _TREE.replace("{mark}", mark), "sh", str(tmp_path)])
    hears = (
        f"import signal; signal.signal({int(number)}, signal.SIG_DFL)" if number != signal.SIGKILL else ""
    )  # nohup make test
    maker = started([sys.executable, "-c", f"{hears}\nimport subprocess; subprocess.run({argv!r})"], mark)
    maker.send_signal(number)
    maker.wait()
    until(lambda: not processes(mark), 10, "the end of the sandbox")
    assert processes(mark) == []


def test_a_detached_one_outlives_its_maker(mark: str, tmp_path: Path) -> None:
    """Only a site that is to be kept does, and it can be ended by its pid."""
    argv = sandbox.walled(["sh", "-c", _TREE.replace("{mark}", mark), "sh", str(tmp_path)], detached=True)
    quiet = "start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL"
    program = f"import subprocess; print(subprocess.Popen({argv!r}, {quiet}).pid, flush=True)"
    made = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    until(lambda: len(processes(mark)) == 2, 10, "both processes in the sandbox")
    first = sandbox.first_process(int(made.stdout))
    assert first is not None
    sandbox.end(first)
    assert processes(mark) == []


def test_ending_what_has_ended_is_fine() -> None:
    """A process that is gone is what was wanted."""
    process = subprocess.Popen(["true"])
    process.wait()
    sandbox.end(process.pid)
    assert process.returncode == 0
