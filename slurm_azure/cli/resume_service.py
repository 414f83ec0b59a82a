"""`slurm-azure resume-service`: takes a pause back."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from slurm_azure.cli.context import Context
from slurm_azure.cli.moments import until_text
from slurm_azure.cli.orders import add_arguments as add_common
from slurm_azure.cli.orders import hand_over, in_force, pool_named, who
from slurm_azure.daemon.orders import Order, OrderKind
from slurm_azure.model import Pause, PoolName


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `resume-service`."""
    add_common(parser)


def run(options: argparse.Namespace, context: Context) -> int:
    """Give the order and say what holds. Raises UsageError, JournalError, OSError."""
    now = context.clock()
    pool = pool_named(options, context)
    given = hand_over(Order(OrderKind.RESUME_SERVICE, now, who(), pool), options.run, context)
    was_paused = any(pause.pool == pool for pause in in_force(given.before, now))
    line = _line(pool, was_paused, in_force(given.after, now))
    context.say(line + (f" ({given.remark})" if given.remark else ""))
    return 0


def _line(pool: PoolName | None, was_paused: bool, left: Sequence[Pause]) -> str:
    subject = "the site" if pool is None else f"pool {pool}"
    done = f"{subject} is in service again" if was_paused else f"{subject} was not paused"
    if not left:
        return done
    others = ", ".join(
        f"{'the whole site' if one.pool is None else f'pool {one.pool}'} {until_text(one.until, one.since)}" for one in left
    )
    return f"{done}; still paused: {others}"
