"""A site in miniature, seen from outside: start it, work on its head node, ask its Azure, end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from slurm_azure.demo import installation, rootfs, sandbox
from slurm_azure.demo.cache import cache_folder, claim, hold
from slurm_azure.demo.init import CONTROL
from slurm_azure.errors import PreflightError
from slurm_azure.simulator.machines import box as boxes

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The control endpoint is on the sandbox's own loopback, so the question is asked from within.
_ASK = """
import sys, http.client
door = http.client.HTTPConnection(sys.argv[1], timeout=20)
door.request(sys.argv[2], sys.argv[3], sys.stdin.buffer.read() or None)
reply = door.getresponse()
text = reply.read().decode(errors="replace")
if reply.status >= 400:
    sys.exit(f"{reply.status} {reply.reason}: {text}")
sys.stdout.write(f"{reply.getheader('Content-Type')}\\n{text}")
"""
_LAUNCH = 'name=$1; shift; setsid "$@" >> "$name.log" 2>&1 < /dev/null & echo $! > "$name.pid"'
_KILL = 'pid=$(cat "$1"); kill -KILL "$pid"; while kill -0 "$pid" 2> /dev/null; do sleep 0.02; done'
MOUNT_POINT = "site"
STATE_FILE, LOCK_FILE = "site.json", "site.lock"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a running site is: the machine's pid of its sandbox's pid 1 with its start time (clock ticks), and the pid
    of the head node's pid 1 inside the sandbox."""

    sandbox: int
    started: int
    head: int

    def alive(self) -> bool:
        """Whether that process still is the same one."""
        return _start_time(self.sandbox) == self.started


class Head:
    """The head node."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def argv(self, command: Sequence[str], user: str = "root") -> list[str]:
        """What runs `command` on the head node as `user`, with the environment of a fresh login."""
        outer = ["nsenter", f"--target={self._place.sandbox}", "--mount", "--net", "--uts", "--ipc", "--pid"]
        home = "/root" if user == "root" else f"/home/{user}"
        clean = ["env", "-i", f"PATH={_PATH}", f"HOME={home}", f"USER={user}", "LANG=C.UTF-8"]
        person = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return [*outer, *boxes.enter(self._place.head), *clean, *person, *command]

    def run(
        self, command: Sequence[str], *, user: str = "root", check: bool = True, stdin: str | None = None, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` and take its output. Raises CalledProcessError if `check`, TimeoutExpired after `timeout` seconds."""
        return subprocess.run(
            self.argv(command, user), check=check, input=stdin, capture_output=True, text=True, timeout=timeout
        )

    def read(self, path: str) -> bytes:
        """A file of the head node."""
        return subprocess.run(self.argv(["cat", path]), check=True, capture_output=True).stdout


