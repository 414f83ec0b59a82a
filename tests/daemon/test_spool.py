"""The daemon's side of the spool: what it takes, and what it leaves alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurm_azure.daemon.spool import Spool
from slurm_azure.intake import accept
from slurm_azure.journal import Journal
from slurm_azure.model import NodeName, PoolName


def test_a_request_that_is_being_written_is_left_to_its_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon looks at the very moment before the hook gives its file the final name: nothing is taken, nothing removed, and
    afterwards the request is there, once."""
    spool, journal = Spool(tmp_path / "spool"), Journal.open(tmp_path / "journal.db")
    pools = {NodeName("az-1"): PoolName("hb")}
    seen: list[int] = []
    rename = os.rename

    def rename_late(source: str, target: str) -> None:
        seen.append(len(list(spool.take_in(journal, pools, 1.0))))
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_late)
    accept(str(tmp_path / "spool"), "resume", b"az-1", b"", 1)
    assert seen == [0]
    assert [taken.wishes[0].node for taken in spool.take_in(journal, pools, 2.0)] == ["az-1"]
    journal.close()


def test_the_draft_of_a_killed_hook_goes_after_an_hour(tmp_path: Path) -> None:
    """One that may still be written, and whole requests, stay."""
    spool = Spool(tmp_path / "spool")
    for name in (".old.request", ".young.request", "whole.request"):
        (spool.folder / name).write_bytes(b"{")
    for name in (".old.request", "whole.request"):
        os.utime(spool.folder / name, (1.0, 1.0))
    spool.tidy()
    assert sorted(os.listdir(spool.folder)) == [".young.request", "whole.request"]
