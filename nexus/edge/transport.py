"""What the edge asks of a transport, and the TCP matters that not every transport has.

Twisted's TCP transports have all of it; so has whatever else carries the edge's bytes. `abortConnection` must reset
the connection (RST), never end it cleanly: a cut body would look whole.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Protocol

from twisted.internet.interfaces import ITCPTransport

if TYPE_CHECKING:
    from collections.abc import Iterable


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
    """Send small writes at once, and find peers that vanish without a word."""
    tcp = ITCPTransport(transport, None)
    if tcp is not None:
        tcp.setTcpNoDelay(True)
        tcp.setTcpKeepAlive(True)


def is_open_and_silent(transport: object) -> bool:
    """Whether the kernel, too, has neither bytes nor an end from the peer; True where the transport cannot tell."""
    get_handle = getattr(transport, "getHandle", None)
    if get_handle is None:
        return True
    try:
        get_handle().recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
