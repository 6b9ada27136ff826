"""A unix socket that leads to the engine, and that a test can take away, cut or make fall silent."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.endpoints import UNIXClientEndpoint, UNIXServerEndpoint, connectProtocol
from twisted.internet.interfaces import IListeningPort, IPushProducer, IReactorUNIX, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from nexus.coroutines import returns_deferred
from tests.functional.docker import SOCKET


class _Side(Protocol):
    """One end of a relayed connection."""

    transport: ITCPTransport
    other: _Side | None = None
    is_silent = False

    def dataReceived(self, data: bytes) -> None:
        """Pass it on, unless nothing is passed on any more."""
        if self.other is not None and not self.is_silent:
            self.other.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the other side too."""
        if self.other is not None:
            self.other.transport.loseConnection()


class _Client(_Side):
    def __init__(self, relay: EngineRelay) -> None:
        self._relay = relay

    def connectionMade(self) -> None:
        """Connect to the engine, and read on when that is done."""
        self._relay.connections.append(self)
        IPushProducer(self.transport).pauseProducing()
        endpoint = UNIXClientEndpoint(IReactorUNIX(reactor), SOCKET.removeprefix("unix://"))
        connectProtocol(endpoint, _Side()).addCallback(self._connected)

    def _connected(self, engine: _Side) -> None:
        self.other, engine.other = engine, self
        IPushProducer(self.transport).resumeProducing()


class EngineRelay(Factory):
    """See the module.

    :ivar connections: all that were ever made.
    """

    noisy = False

    def __init__(self) -> None:
        self._directory = tempfile.mkdtemp()
        self.path = str(Path(self._directory, "engine.sock"))
        self.connections: list[_Client] = []
        self._port: IListeningPort | None = None

    def buildProtocol(self, addr: object) -> _Client:
        """A client has come."""
        return _Client(self)

    @returns_deferred
    async def start(self) -> None:
        """Listen."""
        self._port = await UNIXServerEndpoint(IReactorUNIX(reactor), self.path).listen(self)

    @returns_deferred
    async def stop(self) -> None:
        """Listen no more, remove the socket, and cut what is connected: the engine has gone."""
        port, self._port = self._port, None
        if port is not None:
            stopped = port.stopListening()
            if stopped is not None:
                await stopped
        for connection in self.connections:
            connection.transport.abortConnection()

    def fall_silent(self) -> None:
        """Pass on nothing that the engine says on the present connections, which stay open."""
        for connection in self.connections:
            if connection.other is not None:
                connection.other.is_silent = True

    @returns_deferred
    async def close(self) -> None:
        """Stop, and leave nothing behind."""
        await self.stop()
        shutil.rmtree(self._directory)
