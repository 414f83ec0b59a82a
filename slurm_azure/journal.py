"""What was promised: requests taken in, wishes still open, launches with their moments, events worth telling.

SQLite with one writer, the daemon (WAL, synchronous=FULL: what is committed survives a loss of power); the command line
reads beside it. It lives on a local disk, never on NFS (sqlite.org, "Write-Ahead Logging"). A launch's row holds all its
moments, so a node's timeline is derived and not stored twice.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from slurm_azure.errors import JournalError
from slurm_azure.model import (
    Failure,
    FailureReason,
    Launch,
    LaunchId,
    NodeName,
    Offer,
    PoolName,
    Priority,
    RequestId,
    RequestKind,
    VmName,
    Wish,
)

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE requests (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, nodes TEXT NOT NULL, at REAL NOT NULL, taken_at REAL NOT NULL,
    jobs TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE wishes (
    node TEXT NOT NULL, kind TEXT NOT NULL, at REAL NOT NULL, request TEXT NOT NULL, jobs TEXT NOT NULL,
    PRIMARY KEY (node, kind)
) STRICT;
CREATE TABLE launches (
    id TEXT PRIMARY KEY, node TEXT NOT NULL, pool TEXT NOT NULL, vm_name TEXT NOT NULL, size TEXT NOT NULL, zone TEXT,
    priority TEXT NOT NULL, max_price REAL NOT NULL, price REAL, request TEXT, jobs TEXT NOT NULL,
    planned_at REAL NOT NULL, wanted_at REAL, sent_at REAL, accepted_at REAL, running_at REAL, joined_at REAL, released_at REAL,
    release_reason TEXT NOT NULL, delete_sent_at REAL, gone_at REAL, failure TEXT, failure_detail TEXT, told_at REAL
) STRICT;
CREATE INDEX launches_of_node ON launches (node, planned_at);
CREATE INDEX unfinished_launches ON launches (planned_at) WHERE gone_at IS NULL;
CREATE TABLE events (at REAL NOT NULL, node TEXT NOT NULL, launch TEXT, text TEXT NOT NULL) STRICT;
CREATE INDEX events_of_node ON events (node, at);
"""

_COLUMNS = (
    "id", "node", "pool", "vm_name", "size", "zone", "priority", "max_price", "price", "request", "jobs", "planned_at",
    "wanted_at", "sent_at", "accepted_at", "running_at", "joined_at", "released_at", "release_reason", "delete_sent_at",
    "gone_at", "failure", "failure_detail", "told_at",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM launches"  # noqa: S608 - the names stand above
_SAVE = (
    f"INSERT INTO launches ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) ON CONFLICT (id) DO UPDATE SET "  # noqa: S608
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "id")
)


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
            if readonly:
                return cls(_connect_readonly(path))
            try:
                return cls(_connect(path))
            except sqlite3.OperationalError:
                raise  # a full disk, a missing permission, a lock: the file itself is sound
            except sqlite3.DatabaseError as error:
                _set_aside(path, error)
                return cls(_connect(path))
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
        self._db.executemany(_SAVE, map(_row, launches))

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
        return [_launch(row) for row in self._db.execute(f"{_SELECT} {tail}", values)]

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

    def forget(self, before: float) -> None:
        """Drop what has been over since before a moment, so that the journal does not grow for ever."""
        self._db.execute("DELETE FROM launches WHERE gone_at < ?", (before,))
        self._db.execute("DELETE FROM events WHERE at < ?", (before,))
        self._db.execute("DELETE FROM requests WHERE at < ?", (before,))


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        db.close()
        raise sqlite3.DatabaseError("quick_check found damage")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        db.close()
        raise JournalError(
            f"journal {path} was written by a newer slurm-azure (schema {version}, this one knows {SCHEMA_VERSION})"
        )
    if version == 0:
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    return db


def _set_aside(path: Path, error: sqlite3.DatabaseError) -> None:
    number = next(n for n in itertools.count(1) if not path.with_suffix(f".damaged-{n}").exists())
    aside = path.with_suffix(f".damaged-{number}")
    log.critical("journal %s is damaged (%s): kept as %s; a new one is rebuilt from VM tags and Slurm", path, error, aside.name)
    path.rename(aside)
    for tail in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + tail).rename(aside.with_name(aside.name + tail))


def _connect_readonly(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise JournalError(f"journal {path}: not there; has slurm-azured run on this machine (--state names another folder)?")
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=5.0)


def _row(launch: Launch) -> tuple[Any, ...]:
    offer, failure = launch.offer, launch.failure
    return (
        launch.id, launch.node, launch.pool, launch.vm_name, offer.size, offer.zone, offer.priority, offer.max_price,
        launch.price, launch.request, json.dumps(launch.jobs), launch.planned_at, launch.wanted_at, launch.sent_at,
        launch.accepted_at, launch.running_at, launch.joined_at, launch.released_at, launch.release_reason,
        launch.delete_sent_at, launch.gone_at, failure and failure.reason, failure and failure.detail, launch.told_at,
    )  # fmt: skip


def _launch(row: Sequence[Any]) -> Launch:
    value = dict(zip(_COLUMNS, row, strict=True))
    failure, detail = value.pop("failure"), value.pop("failure_detail")
    offer = Offer(value.pop("size"), value.pop("zone"), Priority(value.pop("priority")), value.pop("max_price"))
    return Launch(
        id=LaunchId(value.pop("id")),
        node=NodeName(value.pop("node")),
        pool=PoolName(value.pop("pool")),
        vm_name=VmName(value.pop("vm_name")),
        jobs=tuple(json.loads(value.pop("jobs"))),
        offer=offer,
        failure=Failure(FailureReason(failure), detail) if failure else None,
        **value,
    )
