"""What end-to-end tests do at a site, and look at there."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

from slurm_azure.demo.site import Site
from tests.support.processes import until


def tell(text: str) -> None:
    """Say what happens, with the time: these tests take minutes."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def submit(site: Site, *options: str, script: str) -> int:
    """sbatch as the site's ordinary user; the job's id."""
    command = ["sbatch", "--parsable", "--chdir=/shared/alice", *options, "--wrap", script]
    job = int(site.head.run(command, user="alice").stdout.split(";")[0])
    tell(f"job {job}: {' '.join(options)}")
    return job


def node_states(site: Site) -> dict[str, str]:
    """Each cloud node's flags as scontrol shows them, such as IDLE+CLOUD+POWERED_DOWN."""
    lines = site.head.run(["scontrol", "--oneliner", "show", "nodes"]).stdout.splitlines()
    fields = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
    return {one["NodeName"]: one["State"] for one in fields if "NodeName" in one}


def waiting_jobs(site: Site) -> list[str]:
    """Jobs that are not over, with their states."""
    return site.head.run(["squeue", "--noheader", "--array", "--format=%i %T"]).stdout.splitlines()


def vm_names(site: Site) -> list[str]:
    """VMs that are there, by Azure's own account."""
    return sorted(vm["name"] for vm in site.control("/vms")["value"])


def vms_a_node(site: Site, pool: str) -> Counter[str]:
    """How many VMs each node of a pool has."""
    return Counter(vm["computerName"] for vm in site.control("/vms")["value"] if vm["computerName"].startswith(f"az-{pool}-"))


def counts(site: Site) -> Counter[str]:
    """How often each operation has been asked of the simulated Azure."""
    return Counter(site.control("/requests")["counts"])


def is_off(state: str) -> bool:
    """Powered down, idle, free for jobs. Slurm before 26.05 leaves NOT_RESPONDING on a node that was resumed while off; it
    places jobs there all the same."""
    return set(state.split("+")) - {"NOT_RESPONDING"} == {"IDLE", "CLOUD", "POWERED_DOWN"}


def at_rest(site: Site) -> bool:
    """No job, no VM, every node powered down and idle."""
    return not waiting_jobs(site) and not vm_names(site) and all(map(is_off, node_states(site).values()))


def wait_for_rest(site: Site, seconds: float) -> None:
    """Wait until the site is at rest."""
    until(lambda: at_rest(site), seconds, "the site at rest")
    tell("at rest: no job, no VM, every node idle~")


def status(site: Site) -> Any:
    """`slurm-azure status --json`."""
    return json.loads(site.head.run(["slurm-azure", "status", "--json"]).stdout)
