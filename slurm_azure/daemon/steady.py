"""A clock for durations: seconds since the epoch that never jump, whatever is done to the machine's own clock.

All that waits here is measured against one clock. Were that the machine's, a step of two hours would end every boot at once, or
stop the daemon for two hours.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

TOLERANCE = 1.0
"""Seconds that the two may differ; NTP moves a clock by less without a step."""


class Steady:
    """The machine's time at the beginning, and what has gone by since. Between steps of the machine's clock both agree."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._offset = wall() - monotonic()

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self._monotonic() + self._offset

    def set_right(self) -> bool:
        """Agree with the machine's clock again; True if that was a step. For moments at which nothing is waited for."""
        off = self._wall() - self()
        if abs(off) <= TOLERANCE:
            return False
        log.warning("the machine's clock was set by %.0f s: following it", off)
        self._offset += off
        return True
