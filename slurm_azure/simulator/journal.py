"""What was asked of the simulator: counts by operation without bound in time, the entries themselves in a bounded ring."""

from __future__ import annotations

import itertools
import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: when (seconds since 1970), what, and how it was answered. `seconds` is the time the answer took.

    `vm` is the VM it names ('' = none); `fate` what became of the answer: sent, lost, reset, or abandoned by a client that left
    before there was one; `faults` are the names of the faults that struck it. Status 0: there was no answer.
    """

    time: float
    method: str
    path: str
    operation: str
    status: int
    seconds: float
    vm: str = ""
    fate: str = "sent"
    faults: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the control endpoint."""
        return {
            "time": self.time,
            "method": self.method,
            "path": self.path,
            "operation": self.operation,
            "status": self.status,
            "seconds": round(self.seconds, 6),
            "vm": self.vm,
            "fate": self.fate,
            "faults": list(self.faults),
        }


class Journal:
    """The requests since the start or the last `clear`. Operations are named as in Microsoft's OpenAPI files."""

    def __init__(self, keep: int = 2000) -> None:
        self._recent: deque[Entry] = deque(maxlen=keep)
        self._counts: Counter[str] = Counter()
        self._statuses: Counter[tuple[str, int]] = Counter()

    def record(self, entry: Entry) -> None:
        """Count a request and keep it for a while."""
        self._recent.append(entry)
        self._counts[entry.operation] += 1
        self._statuses[entry.operation, entry.status] += 1

    def clear(self) -> None:
        """Start counting anew."""
        self._recent.clear()
        self._counts.clear()
        self._statuses.clear()

    def as_json(self, recent: int, operation: str = "*", vm: str = "*") -> dict[str, Any]:
        """Counts by operation, by operation and status, and the last `recent` entries, oldest first; only of operations (and,
        as far as entries go, of VMs) that match a pattern, without regard to case."""
        of_operation, of_vm = _pattern(operation), _pattern(vm)
        statuses: dict[str, dict[str, int]] = {}
        for (name, status), count in sorted(self._statuses.items()):
            if of_operation(name):
                statuses.setdefault(name, {})[str(status)] = count
        counts = {name: count for name, count in sorted(self._counts.items()) if of_operation(name)}
        wanted = (entry for entry in reversed(self._recent) if of_operation(entry.operation) and of_vm(entry.vm))
        entries = list(itertools.islice(wanted, recent))
        return {
            "total": sum(counts.values()),
            "counts": counts,
            "statuses": statuses,
            "recent": [entry.as_json() for entry in reversed(entries)],
        }


def _pattern(text: str) -> Callable[[str], object]:
    compiled = re.compile(translate(text), re.IGNORECASE)
    return compiled.match
