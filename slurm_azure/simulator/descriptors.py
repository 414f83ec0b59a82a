"""File descriptors: each connection takes one, and there are not for ever more."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

_SILENCE = 10.0  # seconds between two complaints: asyncio has one for each connection that waits, every second


def raise_limit() -> None:
    """Let this process have as many as it may: the usual soft limit of 1,024 is for programs that use select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def complain_briefly() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """An exception handler for an event loop: where descriptors have run out it says so in a line now and then; clients wait
    until there are some again. All else is handled as ever."""
    told: float | None = None

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)):
            loop.default_exception_handler(context)
        elif told is None or loop.time() - told >= _SILENCE:
            told = loop.time()
            log.warning("connections wait: there are no more file descriptors (%s); see ulimit -n", error.strerror)

    return handle
