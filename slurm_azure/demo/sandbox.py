"""The walls around a site: namespaces that end, with all that is in them, when their first process ends.

Whoever starts a site may be killed with -9: the kernel then kills the sandbox's first process (man prctl(2),
PR_SET_PDEATHSIG; man unshare(1), --kill-child), and the end of a PID namespace's first process is the end of every
process, mount and network interface in it (man pid_namespaces(7)). Nothing of ours has to run for that.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

_TIED = ["setpriv", "--pdeathsig=KILL"]
_FORK = ["--fork", "--kill-child=KILL", "--propagation=private", "--mount-proc"]
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_POLITE = 2.0  # seconds for it to end by itself


def guarded(argv: Sequence[str]) -> list[str]:
    """`argv` so that no process or mount of it outlives its caller; it shares the machine's network."""
    return [*_TIED, "unshare", "--mount", "--pid", *_FORK, *argv]


def walled(argv: Sequence[str], *, detached: bool = False) -> list[str]:
    """`argv` as the first process of namespaces of its own, the network's too; `detached`, it may outlive its caller."""
    spaces = ["--mount", "--net", "--pid", "--ipc", "--uts"]
    return [*([] if detached else _TIED), "unshare", *spaces, *_FORK, *argv]


def first_process(unshare: int) -> int | None:
    """The pid, seen from here, of the first process of the sandbox that `unshare` (a pid) waits for; None if it ended."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = stat.read_text(encoding="utf-8", errors="replace").partition(" ")
            if int(rest.rpartition(")")[2].split()[1]) == unshare:
                return int(pid)
    return None


def end_of(unshare: subprocess.Popen[bytes]) -> None:
    """End the sandbox that was started as `unshare`, however far it has come.

    In its first moments there is no first process yet, or one that `unshare` has not yet tied to its own life, so that
    killing `unshare` alone might leave it behind.
    """
    until = time.monotonic() + 1.0
    first = first_process(unshare.pid)
    while first is None and unshare.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
        first = first_process(unshare.pid)
    if first is not None:
        end(first)
    unshare.kill()
    unshare.wait()


def end(pid: int) -> None:
    """End a sandbox's first process and wait until it is gone, which is when everything in the sandbox is."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        if not select.select([process], [], [], _POLITE)[0]:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [])
    except ProcessLookupError:
        pass
    finally:
        os.close(process)


def end_with_parent() -> None:
    """Ask the kernel to send this process SIGTERM when its parent ends, as when somebody kills `make` alone."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
