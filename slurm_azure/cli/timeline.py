"""What happened to a node, as one line of time: made from its launches, requests and events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from slurm_azure.journal import Event, TakenRequest
from slurm_azure.lifecycle.spending import spending_of
from slurm_azure.model import REPLACED, Launch


class What(StrEnum):
    """The kinds of entry; a closed list, for scripts."""

    REQUESTED = "requested"
    PLANNED = "planned"
    SENT = "create-sent"
    ACCEPTED = "accepted"
    RUNNING = "running"
    JOINED = "joined"
    FAILED = "failed"
    RELEASED = "released"
    TOLD = "slurm-told"
    CONSOLE = "console-read"
    DEALLOCATED = "deallocated"
    DELETE_SENT = "delete-sent"
    GONE = "gone"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Entry:
    """One moment (seconds since the epoch); `after`: seconds since the entry before, None for the first."""

    at: float
    what: What
    text: str
    launch: str | None = None
    after: float | None = None


def cost(launch: Launch, now: float) -> float | None:
    """USD that a launch has cost until `now`, which is about what Azure bills; None = no price."""
    parts = spending_of(launch, now)
    if launch.price is None and (parts or launch.accepted_at is not None):
        return None
    return sum(usd for _, usd, _ in parts)


def timeline(launches: Iterable[Launch], requests: Iterable[TakenRequest], events: Iterable[Event], now: float) -> list[Entry]:
    """All entries, oldest first; those of the same moment in the order in which they must have happened."""
    entries = [_asked(request) for request in requests]
    for launch in launches:
        entries += _of_launch(launch, now)
    entries += [Entry(event.at, What.NOTE, event.text, event.launch) for event in events]
    entries.sort(key=lambda entry: entry.at)  # stable: a launch's entries stay in their order
    return _with_spans(entries)


def _with_spans(entries: Sequence[Entry]) -> list[Entry]:
    before = [None, *(entry.at for entry in entries)]
    return [replace(entry, after=None if at is None else entry.at - at) for entry, at in zip(entries, before, strict=False)]


def _asked(request: TakenRequest) -> Entry:
    jobs = f" for job {', '.join(map(str, request.jobs))}" if request.jobs else ""
    late = request.taken_at - request.at
    waited = f"; taken in {late:.0f} s later" if late >= 1 else ""
    return Entry(request.at, What.REQUESTED, f"slurmctld asked for {request.kind}{jobs}{waited}")


def _of_launch(launch: Launch, now: float) -> list[Entry]:
    price = "price not known" if launch.price is None else f"{launch.price:.2f} USD/h"
    jobs = f" for job {', '.join(map(str, launch.jobs))}" if launch.jobs else ""
    attempt = f"attempt {launch.attempt}: " if launch.attempt > 1 else ""
    moments = [
        (launch.planned_at, What.PLANNED, f"{attempt}VM {launch.vm_name}: {launch.offer}, {price}{jobs}"),
        (launch.sent_at, What.SENT, "create call sent"),
        (launch.accepted_at, What.ACCEPTED, "Azure accepted"),
        (launch.running_at, What.RUNNING, "Azure says the VM is provisioned"),
        (launch.joined_at, What.JOINED, "the node is up in Slurm"),
        _end(launch),
        (launch.told_at if launch.release_reason != REPLACED else None, What.TOLD, "Slurm knows of the failure"),
        (launch.console_at, What.CONSOLE, "the serial console's log was looked for"),
        (launch.deallocated_at, What.DEALLOCATED, "the VM is stopped and kept; only its disk costs"),
        (launch.delete_sent_at, What.DELETE_SENT, "delete call sent"),
        (launch.gone_at, What.GONE, _farewell(launch, now)),
    ]
    return [Entry(at, what, text, launch.id) for at, what, text in moments if at is not None]


def _end(launch: Launch) -> tuple[float | None, What, str]:
    if launch.failure is not None:
        follows = "; another attempt follows" if launch.release_reason == REPLACED else ""
        return launch.released_at, What.FAILED, f"{launch.failure.reason}: {launch.failure.detail}{follows}"
    return launch.released_at, What.RELEASED, f"not wanted any more ({launch.release_reason})"


def _farewell(launch: Launch, now: float) -> str:
    if launch.accepted_at is None:
        return "there is no VM"
    spent = cost(launch, now)
    return "Azure says the VM is not there" + ("" if spent is None else f"; it cost about {spent:.2f} USD")
