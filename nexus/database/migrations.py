"""The schema of a SQLite database, brought up to date when it is opened.

`schema/sqlite/NNNN_subject.sql` holds the steps, in the order of their numbers and without gaps; a step that was
released is never edited. SQLite's own `user_version` says how many were applied, and changes in the transaction that
applies them: a process that is killed on the way leaves the old schema, and two that open at once do it once.

No library does this. yoyo-migrations 9.0 was tried: it commits its lock as a row, which outlives a killed process until
somebody runs `yoyo break-lock`; it applies a step and marks it applied in two transactions, so a crash between them
makes every later start fail; and it does not notice a schema newer than the program. Alembic brings SQLAlchemy.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.resources import files

from nexus.errors import DatabaseError


def read_migrations() -> list[str]:
    """The steps' SQL: the first makes schema version 1.

    :raises AssertionError: when numbers are missing or doubled: the package is built wrongly.
    """
    found = sorted(
        (item for item in files("nexus.database").joinpath("schema", "sqlite").iterdir() if item.name.endswith(".sql")),
        key=lambda item: item.name,
    )
    numbers = [int(match[1]) for item in found if (match := re.match(r"(\d{4})_", item.name))]
    if not found or numbers != list(range(1, len(found) + 1)):
        raise AssertionError(f"schema/sqlite must be numbered from 0001 without gaps, not {numbers}")
    return [item.read_text("utf-8") for item in found]


def migrate(connection: sqlite3.Connection, migrations: Sequence[str], operation: str) -> None:
    """Apply what is missing, all of it or nothing. The connection is in autocommit mode.

    :param operation: what the caller is doing (`open /path`), for errors.
    :raises DatabaseError: when the schema is newer than `migrations`, or is another program's.
    :raises sqlite3.Error: when SQLite fails.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version > len(migrations):
            raise DatabaseError(
                operation,
                f"its schema has version {version} and this Nexus knows up to {len(migrations)}: a newer Nexus wrote"
                " it; run that one, or put back a copy of before the upgrade",
            )
        if version == 0 and tables:
            raise DatabaseError(operation, "it holds tables that are not Nexus's: name another file in database.url")
        for step in migrations[version:]:
            for statement in _statements(step):
                connection.execute(statement)
        if version < len(migrations):
            connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """One by one, since `sqlite3.Connection.executescript` would commit first."""
    statement = ""
    for piece in re.split("(?<=;)", script):
        statement += piece
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement  # a comment, or an error that SQLite is to tell
