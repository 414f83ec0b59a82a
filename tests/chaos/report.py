"""What a chaos run comes to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Report:
    """Counts of what was done and what came of it. `lost`, `leaked`, `stuck`, `doubles` and `touched` name what should not be
    there; `rest` is seconds from the end of all faults to rest, None if there was none."""

    seed: int
    seconds: float
    nodes: int
    kills: Counter[str] = field(default_factory=Counter)
    armed: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    azure: Counter[str] = field(default_factory=Counter)
    jobs: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    told: dict[str, Any] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    rest: float | None = None

    @property
    def good(self) -> bool:
        """Whether nothing was lost, nothing leaked, nothing is stuck, nothing foreign was touched."""
        return self.rest is not None and not (self.lost or self.leaked or self.stuck or self.doubles or self.touched)

    def text(self) -> str:
        """For people."""
        lines = [
            f"chaos: seed {self.seed}, {self.seconds:.0f} s, {self.nodes} nodes",
            f"kills (-9): {_counts(self.kills)}",
            f"faults armed: {sum(self.armed.values())} of {len(self.armed)} kinds: {_counts(self.armed)}",
            f"faults that hit: {sum(self.hits.values())}: {_counts(self.hits)}",
            f"requests to Azure: {sum(self.azure.values())}: {_counts(self.azure, 8)}",
            f"machines: {_counts(self.fates)}",
            f"jobs: {_counts(self.jobs)}",
            *(f"{name}: {value}" for name, value in self.told.items()),
            f"seconds to rest: {'never' if self.rest is None else f'{self.rest:.0f}'}",
        ]
        for name in ("lost", "leaked", "stuck", "doubles", "touched"):
            found = getattr(self, name)
            lines.append(f"{name} = {len(found)}" + (": " + "; ".join(found[:20]) if found else ""))
        return "\n".join(lines)


def _counts(counter: Counter[str], most: int | None = None) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common(most)) or "none"
