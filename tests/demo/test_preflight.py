"""What a machine that cannot hold a site is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_without_root_it_is_one_line() -> None:
    """Not root: one line that says so, exit code 69, no traceback."""
    nobody = ["unshare", "--user"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*nobody, sys.executable, "-m", "slurm_azure.demo", "prepare"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 69
    assert done.stderr == "slurm-azure: this needs root (namespaces, mounts): run it with sudo\n"


def test_a_site_that_does_not_run_is_said(tmp_path: Path) -> None:
    """`stop` and `exec` without a site: one line with the remedy."""
    environment = {**os.environ, "SLURM_AZURE_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "slurm_azure.demo", "exec", "true"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (69, "slurm-azure: no site is running: start one with `make demo KEEP=1`\n")
