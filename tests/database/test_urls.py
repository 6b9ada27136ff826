"""Which database a URL means."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from nexus.database.urls import check_database, open_networks, sqlite_path
from nexus.errors import ConfigError, DatabaseError
from tests.contracts.networks import make_network


class URLTests(SynchronousTestCase):
    """`database.url`, read."""

    def test_sqlite(self) -> None:
        """What follows `sqlite://` is the path."""
        self.assertEqual(sqlite_path("sqlite:///var/lib/nexus/nexus.db"), Path("/var/lib/nexus/nexus.db"))

    def test_four_slashes(self) -> None:
        """A fourth slash, as other programs write absolute paths, changes nothing."""
        self.assertEqual(sqlite_path("sqlite:////var/x.db").resolve(), Path("/var/x.db"))

    def test_postgresql(self) -> None:
        """PostgreSQL is said to come later, and its password is not shown."""
        with self.assertRaises(ConfigError) as caught:
            sqlite_path("postgresql://nexus:sesame@db/nexus", "nexus.toml")
        self.assertIn("nexus.toml: database.url: PostgreSQL comes with a later version", str(caught.exception))
        self.assertNotIn("sesame", str(caught.exception))

    def test_refused(self) -> None:
        """Everything else names the key and what is allowed, and shows no password."""
        for url in (
            "mysql://u:sesame@h/d",
            "",
            "nexus.db",
            "sqlite://",
            "sqlite://nexus.db",
            "sqlite:///",
            "sqlite:/x",
        ):
            with self.assertRaises(ConfigError) as caught:
                sqlite_path(url)
            self.assertEqual(caught.exception.key, "database.url")
            self.assertIn("sqlite:///absolute/path", str(caught.exception))
            self.assertNotIn("sesame", str(caught.exception))


class OpenTests(TestCase):
    """From URL to records."""

    async def test_open(self) -> None:
        """The records are ready when the Deferred fires."""
        path = Path(self.mktemp()).absolute()
        networks = await open_networks(f"sqlite://{path}", reactor)  # type: ignore[arg-type]
        self.addCleanup(networks.close)
        self.assertTrue(path.exists())

    def test_check(self) -> None:
        """A check makes the database, and tells trouble, without a reactor."""
        path = Path(self.mktemp()).absolute()
        check_database(f"sqlite://{path}")
        self.assertTrue(path.exists())
        path.write_text("nonsense" * 1000)
        with self.assertRaises(DatabaseError):
            check_database(f"sqlite://{path}")

    async def test_check_reads_records(self) -> None:
        """A record that cannot be read is told by the check too, while somebody looks, and by its network's name."""
        url = f"sqlite://{Path(self.mktemp()).absolute()}"
        networks = await open_networks(url, reactor)  # type: ignore[arg-type]
        await networks.create(make_network())
        await networks.close()
        check_database(url)
        other = sqlite3.connect(url.removeprefix("sqlite://"), isolation_level=None)
        other.execute("UPDATE networks SET users = '{'")
        other.close()
        with self.assertRaises(DatabaseError) as caught:
            check_database(url)
        self.assertIn("'demo' is damaged: put back a copy", str(caught.exception))

    async def test_trouble(self) -> None:
        """What cannot be opened is told at once, and no thread is left behind."""
        path = Path(self.mktemp()).absolute()
        path.write_text("nonsense" * 1000)
        with self.assertRaises(DatabaseError):
            await open_networks(f"sqlite://{path}", reactor)  # type: ignore[arg-type]
