"""What a launch has cost, by calendar month."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from slurm_azure.model import Launch

_DAY = 86400  # seconds; UTC as the epoch counts it has no leap seconds


def spending_of(launch: Launch, until: float) -> list[tuple[str, float, float]]:
    """The launch's share of each month: (`YYYY-MM` in UTC, USD, seconds of its VM), oldest first; nothing if it had no VM.

    Azure bills a VM's compute while it is allocated (Microsoft, "States and billing status of Azure Virtual Machines"): here
    from Azure's yes until its VM is gone, or was deallocated, and at most `until`. Without a known price it costs 0 USD.
    """
    begin, end = _billed_from(launch), min(at for at in (launch.gone_at, launch.deallocated_at, until) if at is not None)
    price = launch.price or 0.0
    parts = []
    while begin is not None and begin < end:
        month, next_month = _month_of(begin)
        seconds = min(end, next_month) - begin
        parts.append((month, price * seconds / 3600, seconds))
        begin = next_month
    return parts


def month_of(at: float) -> str:
    """The calendar month (UTC) of a moment, `YYYY-MM`."""
    return _month_of(at)[0]


def _billed_from(launch: Launch) -> float | None:
    """Azure's yes; if that got lost, the create call of a VM that was seen to be there."""
    if launch.accepted_at is None and (launch.running_at or launch.joined_at):
        return launch.sent_at
    return launch.accepted_at


def _month_of(at: float) -> tuple[str, float]:
    """The month of a moment, and when the next one begins."""
    return _month_of_day(int(at // _DAY))


@lru_cache(maxsize=128)
def _month_of_day(day: int) -> tuple[str, float]:
    """The same of a day since the epoch: 10,000 launches are looked at in each round, and begin on few days."""
    moment = datetime.fromtimestamp(day * _DAY, UTC)
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    return f"{moment:%Y-%m}", datetime(year, month, 1, tzinfo=UTC).timestamp()
