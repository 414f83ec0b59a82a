"""The first process of a site's sandbox: builds the network, starts the simulated Azure and the head node, and stays.

When it ends the kernel ends everything in the sandbox, so there is no other way to stop a site, and none that could fail.
It reports to the one who started it with one line of JSON: {"head": PID} or {"error": TEXT}.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from slurm_azure.demo import estate, fabric
from slurm_azure.demo.head import SHARE, head_box, put_files
from slurm_azure.errors import PreflightError, SlurmAzureError
from slurm_azure.simulator.machines import box as boxes

PATIENCE = 120.0  # seconds for the simulator, and for the head node's daemons, to come up
_LOOK = 0.05
# Azure itself takes half a minute and more to delete a VM; nobody wants to watch that.
_PACE = ("--delete-seconds", "uniform(4,8)")
# A VM boots with a second of CPU time and waits as long again: many more at once only make each of them slower.
_BOOTS = ("--boot-parallel", str(4 * (os.cpu_count() or 1)))
SIMULATOR = ("10.77.0.1", 443)
CONTROL = "127.0.0.1:8080"  # of the sandbox: neither the head node nor a VM can reach it


def main(arguments: list[str] | None = None) -> int:
    """Start a site and serve as its pid 1 until it is to end. Returns the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with os.fdopen(options.report, "w", encoding="utf-8") as report:
        try:
            site = _SiteInside(options)
            site.start()
        except (SlurmAzureError, OSError, subprocess.SubprocessError) as error:
            report.write(json.dumps({"error": str(error)}) + "\n")
            return 1
        report.write(json.dumps({"head": site.head}) + "\n")
    return site.stay()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slurm_azure.demo.init")
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder; memory is mounted there")
    parser.add_argument("--layer", type=Path, action="append", required=True, help="of the head node, top one first")
    parser.add_argument("--report", type=int, required=True, help="descriptor to report to")
    parser.add_argument("--file", nargs=2, action="append", default=[], help="PATH on the head node, FILE that it is")
    parser.add_argument("--mortal-simulator", action="store_true", help="the site outlives its simulator's end")
    parser.add_argument("simulator", nargs="*", help="further arguments for the simulator")
    return parser


class _SiteInside:
    def __init__(self, options: argparse.Namespace) -> None:
        self._folder: Path = options.folder
        self._layers: tuple[Path, ...] = tuple(options.layer)
        self._further: list[str] = options.simulator
        self._files = {path: Path(file) for path, file in options.file}
        self._mortal_simulator: bool = options.mortal_simulator
        self._needed: dict[int, str] = {}
        self.head = 0

    def start(self) -> None:
        """Bring everything up. Raises SlurmAzureError that names what did not come."""
        os.umask(0o022)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "site", str(self._folder)], check=True)
        for place in ("azure", "machines", f"exports/{SHARE}"):
            (self._folder / place).mkdir(parents=True)
        fabric.build_fabric()
        self._start_simulator()
        self._start_head()

    def stay(self) -> int:
        """Reap until something ends without which there is no site."""
        while True:
            pid, status = os.wait()
            if pid in self._needed:
                sys.stderr.write(f"{self._needed[pid]} ended with {os.waitstatus_to_exitcode(status)}\n")
                return 1

    def _start_simulator(self) -> None:
        file = self._folder / "azure" / "estate.json"
        estate.write_estate(file)
        argv = [sys.executable, "-m", "slurm_azure.simulator", *self._simulator_arguments(file)]
        process = self._spawn("simulator", argv, dict(os.environ))
        self._await(process, "simulator", _answers)
        if self._mortal_simulator:
            del self._needed[process.pid]
        (self._folder / "simulator.pid").write_text(f"{process.pid}\n", encoding="ascii")
        (self._folder / "simulator.argv").write_text(json.dumps(argv), encoding="utf-8")

    def _simulator_arguments(self, estate_file: Path) -> list[str]:
        return [
            "--listen", f"{SIMULATOR[0]}:{SIMULATOR[1]}", "--folder", str(self._folder / "azure"), "--estate", str(estate_file),
            "--imds", "169.254.169.254:80", "--imds", "168.63.129.16:80", "--machines", "namespace",
            "--machines-for", "az-none-*=none", "--image", str(self._layers[-1]), "--bridge", fabric.BRIDGE,
            "--control", CONTROL, "--exports", str(self._folder / "exports"), *_PACE, *_BOOTS, *self._further,
        ]  # fmt: skip

    def _start_head(self) -> None:
        azure = self._folder / "azure"
        box = head_box(self._folder / "head", self._layers, self._folder / "exports")
        box.folder.mkdir()
        secrets = {
            "etc/munge/munge.key": (azure / estate.MUNGE_KEY).read_bytes(),
            "etc/slurm-azure/daemon.secret": (azure / estate.SECRET_FILE).read_bytes(),
            "root/auditor.secret": (azure / estate.AUDITOR_SECRET).read_bytes(),
        }
        public = {path: file.read_bytes() for path, file in self._files.items()}
        put_files(box, secrets, {"etc/slurm-azure/simulator-ca.pem": (azure / "ca.pem").read_bytes()} | public)
        process = self._spawn("head", boxes.command(box), boxes.variables(box))
        self._await(process, "head", lambda: _services_started(box.folder))
        self.head = boxes.first_process(box.folder) or 0

    def _spawn(self, name: str, argv: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        self._needed[process.pid] = name
        return process

    def _await(self, process: subprocess.Popen[bytes], name: str, come: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        log = self._folder / f"{name}.log"
        while not come():
            if process.poll() is not None or time.monotonic() > until:
                text = log.read_text(encoding="utf-8", errors="replace").strip()[-2000:]
                raise PreflightError(f"the {name} did not come up: {text}")
            time.sleep(_LOOK)


def _answers() -> bool:
    try:
        with socket.create_connection(SIMULATOR, timeout=1):
            return True
    except OSError:
        return False


def _services_started(folder: Path) -> bool:
    """Whether the head node says that all its daemons run. Raises PreflightError if one could not be started."""
    pid = boxes.first_process(folder)
    services = Path(f"/proc/{pid}/root/run/services")
    if pid is not None and (services / "failed").exists():
        raise PreflightError(f"the head node: {(folder.parent / 'head.log').read_text(errors='replace').strip()[-2000:]}")
    return pid is not None and (services / "up").exists()


if __name__ == "__main__":
    sys.exit(main())
