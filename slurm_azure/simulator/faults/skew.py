"""A clock that is wrong."""

from __future__ import annotations

from collections.abc import Callable

from slurm_azure.simulator.clock import Clock, Timer


class SkewedClock:
    """Another clock's time, `skew` seconds ahead of it. Spans are as long as they are."""

    def __init__(self, clock: Clock, skew: Callable[[], float]) -> None:
        self._clock = clock
        self._skew = skew

    def now(self) -> float:
        """Seconds since 1970 (UTC), as this clock has it."""
        return self._clock.now() + self._skew()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in the running event loop, `delay` seconds from now."""
        return self._clock.call_later(delay, callback)

    async def sleep(self, delay: float) -> None:
        """Return after `delay` seconds."""
        await self._clock.sleep(delay)

    def real(self, seconds: float) -> float:
        """How long `seconds` of the simulated world are for those outside."""
        return self._clock.real(seconds)
