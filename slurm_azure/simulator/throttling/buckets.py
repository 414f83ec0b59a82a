"""Token buckets that are refilled in steps, and a store of them that forgets those that are full again.

"Compute throttling limits": a bucket begins full, each request takes a token, and every minute it gets so many new ones, up to
its capacity. "Understand how Azure Resource Manager throttles requests": the same every second. Where in time the steps lie is
not documented. Here they are at whole multiples of the period since 1970, so that to forget a full bucket changes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `size` tokens, and `refill` new ones every `period` seconds."""

    size: int
    refill: int
    period: int


class Bucket:
    """The tokens of one budget. `began` is how many there were when the present period began, `asked` how often they were
    asked for since, in vain or not. Every method has to be preceded by `advance`."""

    __slots__ = ("asked", "began", "period", "rate", "tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self.tokens = self.began = rate.size
        self.period = int(now // rate.period)
        self.asked = 0

    def advance(self, now: float) -> None:
        """Refill for the periods that began since (seconds since 1970). A clock that goes back refills nothing."""
        passed = int(now // self.rate.period) - self.period
        if passed > 0:
            self.period += passed
            self.tokens = self.began = min(self.rate.size, self.tokens + passed * self.rate.refill)
            self.asked = 0

    def take(self, count: int = 1) -> int:
        """Take `count` tokens, or as many as there are; how many that was."""
        taken = min(count, self.tokens)
        self.tokens -= taken
        return taken

    def wait(self, now: float) -> float:
        """Seconds until there is a token: 0 if there is one, else until the next period begins."""
        return 0.0 if self.tokens else (self.period + 1) * self.rate.period - now

    def window(self) -> tuple[float, float]:
        """Begin and end of the present period, seconds since 1970."""
        return float(self.period * self.rate.period), float((self.period + 1) * self.rate.period)


class Buckets:
    """Buckets by key. One that is full is as good as none, so the store holds no more than what was asked of it within the
    time that an empty bucket takes to fill (three minutes at most); what is left over is swept out when it has doubled."""

    _LEAST = 1024

    def __init__(self) -> None:
        self._buckets: dict[Hashable, Bucket] = {}
        self._sweep_at = self._LEAST

    def __len__(self) -> int:
        return len(self._buckets)

    def find(self, key: Hashable, rate: Rate, now: float) -> Bucket:
        """The bucket of that key, refilled up to now."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._sweep_at:
                self._sweep(now)
            bucket = self._buckets[key] = Bucket(rate, now)
        else:
            bucket.advance(now)
        return bucket

    def _sweep(self, now: float) -> None:
        for bucket in self._buckets.values():
            bucket.advance(now)
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket.tokens < bucket.rate.size}
        self._sweep_at = max(self._LEAST, 2 * len(self._buckets))
