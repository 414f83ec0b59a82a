"""Calls under way: each runs in a worker thread and comes back to the loop as a `Result`; nothing ever blocks the loop."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
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


Call = Callable[[], Any]
_Job = tuple[str, Any, Call, float]


class Calls:
    """Worker threads by kind of call: `calls_at_once` for creates and deletes, one each for Azure's lists and for Slurm."""

    def __init__(self, bell: Bell, clock: Callable[[], float], calls_at_once: int) -> None:
        self._bell, self._clock = bell, clock
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._queues = {
            name: self._open(name, threads) for name, threads in (("azure", calls_at_once), ("list", 1), ("slurm", 1))
        }
        self.under_way = {name: 0 for name in self._queues}
        self.calls_at_once = calls_at_once
        self._rung = False

    def start(self, pool: str, kind: str, subject: Any, call: Call) -> None:
        """Run `call` in a thread of `pool`; its result arrives at `results()`."""
        self.under_way[pool] += 1
        self._queues[pool].put((kind, subject, call, self._clock()))

    def results(self) -> Iterator[Result]:
        """What has ended since the last look."""
        self._rung = False  # before the look, so that whatever comes after it rings again
        while True:
            try:
                result = self._results.get_nowait()
            except queue.Empty:
                return
            self.under_way[_pool_of(result.kind)] -= 1
            yield result

    def room(self) -> bool:
        """Whether another call may be started. A few wait for each thread, so that none of them waits for the loop."""
        return self.under_way["azure"] < 4 * self.calls_at_once

    def busy(self) -> bool:
        """Whether any call is under way."""
        return any(self.under_way.values())

    def pending(self) -> bool:
        """Whether nothing has ended since the last look: all that is under way still is."""
        return self._results.empty()

    def close(self) -> None:
        """Start nothing more: what waits for a thread is dropped, calls under way are left to end by themselves."""
        for waiting in self._queues.values():
            while not waiting.empty():
                waiting.get()
            waiting.put(None)

    def _open(self, name: str, threads: int) -> queue.SimpleQueue[_Job | None]:
        """A queue with its threads. They do not keep the process from ending: what matters is in the journal."""
        jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._work, args=(jobs,), name=f"{name}-{number}", daemon=True).start()
        return jobs

    def _work(self, jobs: queue.SimpleQueue[_Job | None]) -> None:
        while (job := jobs.get()) is not None:
            self._run(*job)
        jobs.put(None)  # the next thread's turn to end

    def _run(self, kind: str, subject: Any, call: Call, begun: float) -> None:
        start = time.perf_counter()
        value, error = None, None
        try:
            value = call()
        except Exception as raised:  # every error is a result: the loop knows what to do with each kind
            error = raised
        self._results.put(Result(kind, subject, begun, time.perf_counter() - start, value, error))
        if not self._rung:
            self._rung = True
            self._bell.ring()


def _pool_of(kind: str) -> str:
    return {"list": "list", "nodes": "slurm", "say": "slurm"}.get(kind, "azure")
