"""What lists show when they are behind: resources as they were a while ago.

That lists of Azure Resource Manager may lag behind is known from practice, by how much is not documented: it is this
simulator's own setting. Requests for one resource are never behind.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from slurm_azure.simulator.clock import Clock


class Resource(Protocol):
    """What lists show."""

    sequence: int


T = TypeVar("T", bound=Resource)

_MOST = 200_000  # changes remembered; beyond that lists are less behind than they should be


class History:
    """Remembers, for as long as lists are behind, how each resource was before it changed: a flat copy of it, or that it was
    not there. Costs nothing while `lag` (seconds) is 0; a lag that begins is complete only when it has lasted that long.

    What a flat copy cannot know stays as it is now: the interfaces and disks within a VM's entry, the VM within theirs.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._past: dict[int, deque[tuple[float, Resource | None]]] = {}
        self._order: deque[tuple[float, int]] = deque()
        self.lag: Callable[[], float] = lambda: 0.0
        self.changes = 0  # told so far

    def __len__(self) -> int:
        return len(self._order)

    def made(self, resource: Resource) -> None:
        """A resource has just been made."""
        self._note(resource.sequence, lambda: None)

    def changing(self, resource: Resource) -> None:
        """A resource is about to change, or to go."""
        self._note(resource.sequence, lambda: copy.copy(resource))

    def _note(self, sequence: int, before: Callable[[], Resource | None]) -> None:
        self.changes += 1
        if not self._shortened():
            return
        now = self._clock.now()
        entries = self._past.setdefault(sequence, deque())
        if entries and entries[-1][0] == now:
            return  # how it was before the first of several changes of one moment is what counts
        entries.append((now, before()))
        self._order.append((now, sequence))

    def _shortened(self) -> float:
        """Forget what no list will ask for any more; the lag."""
        lag = self.lag()
        if lag <= 0 and not self._order:
            return 0.0
        then = self._clock.now() - lag
        while self._order and (self._order[0][0] <= then or lag <= 0 or len(self._order) > _MOST):
            _, sequence = self._order.popleft()
            entries = self._past[sequence]
            entries.popleft()
            if not entries:
                del self._past[sequence]
        return max(0.0, lag)

    def seen(self, present: Iterable[T], kind: type[T], belongs: Callable[[T], bool]) -> Iterable[T]:
        """What a list of `kind` shows: what is `present` (in growing sequence), as it was then, with what is gone and
        `belongs` to the list, without what was not there yet."""
        if not self._shortened() or not self._past:
            return present
        shown = {resource.sequence: resource for resource in present}
        for sequence, entries in self._past.items():
            before = entries[0][1]
            if before is None:
                shown.pop(sequence, None)
            elif isinstance(before, kind) and belongs(before):
                shown[sequence] = before
        return [shown[sequence] for sequence in sorted(shown)]
