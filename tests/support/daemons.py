"""A daemon in a test's hands: the real loop, journal, spool and threads; Azure and Slurm record; time moves when told."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slurm_azure.config import Config
from slurm_azure.daemon.assemble import Parts, assemble
from slurm_azure.intake import accept
from slurm_azure.model import Launch, Power
from tests.support.configs import a_config
from tests.support.nodes import NOW
from tests.support.recording_cloud import RecordingCloud
from tests.support.recording_scheduler import RecordingScheduler


class Daemon:
    """A running daemon with a clock of its own; `restart` is kill -9 and a new start on the same folder."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder, self.config = folder, config
        self.now = NOW
        self.cloud, self.slurm = RecordingCloud(), RecordingScheduler()
        self._ids = itertools.count(1)
        self._requests = itertools.count()
        self.parts = self._start()

    def _start(self) -> Parts:
        new_id = lambda: f"{next(self._ids):04x}"  # noqa: E731
        return assemble(self.config, self.folder, self.folder, new_id, self.cloud, self.slurm, lambda: self.now)

    def hook(self, kind: str, nodes: str, resume_file: bytes = b"") -> None:
        """What a hook leaves in the spool now."""
        (self.folder / "spool").mkdir(exist_ok=True)
        accept(str(self.folder / "spool"), kind, nodes.encode(), resume_file, int(self.now * 1e9) + next(self._requests))

    def settle(self, seconds: float = 0.0) -> None:
        """Let `seconds` go by in steps of one, and everything that is due happen."""
        until = self.now + seconds
        self._drain()
        while self.now < until:
            self.now = min(until, self.now + 1.0)
            self._drain()

    def _drain(self) -> None:
        quiet, deadline = 0, time.monotonic() + 20
        while quiet < 2:
            assert time.monotonic() < deadline, "the daemon does not come to rest"
            self.parts.loop.last_round = 0.0  # a round each turn: what is due now happens now
            self.parts.loop.turn()
            quiet = 0 if self.parts.calls.busy() else quiet + 1
            while self.parts.calls.busy() and self.parts.calls.pending():
                self.parts.bell.wait(0.05)

    def restart(self) -> None:
        """kill -9: nothing in memory survives, calls under way included."""
        self.parts.close()
        self.parts = self._start()

    def launches(self) -> list[Launch]:
        """All launches of the journal."""
        return self.parts.journal.launches()

    def power(self, power: Power, *nodes: str, reason: str = "", down: bool = False) -> None:
        """Slurm shows these nodes so from now on."""
        self.slurm.set_power(power, *nodes, reason=reason, down=down)


@contextmanager
def a_daemon(folder: Path, config: Config | None = None) -> Iterator[Daemon]:
    """A daemon for a small configuration, closed at the end."""
    daemon = Daemon(folder, config or a_config())
    try:
        yield daemon
    finally:
        daemon.parts.close()
