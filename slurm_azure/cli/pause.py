"""`slurm-azure pause`: nothing new is made in Azure, in one pool or in the whole site; what runs goes on."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from slurm_azure.cli.context import Context
from slurm_azure.cli.moments import until_text
from slurm_azure.cli.orders import add_arguments as add_common
from slurm_azure.cli.orders import hand_over, one_line, pool_named, who
from slurm_azure.config import Duration
from slurm_azure.daemon.orders import Order, OrderKind
from slurm_azure.errors import UsageError
from slurm_azure.model import Launch, PoolName

_DURATION: TypeAdapter[float] = TypeAdapter(Duration)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `pause`."""
    add_common(parser)
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--for", dest="span", metavar="TIME", type=_span, help="such as 90m, 2h, 3d, or seconds [until it is taken back]"
    )
    end.add_argument("--until", metavar="TIME", help="HH:MM, or 2026-11-21T14:00, local time unless it has an offset")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why; shown with what is refused meanwhile")


def run(options: argparse.Namespace, context: Context) -> int:
    """Give the order and say what holds. Raises UsageError, JournalError, OSError."""
    now = context.clock()
    until = _end(options, now)
    pool = pool_named(options, context)
    order = Order(OrderKind.PAUSE, now, who(), pool, until, one_line(options.reason))
    given = hand_over(order, options.run, context)
    subject = "" if pool is None else f"pool {pool} "
    line = f"{subject}paused {until_text(until, now)}; {_goes_on(given.launches, pool)}; nothing new is made"
    context.say(line + (f" ({given.remark})" if given.remark else ""))
    return 0


def _span(text: str) -> float:
    try:
        seconds = _DURATION.validate_python(float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else text)
    except ValidationError:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write for instance 90s, 5m or 2h") from None
    if seconds <= 0:
        raise argparse.ArgumentTypeError("a pause takes longer than that")
    return seconds


def _end(options: argparse.Namespace, now: float) -> float | None:
    if options.span is not None:
        return now + float(options.span)
    return None if options.until is None else moment(options.until, now)


def moment(text: str, now: float) -> float:
    """The next HH:MM, or a date and time in ISO 8601 that is still to come; local time unless it has an offset (as Slurm's own
    commands take it). Raises UsageError."""
    here = datetime.fromtimestamp(now).astimezone()
    match = re.fullmatch(r"(\d{1,2}):(\d\d)", text)
    try:
        if match is None:
            at = datetime.fromisoformat(text)
        else:
            at = datetime(here.year, here.month, here.day, int(match[1]), int(match[2]))  # noqa: DTZ001 - local time
            at += timedelta(days=at.timestamp() <= now)
        seconds = at.timestamp()
    except (ValueError, OverflowError):
        raise UsageError(f"--until {text!r} is no time; write for instance 14:00 or 2026-11-21T14:00") from None
    if seconds <= now:
        raise UsageError(f"--until {text} is over already")
    return seconds


def _goes_on(launches: Sequence[Launch], pool: PoolName | None) -> str:
    """What the pause leaves alone."""
    ours = [one for one in launches if one.live and pool in (None, one.pool)]
    running = sum(one.joined_at is not None for one in ours)
    booting = sum(one.joined_at is None and one.accepted_at is not None for one in ours)
    if not running and not booting:
        return "no node runs"
    parts = [f"{count} {word}" for count, word in ((running, "running"), (booting, "booting")) if count]
    return f"{' and '.join(parts)} node{'s go' if running + booting > 1 else ' goes'} on"
