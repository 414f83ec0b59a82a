"""Journals of older releases: migrated where they are, once, whole or not at all."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.errors import JournalError
from slurm_azure.journal import Event, Journal, TakenRequest
from slurm_azure.journal_schema import SCHEMA_VERSION, migrate, version_of
from slurm_azure.model import (
    Blame,
    Failure,
    FailureReason,
    LaunchId,
    NodeName,
    Offer,
    Priority,
    RequestId,
    RequestKind,
    Scope,
    Wish,
)
from tests.support.nodes import NODE, NOW, a_launch

# The statements of the release that wrote schema 1, as they were: this text must not follow the program.
SCHEMA_1 = """
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
COLUMNS_1 = (
    "id, node, pool, vm_name, size, zone, priority, max_price, price, request, jobs, planned_at, wanted_at, sent_at, "
    "accepted_at, running_at, joined_at, released_at, release_reason, delete_sent_at, gone_at, failure, failure_detail, told_at"
)
RUNNING = (
    "l1", NODE, "hb", "az-1-l1", "Standard_HB120rs_v3", "2", "spot", 0.9, 3.6, "r1", "[4, 5]", NOW,
    NOW + 1, NOW + 2, NOW + 3, NOW + 4, NOW + 5, None, "", None, None, None, None, None,
)  # fmt: skip
FAILED = (
    "l0", "az-2", "hb", "az-2-l0", "Standard_F2s_v2", None, "on-demand", -1.0, None, None, "[]", NOW - 9,
    None, NOW - 8, None, None, None, NOW - 7, "failed", None, NOW - 6, "quota", "it's \"full\"\n", NOW - 5,
)  # fmt: skip


def an_old_journal(path: Path) -> Path:
    """A file as the release with schema 1 left it: a request, a wish, a running launch, a failed one, an event."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(f"BEGIN IMMEDIATE; {SCHEMA_1} PRAGMA user_version = 1; COMMIT;")
    db.execute("INSERT INTO requests VALUES ('r1', 'resume', 'az-[1-2]', ?, ?, '[4, 5]')", (NOW - 2, NOW - 1))
    db.execute("INSERT INTO wishes VALUES ('az-3', 'resume', ?, 'r1', '[5]')", (NOW - 2,))
    db.executemany(f"INSERT INTO launches ({COLUMNS_1}) VALUES ({', '.join('?' * 24)})", [FAILED, RUNNING])
    db.execute("INSERT INTO events VALUES (?, ?, 'l1', 'seen')", (NOW, NODE))
    db.close()
    return path


def assert_nothing_is_lost(journal: Journal) -> None:
    """All that `an_old_journal` wrote, with what is new at its beginning."""
    running = a_launch(
        offer=Offer("Standard_HB120rs_v3", "2", Priority.SPOT, 0.9), price=3.6, request=RequestId("r1"), jobs=(4, 5),
        wanted_at=NOW + 1, sent_at=NOW + 2, accepted_at=NOW + 3, running_at=NOW + 4, joined_at=NOW + 5, asked_at=NOW,
    )  # fmt: skip
    failure = Failure(FailureReason.QUOTA, 'it\'s "full"\n', Scope.LAUNCH, Blame.TRANSIENT)
    failed = a_launch(
        "az-2", "l0", planned_at=NOW - 9, sent_at=NOW - 8, released_at=NOW - 7, release_reason="failed", gone_at=NOW - 6,
        failure=failure, told_at=NOW - 5, asked_at=NOW - 9,
    )  # fmt: skip
    assert journal.launches() == [failed, running]
    assert journal.wishes() == [Wish(NodeName("az-3"), RequestKind.RESUME, NOW - 2, RequestId("r1"), (5,))]
    assert journal.requests() == [TakenRequest(RequestId("r1"), RequestKind.RESUME, "az-[1-2]", NOW - 2, NOW - 1, (4, 5))]
    assert journal.events() == [Event(NOW, NODE, LaunchId("l1"), "seen")]


def content(path: Path) -> list[str]:
    """A journal's whole content, schema version first."""
    db = sqlite3.connect(path)
    lines = [f"schema {version_of(db)}", *db.iterdump()]
    db.close()
    return lines


def test_an_old_journal_is_migrated_without_loss(tmp_path: Path) -> None:
    """What schema 1 had is there, launches count as first attempts, and the file is written in the new form from then on."""
    journal = Journal.open(an_old_journal(tmp_path / "journal.db"))
    assert_nothing_is_lost(journal)
    assert (journal.launches()[0].attempt, journal.breakers(), journal.spending()) == (1, [], [])
    changed = a_launch("az-2", "l0", attempt=3, boot="boot=ok", deallocated_at=7.0)
    with journal.writing():
        journal.save([changed])
    assert journal.launches("az-2") == [changed]


def test_twice_is_once(tmp_path: Path) -> None:
    """Opening a migrated journal changes nothing in it."""
    path = an_old_journal(tmp_path / "journal.db")
    Journal.open(path).close()
    once = content(path)
    Journal.open(path).close()
    assert content(path) == once
    assert once[0] == f"schema {SCHEMA_VERSION}"


def test_an_old_and_a_new_journal_have_the_same_tables(tmp_path: Path) -> None:
    """Whichever way a journal came to this schema, what can be asked of it is the same."""

    def columns(path: Path) -> set[Any]:
        Journal.open(path).close()
        db = sqlite3.connect(path)
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {(table, *row[1:]) for table in tables for row in db.execute(f"PRAGMA table_info({table})")}
        db.close()
        return found

    assert columns(an_old_journal(tmp_path / "old.db")) == columns(tmp_path / "new.db")


def migrate_and_die_at(path: Path, statement: int) -> bool:
    """Migrate in another process, which is killed as it begins the given statement; False = it had fewer."""
    child = os.fork()
    if child == 0:
        db, seen = sqlite3.connect(path, isolation_level=None), [0]

        def count(_statement: str) -> None:
            if seen[0] == statement:
                os.kill(os.getpid(), signal.SIGKILL)
            seen[0] += 1

        db.set_trace_callback(count)
        migrate(db, path)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_crash_on_the_way_loses_nothing(tmp_path: Path) -> None:
    """kill -9 before each statement of the migration, its commit included: the old journal is as it was, and the next start
    migrates it."""
    before = content(an_old_journal(tmp_path / "untouched.db"))
    statement = 0
    while migrate_and_die_at(an_old_journal(path := tmp_path / f"{statement}.db"), statement):
        assert content(path) == before
        journal = Journal.open(path)
        assert_nothing_is_lost(journal)
        journal.close()
        statement += 1
    assert statement > 15


def test_a_full_disk_on_the_way_leaves_the_old_journal(tmp_path: Path) -> None:
    """A migration that cannot be written is a clear error and no damage: the file is not set aside."""
    path = an_old_journal(tmp_path / "journal.db")
    before = content(path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        migrate(db, path)
    db.close()
    assert content(path) == before


def test_an_old_journal_is_not_read_beside_the_daemon(tmp_path: Path) -> None:
    """After an upgrade, before the daemon's restart: one line with the remedy, and the file is left alone."""
    path = an_old_journal(tmp_path / "journal.db")
    before = content(path)
    with pytest.raises(JournalError, match="restart the daemon"):
        Journal.open(path, readonly=True)
    assert content(path) == before
