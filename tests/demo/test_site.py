"""Sites that are asked for while another one of the same cache runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from slurm_azure.demo.cache import claim
from slurm_azure.demo.site import LOCK_FILE, Site
from slurm_azure.errors import PreflightError


def test_a_second_site_to_be_left_running_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line that says how to have two, and before anything is built; a site that is killed with -9 is in nobody's way."""
    monkeypatch.setenv("SLURM_AZURE_CACHE", str(tmp_path))
    descriptor = claim(LOCK_FILE)
    with subprocess.Popen(["sleep", "600"], pass_fds=[descriptor]) as running:
        os.close(descriptor)
        with pytest.raises(PreflightError, match="set SLURM_AZURE_CACHE to another folder"):
            Site(detached=True).start()
        assert [file.name for file in tmp_path.iterdir()] == [LOCK_FILE]
        running.kill()
    os.close(claim(LOCK_FILE))
