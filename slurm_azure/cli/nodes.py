"""A node named on the command line: which pool it is in, or what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from slurm_azure.config import Config
from slurm_azure.errors import UsageError


def pool_of(config: Config, node: str) -> str:
    """The pool of `node`. Raises UsageError, with the nearest known name, if it is in none."""
    known = config.pool_of()
    if node in known:
        return known[node]
    raise UsageError(f"{node!r} is in no pool of the configuration{nearest(node, known)}")


def nearest(node: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?`, or nothing."""
    match = difflib.get_close_matches(node, list(known), n=1, cutoff=0.7)
    return f"; did you mean {match[0]}?" if match else ""
