"""Connections on uvloop's own transports, for protocols that are written for Twisted's.

Twisted reads and writes its sockets in Python, also where its reactor runs on uvloop; uvloop's transports do it in C.
The adapter between the two is one object for each connection, and is out of the way: uvloop calls the protocol's own
`dataReceived`, and `write` is uvloop's.

It promises what Twisted's TCP transports promise, as far as `nexus.edge.transport` tells. What differs: only streaming
producers, `writeConnectionLost` is never called, and `resumeProducing` after the peer's end reads no second one.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer, IHalfCloseableProtocol, IPushProducer, ITCPTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twisted.internet.interfaces import IProtocol

log = Logger()

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER (socket(7)): on, no time. Without it uvloop ends an aborted connection with a clean FIN."""

_DONE: Final = Failure(ConnectionDone())  # type: ignore[no-untyped-call]
"""How most connections end."""


class Origin(Protocol):
    """What a connection comes from: a listening port, or a dial."""

    def build_protocol(self, peer: IPv4Address | IPv6Address) -> IProtocol | None:
        """The protocol of a new connection; None closes it."""

    def connected(self, protocol: IProtocol) -> None:
        """`protocol` has its transport."""


UNREAD_BYTES: Final = 64 * 1024
"""What is read at once of a connection that is over."""


def _ignore(*_: object) -> None:
    """What is written to a connection that ends."""


def address(name: tuple[Any, ...]) -> IPv4Address | IPv6Address:
    """A socket's name as Twisted has it."""
    return IPv4Address("TCP", *name) if len(name) == 2 else IPv6Address("TCP", *name)


