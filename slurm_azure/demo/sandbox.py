"""The walls around a site: namespaces that end, with all that is in them, when their first process ends.

Whoever starts a site may be killed with -9: the kernel then kills the sandbox's first process (man prctl(2),
PR_SET_PDEATHSIG; man unshare(1), --kill-child), and the end of a PID namespace's first process is the end of every
process, mount and network interface in it (man pid_namespaces(7)). Nothing of ours has to run for that.
"""

from __future__ import annotations

from collections.abc import Sequence

_TIED = ["setpriv", "--pdeathsig=KILL"]
_FORK = ["--fork", "--kill-child=KILL", "--propagation=private", "--mount-proc"]


def guarded(argv: Sequence[str]) -> list[str]:
    """`argv` so that no process or mount of it outlives its caller; it shares the machine's network."""
    return [*_TIED, "unshare", "--mount", "--pid", *_FORK, *argv]


def walled(argv: Sequence[str], *, detached: bool = False) -> list[str]:
    """`argv` as the first process of namespaces of its own, the network's too; `detached`, it may outlive its caller."""
    spaces = ["--mount", "--net", "--pid", "--ipc", "--uts"]
    return [*([] if detached else _TIED), "unshare", *spaces, *_FORK, *argv]
