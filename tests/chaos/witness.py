"""Who watches while it happens: Azure's account of VMs beside the journal's account of launches, second by second.

Runs in the sandbox of the site (`python -m tests.chaos.witness`); what it saw is in FOLDER/witness.json. Invariants 2 and 3 of
the design: a node has at most one live launch, and every VM of ours was in the journal before it was in Azure.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.chaos.machines import is_ours

JOURNAL = Path("/var/lib/slurm-azure/journal.db")  # as the head node sees it
PLANTED = "lorphan"  # begins the launch of orphans that the run plants itself
LIVE = "SELECT id, released_at IS NULL AND gone_at IS NULL FROM launches"


def launches(journal: Path) -> dict[str, bool]:
    """Each launch of the journal, and whether it is live. Raises sqlite3.Error."""
    with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=2)) as db:
        return {launch: bool(live) for launch, live in db.execute(LIVE)}


def at_work_twice(vms: Iterable[Mapping[str, Any]], live: Mapping[str, bool]) -> dict[str, list[str]]:
    """Nodes with several VMs that have power and whose launches are all live, with the VMs' names."""
    found: dict[str, list[str]] = defaultdict(list)
    for vm in vms:
        working = vm["powerState"] in ("starting", "running") and vm["provisioningState"] != "Deleting"
        if is_ours(vm) and working and live.get(vm["tags"].get("slurm-azure-launch", "")):
            found[vm["tags"]["slurm-azure-node"]].append(vm["name"])
    return {node: names for node, names in found.items() if len(names) > 1}


def unknown(vms: Iterable[Mapping[str, Any]], known: Mapping[str, bool]) -> list[str]:
    """VMs of ours of which the journal has no launch."""
    launch = [(vm["name"], vm["tags"].get("slurm-azure-launch", "")) for vm in vms if is_ours(vm)]
    return [name for name, identity in launch if identity not in known and not identity.startswith(PLANTED)]


class Witness:
    """What was seen."""

    def __init__(self, control: str) -> None:
        self._control = control
        self.looks = 0
        self.doubles: dict[str, list[str]] = {}
        self.unknown: set[str] = set()
        self.most = 0
        self.vms: set[str] = set()

    def look(self) -> None:
        """Look once; nothing is concluded from what cannot be seen. Azure first: a launch is older than its VM."""
        try:
            with urllib.request.urlopen(f"http://{self._control}/vms", timeout=5) as answer:
                vms = json.load(answer)["value"]
            known = launches(JOURNAL)
        except (OSError, ValueError, sqlite3.Error):
            return
        self.looks += 1
        ours = [vm for vm in vms if is_ours(vm)]
        self.most = max(self.most, len(ours))
        self.vms |= {vm["vmId"] for vm in ours}
        self.doubles |= at_work_twice(vms, known)
        self.unknown |= set(unknown(vms, known))

    def told(self) -> dict[str, Any]:
        """All of it, for JSON."""
        seen = {"looks": self.looks, "doubles": self.doubles, "unknown": sorted(self.unknown)}
        return seen | {"most": self.most, "vms": len(self.vms)}


def main(arguments: list[str] | None = None) -> int:
    """Look once a second until killed."""
    parser = argparse.ArgumentParser(prog="tests.chaos.witness")
    parser.add_argument("--control", required=True, help="the simulator's control endpoint, ADDR:PORT")
    parser.add_argument("--head", type=int, required=True, help="pid of the head node's first process")
    parser.add_argument("--folder", type=Path, required=True, help="where to write what was seen")
    options = parser.parse_args(arguments)
    witness = Witness(options.control)
    folder = os.open(options.folder, os.O_RDONLY | os.O_DIRECTORY)
    witness.look()  # everything is imported by now
    os.chroot(f"/proc/{options.head}/root")  # SQLite takes no path that leads through a link of /proc
    while True:
        witness.look()
        with open(os.open("witness.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=folder), "w") as draft:
            json.dump(witness.told(), draft)
        os.rename("witness.new", "witness.json", src_dir_fd=folder, dst_dir_fd=folder)
        time.sleep(1.0)


if __name__ == "__main__":
    sys.exit(main())
