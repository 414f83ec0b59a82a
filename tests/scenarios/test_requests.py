"""Scenarios of what slurmctld asks for: odd names, doubled calls, floods, resume files of any shape, hostile text."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from slurm_azure.daemon.spool import Spool
from slurm_azure.hostlist import expand
from slurm_azure.journal import Journal
from slurm_azure.model import NodeName, PoolName, Power
from tests.support.processes import ROOT
from tests.support.whole_site import pool, whole_site

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("unknown", ["nope-1", "az-11", "az_2"])
def test_s02_an_unknown_name_stops_no_other(unknown: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The others of the request start; the bad name is reported once, in the log, and costs Azure nothing."""
    with whole_site(tmp_path) as site, caplog.at_level(logging.WARNING):
        jobs = site.slurm.submit_each("az-[1-3]")
        site.slurm.hooks_work = False  # the request is this one, and no other
        site.slurm.step(())
        site.hook("resume", f"az-[1-2],{unknown},az-3")
        site.run(lambda: all(job.state == "RUNNING" for job in jobs))
        site.slurm.hooks_work = True
        site.rest()
        assert [unknown in record.getMessage() for record in caplog.records].count(True) == 1
        assert site.counts()["VirtualMachines_CreateOrUpdate"] == 3


def test_s03_a_node_is_asked_for_while_its_last_vm_is_dying(tmp_path: Path) -> None:
    """A new launch at once, under a VM name of its own; the old VM goes on dying meanwhile, and ends."""
    with whole_site(tmp_path, timers={"suspend_time": 5.0}) as site:
        site.faults({"name": "slow", "what": {"kind": "slow_delete", "seconds": 600}, "count": 1})
        site.slurm.submit("az-1")
        site.run(lambda: any(vm["provisioningState"] == "Deleting" for vm in site.azure.vms()))
        site.run(site.slurm.asleep)
        job, before = site.slurm.submit("az-1"), {vm["name"] for vm in site.azure.vms()}
        assert site.run(lambda: job.state == "RUNNING", 120) < 60
        states = {vm["name"]: vm["provisioningState"] for vm in site.azure.vms()}
        assert len(states) == 2
        assert [states[name] for name in before] == ["Deleting"]
        site.rest()


def test_s05_the_same_request_twice_in_parallel(tmp_path: Path) -> None:
    """A controller that fails over runs ResumeProgram again for the same nodes: one live launch a node, one create each."""
    with whole_site(tmp_path) as site:
        jobs = site.slurm.submit_each("az-[1-10]")
        site.slurm.hooks_work = False
        site.slurm.step(())
        hooks = [threading.Thread(target=site.hook, args=("resume", "az-[1-10]")) for _ in range(4)]
        for hook in hooks:
            hook.start()
        for hook in hooks:
            hook.join()
        site.run(lambda: all(job.state == "RUNNING" for job in jobs))
        site.hook("resume", "az-[1-10]")
        site.slurm.hooks_work = True
        site.rest()
        assert Counter(launch.node for launch in site.launches()) == {f"az-{n}": 1 for n in range(1, 11)}
        assert site.counts()["VirtualMachines_CreateOrUpdate"] == 10


def test_s17_300_jobs_that_start_together_are_one_batch(tmp_path: Path) -> None:
    """A request for each of 300 one-node jobs: no process and no thread a job, as few rounds as batches, two writes a node."""
    with whole_site(tmp_path, {"hb": pool("az-[1-300]")}) as site:
        threads = threading.active_count()
        jobs = site.slurm.submit_each("az-[1-300]", seconds=1)
        site.slurm.hooks_work = False
        site.slurm.step(())
        for job in jobs:
            site.hook("resume", job.nodes[0], json.dumps({"jobs": [{"job_id": job.id, "nodes_resume": job.nodes[0]}]}).encode())
        site.slurm.hooks_work = True
        site.run(lambda: site.counts()["VirtualMachines_CreateOrUpdate"] == 300, 600)
        assert threading.active_count() <= threads + 2
        site.rest()
        counts = site.counts()
        assert counts["VirtualMachines_CreateOrUpdate"] == counts["VirtualMachines_Delete"] == 300
        assert counts["VirtualMachines_List"] <= 60


def test_s27_hostlists_as_slurm_writes_them(tmp_path: Path) -> None:
    """Several brackets, uneven padding, steps that are none: exactly these nodes get VMs, by exactly these names."""
    odd = "r[1-2]n[08-11],x-[9-10],pad[009-010],p[1,03]q"
    expected = {
        *(f"r{row}n{node}" for row in (1, 2) for node in ("08", "09", "10", "11")),
        *("x-9", "x-10", "pad009", "pad010", "p1q", "p03q"),
    }
    with whole_site(tmp_path, {"hb": pool(odd)}) as site:
        jobs = [site.slurm.submit(name) for name in expected]
        site.slurm.hooks_work = False
        site.slurm.step(())
        site.hook("resume", odd)
        site.slurm.hooks_work = True
        site.run(lambda: all(job.state == "RUNNING" for job in jobs))
        assert {vm["computerName"] for vm in site.azure.vms()} == expected
        site.rest()


