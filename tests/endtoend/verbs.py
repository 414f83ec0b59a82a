"""What end-to-end tests do at a site, and look at there."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
    return {one["NodeName"]: one["State"] for one in fields if "CLOUD" in one.get("State", "")}


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


def job_of(site: Site, job: int | str) -> dict[str, str]:
    """A job as `scontrol show job` has it: JobState, Restarts, NodeList, AdminComment, ..; empty if Slurm has forgotten it."""
    shown = site.head.run(["scontrol", "--oneliner", "show", "job", str(job)], check=False).stdout
    return dict(re.findall(r"(\w+)=(.*?)(?= \w+=|\s*$)", shown.strip()))


def restarts(site: Site) -> Counter[int]:
    """How many jobs (tasks of arrays one by one) have been requeued how often."""
    shown = site.head.run(["squeue", "--noheader", "--array", "--Format=RestartCnt"]).stdout
    return Counter(int(word) for word in shown.split())


def reasons(site: Site) -> dict[str, str]:
    """`sinfo -R`, a line a node: the reason of each that is down or drained."""
    lines = site.head.run(["sinfo", "--noheader", "-R", "-N", "--format=%N|%E"]).stdout.splitlines()
    return {node: reason for node, _, reason in (line.partition("|") for line in lines) if node != "local-1"}


@contextmanager
def faults(site: Site, *plan: Any) -> Iterator[None]:
    """Let these go wrong, and nothing else, for the length of a `with` block."""
    site.control("/faults", list(plan), "PUT")
    tell(f"from now on: {json.dumps(plan)}")
    try:
        yield
    finally:
        site.control("/faults", [], "PUT")


@contextmanager
def slurm_conf(site: Site, old: str, new: str) -> Iterator[None]:
    """slurm.conf with `new` in the place of `old` (one line), for the length of a `with` block."""
    try:
        _replace(site, old, new)
        yield
    finally:
        _replace(site, new, old)


def _replace(site: Site, old: str, new: str) -> None:
    site.head.run(["sed", "-i", f"s|^{old}$|{new}|", "/etc/slurm/slurm.conf"])
    site.head.run(["scontrol", "reconfigure"])


def clear(site: Site) -> None:
    """Whatever a test has left: no faults, no jobs, a daemon that runs, and then rest."""
    site.control("/faults", [], "PUT")
    site.head.run(["sh", "-c", "kill -0 $(cat /run/services/slurm-azured.pid) 2> /dev/null || service start slurm-azured"])
    site.head.run(["scancel", "--user=alice"])
    wait_for_rest(site, 240)


def status(site: Site) -> Any:
    """`slurm-azure status --json`."""
    return json.loads(site.head.run(["slurm-azure", "status", "--json"]).stdout)
