"""Calls under way: each runs in a worker thread and comes back to the loop as a `Result`; nothing ever blocks the loop."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from slurm_azure.daemon.bell import Bell


@dataclass(frozen=True, slots=True)
class Result:
    """A call that has ended. `begun` by the loop's clock; `seconds` it took; `value`, or the `error` it raised."""

    kind: str
    subject: Any
    begun: float
    seconds: float
    value: Any = None
    error: Exception | None = None


class Calls:
    """Worker threads by kind of call: `calls_at_once` for creates and deletes, one each for Azure's lists and for Slurm."""

    def __init__(self, bell: Bell, clock: Callable[[], float], calls_at_once: int) -> None:
        self._bell, self._clock = bell, clock
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._pools = {
            "azure": ThreadPoolExecutor(calls_at_once, "azure"),
            "list": ThreadPoolExecutor(1, "list"),
            "slurm": ThreadPoolExecutor(1, "slurm"),
        }
        self.under_way = {name: 0 for name in self._pools}
        self.calls_at_once = calls_at_once

    def start(self, pool: str, kind: str, subject: Any, call: Callable[[], Any]) -> None:
        """Run `call` in a thread of `pool`; its result arrives at `results()`."""
        self.under_way[pool] += 1
        self._pools[pool].submit(self._run, kind, subject, call, self._clock())

    def results(self) -> Iterator[Result]:
        """What has ended since the last look."""
        while True:
            try:
                result = self._results.get_nowait()
            except queue.Empty:
                return
            self.under_way[_pool_of(result.kind)] -= 1
            yield result

    def busy(self) -> bool:
        """Whether any call is under way."""
        return any(self.under_way.values())

    def pending(self) -> bool:
        """Whether nothing has ended since the last look: all that is under way still is."""
        return self._results.empty()

    def close(self) -> None:
        """Start nothing more; calls under way are left to end by themselves."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, kind: str, subject: Any, call: Callable[[], Any], begun: float) -> None:
        start = time.perf_counter()
        try:
            result = Result(kind, subject, begun, 0.0, call())
        except Exception as error:  # every error is a result: the loop knows what to do with each kind
            result = Result(kind, subject, begun, time.perf_counter() - start, None, error)
        else:
            result = Result(kind, subject, begun, time.perf_counter() - start, result.value)
        self._results.put(result)
        self._bell.ring()


def _pool_of(kind: str) -> str:
    return {"list": "list", "nodes": "slurm", "say": "slurm"}.get(kind, "azure")
