"""What each node cost and how long each stage took, out of what `slurm-azure why --json` says; and the calls to Azure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# The stages of a launch: each from one entry of its timeline to another.
STAGES = (
    ("order", "requested", "accepted"),
    ("boot", "accepted", "joined"),
    ("in use", "joined", "released"),
    ("delete", "released", "gone"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One launch of one node: seconds by stage (None where it never came so far), USD (None where no price is known)."""

    node: str
    frames: int
    stages: tuple[float | None, ...]
    cost: float | None


def rows(stories: Iterable[Mapping[str, Any]], frames: Mapping[str, int]) -> Iterator[Row]:
    """A row for each launch; the frames of a node that was launched twice are counted with its last."""
    for story in stories:
        last = story["launches"][-1]["id"] if story["launches"] else None
        for launch in story["launches"]:
            moments = _moments(story["timeline"], launch["id"])
            stages = tuple(_between(moments, begin, end) for _, begin, end in STAGES)
            count = frames.get(story["node"], 0) if launch["id"] == last else 0
            yield Row(story["node"], count, stages, launch["cost_usd"])


def ledger(stories: Sequence[Mapping[str, Any]], frames: Mapping[str, int], calls: Mapping[str, int]) -> Iterator[str]:
    """The lines of the table, its sums, and the calls to Azure by kind and per launch."""
    found = list(rows(stories, frames))
    yield f"{'node':<14}{'frames':>7}" + "".join(f"{name + ' s':>10}" for name, _, _ in STAGES) + f"{'USD':>10}"
    for row in found:
        cells = "".join(f"{'-' if seconds is None else format(seconds, '.1f'):>10}" for seconds in row.stages)
        yield f"{row.node:<14}{row.frames:>7}{cells}{'?' if row.cost is None else format(row.cost, '.4f'):>10}"
    known = [row.cost for row in found if row.cost is not None]
    yield f"{'together':<14}{sum(row.frames for row in found):>7}{'':>{10 * len(STAGES)}}{sum(known):>10.4f}"
    yield ""
    yield f"Requests the simulated Azure has seen, {len(found)} VMs:"
    for name, count in sorted(calls.items()):
        yield f"  {name:<40}{count:>6}{count / max(1, len(found)):>8.2f} per VM"


def _moments(timeline: Iterable[Mapping[str, Any]], launch: str) -> dict[str, datetime]:
    """When each kind of entry came, for one launch; the request is the last before it was planned."""
    moments: dict[str, datetime] = {}
    asked: datetime | None = None
    for entry in timeline:
        at = datetime.fromisoformat(entry["at"])
        if entry["what"] == "requested" and "resume" in entry["text"]:
            asked = at
        elif entry["launch"] == launch:
            moments.setdefault(entry["what"], at)
            if asked is not None:
                moments.setdefault("requested", asked)
    return moments


def _between(moments: Mapping[str, datetime], begin: str, end: str) -> float | None:
    return (moments[end] - moments[begin]).total_seconds() if begin in moments and end in moments else None