@implementer(ITCPTransport, IConsumer, IPushProducer)
class UvloopTransport(asyncio.Protocol):
    """One connection: uvloop's protocol, and the `transport` of Twisted's one.

    :ivar data_received: the protocol's `dataReceived`: uvloop calls it with the bytes.
    :ivar write: uvloop's, until the connection ends; then it does nothing.
    :ivar writeSequence: as `write`.
    """

    __slots__ = (
        "_handle",
        "_is_aborted",
        "_is_disconnecting",
        "_is_eof_received",
        "_is_lost",
        "_is_read_paused",
        "_is_write_paused",
        "_kept",
        "_origin",
        "_producer",
        "_protocol",
        "_uv",
        "_waits_until_written",
        "data_received",
        "write",
        "writeSequence",
    )

    _uv: asyncio.Transport
    data_received: Callable[[bytes], object]  # type: ignore[assignment]
    write: Callable[[bytes], None]
    writeSequence: Callable[[Iterable[bytes]], None]

    def __init__(self, origin: Origin) -> None:
        self.data_received = _ignore  # uvloop looks it up already
        self._origin = origin
        self._protocol: IProtocol | None = None
        self._producer: Any = None
        self._handle: socket.SocketType | None = None
        self._kept: bytes | None = None
        self._is_read_paused = False
        self._is_write_paused = False
        self._waits_until_written = False
        self._is_eof_received = False
        self._is_disconnecting = False
        self._is_aborted = False
        self._is_lost = False

    # What uvloop calls (asyncio.Protocol).

    def connection_made(self, uv: asyncio.Transport) -> None:  # type: ignore[override]
        """There is a connection: make its protocol."""
        origin = self._origin
        del self._origin
        self._uv = uv
        self.write = uv.write
        self.writeSequence = uv.writelines
        name = uv.get_extra_info("peername")
        try:
            # One that was reset before it was taken has no peer any more, and needs no protocol.
            protocol = None if name is None else origin.build_protocol(address(name))
            if protocol is None:
                self._is_disconnecting = True
                uv.abort()
                return
            self._protocol = protocol
            self.data_received = protocol.dataReceived
            uv.set_protocol(self)  # so that it looks up `data_received` again
            protocol.makeConnection(self)
            origin.connected(protocol)
        except Exception:  # a border: a protocol's failure is its own connection's
            log.failure("a connection could not be begun")
            self.abortConnection()
            return
        if self._is_read_paused:
            # uvloop begins to read as soon as this returns, whatever the protocol asked for.
            self._kept = b""
            self.data_received = self._keep
            uv.set_protocol(self)

    def _keep(self, data: bytes) -> None:
        """Take what comes before uvloop can be told to pause."""
        self._uv.pause_reading()
        self._kept = data

    def eof_received(self) -> bool:
        """The peer has sent FIN; whether the other direction stays open. What a protocol raises here, uvloop hands to
        `connection_lost`."""
        self._is_eof_received = True
        half_closeable = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable is None:
            self._uv.abort()
            return False
        half_closeable.readConnectionLost()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is over; its socket is closed when this returns.

        :param error: the system's, or what the protocol raised: the latter has a traceback.
        """
        if error is not None and error.__traceback__ is None:
            self._deliver_unread()
        self._is_lost = True
        self.write = self.writeSequence = _ignore
        self.data_received = _ignore
        protocol, self._protocol = self._protocol, None
        producer, self._producer = self._producer, None
        if error is None and not self._is_aborted:
            reason = _DONE
        elif error is not None and error.__traceback__ is not None:
            reason = Failure(error)  # type: ignore[no-untyped-call]
            log.failure("a connection's protocol failed", reason)
            self._reset_on_close()
        elif self._is_aborted:
            reason = Failure(ConnectionAborted())  # type: ignore[no-untyped-call]
            self._reset_on_close()
        else:
            reason = Failure(ConnectionLost(str(error)))  # type: ignore[no-untyped-call]
        if self._handle is not None:
            self._handle.detach()
        if protocol is None:
            return
        try:
            if producer is not None:
                producer.stopProducing()
            protocol.connectionLost(reason)
        except Exception:  # a border, as above
            log.failure("the end of a connection was not borne")

    def _deliver_unread(self) -> None:
        """Read what the peer sent before its reset, where it was a write that met the reset: the kernel still has it.
        A node may refuse an upload and close without reading the rest (RFC 9112 section 9.6)."""
        try:
            while not (self._is_read_paused or self._is_disconnecting or self._is_aborted):
                data = self.getHandle().recv(UNREAD_BYTES, socket.MSG_DONTWAIT)
                if not data:
                    return
                self.data_received(data)
        except OSError:
            return
        except Exception:  # a border, as below
            log.failure("a connection's protocol failed at its end")
            self._is_aborted = True

    def _reset_on_close(self) -> None:
        try:
            self.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        except OSError as error:
            log.debug("a connection that is aborted cannot be reset: {error}", error=error)

    def pause_writing(self) -> None:
        """There is more to write than the high-water mark."""
        self._is_write_paused = True
        if self._producer is not None:
            self._tell_producer(self._producer.pauseProducing)

    def resume_writing(self) -> None:
        """There is no more to write than the low-water mark."""
        self._is_write_paused = False
        if self._waits_until_written:
            self._waits_until_written = False
            self._uv.set_write_buffer_limits()
        if self._producer is not None:
            self._tell_producer(self._producer.resumeProducing)

    def _tell_producer(self, tell: Callable[[], object]) -> None:
        try:
            tell()
        except Exception:  # a border, as above; uvloop would let the connection go on
            log.failure("a connection's producer failed")
            self.abortConnection()

    # What the protocol calls (see the interfaces).

    @property
    def unwritten_bytes(self) -> int:
        """What was written here and not yet to the socket."""
        return 0 if self._is_lost else self._uv.get_write_buffer_size()

    def pause_until_written(self) -> bool:
        """See `nexus.edge.transport.pauses_until_written`."""
        if self.unwritten_bytes == 0:
            return False
        if not self._waits_until_written:
            self._waits_until_written = True
            self._uv.set_write_buffer_limits(0)
        return True

    def loseConnection(self) -> None:
        """Close in order, when all is written and no producer is registered (any more)."""
        if self._is_disconnecting or self._is_aborted or self._is_lost:
            return
        self._is_disconnecting = True
        if self._producer is None:
            self._close()
        else:
            self._uv.pause_reading()

    def _close(self) -> None:
        self.write = self.writeSequence = _ignore
        self._uv.close()

    def loseWriteConnection(self) -> None:
        """Close our half, when all is written; reading goes on."""
        if not (self._is_disconnecting or self._is_aborted or self._is_lost):
            self.write = self.writeSequence = _ignore
            self._uv.write_eof()

    def abortConnection(self) -> None:
        """Reset the connection; what is not written yet is dropped."""
        if self._is_aborted or self._is_lost:
            return
        self._is_aborted = True
        self.write = self.writeSequence = _ignore
        self._uv.abort()

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Let `producer` know when to pause and to resume.

        :raises RuntimeError: where one is registered already.
        """
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        if not streaming:
            raise RuntimeError("only streaming producers are paused and resumed here")
        if self._is_lost or self._is_aborted:
            producer.stopProducing()  # type: ignore[attr-defined]
            return
        self._producer = producer
        if self._is_write_paused:
            self._producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Let nobody know any more."""
        self._producer = None
        if self._is_disconnecting and not (self._is_aborted or self._is_lost):
            self._close()

    def pauseProducing(self) -> None:
        """Deliver nothing until `resumeProducing`."""
        self._is_read_paused = True
        self._uv.pause_reading()

    def resumeProducing(self) -> None:
        """Deliver again, what has arrived meanwhile first."""
        self._is_read_paused = False
        if self._is_disconnecting or self._is_aborted or self._is_lost:
            return
        if self._kept is not None:
            asyncio.get_running_loop().call_soon(self._deliver_kept)
        elif not self._is_eof_received:
            self._uv.resume_reading()

    def _deliver_kept(self) -> None:
        protocol, data = self._protocol, self._kept
        if protocol is None or data is None or self._uv.is_closing() or self._is_read_paused:
            return
        self._kept = None
        self.data_received = protocol.dataReceived
        self._uv.set_protocol(self)
        try:
            if data:
                protocol.dataReceived(data)
        except Exception:  # a border, as above
            log.failure("a connection's protocol failed")
            self.abortConnection()
        if not (self._is_read_paused or self._is_eof_received):
            self._uv.resume_reading()

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    def getHandle(self) -> socket.SocketType:
        """The socket, for what the kernel knows of it: it belongs to uvloop, and reading or writing it is not for us.

        :raises OSError: where the connection is over.
        """
        handle = self._handle
        if handle is None:
            pseudo = self._uv.get_extra_info("socket")
            if pseudo is None or pseudo.fileno() == -1:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            # Without a copy of the descriptor: `connection_lost` detaches it before uvloop closes that.
            handle = socket.SocketType(pseudo.family, socket.SOCK_STREAM, 0, pseudo.fileno())
            self._handle = handle
        return handle

    def getTcpNoDelay(self) -> bool:
        """Whether small writes are sent at once."""
        return bool(self.getHandle().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Send small writes at once, or not."""
        self.getHandle().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(enabled))

    def getTcpKeepAlive(self) -> bool:
        """Whether the kernel looks for peers that have vanished."""
        return bool(self.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Let the kernel look for peers that have vanished, or not."""
        self.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(enabled))

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Where the other end is."""
        return address(self._uv.get_extra_info("peername"))

    def getHost(self) -> IPv4Address | IPv6Address:
        """Where this end is."""
        return address(self._uv.get_extra_info("sockname"))
