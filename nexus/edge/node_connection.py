"""One connection to a node. It carries bytes for one exchange at a time and decides nothing; between exchanges,
whatever arrives on it ends it (a response that nobody asked for must never reach anybody)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer
from zope.interface import implementer

from nexus.edge.timeouts import Phase, PhaseTimer
from nexus.edge.transport import StreamTransport, is_connected, is_silent, prepare, read_unread

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime, ITransport
    from twisted.python.failure import Failure

    from nexus.edge.upstream import Upstream


class NodeUser(Protocol):
    """Whose bytes a connection to a node carries."""

    def response_received(self, data: bytes) -> None:
        """The node sent `data`."""

    def node_ended(self) -> None:
        """The node has closed its half, in order."""

    def node_lost(self, is_clean: bool) -> None:
        """The connection is gone: by an end in order, or not."""

    def node_blocked(self) -> None:
        """The node takes no more for now."""

    def node_unblocked(self) -> None:
        """The node takes bytes again."""

    def timed_out(self, phase: Phase) -> None:
        """What was timed on the connection's timer did not come."""

    def upstream_retired(self) -> None:
        """The target is no longer the network's, and the connection has been reset."""


@implementer(IProtocol, IHalfCloseableProtocol, IPushProducer)
class NodeConnection:
    """The edge's end of a connection to a node. It is the producer of its own transport's writes, for as long as it
    lives.

    :ivar exchange: whose bytes these are; None while it is idle or being closed.
    :ivar idle_since: when it was last given back; a time of the clock, in seconds.
    :ivar is_reused: whether an earlier exchange used it.
    :ivar write_blocked: whether the node takes bytes slower than we have them.
    :param close_timeout_s: how long the node may take to take the last bytes.
    """

    __slots__ = (
        "_close_timeout_s",
        "_is_closed",
        "_is_closing",
        "_is_reading",
        "exchange",
        "idle_since",
        "is_reused",
        "timer",
        "transport",
        "upstream",
        "write_blocked",
    )

    # The transport is set by `makeConnection`, before anything else can happen.
    transport: StreamTransport

    def __init__(self, upstream: Upstream, clock: IReactorTime, close_timeout_s: float) -> None:
        self.upstream = upstream
        self.exchange: NodeUser | None = None
        self.idle_since = 0.0
        self.is_reused = False
        self.write_blocked = False
        self.timer = PhaseTimer(clock, self._timed_out)
        self._is_reading = True
        self._is_closing = False
        self._is_closed = False
        self._close_timeout_s = close_timeout_s

    def makeConnection(self, transport: ITransport) -> None:
        """See `IProtocol.makeConnection`."""
        self.transport = cast(StreamTransport, transport)
        self.connectionMade()

    def connectionMade(self) -> None:
        """See `IProtocol.connectionMade`."""
        self.upstream.connection_opened(self)
        prepare(self.transport)
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """See `IProtocol.dataReceived`."""
        if self.exchange is not None:
            self.exchange.response_received(data)
        else:
            self.abort()

    def readConnectionLost(self) -> None:
        """See `IHalfCloseableProtocol.readConnectionLost`."""
        if self.exchange is not None:
            self.exchange.node_ended()
        elif not self._is_closing:
            self.abort()

    def writeConnectionLost(self) -> None:
        """See `IHalfCloseableProtocol.writeConnectionLost`. It was us."""

    def connectionLost(self, reason: Failure) -> None:
        """See `IProtocol.connectionLost`."""
        self._is_closing = self._is_closed = True
        self.timer.close()
        self.upstream.connection_closed(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.node_lost(is_clean=isinstance(reason.value, ConnectionDone))

    def pauseProducing(self) -> None:
        """The node takes no more for now."""
        self.write_blocked = True
        if self.exchange is not None:
            self.exchange.node_blocked()

    def resumeProducing(self) -> None:
        """The node takes bytes again."""
        self.write_blocked = False
        if self.exchange is not None:
            self.exchange.node_unblocked()

    def stopProducing(self) -> None:
        """The transport is gone; `connectionLost` follows."""

    def set_reading(self, reading: bool) -> None:
        """Take the node's bytes, or leave them with it."""
        if reading is not self._is_reading and not self._is_closing:
            self._is_reading = reading
            if reading:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    def is_stale(self, may_retry: bool) -> bool:
        """Whether the node has sent something on an idle connection that the reactor has not told us of yet: it might
        be taken for the answer to somebody else's request. Where the request cannot be sent again, also whether the
        connection has ended.

        What arrives between this and the request cannot be told from an answer.
        """
        transport = self.transport
        return self._is_closing or not is_silent(transport) or not (may_retry or is_connected(transport))

    def end_writing(self) -> None:
        """Close our half, after what was written."""
        self.transport.unregisterProducer()
        self.transport.loseWriteConnection()

    def close(self) -> None:
        """Close it in order, after what was written; reset it if the node does not take that in `close_timeout_s`.
        Until it is gone it stays known to its upstream, and ends with it."""
        self.exchange = None
        if not self._is_closing:
            self._is_closing = True
            self.transport.unregisterProducer()
            # First the timer: a connection whose halves are both closed is lost before this returns.
            self.timer.start(Phase.CLOSE, self._close_timeout_s)
            self.transport.loseConnection()

    def abort(self) -> None:
        """Reset it: what the node was told so far is not all."""
        self.exchange = None
        self.timer.close()
        if not self._is_closed:
            self._is_closed = True
            if not self._is_closing:
                self._is_closing = True
                self.transport.unregisterProducer()
            self.upstream.connection_closed(self)
            self.transport.abortConnection()

    def lose(self) -> None:
        """Reset it: the node has, as something else than its transport found out. What it sent before is its answer
        still: the kernel has kept that."""
        while self._is_reading and self.exchange is not None and (data := read_unread(self.transport)):
            self.exchange.response_received(data)
        exchange = self.exchange
        self.abort()
        if exchange is not None:
            exchange.node_lost(is_clean=False)

    def _timed_out(self, phase: Phase) -> None:
        if self.exchange is not None:
            self.exchange.timed_out(phase)
        else:
            self.abort()
