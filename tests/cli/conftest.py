"""A site for each test; the command line's logging ends with it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sites import Site


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site with the small configuration, no journal and no Slurm."""
    monkeypatch.delenv("SLURM_AZURE_CONFIG", raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []  # main() replaces handlers, and closes what it replaces
    yield Site(tmp_path, capsys)
    root.handlers[:], root.level = handlers, level
