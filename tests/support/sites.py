"""A head node's files in a folder: configuration, journal, spool, and Slurm commands that answer from a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from slurm_azure.cli.main import main
from slurm_azure.journal import Event, Journal, TakenRequest
from slurm_azure.model import Launch, Wish
from tests.support.configs import a_document

_SCONTROL = """#!/bin/sh
case "$*" in
    *version*) echo "slurm-wlm 22.05.8" ;;
    *) cat "$(dirname "$0")/nodes" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str


class Site:
    """`folder` has slurm-azure.yaml, state/ and bin/; Slurm is not there until `slurm` is called."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.state, self.bin = folder, folder / "state", folder / "bin"
        self.config = folder / "slurm-azure.yaml"
        self._capsys = capsys
        self.configure()

    def configure(self, nodes: str = "az-[1-50]", **changes: Any) -> None:
        """Write the configuration; top-level keys as given replace those of the small one."""
        document = a_document(nodes, **changes)
        document["slurm"] = {"controllers": ["10.0.0.4"], "bin_dir": str(self.bin), "conf_dir": str(self.folder)}
        with self.config.open("w") as file:
            YAML(typ="safe").dump(document, file)

    def journal(
        self,
        launches: Iterable[Launch] = (),
        requests: Iterable[tuple[TakenRequest, list[Wish]]] = (),
        events: Iterable[Event] = (),
    ) -> None:
        """Write these into the journal."""
        journal = Journal.open(self.state / "journal.db")
        with journal.writing():
            for request, wishes in requests:
                journal.take_in(request, wishes)
            journal.save(launches)
            journal.note(events)
        journal.close()

    def slurm(self, **states: str) -> None:
        """Slurm answers, with these nodes: `az_1="IDLE+CLOUD"` or `"DOWN+CLOUD Reason=why"`, `_` standing for `-`."""
        self.bin.mkdir(exist_ok=True)
        lines = []
        for name, words in states.items():
            state, _, reason = words.partition(" ")
            lines.append(
                f"NodeName={name.replace('_', '-')} CoresPerSocket=1 CPUTot=1 State={state} ThreadsPerCore=1 {reason}\n"
            )
        (self.bin / "nodes").write_text("".join(lines))
        (self.bin / "scontrol").write_text(_SCONTROL)
        (self.bin / "scontrol").chmod(0o755)

    def said(self) -> str:
        """What went to stdout since this was last asked."""
        return self._capsys.readouterr().out

    def run(self, *arguments: str) -> Ran:
        """Run `slurm-azure` in this process, on this site."""
        self._capsys.readouterr()
        code = main(["--config", str(self.config), "--state", str(self.state), *arguments])
        said = self._capsys.readouterr()
        return Ran(code, said.out, said.err)
