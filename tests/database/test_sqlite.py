"""Records in a SQLite file: the contract, the file itself, and what goes wrong with files."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from nexus.database.connecting import connect, explain
from nexus.database.migrations import migrate, read_migrations
from nexus.database.sqlite import SQLiteNetworks
from nexus.errors import DatabaseError, NetworkNotFoundError
from nexus.interfaces import INetworks, INetworksObserver
from nexus.model import NetworkChanges
from tests.contracts.networks import NOW, NetworksTests, RecordingObserver, make_full_network, make_network


class SQLiteTestCase(TestCase):
    """Has a directory of its own, and closes what it opened."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute() / "nexus.db"

    def open_networks(self, busy_timeout_s: float = 5.0) -> SQLiteNetworks:
        networks = SQLiteNetworks(self.path, reactor, now=lambda: NOW, busy_timeout_s=busy_timeout_s)  # type: ignore[arg-type]
        self.addCleanup(networks.close)
        return networks


class SQLiteContractTests(NetworksTests, SQLiteTestCase):
    """The contract, on a file."""

    def make_networks(self) -> Deferred[INetworks]:
        return succeed(self.open_networks())


class SQLiteFileTests(SQLiteTestCase):
    """What is on the disk."""

    async def test_kept(self) -> None:
        """Records outlive the process that wrote them."""
        first = self.open_networks()
        await first.create(make_full_network())
        await first.close()
        self.assertEqual(await self.open_networks().get("full"), make_full_network())

    async def test_private(self) -> None:
        """The file and its companions are their owner's alone, in a directory that was made."""
        networks = self.open_networks()
        await networks.create(make_network())
        files = sorted(item.name for item in self.path.parent.iterdir())
        self.assertEqual(files, ["nexus.db", "nexus.db-shm", "nexus.db-wal"])
        for item in self.path.parent.iterdir():
            self.assertEqual(stat.S_IMODE(item.stat().st_mode), 0o600, item)

    async def test_made_private(self) -> None:
        """A file that others could read is closed to them."""
        await self.open_networks().open()
        self.path.chmod(0o644)
        await self.open_networks().open()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    async def test_journal(self) -> None:
        """Readers and the writer don't wait for each other: the journal is a write-ahead log."""
        await self.open_networks().open()
        with sqlite3.connect(self.path) as other:
            self.assertEqual(other.execute("PRAGMA journal_mode").fetchone(), ("wal",))
        other.close()

    async def test_closing_leaves_one_file(self) -> None:
        """After the end there is one file to copy."""
        networks = self.open_networks()
        await networks.create(make_network())
        await networks.close()
        self.assertEqual([item.name for item in self.path.parent.iterdir()], ["nexus.db"])

    async def test_thread(self) -> None:
        """Its one thread ends with it."""
        networks = self.open_networks()
        await networks.open()
        named = [thread for thread in threading.enumerate() if thread.name.startswith("PoolThread-nexus-database")]
        self.assertEqual(len(named), 1)
        await networks.close()
        self.assertFalse(named[0].is_alive())

    async def test_cancelled_change(self) -> None:
        """A change whose caller gave up is made nevertheless, and told."""
        networks = self.open_networks()
        observer = RecordingObserver()
        networks.watch(observer)
        asked = networks.create(make_network())
        asked.cancel()
        await self.assertFailure(asked, CancelledError)
        self.assertEqual(await networks.get("demo"), make_network())
        self.assertEqual(observer.names, ["demo"])

    async def test_failing_observer(self) -> None:
        """An observer that fails is logged and keeps nobody else from being told."""

        @implementer(INetworksObserver)
        class Failing:
            def network_changed(self, name: str) -> None:
                raise ZeroDivisionError

        networks = self.open_networks()
        observer = RecordingObserver()
        networks.watch(Failing())
        networks.watch(observer)
        await networks.create(make_network())
        self.assertEqual(observer.names, ["demo"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    async def test_two_processes(self) -> None:
        """Several that open a new file at the same moment all find one schema."""
        program = (
            "import sys; from pathlib import Path; from nexus.database.connecting import connect\n"
            "sys.stdin.read(); connect(Path(sys.argv[1]), 10.0).execute('SELECT * FROM networks')"
        )
        processes = [
            subprocess.Popen([sys.executable, "-c", program, str(self.path)], stdin=subprocess.PIPE) for _ in range(3)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        self.assertEqual([process.wait(30) for process in processes], [0, 0, 0])


class SQLiteTroubleTests(SQLiteTestCase):
    """Errors name the file and the remedy."""

    async def assert_trouble(self, asked: Deferred[Any], *words: str) -> None:
        error = await self.assertFailure(asked, DatabaseError)
        for word in (str(self.path), *words):
            self.assertIn(word, str(error))

    def make_file(self, content: bytes) -> None:
        self.path.parent.mkdir()
        self.path.write_bytes(content)

    async def test_not_a_database(self) -> None:
        """A file of something else is told as that, and not touched."""
        self.make_file(b"instance = 'demo'\n" * 100)
        await self.assert_trouble(self.open_networks().list(), "not a SQLite database", "database.url")
        self.assertEqual(self.path.read_bytes(), b"instance = 'demo'\n" * 100)

    async def test_another_programs_database(self) -> None:
        """Another program's database is refused, and not touched."""
        self.path.parent.mkdir()
        other = sqlite3.connect(self.path)
        other.execute("CREATE TABLE cookies (name TEXT)")
        other.commit()
        await self.assert_trouble(self.open_networks().list(), "not Nexus's", "database.url")
        self.assertEqual(other.execute("SELECT name FROM sqlite_master").fetchall(), [("cookies",)])
        other.close()

    async def test_newer_schema(self) -> None:
        """A newer Nexus's database is refused, with both versions."""
        networks = self.open_networks()
        await networks.create(make_network())
        await networks.close()
        other = sqlite3.connect(self.path)
        other.execute("PRAGMA user_version = 77")
        other.close()
        await self.assert_trouble(self.open_networks().list(), "version 77", "newer Nexus")

    async def test_directory(self) -> None:
        """A directory in the file's place is told."""
        self.path.mkdir(parents=True)
        await self.assert_trouble(self.open_networks().list(), "cannot be opened")

    async def test_no_directory(self) -> None:
        """A directory that cannot be made is told."""
        self.path.parent.write_text("a file")
        await self.assert_trouble(self.open_networks().list(), "database.url")

    async def test_locked(self) -> None:
        """Another process's lock is told when the wait is over; reading goes on, and writing when it is gone."""
        networks = self.open_networks(busy_timeout_s=0.01)
        await networks.create(make_network())
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        await self.assert_trouble(networks.delete("demo"), "locked", "delete network demo")
        self.assertEqual(len(await networks.list()), 1)
        other.execute("ROLLBACK")
        await networks.delete("demo")

    async def test_full(self) -> None:
        """A full disk is told, and what was there stays."""
        networks = self.open_networks()
        await networks.create(make_network())
        await networks._call("fill", lambda connection: connection.execute("PRAGMA max_page_count = 1"))
        users = frozenset(f"user-{number}" * 100 for number in range(1000))
        await self.assert_trouble(networks.update("demo", NetworkChanges(users=users)), "disk is full", "free space")
        self.assertEqual(await networks.get("demo"), make_network())

    async def test_damaged(self) -> None:
        """A damaged file is told."""
        networks = self.open_networks()
        for number in range(50):
            await networks.create(make_network(f"n{number}"))
        await networks.close()
        content = bytearray(self.path.read_bytes())
        content[4096:] = b"\x00" * (len(content) - 4096)
        self.path.write_bytes(bytes(content))
        await self.assert_trouble(self.open_networks().list(), "damaged", "put back a copy")

    async def test_damaged_row(self) -> None:
        """A row with nonsense in it is told by its network's name, without showing the secret beside it."""
        networks = self.open_networks()
        await networks.create(make_network())
        for damaged in ("sesame", '["sesame", 7]', "[]"):
            other = sqlite3.connect(self.path, isolation_level=None)
            other.execute("UPDATE networks SET rpc_bearers = ?", (damaged,))
            other.close()
            error = await self.assertFailure(networks.get("demo"), DatabaseError)
            self.assertIn("'demo' is damaged", str(error))
            self.assertNotIn("sesame", str(error))

    async def test_recovers(self) -> None:
        """What could not be opened is opened by a later call, when the cause is gone."""
        self.make_file(b"nonsense" * 1000)
        networks = self.open_networks()
        await self.assertFailure(networks.get("demo"), DatabaseError)
        self.path.unlink()
        await self.assertFailure(networks.get("demo"), NetworkNotFoundError)


class ExplainTests(SynchronousTestCase):
    """SQLite's errors in words."""

    def test_read_only(self) -> None:
        """A file that may not be written is told with its path and the remedy."""
        path = Path(self.mktemp()).absolute()
        connect(path, 1.0).close()
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self.addCleanup(connection.close)
        with self.assertRaises(sqlite3.OperationalError) as caught:
            connection.execute("DELETE FROM networks")
        error = explain(caught.exception, "delete network demo", path)
        self.assertIn(f"delete network demo: {path}: the file or its directory may not be written", str(error))
        self.assertEqual(error.field, "database")

    def test_full_for_shared_memory(self) -> None:
        """A disk too full for the journal's shared memory, which SQLite calls an I/O error, is told as full."""
        trouble = sqlite3.OperationalError("disk I/O error")
        trouble.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
        self.assertIn("the disk is full", str(explain(trouble, "open", Path("/x.db"))))
        trouble.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        self.assertIn("the disk fails", str(explain(trouble, "open", Path("/x.db"))))

    def test_unknown(self) -> None:
        """An error without a row in the table keeps SQLite's words."""
        error = explain(sqlite3.OperationalError("no such table: x"), "list networks", Path("/x.db"))
        self.assertEqual(str(error), "database: list networks: /x.db: no such table: x")


class MigrationTests(SynchronousTestCase):
    """The schema moves forward, wholly or not at all."""

    def setUp(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.addCleanup(self.connection.close)

    def version(self) -> int:
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        assert isinstance(version, int)
        return version

    def test_shipped(self) -> None:
        """The steps that are shipped make the schema, and a second time change nothing."""
        migrate(self.connection, read_migrations(), "open")
        migrate(self.connection, read_migrations(), "open")
        self.assertEqual(self.version(), len(read_migrations()))

    def test_only_what_is_missing(self) -> None:
        """An older schema gets the steps it lacks, each once, and keeps its rows."""
        first = "CREATE TABLE a (x INT); INSERT INTO a VALUES (1);"
        migrate(self.connection, [first], "open")
        migrate(self.connection, [first, "ALTER TABLE a ADD COLUMN y INT DEFAULT 2; -- done"], "open")
        self.assertEqual(self.connection.execute("SELECT * FROM a").fetchall(), [(1, 2)])
        self.assertEqual(self.version(), 2)

    def test_all_or_nothing(self) -> None:
        """A step that fails leaves the schema as it was before all of them."""
        with self.assertRaises(sqlite3.OperationalError):
            migrate(self.connection, ["CREATE TABLE a (x INT);", "CREATE TABLE b (y INT);\nnonsense;"], "open")
        self.assertEqual(self.connection.execute("SELECT * FROM sqlite_master").fetchall(), [])
        self.assertEqual((self.version(), self.connection.in_transaction), (0, False))

    def test_statements_with_semicolons(self) -> None:
        """Semicolons in texts and triggers do not end a statement."""
        step = (
            "CREATE TABLE a (x TEXT);\nINSERT INTO a VALUES ('1;\n2');\n"
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM a;\n  INSERT INTO a VALUES ('z');\nEND;\n"
        )
        migrate(self.connection, [step], "open")
        self.assertEqual(self.connection.execute("SELECT x FROM a").fetchall(), [("1;\n2",)])

    def test_killed_on_the_way(self) -> None:
        """A process killed inside a migration leaves the old schema and no lock."""
        path = Path(self.mktemp()).absolute()
        program = (
            "import os, signal, sqlite3, sys; from nexus.database.migrations import migrate\n"
            "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "connection.create_function('die', 0, lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
            "migrate(connection, ['CREATE TABLE a (x INT);\\nSELECT die();'], 'open')"
        )
        ended = subprocess.run([sys.executable, "-c", program, str(path)], env=os.environ, check=False)
        self.assertEqual(ended.returncode, -9)
        connect(path, 0.1).close()
