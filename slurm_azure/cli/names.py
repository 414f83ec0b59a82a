"""Whether this machine knows the names of nodes, for Slurm releases that wait for those it does not know."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from slurm_azure.cli.findings import Finding, ok, warn
from slurm_azure.config import Config
from slurm_azure.hostlist import expand

PATIENCE = 1.0
"""Seconds for all look-ups together. slurmctld asks the same resolver, one name after the other."""

_EFFECT = "when nodes fail to boot this release of Slurm looks up each and answers nobody meanwhile (Debian, Ubuntu: 10 s each)"
_REMEDY = "slurm-azure generate --hosts /etc/hosts"


def _resolve(name: str) -> object:
    return socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)


def check_names(
    config: Config, slurm_conf: Path, resolve: Callable[[str], object] = _resolve, patience: float = PATIENCE
) -> Iterator[Finding]:
    """Whether the first, middle and last node of each pool can be looked up, where `slurm_conf` shows this to be the head node.

    `resolve` raises OSError for a name that nobody knows; after `patience` seconds no more answers are waited for.
    """
    if not slurm_conf.is_file():
        return
    lookups = [_LookUp(name, _sample(pool.nodes), resolve) for name, pool in config.pools.items()]
    until = time.monotonic() + patience
    troubles = [(lookup.pool, trouble) for lookup in lookups if (trouble := lookup.trouble(until, patience))]
    for pool, trouble in troubles:
        yield warn(f"pools.{pool}.nodes", f"{trouble}: {_EFFECT}", _REMEDY)
    if not troubles:
        yield ok("names of nodes", "can be looked up on this machine")


def _sample(nodes: str) -> list[str]:
    """Few enough for a slow resolver, and not only names of VMs that happen to run (Azure's DNS knows those)."""
    names = expand(nodes)
    return list(dict.fromkeys((names[-1], names[len(names) // 2], names[0])))


class _LookUp:
    """Some names of a pool that are looked up one after the other. getaddrinfo cannot be stopped: its thread is left alone."""

    def __init__(self, pool: str, names: list[str], resolve: Callable[[str], object]) -> None:
        self.pool = pool
        self._names, self._resolve = names, resolve
        self._known = 0
        self._error = ""
        self._thread = threading.Thread(target=self._run, name=f"names of {pool}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for name in self._names:
                self._resolve(name)
                self._known += 1
        except (OSError, UnicodeError) as error:
            cause = getattr(error, "strerror", error)
            self._error = f"{self._names[self._known]} cannot be looked up on this machine ({cause})"

    def trouble(self, until: float, patience: float) -> str:
        """What is wrong with the names, once that is known or the moment `until` has come; '' = nothing."""
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            return f"{self._names[self._known]} has not been looked up within {patience:g} s"
        return self._error
