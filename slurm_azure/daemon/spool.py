"""The daemon's side of the spool: each file becomes one journal entry, exactly once, and only then goes."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slurm_azure.errors import HostlistError
from slurm_azure.hostlist import expand
from slurm_azure.intake import SUFFIX, NotARequest, read
from slurm_azure.journal import Journal, TakenRequest
from slurm_azure.model import NodeName, PoolName, RequestId, RequestKind, Wish
from slurm_azure.slurm.resume_file import parse_resume_file

log = logging.getLogger(__name__)

MOST_AT_ONCE = 200  # files in one transaction: bounds how long a single commit can take


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that is in the journal now. `strangers`: nodes that are in no pool of ours."""

    request: TakenRequest
    wishes: tuple[Wish, ...]
    strangers: tuple[str, ...]


DRAFT = 3600.0  # seconds after which a hook that was writing is not any more


class Spool:
    """The folder that hooks write to. Single reader."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._looked: float | None = None
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)

    def waiting(self) -> list[str]:
        """Names of the files that wait, oldest first. One whose name begins with a dot is being written still (intake.py)."""
        return sorted(name for name in os.listdir(self.folder) if name.endswith(SUFFIX) and not name.startswith("."))

    def tidy(self) -> None:
        """Remove drafts of hooks that were killed before their request was whole: Slurm's own state stands in for them."""
        for name in os.listdir(self.folder):
            path = self.folder / name
            with contextlib.suppress(OSError):
                if name.startswith(".") and name.endswith(SUFFIX) and time.time() - path.stat().st_mtime > DRAFT:
                    path.unlink()
                    log.warning("spool: removed the draft of a hook that was killed: %s", name)

    def take_in(self, journal: Journal, pool_of: dict[NodeName, PoolName], now: float) -> Iterator[Taken]:
        """Move what waits into the journal: one commit, then the files go. A crash between the two costs nothing,
        because the journal knows each file's name. Raises JournalError; then all files stay."""
        names = self.waiting()[:MOST_AT_ONCE]
        looked, self._looked = self._looked, now
        if not names:
            return
        taken: list[Taken] = []
        with journal.writing():
            for name in names:
                one = self._read(name, pool_of, looked, now)
                if one is not None and journal.take_in(one.request, one.wishes):
                    taken.append(one)
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).unlink()
        yield from taken

    def _read(self, name: str, pool_of: dict[NodeName, PoolName], looked: float | None, now: float) -> Taken | None:
        """One file; what is not a request of ours is set aside under another name, for a person to look at.

        It was written after the last look: that holds even if the machine's clock, which its time is from, was set meanwhile.
        """
        path = self.folder / name
        try:
            kind, at, nodes, resume_file = read(path.read_bytes())
            at = min(max(at, looked or 0.0), now)
            return understand(RequestId(name.removesuffix(SUFFIX)), kind, at, nodes, resume_file, pool_of, now)
        except (NotARequest, OSError, ValueError) as error:
            log.error("spool file %s set aside as .unreadable: %s", name, error)
            with contextlib.suppress(OSError):
                path.rename(path.with_suffix(".unreadable"))
            return None


def understand(
    id: RequestId, kind: str, at: float, nodes: bytes, resume_file: bytes, pool_of: dict[NodeName, PoolName], now: float
) -> Taken:
    """What a request asks for: one wish for each of its nodes that is ours, those of one job together, in the jobs' order."""
    text = nodes.decode("utf-8", "backslashreplace")
    asked, strangers = _ours(text, pool_of)
    jobs_of: dict[NodeName, list[int]] = {}
    for job in parse_resume_file(resume_file):
        for node in job.nodes:
            jobs_of.setdefault(node, []).append(job.job_id)
    wanted = set(asked)
    ordered = [node for node in jobs_of if node in wanted] + [node for node in asked if node not in jobs_of]
    request_kind = RequestKind(kind)
    wishes = tuple(Wish(node, request_kind, at, id, tuple(jobs_of.get(node, ()))) for node in ordered)
    jobs = tuple(dict.fromkeys(job for node in ordered for job in jobs_of.get(node, ())))
    return Taken(TakenRequest(id, request_kind, text, at, now, jobs), wishes, strangers)


def _ours(text: str, pool_of: dict[NodeName, PoolName]) -> tuple[list[NodeName], tuple[str, ...]]:
    """The nodes of a hostlist that are in a pool, and the other names (the whole text if it is no hostlist)."""
    try:
        names = dict.fromkeys(NodeName(name) for name in expand(text))
    except HostlistError:
        return [], (text,)
    return [name for name in names if name in pool_of], tuple(name for name in names if name not in pool_of)
