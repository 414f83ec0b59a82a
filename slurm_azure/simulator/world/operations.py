"""Asynchronous operations: what was begun, and how it ended ("Track asynchronous Azure operations", Microsoft Learn)."""

from __future__ import annotations

import random
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from slurm_azure.simulator.clock import Clock, timestamp

_PICTURED = 500
IN_PROGRESS, SUCCEEDED, FAILED, CANCELED = "InProgress", "Succeeded", "Failed", "Canceled"


@dataclass(slots=True, eq=False)
class Operation:
    """One operation. `ended` is None while it runs; `error` is (code, message) of one that did not succeed. `kind` is the
    operationId of the request that began it, `resource` the id of what it is about ('' = not told)."""

    id: str
    subscription: str
    location: str
    started: float
    status: str = IN_PROGRESS
    ended: float | None = None
    error: tuple[str, str] | None = None
    kind: str = ""
    resource: str = ""

    def as_json(self) -> dict[str, Any]:
        """The body of the status request, which has HTTP status 200 for a failed operation too."""
        body: dict[str, Any] = {"startTime": timestamp(self.started), "status": self.status, "name": self.id}
        if self.ended is not None:
            body["endTime"] = timestamp(self.ended)
        if self.error is not None:
            body["error"] = {"code": self.error[0], "message": self.error[1]}
        return body


class Operations:
    """All operations that are running and the last `keep` of those that ended."""

    def __init__(self, clock: Clock, source: random.Random, keep: int = 20_000) -> None:
        self._clock = clock
        self._random = source
        self._keep = keep
        self._running: dict[str, Operation] = {}
        self._ended: OrderedDict[str, Operation] = OrderedDict()

    def begin(self, subscription: str, location: str, kind: str = "", resource: str = "") -> Operation:
        """A new operation that is in progress."""
        name = new_uuid(self._random)
        operation = Operation(name, subscription, location, self._clock.now(), kind=kind, resource=resource)
        self._running[name] = operation
        return operation

    def end(self, operation: Operation, status: str, error: tuple[str, str] | None = None) -> None:
        """Note how an operation ended; only the first ending counts."""
        if self._running.pop(operation.id, None) is None:
            return
        operation.status, operation.error, operation.ended = status, error, self._clock.now()
        self._ended[operation.id] = operation
        if len(self._ended) > self._keep:
            self._ended.popitem(last=False)

    def find(self, name: str) -> Operation | None:
        """The operation of that id, unless it is long over."""
        return self._running.get(name) or self._ended.get(name)

    def picture(self) -> tuple[list[Operation], list[Operation]]:
        """Those that are running, and the last of those that ended: what a simulator that is started again still knows."""
        return list(self._running.values()), [self._ended[name] for name in islice(reversed(self._ended), _PICTURED)]

    def put_back(self, running: Iterable[Operation], ended: Sequence[Operation]) -> None:
        """What `picture` gave."""
        self._running = {operation.id: operation for operation in running}
        self._ended = OrderedDict((operation.id, operation) for operation in reversed(ended))


def new_uuid(source: random.Random) -> str:
    """A random UUID that follows the simulator's seed."""
    return str(uuid.UUID(int=source.getrandbits(128), version=4))
