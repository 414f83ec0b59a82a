"""Rendered user data on real nodes: real cloud-init, munged, slurmd and slurmctld, in namespaces of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.demo import sandbox
from tests.boot.conftest import CLOUD_INIT

pytestmark = [pytest.mark.endtoend, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of five nodes: one is as it should be and boots again, one lacks a required share, one may not read its key,
    one is evicted at work, one while it boots."""
    argv = [sys.executable, "-m", "tests.boot.node_site", str(root), str(tmp_path_factory.mktemp("site"))]
    done = subprocess.run(sandbox.walled(argv), cwd=CLOUD_INIT.parent, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    findings: dict[str, Any] = json.loads(done.stdout)
    return findings


def test_node_joins_and_runs_a_job(site: dict[str, Any]) -> None:
    """The node is up under its name and address, and a job on it sees the share, the site's user and the site's file."""
    joins = site["joins"]
    code, output = joins["job"]
    assert (code, output.split()[:4]) == (0, ["joins", "1", "2001", "naïve"]), output
    assert "State=IDLE+CLOUD " in joins["slurm"]
    assert "NodeAddr=10.99.1.1 NodeHostName=joins" in joins["slurm"]


def test_site_cannot_break_our_part(site: dict[str, Any]) -> None:
    """The site's host name, its bad file entry and a runcmd that ends half-way leave our steps alone, and run before them."""
    assert site["joins"]["boot"]["ok"] is True
    assert "/run/site-was-here" in site["joins"]["job"][1]


def test_stages_are_timed(site: dict[str, Any]) -> None:
    """boot.json and the console have every step; an identity that was refused at first was waited for."""
    boot = site["joins"]["boot"]
    assert list(boot["stages"]) == ["host name", "hosts", "metadata", "munge key", "munged", "scontrol", "mounts", "slurmd"]
    assert boot["stages"]["munge key"] > 2
    assert all(f"slurm-azure: {stage}" in site["joins"]["console"] for stage in boot["stages"])


def test_optional_share_is_a_warning(site: dict[str, Any]) -> None:
    """The optional share that is not there is a warning in boot.json; the image's own slurm.conf, set aside, is another."""
    share, config = site["joins"]["boot"]["warnings"]
    assert "10.99.0.1:/missing on /missing" in share
    assert "/etc/slurm/slurm.conf of the image is set aside" in config
    assert "slurm.conf.from-image" in site["joins"]["job"][1]


def test_key_belongs_to_munge(site: dict[str, Any]) -> None:
    """The key's file is munge's alone, and the key is in no console log."""
    assert site["joins"]["key"] == "400 munge munge\n"
    assert not [node for node in ("joins", "lacks-share", "no-key") if site["key"][:20] in site[node]["console"]]


def report_of(slurm: str) -> str:
    """The node's comment in what scontrol shows of it."""
    return slurm.split(" Comment=", 1)[1].strip()


def test_joined_node_reports(site: dict[str, Any]) -> None:
    """slurmctld has the launch, the stages and the hardware of the node that joined, on one line."""
    stages = r"host-name:\d+\.\d\d,hosts:[\d.]+,.*,munge-key:[\d.]+,.*mounts:[\d.]+,slurmd:[\d.]+"
    report = rf"slurm-azure boot=ok launch=l1-joins seconds=[\d.]+ stages={stages} memory=\d{{3,}} cpus=\d+"
    assert re.fullmatch(report, report_of(site["joins"]["slurm"]))


def test_missing_required_share(site: dict[str, Any]) -> None:
    """The node that lacks a share reports step and cause, leaves its state to the daemon, never ran slurmd, and is off."""
    lacks = site["lacks-share"]
    assert lacks["off"] == 0
    assert "DOWN" not in lacks["slurm"]
    report = report_of(lacks["slurm"])
    assert report.startswith("slurm-azure boot=failed launch=l1-lacks-share seconds=")
    assert " step=mounts cause=10.99.0.1:/missing on /missing: mount.nfs4:" in report
    assert report.endswith("No such file or directory")
    assert "slurmd" not in lacks["console"].replace("/var/spool/slurmd", "")


def test_reboot(site: dict[str, Any]) -> None:
    """A node that boots again mounts, joins and runs jobs again, without the site's first-boot steps, and reports the launch
    that its VM's tag names by then; it has one watcher."""
    reboot = site["reboot"]
    assert reboot["job"] == [0, "joins\n1\n"]
    assert report_of(reboot["slurm"]).startswith("slurm-azure boot=ok launch=second ")
    assert reboot["processes"].count("watch.py") == reboot["processes"].count("slurmd -D") == 1
    assert "scripts-user" not in reboot["console"].replace("config-scripts-user already ran", "")


def test_eviction(site: dict[str, Any]) -> None:
    """Announced to a node at work: drained with Azure's time, what may run again is in the queue, acknowledged; all in 5 s."""
    eviction = site["eviction"]
    ids = eviction["jobs"]
    assert eviction["drained"] <= eviction["requeued"] <= eviction["acknowledged"][0] <= 5
    assert eviction["acknowledged"][1] == {"StartRequests": [{"EventId": "C7061BAC-AFDC-4513-B24B-AA5F13A16123"}]}
    reason = r"Reason=slurm-azure: evicted: Azure takes this Spot VM back at \d\d:\d\d:\d\dZ \[root@"
    assert re.search(reason, eviction["slurm"])
    states = dict(line.split() for line in eviction["squeue"].splitlines())
    assert (states[ids["plain"]], states[ids["once"]]) == ("PENDING", "RUNNING")
    assert eviction["posts"] == 1


def test_eviction_is_told_to_owners(site: dict[str, Any]) -> None:
    """The requeued job, the requeued task of an array and the job that could not be requeued say in their AdminComment why."""
    told = site["eviction"]["told"]
    assert len(told) == 3
    comment = r" AdminComment=slurm-azure: evicted: Azure takes this Spot VM back at \d\d:\d\d:\d\dZ \(evicted\) "
    assert [job for job, text in told.items() if not re.search(comment, text)] == [], told


def test_eviction_while_booting(site: dict[str, Any]) -> None:
    """Announced while a share is being mounted: reported at once as a failed boot, acknowledged, and slurmd is not started."""
    caught = site["caught"]
    assert caught["off"] == 0
    assert "boot=failed launch=l1-caught" in caught["slurm"]
    assert report_of(caught["slurm"]).endswith("cause=evicted while booting")
    assert "joined" not in caught["console"]


def test_vault_refuses(site: dict[str, Any]) -> None:
    """Without its key the node cannot tell slurmctld: its console has the cause, and it is switched off in time."""
    no_key = site["no-key"]
    assert no_key["off"] == 0
    assert "boot: munge key: https://10.99.0.1/secrets/munge-key: HTTP 403 Forbidden" in no_key["console"]
    assert "Reason=" not in no_key["slurm"]
    assert "Comment=" not in no_key["slurm"]
