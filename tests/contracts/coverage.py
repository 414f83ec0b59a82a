"""Which of the simulator's operations no test of tests/simulator has ever asked for.

It can be told only at the end of a run, and only of one that had all of these tests: see summary.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

FOLDER = "tests/simulator"

# Operations that need no exchange, with the reason.
EXCUSED: dict[str, str] = {}


def is_whole(collected: Iterable[Path], root: Path) -> bool:
    """Whether all test modules of the simulator are among those collected."""
    return {*(root / FOLDER).rglob("test_*.py")} <= {*collected}


def never_asked(routes: Collection[str], exchanged: Collection[str]) -> list[str]:
    """The operations of `routes` that are in no exchange and not excused."""
    return sorted(set(routes) - set(exchanged) - set(EXCUSED))


def superfluous_excuses(routes: Collection[str], exchanged: Collection[str]) -> list[str]:
    """Excuses for what is asked for after all, or is no operation any more."""
    return sorted(name for name in EXCUSED if name in exchanged or name not in routes)