def test_s27_ten_thousand_names_in_one_request(tmp_path: Path) -> None:
    """A hook is given 10,000 names, padded and in several brackets: it is in the journal by exactly these names."""
    names = "az-[00001-09998],b[1-1]c[007-007],b[2-2]c[07-07]"
    pool_of = {NodeName(name): PoolName("hb") for name in (*expand("az-[1-9998]"), *expand(names))}
    command = [sys.executable, str(ROOT / "hooks/resume"), "--spool", str(tmp_path / "spool"), names]
    subprocess.run(command, env={}, check=True)
    journal = Journal.open(tmp_path / "journal.db")
    (taken,) = Spool(tmp_path / "spool").take_in(journal, pool_of, 1.0)
    assert {wish.node for wish in journal.wishes()} == set(expand(names)) == {wish.node for wish in taken.wishes}
    assert len(taken.wishes) == 10_000
    journal.close()


_JOBS = [{"job_id": 7, "nodes_alloc": "az-[1-2]", "nodes_resume": "az-[1-2]", "features": None, "oversubscribe": "NO"}]
_FILES = {
    "missing": b"",
    "truncated": json.dumps({"all_nodes_resume": "az-[1-2]", "jobs": _JOBS}).encode()[:60],
    "22.05": json.dumps({"jobs": [{"job_id": 7, "nodes": "az-[1-2]"}], "all_nodes": "az-[1-2]"}).encode(),
    "23.02": json.dumps({"all_nodes_resume": "az-[1-2]", "jobs": _JOBS}).encode(),
    "26.05": json.dumps({"all_nodes_resume": "az-[1-2]", "jobs": [_JOBS[0] | {"exclusive": "NO", "priority": 1}]}).encode(),
    "unknown keys": json.dumps({"nodes": ["az-9"], "jobs": {"7": "az-9"}, "x": [[]] * 9}).encode(),
    "other nodes": json.dumps({"jobs": [{"job_id": 7, "nodes_resume": "az-[8-9]"}]}).encode(),
    "rubbish": bytes(range(256)) * 40,
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("shape", _FILES)
def test_s28_resume_files_of_any_shape(shape: str, tmp_path: Path) -> None:
    """The nodes come from the argument; whatever the file is, these two start, and no other."""
    with whole_site(tmp_path) as site:
        job = site.slurm.submit("az-[1-2]")
        site.slurm.hooks_work = False
        site.slurm.step(())
        site.hook("resume", "az-[1-2]", _FILES[shape])
        site.slurm.hooks_work = True
        site.run(lambda: job.state == "RUNNING")
        assert sorted(vm["computerName"] for vm in site.azure.vms()) == ["az-1", "az-2"]
        assert {launch.jobs for launch in site.launches()} == ({(7,)} if shape in ("22.05", "23.02", "26.05") else {()})
        site.rest()


_HOSTILE = "$(touch /tmp/never); `id` 'x' \"y\"\n\\0 \x1b[2J \udcff"


def test_s37_hostile_text_reaches_no_shell_and_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Host names, comments, reasons and jobs' names with quotes, line ends, 100 kB or bytes that are no text: nothing else is
    affected, and what is logged is one line each."""
    with whole_site(tmp_path) as site, caplog.at_level(logging.DEBUG):
        site.slurm.submit("az-1", name=_HOSTILE.encode("utf-8", "replace").decode())
        jobs = site.slurm.submit_each("az-[2-3]")
        for nodes in (_HOSTILE, "az-1[" * 200, "az-[1-" + "9" * 100_000 + "]", "--reason=x", "x" * 100_000):
            site.hook("resume", nodes)
        site.slurm.set_node("az-2", comment="slurm-azure boot=failed launch=" + "'\"$(x)" * 20_000)
        site.slurm.set_node("az-9", reason="'; rm -rf / #\n" * 100, drained=True)
        site.run(lambda: all(job.ended for job in jobs))
        site.slurm.set_node("az-9", reason="", drained=False)
        site.rest()
        assert site.counts()["VirtualMachines_CreateOrUpdate"] == 3
        lines = [record.getMessage() for record in caplog.records if record.name.startswith("slurm_azure.daemon")]
        assert lines
        assert all(len(line) < 5000 for line in lines)
        assert site.slurm.known["az-9"].power is Power.OFF  # type: ignore[index]
