"""Giving the daemon an order: who gives it, whether it has been taken in, and what holds then."""

from __future__ import annotations

import argparse
import os
import pwd
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm_azure.cli.context import Context
from slurm_azure.cli.nodes import nearest
from slurm_azure.config import DEFAULT_RUN
from slurm_azure.daemon.orders import FOLDER, Order, give, given, pauses_after
from slurm_azure.errors import ConfigError, JournalError, UsageError
from slurm_azure.intake import wake
from slurm_azure.model import Launch, Pause, PoolName

PATIENCE = 5.0
"""Seconds to wait for the daemon."""

_LONGEST = 500  # characters of a reason or a name


@dataclass(frozen=True, slots=True)
class Given:
    """An order that is durable. `remark`: why it does not count yet ('' = the daemon has taken it in). `before` and `after`:
    the pauses without and with it; `launches`: all that are not gone."""

    remark: str
    before: Sequence[Pause]
    after: Sequence[Pause]
    launches: Sequence[Launch]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What every order takes."""
    parser.add_argument("--pool", metavar="POOL", help="one pool alone [the whole site]")
    parser.add_argument(
        "--run", metavar="DIR", type=Path, default=DEFAULT_RUN, help=f"where the daemon is woken [{DEFAULT_RUN}]"
    )


def pool_named(options: argparse.Namespace, context: Context) -> PoolName | None:
    """The pool of `--pool`, None = the site. Raises UsageError for one that is not configured.

    With a mistaken configuration any name will do: who has to stop the spending cannot mend that file first.
    """
    if options.pool is None:
        return None
    try:
        pools = context.config().pools
    except ConfigError as error:
        context.remark(f"going on without the configuration: {str(error).splitlines()[0]}")
        return PoolName(one_line(options.pool))
    if options.pool not in pools:
        raise UsageError(f"there is no pool {options.pool!r}{nearest(options.pool, pools)}")
    return PoolName(options.pool)


def who() -> str:
    """The person behind this process, through sudo too."""
    name = os.environ.get("SUDO_USER") or os.environ.get("USER")
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            name = f"uid {os.getuid()}"
    return one_line(name)


def one_line(text: str) -> str:
    """`text` without line breaks and other characters that are none to read, and not endless."""
    words = " ".join(text.split())
    return "".join(character if character.isprintable() else "?" for character in words)[:_LONGEST]


def hand_over(order: Order, run_folder: Path, context: Context) -> Given:
    """Make the order durable, wake the daemon, and wait a little until it has taken it in. Raises JournalError, OSError."""
    folder = context.state / FOLDER
    if not folder.exists():
        raise JournalError(f"{folder}: not there; has slurm-azured run on this machine (--state names another folder)?")
    before, launches, _ = _look(context)  # first: a daemon too old for orders would not take it in
    before = with_waiting(context, before)
    id = give(folder, order, time.time_ns())
    if not wake(str(run_folder / "wake")):
        after = pauses_after({pause.pool: pause for pause in before}, [order])
        return Given("slurm-azured does not run: this counts from its start", before, list(after.values()), launches)
    deadline = context.clock() + PATIENCE
    while context.clock() < deadline:
        after_all, launches, taken = _look(context, id)
        if taken:
            return Given("", before, after_all, launches)
        context.sleep(0.1)
    after = pauses_after({pause.pool: pause for pause in before}, [order])
    remark = f"slurm-azured has not taken it in within {PATIENCE:.0f} s: this counts from when it does; see its log"
    return Given(remark, before, list(after.values()), launches)


def _look(context: Context, id: str = "") -> tuple[list[Pause], list[Launch], bool]:
    """Pauses, launches that are not gone, whether the order of that id has been taken in; nothing if there is no journal."""
    if not (context.state / "journal.db").exists():
        return [], [], False
    with context.journal() as journal:
        return journal.pauses(), journal.unfinished(), journal.order_taken_at(id) is not None


def with_waiting(context: Context, pauses: Sequence[Pause]) -> list[Pause]:
    """`pauses`, and what orders that wait for the daemon make of them."""
    return list(pauses_after({pause.pool: pause for pause in pauses}, given(context.state / FOLDER)).values())


def in_force(pauses: Sequence[Pause], now: float) -> list[Pause]:
    """Those that have not run out."""
    return [pause for pause in pauses if pause.until is None or pause.until > now]
