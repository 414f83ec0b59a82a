"""Scenarios of what Slurm, its administrator and its users do, with a real slurmctld."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from slurm_azure.demo.site import Site
from slurm_azure.demo.story import audit
from slurm_azure.generate.hosts import NOWHERE
from tests.endtoend.verbs import (
    clear,
    counts,
    faults,
    job_of,
    node_states,
    reasons,
    slurm_conf,
    status,
    submit,
    tell,
    vm_names,
    vms_a_node,
    wait_for_rest,
    waiting_jobs,
)
from tests.support.processes import until

pytestmark = [pytest.mark.endtoend, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True)
def _rest_afterwards(site: Site) -> Iterator[None]:
    """Each scenario leaves the site as it found it."""
    yield
    clear(site)


def test_s04_the_daemon_killed_in_creates_and_deletes(site: Site) -> None:
    """kill -9 before, in the middle of and after create calls, then the same of deletes: each VM once, and nothing is left."""
    before = counts(site)
    site.kill_daemon()
    submit(site, "--partition=none", "--exclusive", "--array=1-6", script="true")
    until(lambda: len(list(filter(_waking, node_states(site).values()))) == 6, 30, "six nodes powering up")
    site.start_daemon()
    slow = {"what": {"kind": "latency", "seconds": 4, "when": "after"}, "operation": ["creates", "deletes"]}
    with faults(site, slow):
        until(lambda: vm_names(site), 30, "the first VM, its answer still on the way")
        site.kill_daemon()
        site.start_daemon()
        until(lambda: len(vm_names(site)) == 6, 60, "six VMs")
        site.kill_daemon()
        site.start_daemon()
        assert vms_a_node(site, "none").most_common(1)[0][1] == 1
        site.head.run(["scancel", "--user=alice"])
        until(lambda: _deleting(site), 60, "the first deletion, its answer still on the way")
        site.kill_daemon()
    site.start_daemon()
    wait_for_rest(site, 180)
    made = counts(site) - before
    assert set(audit(site).values()) == {0}
    tell(f"requests: {dict(made)}")


def _waking(state: str) -> bool:
    return "POWERING_UP" in state


def _deleting(site: Site) -> bool:
    return any(vm["provisioningState"] == "Deleting" for vm in site.control("/vms")["value"])


def test_s18_names_are_in_no_dns(site: Site) -> None:
    """No DNS has the nodes' names, and on the head they lead to no machine; a job over two nodes runs, with srun between
    them."""
    for node in ("az-render-1", "az-render-2"):
        assert site.head.run(["getent", "-s", "dns", "hosts", node], check=False).returncode != 0
        assert site.head.run(["getent", "hosts", node]).stdout.split()[0] == NOWHERE
    job = submit(site, "--nodes=2", "--ntasks=2", "--output=names.txt", script="srun --ntasks-per-node=1 hostname")
    until(lambda: job_of(site, job).get("JobState") == "COMPLETED", 120, "the job")
    assert len(set(site.head.read("/srv/share/alice/names.txt").decode().split())) == 2


def test_s19_a_node_with_less_memory_than_configured(site: Site) -> None:
    """slurmctld finds it invalid and drains it: the reason is told with the line to write, the VM goes, and after a bounded
    number of tries the pool is closed."""
    with slurm_conf(site, "SlurmdParameters=config_overrides", "#SlurmdParameters=config_overrides"):
        before = counts(site)
        submit(site, "--partition=trial", "--exclusive", "--array=1-4", script="hostname")
        reason = until(lambda: _ours(reasons(site)), 150, "a reason of ours in sinfo -R")
        tell(f"sinfo -R: {reason}")
        assert "Low RealMemory" in reason
        assert "memory_mib" in reason  # what to set, and to what
        until(lambda: not vms_a_node(site, "trial"), 120, "the VMs to go")
        assert (counts(site) - before)["VirtualMachines_CreateOrUpdate"] <= 8


def _ours(shown: dict[str, str]) -> str:
    return next((reason for reason in shown.values() if reason.startswith("slurm-azure: ")), "")


def test_s25_a_job_over_the_sites_own_and_cloud_nodes(site: Site) -> None:
    """Ours start, the site's own node is left alone: both take part in the job."""
    site.head.run(["service", "start", "slurmd"])
    try:
        until(
            lambda: "idle" in site.head.run(["sinfo", "-h", "-n", "local-1", "-p", "mixed", "-o", "%T"]).stdout, 60, "local-1"
        )
        job = submit(
            site, "--partition=mixed", "--nodelist=local-1,az-render-3", "--output=mixed.txt", script="srun -N2 hostname"
        )
        until(lambda: job_of(site, job).get("JobState") == "COMPLETED", 120, "the job")
        assert sorted(site.head.read("/srv/share/alice/mixed.txt").decode().split()) == ["az-render-3", "head"]
        log = site.head.run(["grep", "-c", "local-1", "/var/log/slurm-azured.log"], check=False).stdout
        tell(f"lines about local-1 in the daemon's log: {log.strip()}")
        shown = site.head.run(["scontrol", "--oneliner", "show", "node", "local-1"]).stdout
        assert "slurm-azure" not in shown
    finally:
        site.head.run(["service", "stop", "slurmd"])


