"""Time that passes only when somebody waits for it."""

from __future__ import annotations

from slurm_node.outcome import Patience


class Clock:
    """A clock and its sleep; `pauses` is what was slept, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass at once."""
        self.pauses.append(seconds)
        self.now += seconds

    def patience(self, seconds: float) -> Patience:
        """So much patience by this clock."""
        return Patience(seconds, lambda: self.now, self.sleep)
