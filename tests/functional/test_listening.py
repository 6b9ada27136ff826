"""Listening sockets: bound early, accepted late, with an error for each thing that can be in the way."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from nexus.config.sections import TCPListen, UnixListen
from nexus.coroutines import returns_deferred
from nexus.listening import ListenError, bind


class Greeting(Protocol):
    """Says hello and goes."""

    def connectionMade(self) -> None:
        """Greet."""
        assert self.transport is not None
        self.transport.write(b"hello")
        self.transport.loseConnection()


class ListeningTests(TestCase):
    """What `service` may rely on."""

    factory = Factory.forProtocol(Greeting)

    @returns_deferred
    async def test_bound_is_not_accepting(self) -> None:
        """A client that connects between bind and accept waits, and is then served."""
        bound = bind("edge.listen", TCPListen("127.0.0.1", 0))
        client = socket.create_connection(("127.0.0.1", bound.port), timeout=5)
        self.addCleanup(client.close)
        port = await bound.accept(reactor, self.factory)  # type: ignore[arg-type]
        self.addCleanup(port.stopListening)
        greeting: Deferred[bytes] = deferToThread(client.recv, 100)
        self.assertEqual(await greeting, b"hello")

    def test_busy_port(self) -> None:
        """A port in use is told with its address and its configuration key."""
        first = bind("edge.listen", TCPListen("127.0.0.1", 0))
        self.addCleanup(first.close)
        error = self.assertRaises(ListenError, bind, "edge.listen", TCPListen("127.0.0.1", first.port))
        self.assertIn(f"127.0.0.1:{first.port}", str(error))
        self.assertIn("edge.listen", str(error))
        self.assertIn("something else listens there already", str(error))

    def test_foreign_address(self) -> None:
        """An address that this host does not have is told as that."""
        error = self.assertRaises(ListenError, bind, "edge.listen", TCPListen("192.0.2.1", 8080))
        self.assertIn("does not have that address", str(error))

    @returns_deferred
    async def test_unix_socket_mode(self) -> None:
        """Owner and group may connect to the control socket, others may not."""
        path = Path(self.mktemp()) / "control.sock"
        port = await bind("control.listen", UnixListen(path)).accept(reactor, self.factory)  # type: ignore[arg-type]
        self.addCleanup(port.stopListening)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660)

    @returns_deferred
    async def test_unix_socket_taken_meanwhile(self) -> None:
        """A path that somebody took between bind and accept is told as one that was taken before."""
        path = Path(self.mktemp())
        bound = bind("control.listen", UnixListen(path))
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen(1)
            with self.assertRaises(ListenError) as refused:
                await bound.accept(reactor, self.factory)  # type: ignore[arg-type]
        self.assertIn("something else listens", str(refused.exception))
        self.assertIn("control.listen", str(refused.exception))

    def test_stale_unix_socket(self) -> None:
        """What a killed process left is removed."""
        path = Path(self.mktemp())
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(path))
        left.close()
        bind("control.listen", UnixListen(path)).close()
        self.assertFalse(path.exists())

    def test_live_unix_socket(self) -> None:
        """A socket at which somebody answers is left alone."""
        path = Path(self.mktemp())
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen(1)
            error = self.assertRaises(ListenError, bind, "control.listen", UnixListen(path))
        self.assertIn("something else listens", str(error))
        self.assertTrue(path.exists())

    def test_file_in_the_way(self) -> None:
        """A file that is no socket is never removed."""
        path = Path(self.mktemp())
        path.write_text("precious")
        error = self.assertRaises(ListenError, bind, "control.listen", UnixListen(path))
        self.assertIn("no socket", str(error))
        self.assertEqual(path.read_text(), "precious")