def test_s26_a_job_cancelled_while_its_nodes_boot(site: Site) -> None:
    """Its VMs go at once, not after boot, idle time and SuspendTime (which is an hour here)."""
    job = submit(site, "--partition=none", "--nodes=5", script="true")
    until(lambda: len(vm_names(site)) == 5, 60, "five VMs")
    site.head.run(["scancel", str(job)])
    began = time.monotonic()
    until(lambda: not vm_names(site), 60, "the VMs to go")
    tell(f"gone {time.monotonic() - began:.0f} s after scancel")
    wait_for_rest(site, 120)
    assert reasons(site) == {}


def test_s30_slurmctld_restarted_and_reconfigured_in_mid_burst(site: Site) -> None:
    """Killed while nodes are powered up, started again, reconfigured: it does not ask again for nodes that are powering up;
    every task runs all the same."""
    submit(site, "--array=1-6", "--output=burst-%a.txt", script="hostname")
    until(lambda: any(map(_waking, node_states(site).values())), 30, "nodes powering up")
    site.head.run(["service", "kill", "slurmctld"])
    time.sleep(3)
    site.head.run(["service", "start", "slurmctld"])
    site.head.run(["scontrol", "reconfigure"])
    until(lambda: not waiting_jobs(site), 240, "the tasks to end")
    names = {site.head.read(f"/srv/share/alice/burst-{task}.txt").decode().strip() for task in range(1, 7)}
    assert all(name.startswith("az-render-") for name in names)


def test_s33_nodes_that_slurm_has_given_up_are_healed(site: Site) -> None:
    """The daemon was away for longer than ResumeTimeout: the nodes are DOWN+POWERED_DOWN, nobody resumes them but we."""
    site.kill_daemon()
    submit(site, "--partition=short", "--nodes=3", script="true")
    until(lambda: _given_up(site) == 3, 120, "ResumeTimeout")
    site.head.run(["scancel", "--user=alice"])
    tell(f"given up: {reasons(site)}")
    site.start_daemon()
    until(lambda: _given_up(site) == 0, 90, "the nodes in service again")
    assert reasons(site) == {}
    assert status(site)["version"] == 1


def _given_up(site: Site) -> int:
    states = {name: set(state.split("+")) for name, state in node_states(site).items() if name.startswith("az-none-s")}
    return sum({"DOWN", "POWERED_DOWN"} <= flags for flags in states.values())


def test_s34_what_an_administrator_drains_or_downs_is_left_alone(site: Site) -> None:
    """Drained under a job, and down while off: reasons and states stay theirs, the VM stays until Slurm suspends the node, and
    only `resume` brings them back."""
    job = submit(site, "--nodelist=az-render-2", script="sleep 20")
    until(lambda: job_of(site, job).get("JobState") == "RUNNING", 90, "the job")
    site.head.run(["scontrol", "update", "nodename=az-render-2", "state=drain", "reason=disk looks odd"])
    site.head.run(["scontrol", "update", "nodename=az-none-s20", "state=down", "reason=not this one"])
    vms = vm_names(site)
    until(lambda: job_of(site, job).get("JobState") == "COMPLETED", 60, "the job")
    time.sleep(5)
    assert vm_names(site) == vms
    until(lambda: not vm_names(site), 120, "Slurm to suspend the node")
    time.sleep(30)
    assert reasons(site) == {"az-render-2": "disk looks odd", "az-none-s20": "not this one"}
    site.head.run(["scontrol", "update", "nodename=az-render-2,az-none-s20", "state=resume"])
    wait_for_rest(site, 60)
