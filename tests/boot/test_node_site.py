"""Rendered user data on real nodes: real cloud-init, munged, slurmd and slurmctld, in namespaces of their own."""

from __future__ import annotations

import json
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
    """What became of three nodes: one is as it should be, one lacks a required share, one may not read its key."""
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


def test_missing_required_share(site: dict[str, Any]) -> None:
    """The node that lacks a share is down with step and cause for `sinfo -R`, never ran slurmd, and is switched off."""
    lacks = site["lacks-share"]
    assert lacks["off"] == 0
    assert "State=DOWN" in lacks["slurm"]
    reason = lacks["slurm"].split("Reason=", 1)[1]
    assert reason.startswith("slurm-azure: boot: mounts: 10.99.0.1:/missing on /missing: mount.nfs4:")
    assert "No such file or directory" in reason
    assert "slurmd" not in lacks["console"].replace("/var/spool/slurmd", "")


def test_vault_refuses(site: dict[str, Any]) -> None:
    """Without its key the node cannot tell slurmctld: its console has the cause, and it is switched off in time."""
    no_key = site["no-key"]
    assert no_key["off"] == 0
    assert "boot: munge key: https://10.99.0.1/secrets/munge-key: HTTP 403 Forbidden" in no_key["console"]
    assert "Reason=" not in no_key["slurm"]
