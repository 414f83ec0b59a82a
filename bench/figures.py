"""A measured figure with its target, and the table they are printed in."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`values` in `unit`, one a run; `target` is what is aimed for at most, or `at_least` (None = told for information)."""

    what: str
    unit: str
    values: Sequence[float]
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the median is on the right side of the target."""
        return self.target is None or (self.median >= self.target if self.at_least else self.median <= self.target)

    @property
    def median(self) -> float:
        """The middle of all runs."""
        return statistics.median(self.values)


def table(figures: Iterable[Figure]) -> str:
    """One line a figure: median, the span of the runs, target, met or not."""
    rows = [("what", "median", "min .. max", "target", "")]
    for figure in figures:
        span = f"{min(figure.values):.4g} .. {max(figure.values):.4g}"
        target = "" if figure.target is None else f"{'>=' if figure.at_least else '<='} {figure.target:g} {figure.unit}"
        verdict = "" if figure.target is None else "met" if figure.met else "MISSED"
        rows.append((figure.what, f"{figure.median:.4g} {figure.unit}", span, target, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
