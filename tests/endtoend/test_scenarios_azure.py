"""Scenarios of what Azure does to nodes, with a real slurmctld: quotas, machines that never come, evictions, VMs that are
gone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from slurm_azure.demo.site import Site
from slurm_azure.demo.story import audit
from tests.endtoend.verbs import (
    clear,
    faults,
    job_of,
    node_states,
    reasons,
    restarts,
    slurm_conf,
    submit,
    tell,
    vm_names,
    vms_a_node,
    wait_for_rest,
    waiting_jobs,
)
from tests.support.processes import until

pytestmark = [pytest.mark.endtoend, pytest.mark.timeout(400)]

SLEEP = "sleep 600"


@pytest.fixture(autouse=True)
def _rest_afterwards(site: Site) -> Iterator[None]:
    """Each scenario leaves the site as it found it."""
    yield
    clear(site)


def running(site: Site, count: int) -> bool:
    """Whether so many tasks run."""
    return sum(line.endswith(" RUNNING") for line in waiting_jobs(site)) == count


def test_s01_quota_for_60_of_100_nodes(site: Site) -> None:
    """100 one-node jobs, quota for 60: 60 VMs start; the other 40 jobs are requeued with the quota's reason at once."""
    with faults(site, {"what": {"kind": "quota", "usage": "cores", "limit": 60 * 120}}):
        submit(site, "--partition=none", "--exclusive", "--array=1-100", script="true")
        until(lambda: len(vm_names(site)) == 60, 60, "60 VMs")
        began = time.monotonic()
        until(lambda: restarts(site)[1] == 40, 30, "40 jobs requeued")
        tell(f"40 jobs are requeued {time.monotonic() - began:.1f} s after the 60th VM was seen")
        states = node_states(site)
        shown = [reason for node, reason in reasons(site).items() if "DOWN" in states[node].split("+")]
        assert restarts(site) == {0: 60, 1: 40}
        assert audit(site) == {"virtual machines": 60, "network interfaces": 60, "disks": 60}
    assert shown
    assert all(reason.startswith("slurm-azure: quota: ") and "quota" in reason for reason in shown), shown[:3]


def test_s09_a_vm_that_never_registers(site: Site) -> None:
    """Given up long before ResumeTimeout, its console log kept; one further try; then the node is down with the reason, the job
    requeued, both VMs gone."""
    with faults(site, {"what": {"kind": "boot", "never_joins": True}, "node": "az-trial-1"}):
        began = time.monotonic()
        job = submit(site, "--partition=trial", "--nodelist=az-trial-1", script="hostname")
        reason = until(lambda: reasons(site).get("az-trial-1"), 150, "a reason in sinfo -R")
        tell(f"{time.monotonic() - began:.0f} s after sbatch: {reason}")
        assert reason.startswith("slurm-azure: join-timeout: ")
        assert job_of(site, job)["Restarts"] == "1"
        why = site.head.run(["slurm-azure", "why", "az-trial-1"]).stdout
        assert "attempt 1 failed" in why
        assert "Cloud-init v." in why, why  # the end of the console log
        until(lambda: not vm_names(site), 60, "both VMs to go")
    made = set(re.findall(r"az-trial-1-[0-9a-f]{8}", why))
    assert len(made) == 2


def test_s11_a_preempt_notice_for_all_at_once(site: Site) -> None:
    """Twelve Spot nodes hear in the same second that they have 30 s: every job is requeued within them, with the reason
    shown."""
    submit(site, "--partition=spot", "--array=1-12", "--requeue", script=SLEEP)
    until(lambda: running(site, 12), 150, "twelve jobs")
    began = time.monotonic()
    with faults(site, {"what": {"kind": "evict", "vms": "all", "notice": 30}, "pool": "spot"}):
        until(lambda: restarts(site)[1] == 12, 30, "all jobs requeued")
        tell(f"all twelve are requeued {time.monotonic() - began:.1f} s after the notice")
        assert all("evicted" in reason for node, reason in reasons(site).items() if node.startswith("az-spot-"))
        until(lambda: not vms_a_node(site, "spot"), 90, "the VMs to go")
    assert not any(line.endswith(" RUNNING") for line in waiting_jobs(site))


def test_s12_a_deallocated_vm_leaves_no_stub(site: Site) -> None:
    """Azure has taken the machine and kept VM and disk, which hold quota: job requeued, stub removed, the node idle~."""
    with slurm_conf(site, "SlurmdTimeout=600", "SlurmdTimeout=30"):
        job = submit(site, "--partition=spot", "--requeue", script=SLEEP)
        until(lambda: running(site, 1), 90, "the job")
        stub = vm_names(site)
        with faults(site, {"what": {"kind": "die", "state": "deallocated"}, "pool": "spot"}):
            until(lambda: job_of(site, job)["Restarts"] == "1", 120, "the job to be requeued")
            until(lambda: not set(stub) & set(vm_names(site)), 120, "the stub to go")
        assert audit(site)["disks"] == audit(site)["network interfaces"] == len(vm_names(site))


def test_s13_a_vm_deleted_by_hand(site: Site) -> None:
    """In the portal, under a running job: the job is requeued, the node returns to idle~, no interface and no disk stays."""
    job = submit(site, "--partition=spot", "--requeue", script=SLEEP)
    until(lambda: running(site, 1), 90, "the job")
    node = job_of(site, job)["NodeList"]
    began = time.monotonic()
    with faults(site, {"what": {"kind": "vanish", "at_once": True}, "pool": "spot"}):
        until(lambda: job_of(site, job)["Restarts"] == "1", 120, "the job to be requeued")
        tell(f"requeued {time.monotonic() - began:.0f} s after the deletion: {reasons(site)}")
        site.head.run(["scancel", "--user=alice"])
    wait_for_rest(site, 180)
    assert set(audit(site).values()) == {0}
    assert node not in reasons(site)


def test_s24_an_eviction_while_the_vm_boots(site: Site) -> None:
    """Another launch at once, or the failure at once: the job does not wait for ResumeTimeout."""
    with faults(site, {"name": "early", "what": {"kind": "boot", "evicted_after": 2}, "pool": "spot", "count": 1}):
        began = time.monotonic()
        job = submit(site, "--partition=spot", "--output=early.txt", script="hostname")
        until(lambda: site.control("/faults/early")["hits"] == 1, 60, "the eviction")
        until(lambda: job_of(site, job).get("JobState") == "COMPLETED" or job_of(site, job)["Restarts"] != "0", 120, "an end")
        tell(f"{time.monotonic() - began:.0f} s after sbatch: {job_of(site, job).get('JobState')} {reasons(site)}")
        assert job_of(site, job)["JobState"] == "COMPLETED" or "evicted" in str(reasons(site))
