"""Moments and spans of time, as scripts and as people want them."""

from __future__ import annotations

from datetime import UTC, datetime

from slurm_azure.lifecycle.closing import moment


def iso(at: float | None) -> str | None:
    """A moment (seconds since the epoch) in UTC, ISO 8601 with milliseconds and offset."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def clock(at: float) -> str:
    """A moment for people: UTC to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span(seconds: float) -> str:
    """A span of time for people: `0.4s`, `12s`, `3m05s`, `2h10m`, `3d04h`."""
    if seconds < 0:
        return "-" + span(-seconds)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def until_text(until: float | None, since: float) -> str:
    """`until 14:00 UTC`, as nodes' reasons say it, or until somebody ends it."""
    return "until somebody resumes it" if until is None else f"until {moment(until, since)}"
