"""The machines of VMs of grade none: a real slurmd for each VM that runs by Azure's account, in the sandbox of the site.

Runs there as a process of its own (`python -m tests.chaos.machines`). The simulator may be gone for a while: the machines of
an Azure that does not answer run on. What becomes of a machine is its fate, which follows from the seed and the VM's name.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("machine.sh")
LOOK = 0.5  # seconds between two looks at Azure
OUTPUT = "output"  # folder of what jobs say
BOOTS_AT_ONCE = 6  # started in one look: a boot is a third of a second of this machine's time


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a machine: it boots `late` seconds late; its slurmd never starts, having reported a failure or `silent`;
    it dies `dies_after` seconds (0 = does not)."""

    late: float = 0.0
    fails: bool = False
    silent: bool = False
    dies_after: float = 0.0

    @property
    def name(self) -> str:
        """In one word, for the report."""
        found = ((self.silent, "silent"), (self.fails, "boot failed"), (self.dies_after, "died"), (self.late, "late"))
        return next((word for true, word in found if true), "well")


def fate(seed: int, vm: str) -> Fate:
    """The fate of the machine of a VM."""
    chance = random.Random(f"{seed}/{vm}")
    number = chance.random()
    if number < 0.03:
        return Fate(silent=True)
    if number < 0.06:
        return Fate(fails=True)
    if number < 0.09:
        return Fate(dies_after=chance.uniform(1, 40))
    return Fate(late=chance.uniform(4, 25)) if number < 0.15 else Fate()


def is_ours(vm: Mapping[str, Any]) -> bool:
    """Whether a VM is one of the cluster's."""
    tags = vm["tags"]
    return tags.get("slurm-azure-cluster") == "miniature" and "slurm-azure-node" in tags


class Machine:
    """One machine."""

    def __init__(self, vm: Mapping[str, Any], destiny: Fate, root: Path, key: Path, folder: Path) -> None:
        self.vm, self.fate, self.node = vm, destiny, str(vm["computerName"])
        self._root, self._key, self._folder = root, key, folder / str(vm["vmId"])
        self._process: subprocess.Popen[bytes] | None = None
        self.began = time.monotonic()
        self.dead = False

    def start(self) -> None:
        """Switch it on."""
        self._folder.mkdir(parents=True, exist_ok=True)
        uptime = math.floor(float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]))
        spaces = ["--mount", "--net", "--uts", "--ipc", "--pid", "--time", f"--boottime=-{uptime}"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", *spaces, "--fork", "--kill-child=KILL", "--propagation=private", "sh", str(SCRIPT)],
                env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        launch = self.vm["tags"].get("slurm-azure-launch", "")
        report = f"slurm-azure boot=ok launch={launch} seconds=2.0 stages=host-name:0.01,slurmd:0.20 memory=3500 cpus=1"
        if self.fate.fails:
            report = (
                f"slurm-azure boot=failed launch={launch} seconds=2.0 stages=host-name:0.01 memory=3500 cpus=1 step=mounts "
            )
            report += "cause=mount.nfs4: /shared: Connection timed out"
        well = not (self.fate.fails or self.fate.silent)
        return {
            "PATH": os.environ["PATH"],
            "MACHINE_NODE": self.node,
            "MACHINE_IP": str(self.vm["ip"]),
            "MACHINE_PORT": "v" + str(self.vm["mac"]).replace(":", ""),
            "MACHINE_OUTSIDE": f"/proc/{os.getpid()}/ns/net",
            "MACHINE_ROOT": str(self._root),
            "MACHINE_KEY": str(self._key),
            "MACHINE_FOLDER": str(self._folder),
            "MACHINE_OUTPUT": str(self._folder.parent / OUTPUT),
            "MACHINE_REPORT": "" if self.fate.silent or not launch else report,
            "MACHINE_SLURMD": "yes" if well else "",
        }

    @property
    def on(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def end(self) -> None:
        """Switch it off, at once."""
        if self._process is None:
            return
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self._folder / "pid").read_text(encoding="ascii")), signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class Machines:
    """All of them, by the ids of their VMs."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._machines: dict[str, Machine] = {}
        self.fates: Counter[str] = Counter()
        self.most = 0

    def look(self) -> None:
        """Ask Azure what runs, and follow."""
        try:
            with urllib.request.urlopen(f"http://{self._options.control}/vms", timeout=5) as answer:
                vms = json.load(answer)["value"]
        except (OSError, ValueError):
            return
        # A guest that Azure waits for has not come up: that is what the faults of booting say.
        up = [vm for vm in vms if is_ours(vm) and vm["powerState"] == "running"]
        wanted = {vm["vmId"]: vm for vm in up if vm["provisioningState"] != "Creating" or vm["vmId"] in self._machines}
        for gone in self._machines.keys() - wanted.keys():
            self._machines.pop(gone).end()
        for identity in wanted.keys() - self._machines.keys():
            self._machines[identity] = self._made(wanted[identity])
        self._follow()

    def _made(self, vm: Mapping[str, Any]) -> Machine:
        calm = self._options.calm.exists()
        options = self._options
        destiny = Fate() if calm else fate(options.seed, vm["name"])
        self.fates[destiny.name] += 1
        return Machine(vm, destiny, options.root, options.key, options.folder)

    def _follow(self) -> None:
        now, started = time.monotonic(), 0
        for machine in self._machines.values():
            age = now - machine.began
            if not machine.on and not machine.dead and age >= machine.fate.late and started < BOOTS_AT_ONCE:
                machine.start()
                started += 1
            elif machine.on and 0 < machine.fate.dies_after <= age:
                machine.end()
                machine.dead = True
        self.most = max(self.most, sum(machine.on for machine in self._machines.values()))

    def told(self) -> dict[str, Any]:
        """What the report wants to know."""
        on = sorted(machine.node for machine in self._machines.values() if machine.on)
        return {"fates": self.fates, "most": self.most, "on": len(on), "twice": sorted({n for n in on if on.count(n) > 1})}


def main(arguments: list[str] | None = None) -> int:
    """Run until killed; what happens is in FOLDER/told.json."""
    parser = argparse.ArgumentParser(prog="tests.chaos.machines")
    add = parser.add_argument
    add("--control", required=True, help="the simulator's control endpoint, ADDR:PORT")
    add("--root", type=Path, required=True, help="root file system with munged and slurmd")
    add("--key", type=Path, required=True, help="munge key")
    add("--folder", type=Path, required=True, help="for what the machines need")
    add("--calm", type=Path, required=True, help="from when this file is there all machines are well")
    add("--seed", type=int, required=True)
    options = parser.parse_args(arguments)
    machines = Machines(options)
    output = options.folder / OUTPUT
    output.mkdir(parents=True, exist_ok=True)
    output.chmod(0o1777)
    while True:
        machines.look()
        draft = options.folder / "told.new"
        draft.write_text(json.dumps(machines.told()), encoding="utf-8")
        draft.replace(options.folder / "told.json")
        time.sleep(LOOK)


if __name__ == "__main__":
    sys.exit(main())
