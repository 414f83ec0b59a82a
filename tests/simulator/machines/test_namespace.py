"""Real boxes with the real cloud-init: that they fail, fall silent, are cut off, pause and come back as they are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.demo import sandbox
from slurm_azure.demo.cache import cache_folder

pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(os.geteuid() != 0, reason="needs root: namespaces")]

HERE = Path(__file__).resolve()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of four VMs: one good, one that fails, one that is cut off, one that never reports."""
    builds = [build for build in cache_folder().glob("root-*") if build.is_dir()]
    if not builds:
        pytest.skip("needs the root file system with cloud-init, which `make test` builds")
    image = max(builds, key=lambda build: build.stat().st_mtime)
    script = HERE.with_name("boxes_at_work.py")
    argv = sandbox.walled([sys.executable, str(script), str(image), str(tmp_path_factory.mktemp("boxes"))])
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[3])}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_each_ends_as_planned(seen: dict[str, Any]) -> None:
    """Ready, failed by cloud-init's own report, ready, and waiting for ever."""
    assert seen["states"] == {
        "good": ["Succeeded", "running"],
        "bad": ["Failed", "running"],
        "cut": ["Succeeded", "running"],
        "mute": ["Creating", "running"],
    }


def test_a_failed_provisioning_is_cloud_inits_own(seen: dict[str, Any]) -> None:
    """Its console holds the complaint and that it was reported; Azure's error has the plan's words."""
    code, message = seen["failure"]
    assert code == "OSProvisioningClientError"
    assert "Error details: no disk" in message
    assert "BrokenAzureDataSource" in seen["bad console"]
    assert "Reported failure to Azure" in seen["bad console"]


def test_a_silent_machine_is_stuck_in_its_firmware(seen: dict[str, Any]) -> None:
    """Nothing of a kernel."""
    assert "rescue" in seen["mute console"]
    assert "Cloud-init" not in seen["mute console"]


def test_who_is_cut_off_reaches_the_platform_alone(seen: dict[str, Any]) -> None:
    """The metadata service answers both; only the one with its network reaches anything else."""
    assert seen["asked"] == {"good": ["good", "open"], "cut": ["cut", "closed"]}


def test_a_paused_machine_does_nothing(seen: dict[str, Any]) -> None:
    """None of its processes run until it is resumed."""
    still, going = seen["paused"]
    assert still == 0 < going


def test_it_can_be_stopped_and_started(seen: dict[str, Any]) -> None:
    """Restart, deallocate, start end well, each with a machine that boots; a dead one is shown as the plan says."""
    assert (seen["operations"], seen["dead"]) == (["Succeeded", "Succeeded", "Succeeded"], "running")


def test_nothing_is_left(seen: dict[str, Any]) -> None:
    """No folder of a machine."""
    assert seen["left"] == []
