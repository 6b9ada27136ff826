"""Connections for tests of transports: this end is a protocol that notes what happens to it, the other one a socket."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, TypeVar, cast

from twisted.internet import defer, reactor
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IProtocolFactory, IPushProducer
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from nexus.config.sections import TCPListen
from nexus.dialling import dialling_endpoint
from nexus.edge.transport import StreamTransport
from nexus.listening import bind
from nexus.model import Address
from tests.functional.test_edge_sockets import reset

T = TypeVar("T")


@implementer(IProtocol, IPushProducer)
class Recorder:
    """A protocol that notes what happens to it, and does what the test has it do.

    :ivar events: what happened, but for the bytes, which are in `received`.
    :ivar does: what to do at which event.
    """

    def __init__(self) -> None:
        self.events: list[str] = []
        self.received = bytearray()
        self.reason: BaseException | None = None
        self.does: dict[str, Callable[[], object]] = {}
        self.is_paused = False
        self._waits: list[tuple[Callable[[], bool], defer.Deferred[None]]] = []

    def makeConnection(self, transport: object) -> None:
        self.transport = cast(StreamTransport, transport)
        self.connectionMade()

    def connectionMade(self) -> None:
        self._note("made")

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self._note("data")

    def connectionLost(self, reason: Failure) -> None:
        self.reason = reason.value
        self._note("lost")

    def pauseProducing(self) -> None:
        self.is_paused = True
        self._note("paused")

    def resumeProducing(self) -> None:
        self.is_paused = False
        self._note("resumed")

    def stopProducing(self) -> None:
        self._note("stopped")

    def write_and_close(self) -> None:
        """Say goodbye, and close."""
        self.transport.write(b"bye")
        self.transport.loseConnection()

    def finish(self) -> None:
        """Produce no more, and close."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def pause(self) -> None:
        """Read no more."""
        self.transport.pauseProducing()

    def close(self) -> None:
        """Close."""
        self.transport.loseConnection()

    def abort(self) -> None:
        """Abort."""
        self.transport.abortConnection()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for an event after which `condition` is true."""
        if condition():
            return
        waiting: defer.Deferred[None] = defer.Deferred()
        self._waits.append((condition, waiting))
        await waiting

    async def until_event(self, name: str) -> None:
        """Wait for an event."""
        await self.until(lambda: name in self.events)

    def _note(self, event: str) -> None:
        if event != "data" or "data" not in self.events[-1:]:
            self.events.append(event)
        action = self.does.get(event)
        try:
            if action is not None:
                action()
        finally:
            for wait in list(self._waits):
                if wait[0]():
                    self._waits.remove(wait)
                    reactor.callLater(0, wait[1].callback, None)


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    """One that is told of the peer's end, and may go on writing."""

    def readConnectionLost(self) -> None:
        self._note("read lost")

    def writeConnectionLost(self) -> None:
        """Whether it is called is the transport's own affair: nobody may rely on it."""


@implementer(IProtocolFactory)
class Handing:
    """Hands out the protocols that it was made with, one for each connection, and then none."""

    def __init__(self, *protocols: Recorder | None) -> None:
        self.protocols = list(protocols)
        self.peers: list[Any] = []

    def doStart(self) -> None:
        """See `IProtocolFactory`."""

    def doStop(self) -> None:
        """See `IProtocolFactory`."""

    def buildProtocol(self, addr: object) -> IProtocol | None:
        """The next one."""
        self.peers.append(addr)
        return self.protocols.pop(0) if self.protocols else None


def threaded(function: Callable[[], T]) -> defer.Deferred[T]:
    """Let a thread do what blocks."""
    return deferToThread(function)


def pause(seconds: float) -> defer.Deferred[None]:
    """Let time pass, to see that nothing happens in it."""
    return deferLater(reactor, seconds)


def send_and_end(peer: socket.socket, data: bytes) -> None:
    """Send, and send FIN."""
    peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)


def send_reset_after(peer: socket.socket, data: bytes) -> None:
    """Send, and reset the connection."""
    peer.sendall(data)
    reset(peer)


class TransportTestCase(TestCase):
    """Makes connections: this end is the edge's, the other one a socket."""

    timeout = 60
    host = "127.0.0.1"

    async def accepted(self, protocol: Recorder) -> socket.socket:
        """A connection that was accepted for `protocol`; its peer."""
        number = await self.listen(Handing(protocol))
        peer = socket.create_connection((self.host, number), timeout=20)
        self.addCleanup(peer.close)
        await protocol.until_event("made")
        return peer

    async def dialled(self, protocol: Recorder) -> socket.socket:
        """A connection that was dialled for `protocol`; its peer."""
        with socket.create_server((self.host, 0), family=self.family) as listener:
            connecting = self.dial(Handing(protocol), listener.getsockname()[1])
            peer, _ = await threaded(listener.accept)
        peer.settimeout(20)
        self.addCleanup(peer.close)
        self.assertIs(await connecting, protocol)
        return peer

    @property
    def family(self) -> socket.AddressFamily:
        """Of the addresses used."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    async def listen(self, factory: Handing) -> int:
        """Accept connections for the factory; at which port."""
        bound = bind("edge.listen", TCPListen(self.host, 0))
        number = bound.port
        self.port = await bound.accept_streams(reactor, cast(Any, factory))  # type: ignore[arg-type]
        self.addCleanup(self.port.stopListening)
        return number

    def dial(self, factory: Handing, port: int) -> defer.Deferred[IProtocol]:
        """Dial for the factory."""
        return dialling_endpoint(reactor, Address(self.host, port), 20).connect(cast(Any, factory))
