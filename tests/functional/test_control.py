"""The control API on real sockets: TCP and unix."""

from __future__ import annotations

import http.client
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.protocols.policies import WrappingFactory
from twisted.trial.unittest import TestCase

from nexus.config.sections import TCPListen, UnixListen
from nexus.control.client import ControlClient, ControlRefusedError, ControlUnreachableError
from nexus.control.resource import control_factory
from nexus.errors import NetworkNotFoundError
from nexus.listening import bind
from nexus.messages import CreateNetwork, NetworkName, Ping
from nexus.secrets import generate_secret
from tests.control.memory_control import MemoryControl, MemoryEdgeStats

if TYPE_CHECKING:
    from twisted.internet.interfaces import IListeningPort

reactor: Any = _reactor


class CountingFactory(WrappingFactory):
    """Tells when the last connection is gone.

    :ivar gone: fires at the first moment without connections, once there was one.
    """

    def __init__(self, wrapped: Any) -> None:
        super().__init__(wrapped)
        self.gone: Deferred[None] = Deferred()

    def unregisterProtocol(self, protocol: Any) -> None:
        """One is gone."""
        super().unregisterProtocol(protocol)
        if not self.protocols and not self.gone.called:
            self.gone.callback(None)


class ControlSocketTests(TestCase):
    """One control API, on both kinds of socket."""

    async def listen(self) -> None:
        """Serve on a free port and in a directory of the test's own."""
        self.key = generate_secret()
        self.path = Path(self.mktemp()).absolute() / "control"
        self.factory = CountingFactory(control_factory(MemoryControl(), MemoryEdgeStats(), self.key, reactor))
        tcp = bind("control.listen", TCPListen("127.0.0.1", 0))
        self.port = tcp.port
        unix = bind("control.listen", UnixListen(self.path))
        for bound in (tcp, unix):
            listening: IListeningPort = await bound.accept(reactor, self.factory)
            self.addCleanup(listening.stopListening)

    async def test_both(self) -> None:
        """By TCP with the key and by the unix socket without, the same networks are reached."""
        await self.listen()
        tcp = ControlClient(reactor, f"http://127.0.0.1:{self.port}", self.key)
        unix = ControlClient(reactor, f"unix:{self.path}")
        await tcp.create_network(CreateNetwork(network="demo"))
        started = await unix.start_network(NetworkName(network="demo"))
        self.assertEqual(started.network, "demo")
        with self.assertRaises(NetworkNotFoundError):
            await unix.start_network(NetworkName(network="other"))
        self.assertEqual((await tcp.ping(Ping())).networks_online, 1)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o660)

    async def test_no_key(self) -> None:
        """By TCP without the key nothing is told."""
        await self.listen()
        for key in (None, generate_secret()):
            with self.assertRaises(ControlRefusedError) as caught:
                await ControlClient(reactor, f"http://localhost:{self.port}", key).ping(Ping())
            self.assertEqual(caught.exception.status, 401)

    async def test_nobody(self) -> None:
        """Where nobody listens, that is said, whatever the socket."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        abandoned = bind("control.listen", TCPListen("127.0.0.1", 0))
        port = abandoned.port
        abandoned.close()
        for url in (f"http://127.0.0.1:{port}", f"unix:{directory}/missing"):
            with self.assertRaises(ControlUnreachableError) as caught:
                await ControlClient(reactor, url).ping(Ping())
            self.assertIn(f"no Nexus answers at {url}: is it running?", str(caught.exception))

    async def test_too_long(self) -> None:
        """A client that sends its whole body before it reads still learns that it is too long."""
        await self.listen()

        def send() -> tuple[int, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            headers = {"Authorization": f"Bearer {self.key.reveal()}", "Content-Type": "application/json"}
            connection.request("POST", "/", b" " * (6 * 1024 * 1024), headers)
            response = connection.getresponse()
            text = response.read()
            connection.close()
            return response.status, text

        sent: Deferred[tuple[int, bytes]] = deferToThread(send)
        self.assertEqual(await sent, (413, b"413: a request's body may have 1048576 bytes\n"))
        await self.factory.gone
