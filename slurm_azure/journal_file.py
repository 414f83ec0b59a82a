"""Opening the journal's file: for the daemon (made, migrated, or set aside if it is damaged), or beside it for reading."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from slurm_azure.errors import JournalError
from slurm_azure.journal_schema import SCHEMA_VERSION, check_not_newer, migrate, version_of

log = logging.getLogger(__name__)


def connect(path: Path) -> sqlite3.Connection:
    """Open for writing. A damaged file is set aside and a new one begun. Raises JournalError, sqlite3.Error."""
    try:
        return _connect(path)
    except sqlite3.OperationalError:
        raise  # a full disk, a missing permission, a lock: the file itself is sound
    except sqlite3.DatabaseError as error:
        _set_aside(path, error)
        return _connect(path)


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Open for reading, beside the daemon. Raises JournalError, sqlite3.Error."""
    if not path.exists():
        raise JournalError(f"journal {path}: not there; has slurm-azured run on this machine (--state names another folder)?")
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=5.0)
    with _closed_on_error(db):
        check_not_newer(db, path)
        version = version_of(db)
        if version < SCHEMA_VERSION:
            raise JournalError(
                f"journal {path} is of an older slurm-azured (schema {version}, not {SCHEMA_VERSION}): restart the daemon"
            )
    return db


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
    with _closed_on_error(db):
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check found damage")
        migrate(db, path)
    return db


@contextlib.contextmanager
def _closed_on_error(db: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.close()
        raise


def _set_aside(path: Path, error: sqlite3.DatabaseError) -> None:
    number = next(n for n in itertools.count(1) if not path.with_suffix(f".damaged-{n}").exists())
    aside = path.with_suffix(f".damaged-{number}")
    log.critical("journal %s is damaged (%s): kept as %s; a new one is rebuilt from VM tags and Slurm", path, error, aside.name)
    path.rename(aside)
    for tail in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + tail).rename(aside.with_name(aside.name + tail))
