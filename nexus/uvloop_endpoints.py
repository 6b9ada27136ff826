"""Endpoints on uvloop: one that adopts a bound socket, one that dials an IP address."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError, ConnectingCancelledError, getConnectError
from twisted.internet.interfaces import IListeningPort, IStreamClientEndpoint, IStreamServerEndpoint
from zope.interface import implementer

from nexus.coroutines import returns_deferred
from nexus.uvloop_transport import UvloopTransport, address

if TYPE_CHECKING:
    from twisted.internet.address import IPv4Address, IPv6Address
    from twisted.internet.interfaces import IProtocol, IProtocolFactory


@implementer(IStreamServerEndpoint)
class AdoptedUvloopEndpoint:
    """Listens with a TCP socket that is bound already, and becomes uvloop's.

    :param backlog: how many connections wait to be accepted.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, bound: socket.socket, backlog: int) -> None:
        self._loop = loop
        self._bound = bound
        self._backlog = backlog

    @returns_deferred
    async def listen(self, protocolFactory: IProtocolFactory) -> IListeningPort:
        """See `IStreamServerEndpoint.listen`."""
        port = UvloopPort(protocolFactory, self._bound.getsockname())
        make_transport = partial(UvloopTransport, port)
        serving = self._loop.create_server(make_transport, sock=self._bound, backlog=self._backlog)
        port.serve(await Deferred.fromFuture(asyncio.ensure_future(serving, loop=self._loop)))
        return port


@implementer(IListeningPort)
class UvloopPort:
    """A listening socket, and what its connections come from."""

    def __init__(self, factory: IProtocolFactory, name: tuple[object, ...]) -> None:
        self._factory = factory
        self._name = name
        self._server: asyncio.AbstractServer | None = None

    def serve(self, server: asyncio.AbstractServer) -> None:
        """Its connections come from `server`."""
        self._server = server
        self._factory.doStart()

    def build_protocol(self, peer: IPv4Address | IPv6Address) -> IProtocol | None:
        """See `Origin.build_protocol`."""
        return self._factory.buildProtocol(peer)

    def connected(self, protocol: IProtocol) -> None:
        """See `Origin.connected`."""

    def startListening(self) -> None:
        """See `IListeningPort.startListening`. It listens from the beginning."""

    def stopListening(self) -> Deferred[None]:
        """See `IListeningPort.stopListening`. Connections that wait in the backlog are reset."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self._factory.doStop()
        return succeed(None)

    def getHost(self) -> IPv4Address | IPv6Address:
        """See `IListeningPort.getHost`."""
        return address(self._name)


@implementer(IStreamClientEndpoint)
class UvloopClientEndpoint:
    """Dials an IP address, without a thread or a look at a name server. It has no timeout: whoever waits cancels."""

    __slots__ = ("_host", "_loop", "_port")

    def __init__(self, loop: asyncio.AbstractEventLoop, host: str, port: int) -> None:
        self._loop = loop
        self._host = host
        self._port = port

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """See `IStreamClientEndpoint.connect`."""
        return _Dial(protocolFactory, self._loop, self._host, self._port).connecting


class _Dial:
    """One attempt to connect."""

    __slots__ = ("_factory", "_peer", "_task", "connecting")

    def __init__(self, factory: IProtocolFactory, loop: asyncio.AbstractEventLoop, host: str, port: int) -> None:
        self._factory = factory
        self._peer = address((host, port) if ":" not in host else (host, port, 0, 0))
        self.connecting: Deferred[IProtocol] = Deferred(self._cancel)
        dialling = loop.create_connection(partial(UvloopTransport, self), host, port, flags=socket.AI_NUMERICHOST)
        self._task = loop.create_task(dialling)
        self._task.add_done_callback(self._ended)

    def build_protocol(self, peer: IPv4Address | IPv6Address) -> IProtocol | None:
        """See `Origin.build_protocol`. A dial that was given up as its connection came has none."""
        return None if self.connecting.called else self._factory.buildProtocol(peer)

    def connected(self, protocol: IProtocol) -> None:
        """See `Origin.connected`."""
        self.connecting.callback(protocol)

    def _ended(self, task: asyncio.Task[object]) -> None:
        if self.connecting.called:
            if not task.cancelled():
                task.exception()  # nobody waits for it any more
        elif task.cancelled():
            self.connecting.errback(CancelledError())
        else:
            error = task.exception()
            # Without an error there was a connection that the factory did not want.
            failed = error or ConnectError()  # type: ignore[no-untyped-call]
            if isinstance(error, OSError):
                failed = getConnectError(error)  # type: ignore[no-untyped-call]
            self.connecting.errback(failed)

    def _cancel(self, connecting: Deferred[IProtocol]) -> None:
        connecting.errback(ConnectingCancelledError(self._peer))  # type: ignore[no-untyped-call]
        self._task.cancel()
