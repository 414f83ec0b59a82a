"""The join script's modules can be imported, and the root file system of the demonstration is at hand where it was built."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from slurm_azure.demo.cache import cache_folder

CLOUD_INIT = Path(__file__).resolve().parents[2] / "cloud-init"
sys.path.insert(0, str(CLOUD_INIT))


@pytest.fixture(scope="session")
def root() -> Path:
    """A Debian root file system with cloud-init and Slurm; tests must not write into it."""
    builds = sorted(
        (build for build in cache_folder().glob("root-*") if build.is_dir()), key=lambda build: build.stat().st_mtime
    )
    if os.geteuid() != 0:
        pytest.skip("needs root, to enter the root file system with cloud-init")
    if not builds:
        pytest.skip("needs the root file system with cloud-init, which `make test` builds")
    return builds[-1]