class Site:
    """One site. As a context manager it is there within, and nothing of it is left after."""

    def __init__(
        self,
        *,
        simulator: Sequence[str] = (),
        detached: bool = False,
        files: Mapping[str, Path] | None = None,
        mortal_simulator: bool = False,
    ) -> None:
        """`simulator`: further arguments of the simulator. `detached`: the site outlives this process, and `Site.running`
        finds it. `files`: what the head node has at a path (without the first /) in place of the site's own file.
        `mortal_simulator`: the site goes on when its simulator ends."""
        self._simulator, self._detached = list(simulator), detached
        self._files, self._mortal_simulator = dict(files or {}), mortal_simulator
        self._process: subprocess.Popen[bytes] | None = None
        self._place: Place | None = None

    @classmethod
    def running(cls) -> Site | None:
        """The detached site that runs on this machine, if there is one."""
        try:
            place = Place(**json.loads(_state_file().read_text(encoding="ascii")))
        except (OSError, ValueError, TypeError):
            return None
        site = cls(detached=True)
        site._place = place
        return site if place.alive() else None

    def start(self) -> Self:
        """Bring the site up: network, simulated Azure, head node with all its daemons. Raises SlurmAzureError.

        Sites share what is cached, and no more: each has its folder in a mount namespace of its own. Of detached ones, which
        are found by a file, there is one for a cache.
        """
        held: list[int] = []
        try:
            if self._detached:
                held.append(claim(LOCK_FILE))
            root = rootfs.root_file_system()
            layers = (*installation.layers(root), root)
            for layer in layers:
                held.append(hold(layer))
            reading, self._process = self._open(layers, held)
        finally:
            for descriptor in held:
                os.close(descriptor)  # the sandbox has copies
        try:
            self._place = self._await_report(reading, self._process)
        except BaseException:
            self.stop()
            raise
        if self._detached:
            _state_file().write_text(json.dumps(asdict(self._place)), encoding="ascii")
        return self

    def _open(self, layers: Sequence[Path], held: Sequence[int]) -> tuple[int, subprocess.Popen[bytes]]:
        """The sandbox, which has copies of the descriptors `held`, and where to read its report."""
        mount_point = self.folder
        mount_point.mkdir(parents=True, exist_ok=True)
        reading, writing = os.pipe()
        inside = [sys.executable, "-m", "slurm_azure.demo.init", f"--folder={mount_point}", f"--report={writing}"]
        inside += [f"--layer={layer}" for layer in layers]
        inside += [word for path, file in self._files.items() for word in ("--file", path, str(file))]
        inside += ["--mortal-simulator"] if self._mortal_simulator else []
        inside += ["--", *self._simulator]
        # A site that is kept must not hold the output of the command that started it.
        output = subprocess.DEVNULL if self._detached else None
        try:
            process = subprocess.Popen(
                sandbox.walled(inside, detached=self._detached),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[writing, *held],
                start_new_session=True,  # Ctrl-C is for the one who started the site
                cwd=Path(__file__).resolve().parents[2],
            )
        finally:
            os.close(writing)
        return reading, process

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def head(self) -> Head:
        """The head node of the running site."""
        return Head(self._running())

    def control(self, path: str, body: Mapping[str, Any] | Sequence[Any] | None = None, method: str = "") -> Any:
        """What the simulator's control endpoint answers: GET, or POST with a `body`, unless told. JSON, or else the text of
        it."""
        enter = ["nsenter", f"--target={self._running().sandbox}", "--net"]
        data = None if body is None else json.dumps(body)
        asked = subprocess.run(
            [*enter, sys.executable, "-I", "-S", "-c", _ASK, CONTROL, method or ("GET" if body is None else "POST"), path],
            input=data, capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        kind, _, text = asked.stdout.partition("\n")
        return json.loads(text) if "json" in kind else text

    def kill_daemon(self) -> None:
        """slurm-azured, killed with -9."""
        self.head.run(["service", "kill", "slurm-azured"])

    def start_daemon(self) -> None:
        """Start slurm-azured again."""
        self.head.run(["service", "start", "slurm-azured"])

    def inside(self, command: Sequence[str]) -> list[str]:
        """The argv that runs `command` in the sandbox, beside the head node: on the machine's own root file system."""
        spaces = ["--mount", "--net", "--uts", "--ipc", "--pid"]
        return ["nsenter", f"--target={self._running().sandbox}", *spaces, *command]

    def launch(self, name: str, argv: Sequence[str]) -> None:
        """Start a process in the sandbox, beside the head node; what it says goes into NAME.log, and `kill` knows it."""
        subprocess.run(self.inside(["sh", "-c", _LAUNCH, "sh", str(self.folder / name), *argv]), check=True)

    def kill(self, name: str) -> None:
        """kill -9 of what was launched under that name, or of the `simulator`, which has to be mortal."""
        subprocess.run(self.inside(["sh", "-c", _KILL, "sh", str(self.folder / f"{name}.pid")]), check=False)

    def start_simulator(self) -> None:
        """Start the simulated Azure again, as it was started first. Returns at once."""
        argv = subprocess.run(
            self.inside(["cat", str(self.folder / "simulator.argv")]), check=True, capture_output=True, text=True
        ).stdout
        self.launch("simulator", json.loads(argv))

    @property
    def folder(self) -> Path:
        """The site's own folder, as those in the sandbox see it; to others it is empty."""
        return cache_folder() / MOUNT_POINT

    def stop(self) -> None:
        """End the site; when this returns nothing of it is left. May be called any number of times."""
        if self._process is not None:
            sandbox.end_of(self._process)
        elif self._place is not None and self._place.alive():
            sandbox.end(self._place.sandbox)
        if self._detached:
            _state_file().unlink(missing_ok=True)
        self._place = None

    def _running(self) -> Place:
        if self._place is None:
            raise PreflightError("the site is not running")
        return self._place

    def _await_report(self, reading: int, process: subprocess.Popen[bytes]) -> Place:
        with os.fdopen(reading, encoding="utf-8") as report:
            line = report.readline()
        answer = json.loads(line) if line else {"error": f"its sandbox ended with {process.wait()}"}
        if "error" in answer:
            raise PreflightError(f"the site cannot be started: {answer['error']}")
        first = sandbox.first_process(process.pid)
        if first is None:
            raise PreflightError("the site ended as soon as it had come up")
        return Place(first, _start_time(first) or 0, int(answer["head"]))


def _state_file() -> Path:
    return cache_folder() / STATE_FILE


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat: with the pid it names a process for good (man proc_pid_stat(5))."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return None
