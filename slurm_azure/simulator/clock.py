"""Time as an argument: everything in the simulator that waits or looks at the clock does it through one of these."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """What `call_later` hands back."""

    def cancel(self) -> None:
        """Forget the call, if it has not been made yet."""
        ...


class Clock(Protocol):
    """The time of the simulated world, in seconds. To be used within the event loop only."""

    def now(self) -> float:
        """Seconds since 1970 (UTC)."""
        ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in the event loop, `delay` seconds from now."""
        ...

    async def sleep(self, delay: float) -> None:
        """Return after `delay` seconds."""
        ...

    def real(self, seconds: float) -> float:
        """How long `seconds` of the simulated world are for those outside, whose clocks go at their own pace."""
        ...


class RealClock:
    """The machine's own time."""

    def now(self) -> float:
        """Seconds since 1970 (UTC)."""
        return time.time()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in the running event loop, `delay` seconds from now."""
        return asyncio.get_running_loop().call_later(delay, callback)

    async def sleep(self, delay: float) -> None:
        """Return after `delay` seconds."""
        await asyncio.sleep(delay)

    def real(self, seconds: float) -> float:
        """The same."""
        return seconds


class FastClock:
    """The machine's own time, `factor` times as fast from the moment of its making on."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._began = time.time()

    def now(self) -> float:
        """Seconds since 1970 (UTC), in the simulated world."""
        return self._began + (time.time() - self._began) * self._factor

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in the running event loop, `delay` simulated seconds from now."""
        return asyncio.get_running_loop().call_later(delay / self._factor, callback)

    async def sleep(self, delay: float) -> None:
        """Return after `delay` simulated seconds."""
        await asyncio.sleep(delay / self._factor)

    def real(self, seconds: float) -> float:
        """So many times fewer."""
        return seconds / self._factor


def timestamp(seconds: float) -> str:
    """A moment (seconds since 1970) as Azure Resource Manager writes it: 2026-11-21T04:12:00.123456+00:00."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
