"""slurm-azured as a process of its own, as systemd would run it, against a simulated Azure."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.configs import a_document
from tests.support.simulated_azure import SimulatedAzure

ROOT = Path(__file__).resolve().parents[2]


def until(condition: Callable[[], Any], seconds: float = 20.0, what: str = "") -> Any:
    """Wait for something another process does; its truthy value. Fails after `seconds`.

    The longer it takes, the rarer the looks (every 0.05 s to 0.3 s): at a site each look is a process or two of its own."""
    began, pause = time.monotonic(), threading.Event()
    while not (value := condition()):
        waited = time.monotonic() - began
        assert waited < seconds, f"not within {seconds:.0f} s: {what or condition}"
        pause.wait(min(0.3, max(0.05, waited / 20)))
    return value


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class DaemonProcess:
    """A slurm-azured: `start`, `kill`, `terminate`, what it logs and what it tells systemd."""

    def __init__(self, folder: Path, azure: SimulatedAzure, nodes: str = "az-[1-50]", **changes: Any) -> None:
        self.folder, self.azure = folder, azure
        self.port = free_port()
        self.config = folder / "slurm-azure.yaml"
        self.log = folder / "log"
        self.write_config(nodes, **changes)
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._systemd.bind(str(folder / "notify"))
        self.states: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None

    def write_config(self, nodes: str = "az-[1-50]", **changes: Any) -> None:
        """Write slurm-azure.yaml for the simulated Azure; there is no Slurm."""
        azure = self.azure
        document = a_document(nodes)
        document["azure"] = {
            "subscription": azure.subscription,
            "resource_group": azure.resource_group,
            "location": azure.location,
            "subnet": azure.subnet_id,
            "endpoint": azure.endpoint,
            "authority": azure.authority,
            "ca_file": azure.ca_file,
            "credential": {
                "kind": "secret",
                "tenant": azure.tenant,
                "client": azure.client_id,
                "secret_file": str(azure.secret_file),
            },
        }
        document["slurm"] = {"controllers": ["10.0.0.4"], "bin_dir": "/nonexistent"}
        document["metrics"] = {"listen": f"127.0.0.1:{self.port}"}
        document["limits"] = {"list_interval": 1.0}
        document.update(changes)
        with self.config.open("w") as file:
            YAML(typ="safe", pure=True).dump(document, file)

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        command = [sys.executable, "-m", "slurm_azure.daemon.service", "--config", str(self.config)]
        command += ["--state", str(self.folder), "--run", str(self.folder)]
        self.states.clear()
        with self.log.open("ab") as log:
            environment = {"NOTIFY_SOCKET": str(self.folder / "notify"), "PYTHONPATH": str(ROOT)}
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=environment)
        until(lambda: self.told("READY=1") or self._ended(), what=f"READY=1; the log:\n{self.log.read_text()}")

    def told(self, state: str) -> bool:
        """Whether systemd has been told `state`."""
        while True:
            try:
                self.states += self._systemd.recv(4096).decode().splitlines()
            except BlockingIOError:
                return state in self.states

    def hook(self, kind: str, nodes: str) -> None:
        """Run a hook, as slurmctld does."""
        hook = [str(ROOT / "hooks" / kind), "--spool", str(self.folder / "spool"), "--wake", str(self.folder / "wake"), nodes]
        subprocess.run(hook, env={}, check=True)

    def kill(self) -> None:
        """kill -9."""
        self._process().kill()
        self._process().wait()

    def terminate(self) -> tuple[int, float]:
        """SIGTERM: exit code, and seconds it took."""
        start = time.monotonic()
        self._process().send_signal(signal.SIGTERM)
        return self._process().wait(30), time.monotonic() - start

    def reload(self) -> None:
        """SIGHUP; returns when it says that it is done."""
        self.told("")
        self.states.clear()
        self._process().send_signal(signal.SIGHUP)
        until(lambda: self.told("READY=1"), what="the reload")

    def metrics(self) -> dict[str, float]:
        """Every sample at /metrics, by its name and labels as they stand there."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def close(self) -> None:
        """End it, however it is."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self._systemd.close()

    def _process(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    def _ended(self) -> bool:
        return self._process().poll() is not None
