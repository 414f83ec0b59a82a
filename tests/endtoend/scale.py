"""`make scale`: what takes longer than CI may. 200 real nodes in one job; 5,000 VMs up and down, by real Slurm."""

from __future__ import annotations

import re
import time

import pytest

from slurm_azure.demo.site import Site
from tests.endtoend.verbs import counts, submit, tell, vm_names, wait_for_rest, waiting_jobs
from tests.support.processes import until

pytestmark = [pytest.mark.endtoend, pytest.mark.timeout(2400)]

MOST_MEMORY = 150.0  # MiB


def daemon_memory(site: Site) -> float:
    """Peak memory of slurm-azured in MiB."""
    status = site.head.run(["sh", "-c", "cat /proc/$(cat /run/services/slurm-azured.pid)/status"]).stdout
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def requests(site: Site, nodes: int, since: dict[str, int]) -> tuple[float, float]:
    """Writes and lists a node since an earlier count."""
    made = counts(site) - since  # type: ignore[operator]
    writes = made["VirtualMachines_CreateOrUpdate"] + made["VirtualMachines_Delete"]
    return writes / nodes, made["VirtualMachines_List"] / nodes


def test_200_nodes_in_one_job(site: Site) -> None:
    """One job on 200 machines that did not exist: each boots the real cloud-init, each answers srun with its own name."""
    before, start = counts(site), time.monotonic()
    submit(site, "--partition=big", "--nodes=200", "--output=names.txt", script="srun --ntasks-per-node=1 hostname")
    until(lambda: len(vm_names(site)) == 200, 120, "200 VMs")
    tell(f"200 VMs after {time.monotonic() - start:.0f} s")
    up = ["sinfo", "--noheader", "--partition=big", "--states=allocated", "--format=%D"]
    until(lambda: "RUNNING" in " ".join(waiting_jobs(site)) and "#" not in site.head.run(up).stdout, 1200, "the job to run")
    tell(f"the job runs after {time.monotonic() - start:.0f} s; lists a node until then: {requests(site, 200, before)[1]:.2f}")
    until(lambda: not waiting_jobs(site), 600, "the job to end")
    names = site.head.read("/srv/share/alice/names.txt").decode().split()
    tell(f"the job ended after {time.monotonic() - start:.0f} s")
    assert sorted(names) == sorted(f"az-big-{number}" for number in range(1, 201))
    wait_for_rest(site, 600)
    writes, lists = requests(site, 200, before)
    tell(f"all gone after {time.monotonic() - start:.0f} s; {writes:.2f} writes, {lists:.2f} lists a node")
    assert writes == 2


def test_5000_vms_up_and_down(site: Site) -> None:
    """Slurm powers 5,000 nodes up and down (machines of grade none): no VM is left, the daemon stays small."""
    before, start = counts(site), time.monotonic()
    site.head.run(["scontrol", "update", "nodename=az-none-[1-5000]", "state=power_up"])
    until(lambda: len(vm_names(site)) == 5000, 1200, "5,000 VMs")
    tell(f"5,000 VMs after {time.monotonic() - start:.0f} s, {daemon_memory(site):.0f} MiB")
    site.head.run(["scontrol", "update", "nodename=az-none-[1-5000]", "state=power_down_force"])
    wait_for_rest(site, 1200)
    writes, lists = requests(site, 5000, before)
    memory = daemon_memory(site)
    tell(f"all gone after {time.monotonic() - start:.0f} s; {writes:.2f} writes, {lists:.2f} lists a node, {memory:.0f} MiB")
    assert writes == 2
    assert memory < MOST_MEMORY
