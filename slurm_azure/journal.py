"""What was promised: requests taken in, wishes still open, launches with their moments, events worth telling; what cools down,
what is closed or paused, what was spent.

SQLite with one writer, the daemon (WAL, synchronous=FULL: what is committed survives a loss of power); the command line
reads beside it. It lives on a local disk, never on NFS (sqlite.org, "Write-Ahead Logging"). A launch's row holds all its
moments, so a node's timeline is derived and not stored twice.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Self

from slurm_azure.errors import JournalError
from slurm_azure.journal_file import connect, connect_readonly
from slurm_azure.journal_rows import SAVE_LAUNCH, SELECT_LAUNCHES, launch_of, row_of
from slurm_azure.model import (
    Breaker,
    CoolDown,
    FailureReason,
    JobTrouble,
    Launch,
    LaunchId,
    NodeName,
    Pause,
    PoolName,
    RequestId,
    RequestKind,
    Wish,
)

LONGEST_CONSOLE = 1 << 20  # characters kept of a console log, the last ones
_SITE = ""  # a pause of the whole site: SQLite takes no NULL for a key


@dataclass(frozen=True, slots=True)
class Event:
    """Something about a node that its launches do not show by themselves."""

    at: float
    node: NodeName
    launch: LaunchId | None
    text: str


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """A request as it stands in the journal; `nodes` is the hostlist as slurmctld gave it."""

    id: RequestId
    kind: RequestKind
    nodes: str
    at: float
    taken_at: float
    jobs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spending:
    """What a pool's launches cost in a calendar month (UTC, `YYYY-MM`) as far as they are over; those without a known price
    count in `vm_seconds` alone."""

    month: str
    pool: PoolName
    usd: float
    vm_seconds: float


class Journal:
    """An open journal. All writing happens inside `with journal.writing():`, one commit each."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def open(cls, path: Path, readonly: bool = False) -> Self:
        """Open (and, unless `readonly`, make or migrate) the journal at `path`. Raises JournalError.

        One that is damaged is set aside and a new one begun: launches come back from the VMs' tags and Slurm's states.
        """
        try:
            return cls(connect_readonly(path) if readonly else connect(path))
        except sqlite3.Error as error:
            raise JournalError(f"journal {path}: {error}; is it on a local disk, and readable by this user?") from None

    def close(self) -> None:
        """Close it; what was committed stays."""
        self._db.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it is durable at the end, or none of it. Raises JournalError (such as for a full disk)."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise JournalError(f"journal: {error}; nothing of this step was recorded") from None
            raise

    # requests and wishes

    def take_in(self, request: TakenRequest, wishes: Iterable[Wish]) -> bool:
        """Record a request with its wishes; False if it is there already (a crash came before its file was removed)."""
        row = (request.id, request.kind, request.nodes, request.at, request.taken_at, json.dumps(request.jobs))
        if self._db.execute("INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?, ?, ?)", row).rowcount == 0:
            return False
        self._db.executemany(
            "INSERT OR REPLACE INTO wishes VALUES (?, ?, ?, ?, ?)",
            ((w.node, w.kind, w.at, w.request, json.dumps(w.jobs)) for w in wishes),
        )
        return True

    def drop(self, wishes: Iterable[Wish]) -> None:
        """These wishes have been seen to (a newer one for the same node and kind stays)."""
        self._db.executemany(
            "DELETE FROM wishes WHERE node = ? AND kind = ? AND request = ?",
            ((w.node, w.kind, w.request) for w in wishes),
        )

    def wishes(self) -> list[Wish]:
        """All open wishes, oldest first."""
        rows = self._db.execute("SELECT node, kind, at, request, jobs FROM wishes ORDER BY at, rowid")
        return [
            Wish(NodeName(node), RequestKind(kind), at, RequestId(request), tuple(json.loads(jobs)))
            for node, kind, at, request, jobs in rows
        ]

    def requests(self, since: float = 0.0, ids: Sequence[RequestId] | None = None) -> list[TakenRequest]:
        """Requests taken in since a moment, oldest first; or just those with the given ids."""
        rows = self._db.execute("SELECT id, kind, nodes, at, taken_at, jobs FROM requests WHERE at >= ? ORDER BY at", (since,))
        found = (TakenRequest(RequestId(r[0]), RequestKind(r[1]), r[2], r[3], r[4], tuple(json.loads(r[5]))) for r in rows)
        return [request for request in found if ids is None or request.id in ids]

    # launches

    def save(self, launches: Iterable[Launch]) -> None:
        """Write launches, new or changed."""
        self._db.executemany(SAVE_LAUNCH, map(row_of, launches))

    def unfinished(self) -> list[Launch]:
        """Launches that are not gone yet, oldest first."""
        return self._launches("WHERE gone_at IS NULL ORDER BY planned_at, rowid")

    def launches(self, node: str | None = None, since: float = 0.0) -> list[Launch]:
        """Launches planned since a moment, or still unfinished, oldest first; of one node if given."""
        where, values = "WHERE (planned_at >= ? OR gone_at IS NULL)", [since]
        if node is not None:
            return self._launches(where + " AND node = ? ORDER BY planned_at, rowid", *values, node)
        return self._launches(where + " ORDER BY planned_at, rowid", *values)

    def last_of_each_node(self) -> list[Launch]:
        """The newest launch of every node that ever had one."""
        return self._launches("WHERE rowid IN (SELECT max(rowid) FROM launches GROUP BY node)")

    def _launches(self, tail: str, *values: Any) -> list[Launch]:
        return [launch_of(row) for row in self._db.execute(f"{SELECT_LAUNCHES} {tail}", values)]

    # events

    def note(self, events: Iterable[Event]) -> None:
        """Record events."""
        self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", ((e.at, e.node, e.launch, e.text) for e in events))

    def events(self, node: str | None = None, since: float = 0.0) -> list[Event]:
        """Events since a moment, oldest first; of one node if given."""
        rows = self._db.execute(
            "SELECT at, node, launch, text FROM events WHERE at >= ? AND node = ifnull(?, node) ORDER BY at, rowid",
            (since, node),
        )
        return [Event(at, NodeName(name), LaunchId(launch) if launch else None, text) for at, name, launch, text in rows]

    # what holds across nodes

    def save_cool_downs(self, cool_downs: Iterable[CoolDown]) -> None:
        """Write cool-downs, new or changed."""
        self._db.executemany("INSERT OR REPLACE INTO cool_downs VALUES (?, ?, ?, ?, ?, ?)", map(astuple, cool_downs))

    def drop_cool_downs(self, keys: Iterable[str]) -> None:
        """Forget cool-downs, with their strikes."""
        self._db.executemany("DELETE FROM cool_downs WHERE key = ?", ((key,) for key in keys))

    def cool_downs(self) -> list[CoolDown]:
        """All cool-downs that are remembered, those that are over included: their strikes still count."""
        rows = self._db.execute("SELECT key, reason, detail, since, until, strikes FROM cool_downs ORDER BY key")
        return [CoolDown(key, FailureReason(reason), *rest) for key, reason, *rest in rows]

    def save_breakers(self, breakers: Iterable[Breaker]) -> None:
        """Write pools' breakers, new or changed."""
        self._db.executemany("INSERT OR REPLACE INTO breakers VALUES (?, ?, ?, ?, ?, ?, ?)", map(astuple, breakers))

    def breakers(self) -> list[Breaker]:
        """The breakers of all pools that ever had a boot that failed."""
        rows = self._db.execute(
            "SELECT pool, failures, detail, opened_at, probe_at, probes, canary FROM breakers ORDER BY pool"
        )
        return [Breaker(*row) for row in rows]

    def save_pause(self, pause: Pause) -> None:
        """Write a pause; it replaces the one that the site or the pool has."""
        row = (pause.pool or _SITE, pause.since, pause.until, pause.by, pause.reason)
        self._db.execute("INSERT OR REPLACE INTO pauses VALUES (?, ?, ?, ?, ?)", row)

    def drop_pause(self, pool: PoolName | None) -> None:
        """The site's pause (`pool` None), or a pool's, is over."""
        self._db.execute("DELETE FROM pauses WHERE pool = ?", (pool or _SITE,))

    def pauses(self) -> list[Pause]:
        """All pauses, the site's first; those that have run out are there until somebody drops them."""
        rows = self._db.execute("SELECT pool, since, until, by, reason FROM pauses ORDER BY pool")
        return [Pause(PoolName(pool) if pool != _SITE else None, *rest) for pool, *rest in rows]

    def save_troubles(self, troubles: Iterable[JobTrouble]) -> None:
        """Write jobs' troubles, new or changed."""
        self._db.executemany("INSERT OR REPLACE INTO troubles VALUES (?, ?, ?)", map(astuple, troubles))

    def troubles(self, since: float = 0.0) -> list[JobTrouble]:
        """Jobs that lost nodes since a moment, oldest first."""
        rows = self._db.execute("SELECT job, failures, at FROM troubles WHERE at >= ? ORDER BY at, job", (since,))
        return [JobTrouble(*row) for row in rows]

    # money

    def spend(self, month: str, pool: PoolName, usd: float, seconds: float) -> None:
        """Add to what a pool cost in a month (`YYYY-MM`): USD, and seconds of VMs."""
        self._db.execute(
            "INSERT INTO spending VALUES (?, ?, ?, ?) ON CONFLICT (month, pool) DO UPDATE SET "
            "usd = usd + excluded.usd, vm_seconds = vm_seconds + excluded.vm_seconds",
            (month, pool, usd, seconds),
        )

    def spent(self, month: str) -> dict[PoolName, float]:
        """USD by pool of a month's launches that are over."""
        rows = self._db.execute("SELECT pool, usd FROM spending WHERE month = ? ORDER BY pool", (month,))
        return {PoolName(pool): usd for pool, usd in rows}

    def spending(self, since: str = "") -> list[Spending]:
        """All that was spent since a month (`YYYY-MM`, included), oldest first; twelve rows a pool and year, kept for ever."""
        rows = self._db.execute("SELECT month, pool, usd, vm_seconds FROM spending WHERE month >= ? ORDER BY 1, 2", (since,))
        return [Spending(*row) for row in rows]

    # console logs

    def keep_console(self, launch: LaunchId, at: float, text: str) -> None:
        """Keep a launch's console log, or the end of one that is very long; a newer one replaces it."""
        data = zlib.compress(text[-LONGEST_CONSOLE:].encode("utf-8", "replace"))
        self._db.execute("INSERT OR REPLACE INTO consoles VALUES (?, ?, ?)", (launch, at, data))

    def console(self, launch: LaunchId) -> tuple[float, str] | None:
        """When a launch's console log was read, and the log."""
        row = self._db.execute("SELECT at, text FROM consoles WHERE launch = ?", (launch,)).fetchone()
        return None if row is None else (row[0], zlib.decompress(row[1]).decode("utf-8"))

    def forget_consoles(self, before: float) -> None:
        """Drop console logs that were read before a moment."""
        self._db.execute("DELETE FROM consoles WHERE at < ?", (before,))

    # orders

    def take_order(self, id: str, at: float, taken_at: float, text: str) -> bool:
        """Record an administrator's order; False if it is there already (a crash came before its file was removed)."""
        return self._db.execute("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?)", (id, at, taken_at, text)).rowcount > 0

    def order_taken_at(self, id: str) -> float | None:
        """When an order was taken in; None = not yet."""
        row = self._db.execute("SELECT taken_at FROM orders WHERE id = ?", (id,)).fetchone()
        return None if row is None else float(row[0])

    def forget(self, before: float) -> None:
        """Drop what has been over since before a moment, so that the journal does not grow for ever."""
        self._db.execute("DELETE FROM launches WHERE gone_at < ?", (before,))
        self._db.execute("DELETE FROM events WHERE at < ?", (before,))
        self._db.execute("DELETE FROM requests WHERE at < ?", (before,))
        self._db.execute("DELETE FROM orders WHERE taken_at < ?", (before,))
        self._db.execute("DELETE FROM troubles WHERE at < ?", (before,))
        self._db.execute("DELETE FROM cool_downs WHERE until < ?", (before,))
        self._db.execute("DELETE FROM pauses WHERE until < ?", (before,))
        self.forget_consoles(before)
