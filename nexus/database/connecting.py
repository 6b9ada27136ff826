"""Opening the SQLite file, and what SQLite's errors mean. Blocking: runs in the database's thread."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Final

from twisted.logger import Logger

from nexus.database.migrations import migrate, read_migrations
from nexus.errors import DatabaseError

log = Logger()

_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: "the disk is full: free space there, then try again",
    sqlite3.SQLITE_BUSY: "another process holds it locked: end that process, or try again",
    sqlite3.SQLITE_LOCKED: "another connection holds it locked: try again",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: stop Nexus and put back a copy, or run `sqlite3 FILE .recover`",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database: name another one in database.url",
    sqlite3.SQLITE_READONLY: "the file or its directory may not be written by this user: change owner or mode",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: check that its directory exists and this user may write there",
    sqlite3.SQLITE_PERM: "this user may not use the file: change its owner or mode",
    sqlite3.SQLITE_IOERR_SHMSIZE: "the disk is full: free space there, then try again",
    sqlite3.SQLITE_IOERR: "the disk fails to read or write it: look at the system's log",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}


def explain(error: sqlite3.Error, operation: str, path: Path) -> DatabaseError:
    """`error` as a sentence that names the file and what to do."""
    code = getattr(error, "sqlite_errorcode", None)
    remedy = _REMEDIES.get(code, _REMEDIES.get(code & 0xFF)) if code is not None else None
    return DatabaseError(f"{operation}: {path}", f"{remedy} ({error})" if remedy else str(error))


def connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """The database at `path`, made if missing and with its schema up to date, in autocommit mode.

    Journal mode is WAL, and a commit is on the disk before it is told (`synchronous=FULL`). The file is its owner's
    alone (0600), since it holds the networks' keys; SQLite gives its companions (`-wal`, `-shm`) the same mode.

    :raises DatabaseError: with the path and the remedy.
    """
    _prepare_file(path)
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None)
        migrate(connection, read_migrations(), f"open {path}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise explain(error, "open", path) from error
    except DatabaseError:
        if connection is not None:
            connection.close()
        raise
    return connection


def _prepare_file(path: Path) -> None:
    """Make directory and file with their modes.

    An existing file is never opened here: closing it would drop the locks that SQLite holds on it in this process.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            mode = stat.S_IMODE(path.stat().st_mode)
            if path.is_file() and mode & 0o077:
                path.chmod(0o600)
                log.warn("{path} had mode {mode:o}: it holds keys, so it is now 600", path=str(path), mode=mode)
    except OSError as error:
        raise DatabaseError(
            f"open: {path}", f"{error.strerror}: give this user a directory to write in, or change database.url"
        ) from error
