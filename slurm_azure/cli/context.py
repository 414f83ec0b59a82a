"""What a command is given besides its own options: where things are, and how to speak."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm_azure.errors import JournalError

if TYPE_CHECKING:
    from slurm_azure.config import Config
    from slurm_azure.journal import Journal
    from slurm_azure.slurm.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Context:
    """One run of the command line. Data goes to stdout, remarks to stderr."""

    config_file: Path
    state: Path
    verbose: bool = False
    quiet: bool = False
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def config(self) -> Config:
        """The configuration. Raises ConfigError."""
        from slurm_azure.config import load_config

        return load_config(self.config_file)

    @contextlib.contextmanager
    def journal(self) -> Iterator[Journal]:
        """The journal, for reading beside the daemon. Raises JournalError, for its use inside the block too."""
        from slurm_azure.journal import Journal

        path = self.state / "journal.db"
        journal = Journal.open(path, readonly=True)
        try:
            yield journal
        except sqlite3.Error as error:
            raise JournalError(f"journal {path}: {error}; is it readable by this user?") from None
        finally:
            journal.close()

    def scheduler(self, config: Config) -> Scheduler:
        """Slurm, by its own commands."""
        from slurm_azure.slurm.scontrol import SlurmCommands

        return SlurmCommands(Path(config.slurm.bin_dir), Path(config.slurm.conf_dir) / "slurm.conf", timeout=10.0)

    def say(self, text: str) -> None:
        """Data: to stdout."""
        sys.stdout.write(text + "\n")

    def say_json(self, document: Mapping[str, Any]) -> None:
        """Data as JSON with sorted keys; `version` tells scripts when the form changes."""
        self.say(json.dumps({"version": 1, **document}, indent=2, sort_keys=True))

    def remark(self, text: str) -> None:
        """Talk: to stderr, unless -q."""
        if not self.quiet:
            sys.stderr.write(f"slurm-azure: {text}\n")
