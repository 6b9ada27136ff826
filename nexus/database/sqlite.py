"""`INetworks` on a SQLite file, in one thread of its own.

One thread means one connection, calls in the order they were made, and a busy disk that delays records only. What a
record's row looks like is in `rows`; opening the file and what its errors mean in `connecting`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from nexus.database.connecting import connect, explain
from nexus.database.rows import COLUMNS, DamagedRowError, network_of, row_of
from nexus.errors import DatabaseError, NetworkExistsError, NetworkNotFoundError
from nexus.interfaces import INetworks, INetworksObserver, ISubscription
from nexus.model import DesiredState, Network, NetworkChanges
from nexus.observers import Observers

T = TypeVar("T")

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM networks"  # noqa: S608 (our own constants)
_INSERT = f"INSERT INTO networks ({', '.join(COLUMNS)}) VALUES ({', '.join('?' for _ in COLUMNS)})"  # noqa: S608
_UPDATE = f"UPDATE networks SET {', '.join(f'{column} = ?' for column in COLUMNS)} WHERE name = ?"  # noqa: S608


def utc_now() -> datetime:
    """The wall clock's time, aware."""
    return datetime.now(UTC)


def check_records(path: Path, busy_timeout_s: float) -> None:
    """Open the file at `path`, bring its schema up to date and read every record. Blocks.

    :raises DatabaseError: where that cannot be done.
    """
    with closing(connect(path, busy_timeout_s)) as connection, _explaining("list networks", path):
        _read_all(connection)


@implementer(INetworks)
class SQLiteNetworks:
    """Records in the SQLite file at `path`.

    The file is opened by `open`, or by the first call; after a failure to open it, the next call tries again. Observers
    are told of changes made through this object: SQLite does not tell of those by other processes. A cancelled call is
    carried out nevertheless, and observers are told.

    :param busy_timeout_s: how long a call waits for another process's lock before it fails.
    :param now: the wall clock, for `updated_at`.
    """

    def __init__(
        self,
        path: Path,
        reactor: IReactorFromThreads,
        *,
        busy_timeout_s: float = 5.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._path = path
        self._reactor = reactor
        self._busy_timeout_s = busy_timeout_s
        self._now = now
        self._observers: Observers[INetworksObserver] = Observers()
        self._connection: sqlite3.Connection | None = None
        self._threads = ThreadPool(1, 1, name="nexus-database")
        self._closed: Deferred[None] | None = None

    def open(self) -> Deferred[None]:
        """Open the file and bring its schema up to date, to learn of trouble early. Fails with `DatabaseError`."""
        return self._call("open", lambda connection: None)

    def create(self, network: Network) -> Deferred[Network]:
        """See `INetworks`."""

        def insert(connection: sqlite3.Connection) -> Network:
            with _transaction(connection):
                if _select(connection, network.name) is not None:
                    raise NetworkExistsError(network.name)
                connection.execute(_INSERT, row_of(network))
            self._tell_from_thread(network.name)
            return network

        return self._call(f"create network {network.name}", insert)

    def get(self, name: str) -> Deferred[Network]:
        """See `INetworks`."""
        return self._call(f"read network {name}", lambda connection: _read(connection, name))

    def list(self) -> Deferred[Sequence[Network]]:
        """See `INetworks`."""
        return self._call("list networks", _read_all)

    def update(self, name: str, changes: NetworkChanges) -> Deferred[Network]:
        """See `INetworks`."""
        return self._change(f"update network {name}", name, changes.given())

    def record_activation(self, name: str, at: datetime, reason: str) -> Deferred[Network]:
        """See `INetworks`."""
        fields = {"desired_state": DesiredState.ONLINE, "activated_at": at, "activation_reason": reason}
        return self._change(f"record that network {name} was started", name, fields)

    def record_deactivation(self, name: str, at: datetime, reason: str) -> Deferred[Network]:
        """See `INetworks`."""
        fields = {"desired_state": DesiredState.OFFLINE, "deactivated_at": at, "deactivation_reason": reason}
        return self._change(f"record that network {name} was stopped", name, fields)

    def delete(self, name: str) -> Deferred[None]:
        """See `INetworks`."""

        def remove(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                if connection.execute("DELETE FROM networks WHERE name = ?", (name,)).rowcount == 0:
                    raise NetworkNotFoundError(name)
            self._tell_from_thread(name)

        return self._call(f"delete network {name}", remove)

    def watch(self, observer: INetworksObserver) -> ISubscription:
        """See `INetworks`."""
        return self._observers.add(observer)

    def close(self) -> Deferred[None]:
        """Let calls under way end, close the file and end the thread. Later calls fail. Idempotent."""
        if self._closed is None:
            self._closed = Deferred.fromCoroutine(self._close())
        done: Deferred[None] = Deferred()
        self._closed.addCallback(lambda _: done.callback(None))
        return done

    async def _close(self) -> None:
        if self._threads.started:
            await deferToThreadPool(self._reactor, self._threads, self._disconnect)
            self._threads.stop()

    def _call(self, operation: str, work: Callable[[sqlite3.Connection], T]) -> Deferred[T]:
        """Run `work` in the database's thread, and translate what fails there."""
        if self._closed is not None:
            return fail(DatabaseError(f"{operation}: {self._path}", "it was closed: Nexus is shutting down"))
        if not self._threads.started:
            self._threads.start()
        return deferToThreadPool(self._reactor, self._threads, self._work, operation, work)

    def _change(self, operation: str, name: str, fields: Mapping[str, Any]) -> Deferred[Network]:
        def rewrite(connection: sqlite3.Connection) -> Network:
            with _transaction(connection):
                network = replace(_read(connection, name), **fields, updated_at=self._now())
                connection.execute(_UPDATE, (*row_of(network), name))
            self._tell_from_thread(name)
            return network

        return self._call(operation, rewrite)

    def _work(self, operation: str, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = connect(self._path, self._busy_timeout_s)
        with _explaining(operation, self._path):
            return work(self._connection)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _tell_from_thread(self, name: str) -> None:
        """Queued before the call's own result is, so observers know when the caller does."""
        self._reactor.callFromThread(self._tell, name)

    def _tell(self, name: str) -> None:
        self._observers.tell(lambda observer: observer.network_changed(name))


@contextmanager
def _explaining(operation: str, path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, operation, path) from error
    except DamagedRowError as error:
        raise DatabaseError(
            f"{operation}: {path}", f"{error}: put back a copy, or delete that row with sqlite3"
        ) from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Takes the write lock at once, so that what is read inside is still true at the commit."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _select(connection: sqlite3.Connection, name: str) -> tuple[object, ...] | None:
    row: tuple[object, ...] | None = connection.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
    return row


def _read(connection: sqlite3.Connection, name: str) -> Network:
    row = _select(connection, name)
    if row is None:
        raise NetworkNotFoundError(name)
    return network_of(row)


def _read_all(connection: sqlite3.Connection) -> Sequence[Network]:
    return [network_of(row) for row in connection.execute(f"{_SELECT} ORDER BY name")]
