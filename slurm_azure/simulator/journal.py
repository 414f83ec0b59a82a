"""What was asked of the simulator: counts by operation without bound in time, the entries themselves in a bounded ring."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: when (seconds since 1970), what, and how it was answered. `seconds` is the time the answer took."""

    time: float
    method: str
    path: str
    operation: str
    status: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For the control endpoint."""
        return {
            "time": self.time,
            "method": self.method,
            "path": self.path,
            "operation": self.operation,
            "status": self.status,
            "seconds": round(self.seconds, 6),
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

    def as_json(self, recent: int) -> dict[str, Any]:
        """Counts by operation, by operation and status, and the last `recent` entries, oldest first."""
        statuses: dict[str, dict[str, int]] = {}
        for (operation, status), count in sorted(self._statuses.items()):
            statuses.setdefault(operation, {})[str(status)] = count
        entries = list(self._recent)
        return {
            "total": self._counts.total(),
            "counts": dict(sorted(self._counts.items())),
            "statuses": statuses,
            "recent": [entry.as_json() for entry in entries[max(0, len(entries) - recent) :]],
        }
