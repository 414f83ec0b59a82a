"""The main job, really: sbatch by an ordinary user, nodes out of nothing, and nothing left of them."""

from __future__ import annotations

import json
import re

import pytest

from slurm_azure.demo.site import Site
from slurm_azure.demo.story import audit
from tests.endtoend.verbs import (
    counts,
    is_off,
    node_states,
    reasons,
    status,
    submit,
    tell,
    vm_names,
    vms_a_node,
    wait_for_rest,
    waiting_jobs,
)
from tests.support.processes import until

pytestmark = [pytest.mark.endtoend, pytest.mark.timeout(600)]


def test_an_array_runs_on_nodes_that_did_not_exist(site: Site) -> None:
    """Twelve tasks on six nodes, their output on the share that cloud-init mounted; two writes a node, then all is gone."""
    before = counts(site)
    script = "echo task $SLURM_ARRAY_TASK_ID on $(hostname); grep shared /proc/mounts"
    submit(site, "--array=1-12", "--output=task-%a.txt", script=script)
    until(lambda: len(vm_names(site)) == 6, 60, "six VMs")
    tell(f"VMs: {vm_names(site)}")
    until(lambda: not waiting_jobs(site), 180, "the tasks to end")
    for task in range(1, 13):
        text = site.head.read(f"/srv/share/alice/task-{task}.txt").decode()
        assert re.match(rf"task {task} on az-render-[1-6]\n", text), text
        assert " /shared " in text
    wait_for_rest(site, 180)
    made = counts(site) - before
    tell(f"requests: {dict(made)}")
    nodes = made["VirtualMachines_CreateOrUpdate"]
    assert made["VirtualMachines_Delete"] == nodes
    assert 6 <= nodes <= 12
    of_the_daemon = {name for name in made if name.startswith(("VirtualMachines_", "NetworkInterfaces_", "Disks_"))}
    assert of_the_daemon == {"VirtualMachines_CreateOrUpdate", "VirtualMachines_Delete", "VirtualMachines_List"}


def test_why_tells_a_nodes_life(site: Site) -> None:
    """`slurm-azure why`: request, job, create, running, joined, gone, from the journal."""
    told = json.loads(site.head.run(["slurm-azure", "why", "az-render-1", "--json"]).stdout)
    text = site.head.run(["slurm-azure", "why", "az-render-1"]).stdout
    tell(text)
    assert told["version"] == 1
    for word in ("joined", "gone", "suspend", "the node told: booted after", "slurmd "):
        assert word in text


def test_the_daemon_killed_in_the_middle_makes_no_difference(site: Site) -> None:
    """kill -9 while VMs are being made, started again: every task runs, nothing is left."""
    submit(site, "--array=1-6", "--output=again-%a.txt", script="hostname")
    until(lambda: vm_names(site), 60, "the first VM")
    site.kill_daemon()
    tell("slurm-azured killed")
    site.start_daemon()
    until(lambda: not waiting_jobs(site), 240, "the tasks to end")
    for task in range(1, 7):
        assert site.head.read(f"/srv/share/alice/again-{task}.txt").startswith(b"az-render-")
    wait_for_rest(site, 180)


def test_resume_program_by_hand_twice_makes_each_vm_once(site: Site) -> None:
    """The same 50 nodes twice at once, by hand, while Slurm does not want them: 50 VMs; by hand again, and they are gone, as
    somebody sees who asks Azure without the product."""
    hook = "/opt/slurm-azure/libexec/slurm-azure"
    site.head.run(["sh", "-c", f"{hook}/resume 'az-none-[1-50]' & {hook}/resume 'az-none-[1-50]'; wait"])
    until(lambda: len(vm_names(site)) >= 50, 60, "50 VMs")
    assert status(site)["version"] == 1
    assert vms_a_node(site, "none") == {f"az-none-{n}": 1 for n in range(1, 51)}
    assert audit(site) == {"virtual machines": 50, "network interfaces": 50, "disks": 50}
    site.head.run([f"{hook}/suspend", "az-none-[1-50]"])
    wait_for_rest(site, 180)
    assert set(audit(site).values()) == {0}


def test_s08_a_share_that_cannot_be_mounted_is_told_and_nothing_hangs(site: Site) -> None:
    """The NFS server is away: the node says so itself, `sinfo -R` shows it, the VM goes, the job waits for better times."""
    site.head.run(["service", "stop", "nfs"])
    try:
        submit(site, "--output=later.txt", script="hostname")
        [(node, reason)] = until(lambda: reasons(site), 240, "a reason in sinfo -R").items()
        tell(f"sinfo -R: {node}: {reason}")
        assert "slurm-azure: boot:" in reason
        assert "/shared" in reason
        until(lambda: not vm_names(site), 120, "the VM to go")
        assert waiting_jobs(site) != []
    finally:
        site.head.run(["service", "start", "nfs"])
        site.head.run(["scancel", "--user=alice"])
    wait_for_rest(site, 240)
    assert is_off(node_states(site)[node])
    submit(site, f"--nodelist={node}", "--output=healed.txt", script="hostname")
    until(lambda: not waiting_jobs(site), 120, "a job on the node that had failed")
    assert site.head.read("/srv/share/alice/healed.txt").decode().strip() == node
    wait_for_rest(site, 180)
