"""After the chaos: how long it takes until everything is at rest, and what is not as it should be then."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from slurm_azure.demo.site import Site
from slurm_azure.demo.story import audit
from tests.chaos.machines import is_ours
from tests.chaos.report import Report
from tests.chaos.site import told
from tests.endtoend.verbs import is_off, node_states
from tests.support.processes import until

__all__ = ["judge", "judge_jobs", "keep_logs", "settle", "until"]

ENDED_WELL = {"COMPLETED", "CANCELLED"}
OVER = ENDED_WELL | {"FAILED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY", "DEADLINE", "PREEMPTED"}
LOOK = 3.0
LOGS = ("slurm-azured.log", "slurmctld.log", "slurm/slurmctld.log")


def settle(
    site: Site, report: Report, drained: str, at_rest: dict[str, int], patience: float, say: Callable[[str], None]
) -> None:
    """Wait for rest. A requeued job is not eligible for two minutes (Slurm's own delay), and one that could not be launched is
    held: who owns it does not wait for that, here."""
    began = time.monotonic()
    while time.monotonic() - began < patience:
        jobs = job_states(site)
        waiting = {job: state for job, state in jobs.items() if state not in OVER}
        impatient(site, waiting)
        nodes = restless(site, drained)
        vms = vms_of_ours(site)
        moving = bool(_status(site).get("moving", True))
        say(f"  {time.monotonic() - began:5.0f} s: {len(waiting)} jobs, {len(nodes)} nodes, {len(vms)} VMs, moving: {moving}")
        if not waiting and not nodes and not vms and not moving and audit(site) == at_rest:
            report.rest = time.monotonic() - began
            return
        time.sleep(LOOK)


def job_states(site: Site) -> dict[str, str]:
    """Every job and array task that slurmctld knows, with its state."""
    lines = site.head.run(["squeue", "--noheader", "--array", "--states=all", "--format=%i %T"]).stdout.splitlines()
    return dict(line.split(maxsplit=1) for line in lines)


def impatient(site: Site, waiting: Iterable[str]) -> None:
    """Let pending jobs be eligible now, and release those that Slurm holds."""
    asked = ["squeue", "--noheader", "--array", "--states=PENDING", "--format=%i %r"]
    pending = [line.split(maxsplit=1) for line in site.head.run(asked).stdout.splitlines()]
    held = [job for job, reason in pending if "held" in reason.lower()]
    late = [job for job, reason in pending if reason in ("BeginTime", "None") and job in waiting]
    for jobs, what in ((held, ["release"]), (late, ["update", "StartTime=now"])):
        for start in range(0, len(jobs), 50):
            chosen = ",".join(jobs[start : start + 50])
            command = (
                ["scontrol", "release", chosen] if what == ["release"] else ["scontrol", "update", f"JobId={chosen}", what[1]]
            )
            site.head.run(command, check=False)


def restless(site: Site, drained: str) -> dict[str, str]:
    """Nodes that are neither powered down and idle nor drained by the administrator. (PLANNED stays from the last round of
    backfill that had a job for the node, until there is another round with jobs: seen with 22.05.8.)"""
    states = {node: state.replace("+PLANNED", "") for node, state in node_states(site).items()}
    return {node: state for node, state in states.items() if node != drained and not is_off(state)}


def vms_of_ours(site: Site) -> list[dict[str, Any]]:
    """VMs with the cluster's tag."""
    return [vm for vm in site.control("/vms")["value"] if is_ours(vm)]


def judge_jobs(site: Site, report: Report, submitted: set[int]) -> None:
    """What has become of the jobs: none is lost."""
    states = job_states(site)
    report.jobs += Counter(state.lower() for state in states.values())
    restarts = site.head.run(["sh", "-c", "scontrol show jobs -o | grep -o 'Restarts=[1-9][0-9]*' | cut -d= -f2"], check=False)
    report.jobs["requeues"] = sum(map(int, restarts.stdout.split()))
    there = {int(job.split("_")[0]) for job in states}
    report.lost += [f"job {job}: slurmctld does not know it" for job in sorted(submitted - there)]
    report.lost += [f"job {job}: {state}" for job, state in states.items() if state in OVER - ENDED_WELL]
    report.stuck += [f"job {job}: {state} {_why(site, job)}" for job, state in states.items() if state not in OVER]


def _why(site: Site, job: str) -> str:
    return site.head.run(["squeue", "--noheader", "--array", f"--jobs={job}", "--format=%r"], check=False).stdout.strip()


def judge(site: Site, report: Report, drained: str, why: str, at_rest: dict[str, int], journal_lost: bool) -> None:
    """What is not as it should be: VMs, interfaces and disks, nodes, requests, what is not ours."""
    report.leaked += [f"VM {vm['name']} {vm['provisioningState']} {vm['powerState']}" for vm in vms_of_ours(site)]
    left = audit(site)
    for what, count in left.items():
        if count > at_rest[what]:
            report.leaked.append(f"{count - at_rest[what]} {what} more than before")
        elif count < at_rest[what]:
            report.touched.append(f"{at_rest[what] - count} {what} of somebody else are gone")
    reasons = site.head.run(["sinfo", "--noheader", "--Node", "--format=%N %T %E"]).stdout.splitlines()
    words = {line.split()[0]: line for line in reasons}
    report.stuck += [f"{state} ({words.get(node, node)})" for node, state in restless(site, drained).items()]
    mine = site.head.run(["scontrol", "show", "node", drained]).stdout
    if "DRAIN" not in mine or why not in mine:
        report.touched.append(f"{drained} is no more as the administrator left it: {words.get(drained)}")
    _judge_requests(site, report, journal_lost)
    seen = told(site, "witness.json")
    report.doubles += [f"{node}: {', '.join(names)}" for node, names in seen.get("doubles", {}).items()]
    if not journal_lost:
        report.lost += [f"VM {name}: not in the journal" for name in seen.get("unknown", [])]
    report.told |= {
        "VMs seen": seen.get("vms"),
        "most VMs at once": seen.get("most"),
        "looks of the witness": seen.get("looks"),
    }


def _judge_requests(site: Site, report: Report, journal_lost: bool) -> None:
    spool = site.head.run(["find", "/var/lib/slurm-azure/spool", "-name", "[0-9]*.request"]).stdout.split()
    report.lost += [f"request {name} is still in the spool" for name in spool]
    hooks = site.head.run(["cat", "/run/chaos/hooks"], check=False).stdout.splitlines()
    accepted = sum(line.endswith("code 0") for line in hooks)
    killed = sum("killed-after" in line and not line.endswith("code 0") for line in hooks)
    report.kills["hook"] = killed
    script = "select count(*) from requests; select count(*) from launches; select count(*) from launches where attempt > 1"
    counted = _journal(site, [one.strip() for one in script.split(";")])
    report.told |= {"hooks": len(hooks), "accepted": accepted, "requests in the journal": counted[0]}
    report.told |= {"launches": counted[1], "retries": counted[2], "failures": _failures(site)}
    if counted[0] < accepted and not journal_lost:
        report.lost.append(f"{accepted - counted[0]} of {accepted} accepted requests are not in the journal")


_ASK = "import json,sqlite3,sys;d=sqlite3.connect('file:/var/lib/slurm-azure/journal.db?mode=ro',uri=True);\
print(json.dumps([d.execute(q).fetchall() for q in sys.argv[1:]]))"


def _journal(site: Site, queries: list[str]) -> list[int]:
    found = json.loads(site.head.run(["python3", "-c", _ASK, *queries]).stdout)
    return [int(rows[0][0]) for rows in found]


def _failures(site: Site) -> str:
    query = "select failure, count(*) from launches where failure is not null group by failure order by 2 desc"
    found = json.loads(site.head.run(["python3", "-c", _ASK, query]).stdout)[0]
    return ", ".join(f"{name} {count}" for name, count in found) or "none"


def _status(site: Site) -> dict[str, Any]:
    done = site.head.run(["slurm-azure", "status", "--json"], check=False)
    with contextlib.suppress(ValueError):
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    return {}


def keep_logs(site: Site, folder: Path) -> None:
    """What one wants to read afterwards."""
    for name in LOGS:
        done = site.head.run(["cat", f"/var/log/{name}"], check=False)
        (folder / name.replace("/", "-")).write_text(done.stdout, encoding="utf-8")
    for name, command in (
        ("status", ["slurm-azure", "status"]),
        ("sinfo", ["sinfo", "-R"]),
        ("hooks", ["cat", "/run/chaos/hooks"]),
    ):
        done = site.head.run(["timeout", "20", *command], check=False)
        (folder / f"{name}.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    with contextlib.suppress(subprocess.SubprocessError):
        copy = site.head.run(["python3", "-c", _BACKUP], check=False)
        (folder / "journal.sql").write_text(copy.stdout, encoding="utf-8")
    said = f"cd {site.folder}/machines/output && tail --verbose --bytes=2000 *"
    jobs = subprocess.run(site.inside(["sh", "-c", said]), check=False, capture_output=True, text=True)
    (folder / "jobs.txt").write_text(jobs.stdout, encoding="utf-8")
    log = subprocess.run(site.inside(["cat", str(site.folder / "simulator.log")]), check=False, capture_output=True, text=True)
    (folder / "simulator.log").write_text(log.stdout, encoding="utf-8")


_BACKUP = (
    "import sqlite3\nfor l in sqlite3.connect('file:/var/lib/slurm-azure/journal.db?mode=ro',uri=True).iterdump(): print(l)"
)
