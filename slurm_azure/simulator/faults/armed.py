"""A fault in force: what the plan says of it, and what has become of it so far."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from slurm_azure.simulator.clock import Timer
from slurm_azure.simulator.faults.plan import Fault, Tally, decide, in_window, with_hit
from slurm_azure.simulator.timing import Distribution

_REMEMBERED = 20  # what was hit last


@dataclass(slots=True, eq=False)
class Armed:
    """One fault in force since `since` (seconds since 1970). `lift` undoes what it holds down, `over` lets go whom it holds
    up."""

    fault: Fault
    since: float
    seed: int
    tally: Tally = field(default_factory=Tally)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    timers: list[Timer] = field(default_factory=list)
    lift: Callable[[], None] | None = None
    over: asyncio.Event | None = None

    def in_force(self, now: float) -> bool:
        """Whether its window is open."""
        return in_window(self.fault.rule, now - self.since)

    def match(self) -> bool:
        """Count one more match; whether it is to be hit."""
        self.tally, hit = decide(self.fault.rule, self.tally, self.seed, self.fault.name)
        return hit

    def hit(self, whom: str | None = None) -> None:
        """Count one more hit."""
        self.tally = with_hit(self.tally)
        if whom is not None:
            self.last.append(whom)

    def seconds(self, span: Distribution) -> float:
        """A span of time from the fault's own stream, the next one with each match."""
        if span.kind == "constant":
            return span.first
        return span.sample(random.Random(f"{self.seed}/{self.fault.name}/{self.tally.matched}/span"))

    def cancel(self) -> None:
        """What was to come does not, and what it holds down is as before."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        self.let_go()
        if self.over is not None:
            self.over.set()

    def let_go(self) -> None:
        """What it holds down is as before."""
        if self.lift is not None:
            self.lift()
            self.lift = None

    def as_json(self, now: float) -> Mapping[str, Any]:
        """For the control endpoint: the fault as it was written, and its counters."""
        rule = self.fault.rule
        done = rule.count is not None and self.tally.hits >= rule.count
        return {
            **self.fault.written,
            "name": self.fault.name,
            "id": self.fault.name,
            "matched": self.tally.matched,
            "hits": self.tally.hits,
            "last": list(self.last),
            "loaded": self.since,
            "active": self.in_force(now) and (not done or self.lift is not None),
        }
