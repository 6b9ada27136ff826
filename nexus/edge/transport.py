"""What the edge asks of a transport, and the TCP matters that not every transport has.

Twisted's TCP transports have all of it; so has whatever else carries the edge's bytes. `abortConnection` must reset
the connection (RST), never end it cleanly: a cut body would look whole.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.interfaces import ITCPTransport

from nexus.socket_options import set_stream_options

if TYPE_CHECKING:
    from collections.abc import Iterable


_IS_LINUX: Final = sys.platform == "linux"
_TCP_ESTABLISHED: Final = 1
_TCP_CLOSE: Final = 7
_SO_MEMINFO: Final = 55
_TCP_INFO_BYTES_ACKED: Final = slice(120, 128)
_NOTHING_QUEUED: Final = bytes(4)
_READ_BYTES: Final = 64 * 1024


class StreamTransport(Protocol):
    """A byte stream with backpressure both ways: `ITCPTransport`, `IConsumer` and `IPushProducer` in one."""

    def write(self, data: bytes) -> None: ...
    def writeSequence(self, iovec: Iterable[bytes]) -> None: ...
    def loseConnection(self) -> None: ...
    def loseWriteConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...


def prepare(transport: object) -> None:
    """Set what `nexus.socket_options` tells for a connection that was dialled, where the transport is TCP's."""
    get_handle = getattr(transport, "getHandle", None)
    if get_handle is not None and ITCPTransport.providedBy(transport):
        set_stream_options(get_handle())


def may_have_unwritten(transport: object) -> bool:
    """Whether closing the transport in order may have to wait for the peer; True where it cannot tell."""
    return getattr(transport, "unwritten_bytes", 1) > 0


def is_silent(transport: object) -> bool:
    """Whether the kernel, too, holds neither bytes nor an end of the peer that nobody has read; True where the
    transport cannot tell. A reset is not told here.

    The memory that the receive queue takes (SO_MEMINFO of socket(7)) tells it in half a microsecond, a quarter of what
    looking at the first byte costs.
    """
    get_handle = getattr(transport, "getHandle", None)
    if get_handle is None:
        return True
    try:
        if _IS_LINUX:
            queued: bytes = get_handle().getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4)
            return queued == _NOTHING_QUEUED
        get_handle().recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read_unread(transport: object) -> bytes:
    """A part of what the peer sent and nobody has read, past the transport, which is reset then; empty for nothing."""
    get_handle = getattr(transport, "getHandle", None)
    if get_handle is None:
        return b""
    try:
        data: bytes = get_handle().recv(_READ_BYTES, socket.MSG_DONTWAIT)
    except OSError:
        return b""
    return data


def pauses_until_written(transport: object) -> bool:
    """Whether something that was written is still the transport's to send. If so, its producer is paused, and resumed
    when nothing is."""
    own = getattr(transport, "pause_until_written", None)
    if own is not None:
        paused: bool = own()
        return paused
    # Twisted's have no word for it. They resume a producer when all is written, once it is noted as paused.
    twisted: Any = transport
    if not (twisted.dataBuffer or twisted._tempDataBuffer):
        return False
    if not twisted.producerPaused:
        twisted.producerPaused = True
        twisted.producer.pauseProducing()
    return True


def is_connected(transport: object) -> bool:
    """Whether neither an end nor a reset of the peer has arrived, be it behind bytes that nobody has read; True where
    the transport cannot tell (tcp(7), TCP_INFO)."""
    return _state(transport) == _TCP_ESTABLISHED


def is_reset(transport: object) -> bool:
    """Whether the connection is over both ways; False where the transport cannot tell."""
    return _state(transport) == _TCP_CLOSE


def _state(transport: object) -> int:
    get_handle = getattr(transport, "getHandle", None)
    if get_handle is None or not _IS_LINUX:
        return _TCP_ESTABLISHED
    try:
        state: int = get_handle().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except OSError:
        return _TCP_CLOSE
    return state


def bytes_acknowledged(transport: object) -> int:
    """How many of the bytes sent the peer has acknowledged so far (tcp(7), TCP_INFO); 0 where the transport cannot
    tell."""
    get_handle = getattr(transport, "getHandle", None)
    if get_handle is None or not _IS_LINUX:
        return 0
    try:
        told = get_handle().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES_ACKED.stop)
    except OSError:
        return 0
    return int.from_bytes(told[_TCP_INFO_BYTES_ACKED], sys.byteorder)
