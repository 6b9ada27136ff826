"""Endpoints on uvloop: one that adopts a bound socket, one that dials an IP address."""

from __future__ import annotations

import asyncio
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError, ConnectingCancelledError, getConnectError
from twisted.internet.interfaces import IListeningPort, IStreamClientEndpoint, IStreamServerEndpoint
from twisted.logger import Logger
from zope.interface import implementer

from nexus.coroutines import returns_deferred
from nexus.uvloop_transport import UvloopTransport, address

if TYPE_CHECKING:
    from twisted.internet.address import IPv4Address, IPv6Address
    from twisted.internet.interfaces import IProtocol, IProtocolFactory

log = Logger()

ACCEPTS_PER_TURN_MAX: Final = 8
"""How many connections are accepted each time that the loop turns, while they come faster than one a turn."""

LOOK_ACCEPTED: Final = 16
"""After how many accepted connections it is looked at how many wait."""

_QUIET_PER_S: Final = 1000
_TCP_INFO_WAITING: Final = slice(24, 28)


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
        port = UvloopPort(protocolFactory, self._loop, self._bound, self._backlog)
        await Deferred.fromFuture(asyncio.ensure_future(port.serve(), loop=self._loop))
        return port


@implementer(IListeningPort)
class UvloopPort:
    """A listening socket, and what its connections come from.

    libuv accepts one connection a turn of the loop for each descriptor that is ready. While more of them wait, the
    socket has some descriptors more: otherwise, at full load, the loop turns for each connection, and wakes a client
    and a node each time, which makes a connection a third dearer. It has them no longer than that, since each that
    finds nothing to accept costs 3 us.
    """

    def __init__(
        self, factory: IProtocolFactory, loop: asyncio.AbstractEventLoop, bound: socket.socket, backlog: int
    ) -> None:
        self._factory = factory
        self._loop = loop
        self._bound = bound
        self._backlog = backlog
        self._name = bound.getsockname()
        self._servers: list[asyncio.AbstractServer] = []
        self._widening: asyncio.Task[None] | None = None
        self._accepted = 0
        self._looked_at = 0.0

    async def serve(self) -> None:
        """Accept connections."""
        self._servers = [await self._server(self._bound)]
        self._factory.doStart()

    async def _server(self, bound: socket.socket) -> asyncio.AbstractServer:
        return await self._loop.create_server(partial(UvloopTransport, self), sock=bound, backlog=self._backlog)

    def build_protocol(self, peer: IPv4Address | IPv6Address) -> IProtocol | None:
        """See `Origin.build_protocol`."""
        self._accepted += 1
        if self._accepted == LOOK_ACCEPTED:
            self._accepted = 0
            self._look()
        return self._factory.buildProtocol(peer)

    def _look(self) -> None:
        """Accept more connections a turn, or one again."""
        before, self._looked_at = self._looked_at, self._loop.time()
        if not self._servers or self._widening is not None:
            return
        if len(self._servers) == 1:
            if _waiting(self._bound) > 1:
                self._widening = self._loop.create_task(self._widen())
        elif (self._looked_at - before) * _QUIET_PER_S > LOOK_ACCEPTED:
            for server in self._servers[1:]:
                server.close()
            del self._servers[1:]

    async def _widen(self) -> None:
        try:
            while 0 < len(self._servers) < ACCEPTS_PER_TURN_MAX:
                server = await self._server(self._bound.dup())
                if self._servers:
                    self._servers.append(server)
                else:
                    server.close()  # stopped meanwhile
        except OSError as error:
            log.debug("connections are accepted by fewer descriptors than they could be: {error}", error=error)
        finally:
            self._widening = None

    def connected(self, protocol: IProtocol) -> None:
        """See `Origin.connected`."""

    def startListening(self) -> None:
        """See `IListeningPort.startListening`. It listens from the beginning."""

    def stopListening(self) -> Deferred[None]:
        """See `IListeningPort.stopListening`. Connections that wait in the backlog are reset."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        if servers:
            self._factory.doStop()
        return succeed(None)

    def getHost(self) -> IPv4Address | IPv6Address:
        """See `IListeningPort.getHost`."""
        return address(self._name)


def _waiting(listening: socket.socket) -> int:
    """How many connections wait to be accepted (tcp(7), TCP_INFO); 0 where nothing can tell."""
    if sys.platform != "linux":
        return 0
    told = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_WAITING.stop)
    return int.from_bytes(told[_TCP_INFO_WAITING], sys.byteorder)


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
