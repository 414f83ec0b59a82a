"""The journal's tables, as the steps that lead to them: a new file takes all of them, an older one those it lacks.

A step is never changed once it has been released; what it got wrong is put right by the next one.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from slurm_azure.errors import JournalError

_REQUESTS_AND_LAUNCHES = """
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
CREATE INDEX events_of_node ON events (node, at)
"""

_FAILURE_AND_MONEY = """
ALTER TABLE launches ADD COLUMN asked_at REAL;
ALTER TABLE launches ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
ALTER TABLE launches ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE launches ADD COLUMN console_at REAL;
ALTER TABLE launches ADD COLUMN deallocated_at REAL;
ALTER TABLE launches ADD COLUMN failure_scope TEXT;
ALTER TABLE launches ADD COLUMN failure_blame TEXT;
UPDATE launches SET asked_at = planned_at;
UPDATE launches SET failure_scope = 'launch', failure_blame = 'transient' WHERE failure IS NOT NULL;
CREATE TABLE cool_downs (
    key TEXT PRIMARY KEY, reason TEXT NOT NULL, detail TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL,
    strikes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE breakers (
    pool TEXT PRIMARY KEY, failures INTEGER NOT NULL, detail TEXT NOT NULL, opened_at REAL, probe_at REAL,
    probes INTEGER NOT NULL, canary TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE pauses (
    pool TEXT PRIMARY KEY, since REAL NOT NULL, until REAL, by TEXT NOT NULL, reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE troubles (job INTEGER PRIMARY KEY, failures INTEGER NOT NULL, at REAL NOT NULL) STRICT;
CREATE TABLE spending (
    month TEXT NOT NULL, pool TEXT NOT NULL, usd REAL NOT NULL, vm_seconds REAL NOT NULL, PRIMARY KEY (month, pool)
) STRICT, WITHOUT ROWID;
CREATE TABLE consoles (launch TEXT PRIMARY KEY, at REAL NOT NULL, text BLOB NOT NULL) STRICT;
CREATE TABLE orders (id TEXT PRIMARY KEY, at REAL NOT NULL, taken_at REAL NOT NULL, text TEXT NOT NULL) STRICT, WITHOUT ROWID
"""

STEPS = (_REQUESTS_AND_LAUNCHES, _FAILURE_AND_MONEY)
"""`STEPS[n]` leads from schema n to schema n + 1."""

SCHEMA_VERSION = len(STEPS)


def version_of(db: sqlite3.Connection) -> int:
    """The schema of an open journal; 0 = a new file."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring an open journal to this schema, in one transaction: a crash on the way leaves it as it was.

    Raises JournalError for a schema newer than this, sqlite3.Error; then nothing has changed.
    """
    check_not_newer(db, path)
    if version_of(db) == SCHEMA_VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in STEPS[version_of(db) :]:  # asked again: another process may have been before us
            for statement in step.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise


def check_not_newer(db: sqlite3.Connection, path: Path) -> None:
    """Raises JournalError for a journal whose schema this program does not know yet."""
    version = version_of(db)
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"journal {path} was written by a newer slurm-azure (schema {version}, this one knows {SCHEMA_VERSION})"
        )
