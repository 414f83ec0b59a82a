#!/usr/bin/env python3
"""Watches for what Azure announces for this VM (Scheduled Events), from early in each boot to its end; one at a time.

`watch.py --start` starts it apart from its caller: as the unit slurm-azure-watch where systemd runs the VM, else as a
process of its own that writes to /var/log/slurm-azure-watch.log. Python 3.6 and newer, standard library only.
"""

import fcntl
import os
import subprocess
import sys
from typing import Callable, List

from slurm_node.metadata import Metadata
from slurm_node.node import read_node
from slurm_node.scontrol import RUN
from slurm_node.system import has_systemd, run, say
from slurm_node.watcher import Watcher

LOG = "/var/log/slurm-azure-watch.log"
UNIT = ["systemd-run", "--unit=slurm-azure-watch", "--no-block", "--property=Restart=always", "--property=RestartSec=3"]


def start() -> None:
    """Start it; where it runs already, nothing happens."""
    command = [sys.executable, os.path.abspath(__file__)]
    if has_systemd():
        code, output = run([*UNIT, *command])
        if code != 0:
            say(f"the watcher is not started: {output}")
        return
    with open(LOG, "ab") as log:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")


def spare_from_oom() -> None:
    """When jobs take all memory, this small process is not the one to end."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as stream:
            stream.write("-900")
    except OSError:
        pass


def watch() -> None:
    """For ever."""
    spare_from_oom()
    node = read_node()
    Watcher(node, Metadata(node.imds)).run()


def alone(work: Callable[[], None], folder: str = RUN) -> bool:
    """Do it unless somebody does it already, which is False."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "watch.lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("there is a watcher already")
            return False
        work()
    return True


def main(arguments: List[str]) -> int:
    """Watch for ever, or see to it that somebody does."""
    if arguments == ["--start"]:
        start()
    else:
        alone(watch)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
