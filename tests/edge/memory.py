"""A network in memory: transports with backpressure, and the peers behind them, which a test plays itself.

Everything that a reactor would do later is a delayed call of the test's clock at 0 seconds; `Peer.settle` lets it
happen.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable
from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IStreamClientEndpoint,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from nexus.edge.splice import Side, SpliceUser
from nexus.edge.transport import StreamTransport
from nexus.model import Address

WRITE_BUFFER_BYTES = 64 * 1024


class MemoryTransport:
    """One end of a connection: what the edge writes is kept; what its peer sends is delivered while the edge reads.

    A `stalled` peer takes nothing, so that the write buffer fills and the producer is paused, as on a real transport.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.protocol: IProtocol | None = None
        self.written = bytearray()
        self.is_reading = True
        self.was_paused = False
        self.is_stalled = False
        self.is_half_closed = False
        self.is_closing = False
        self.is_aborted = False
        self.is_lost = False
        self.acknowledged_bytes = 0
        self.has_told_end = False
        self.emptied_by: MemorySplice | None = None
        self.filled_by: MemorySplice | None = None
        self._buffered = 0
        self._producer: IPushProducer | None = None
        self._producer_paused = False
        self._inbox: list[bytes] = []
        self._end: Exception | None = None

    # What the edge calls.

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        assert not self.is_half_closed, "written after the half close"
        if self.is_lost or self.is_closing:
            return
        self.written += data
        if self.is_stalled:
            self._buffered += len(data)
            if self._producer is not None and not self._producer_paused and self._buffered > WRITE_BUFFER_BYTES:
                self._producer_paused = True
                self._producer.pauseProducing()
        else:
            self.acknowledged_bytes += len(data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def pause_until_written(self) -> bool:
        if self._buffered and self._producer is not None and not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()
        return self._buffered > 0

    def registerProducer(self, producer: object, streaming: bool) -> None:
        assert self._producer is None
        assert streaming
        self._producer = cast(IPushProducer, producer)

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self.is_reading = False
        self.was_paused = True

    def resumeProducing(self) -> None:
        assert not self.has_told_end, "resumed behind the peer's end: Twisted's would tell it once more"
        self.is_reading = True
        self.clock.callLater(0, self._deliver)

    def loseConnection(self) -> None:
        assert self._producer is None, "a registered producer keeps a closing connection open"
        if not self.is_closing:
            self.is_closing = True
            if not self.is_stalled:
                self.clock.callLater(0, self._lose, ConnectionDone())

    def loseWriteConnection(self) -> None:
        self.is_half_closed = True

    def getHandle(self) -> MemorySocket:
        return MemorySocket(self)

    def abortConnection(self) -> None:
        if not self.is_lost:
            self.is_aborted = True
            self.clock.callLater(0, self._lose, ConnectionAborted())

    @property
    def kernel_state(self) -> int:
        """The connection's state as tcp(7) numbers it: ESTABLISHED, CLOSE_WAIT or CLOSE. What has arrived counts, read
        or not."""
        if self._end is None:
            return 1
        return 8 if isinstance(self._end, ConnectionDone) else 7

    @property
    def has_ended(self) -> bool:
        """Whether the peer has sent its FIN or RST, read or not."""
        return self._end is not None

    @property
    def has_unread(self) -> bool:
        """Whether bytes or an end wait to be read."""
        return bool(self._inbox) or self._end is not None

    def take_unread(self) -> bytes:
        """What the kernel has and the protocol has not."""
        if not self._inbox:
            raise BlockingIOError
        data = b"".join(self._inbox)
        self._inbox.clear()
        return data

    # What the peer does.

    def send(self, data: bytes) -> None:
        self._inbox.append(data)
        self._deliver()

    def queue(self, *pieces: bytes) -> None:
        self._inbox.extend(pieces)
        self.clock.callLater(0, self._deliver)

    def queue_end(self, reason: Exception) -> None:
        self._end = reason
        self.clock.callLater(0, self._deliver)

    def end(self, reason: Exception) -> None:
        """FIN (ConnectionDone) or RST (ConnectionLost), behind what was sent."""
        self._end = reason
        self._deliver()

    def lose(self) -> None:
        self._lose(ConnectionLost())

    def stall(self) -> None:
        self.is_stalled = True

    def unstall(self) -> None:
        self.is_stalled = False
        self.acknowledged_bytes += self._buffered
        self._buffered = 0
        if self._producer is not None and self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()
        if self.filled_by is not None:
            self.filled_by.go_on()
        if self.is_closing:
            self._lose(ConnectionDone())

    def take_for_splice(self, size: int) -> bytes:
        """What a splice finds, at most `size` bytes."""
        data = self._inbox.pop(0) if self._inbox else b""
        if len(data) > size:
            self._inbox.insert(0, data[size:])
        return data[:size]

    @property
    def spliced_end(self) -> Exception | None:
        """How it ended, if nothing is left to take before."""
        return None if self._inbox else self._end

    def _deliver(self) -> None:
        if self.emptied_by is not None:
            self.emptied_by.move()
            return
        while self._inbox and self.is_reading and not (self.is_lost or self.is_closing or self.is_aborted):
            assert self.protocol is not None
            self.protocol.dataReceived(self._inbox.pop(0))
        if self._end is None or not self.is_reading or self._inbox or self.is_closing or self.is_aborted:
            return
        half_closeable = IHalfCloseableProtocol(self.protocol, None)
        if isinstance(self._end, ConnectionDone) and half_closeable is not None:
            self.is_reading = False
            self.has_told_end = True
            half_closeable.readConnectionLost()
        else:
            self._lose(self._end)

    def _lose(self, reason: Exception) -> None:
        if not self.is_lost:
            self.is_lost = True
            assert self.protocol is not None
            self.protocol.connectionLost(Failure(reason))


class MemorySplicer:
    """Moves bytes between transports behind the edge's back, as the kernel would.

    :ivar asked: the length of each splice that was asked for; None for a tunnel's.
    :ivar refuses: none is begun; `gives_up`: each is handed back as soon as it has begun.
    """

    def __init__(self) -> None:
        self.asked: list[int | None] = []
        self.open: list[MemorySplice] = []
        self.refuses = False
        self.gives_up = False
        self.is_closed = False

    def splice(
        self, source: StreamTransport, sink: StreamTransport, length: int | None, user: SpliceUser
    ) -> MemorySplice | None:
        self.asked.append(length)
        if self.refuses:
            return None
        ends = cast(MemoryTransport, source), cast(MemoryTransport, sink)
        assert not ends[0].is_reading, "the source is to be paused"
        assert not ends[1].pause_until_written(), "the sink has something to write first"
        return MemorySplice(self, *ends, length, user)

    def close(self) -> None:
        assert self.open == []
        self.is_closed = True


class MemorySplice:
    """One splice."""

    def __init__(
        self,
        splicer: MemorySplicer,
        source: MemoryTransport,
        sink: MemoryTransport,
        length: int | None,
        user: SpliceUser,
    ) -> None:
        self._splicer = splicer
        self._source = source
        self._sink = sink
        self._left = sys.maxsize if length is None else length
        self._user = user
        self._is_over = False
        self._is_held = False
        source.emptied_by = sink.filled_by = self
        splicer.open.append(self)
        source.clock.callLater(0, self.move)

    def stop(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._source.emptied_by = self._sink.filled_by = None
            self._splicer.open.remove(self)

    def move(self) -> None:
        if not self._is_over and self._splicer.gives_up:
            self._end()
        while not (self._is_over or self._is_held):
            assert not self._source.is_reading, "the source is read by two"
            data = self._source.take_for_splice(self._left)
            if not data:
                break
            self._left -= len(data)
            self._sink.written += data
            self._user.moved(len(data))
            if self._sink.is_stalled and not self._is_over:
                self._is_held = True
                self._user.producer.pauseProducing()
            elif not self._sink.is_stalled:
                self._sink.acknowledged_bytes += len(data)
                self._end_if_whole()
        end = self._source.spliced_end
        if self._is_over or self._is_held or end is None:
            return
        if isinstance(end, ConnectionDone):
            self._end()
        else:
            self.stop()
            self._user.lost(Side.SOURCE)

    def go_on(self) -> None:
        if self._is_held:
            self._is_held = False
            self._user.producer.resumeProducing()
            self._end_if_whole()
            self.move()

    def lose_sink(self) -> None:
        """The sink answers by RST."""
        self.stop()
        self._user.lost(Side.SINK)

    def _end_if_whole(self) -> None:
        if not self._is_over and self._left == 0:
            self._end()

    def _end(self) -> None:
        self.stop()
        self._user.ended()


class MemorySocket:
    """What the kernel would tell of a transport's connection."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport

    def recv(self, size: int, flags: int) -> bytes:
        return self._transport.take_unread()[:size]

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        if (level, option) == (socket.SOL_SOCKET, 55):
            return bytes([self._transport.has_unread, 0, 0, 0])
        assert (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO)
        info = bytes([self._transport.kernel_state]).ljust(120, b"\0")
        return (info + self._transport.acknowledged_bytes.to_bytes(8, sys.byteorder))[:size]


class Peer:
    """The other end of a transport: a client, or a node's end of one connection."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.transport = MemoryTransport(clock)

    @property
    def received(self) -> bytes:
        """All that the edge has written."""
        return bytes(self.transport.written)

    def take(self) -> bytes:
        """What the edge has written since the last `take`."""
        taken = bytes(self.transport.written)
        self.transport.written.clear()
        return taken

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.transport.send(piece)
        self.settle()

    def queue(self, *pieces: bytes) -> None:
        """Send what the kernel has, and the reactor has not told of yet; `settle` lets it."""
        self.transport.queue(*pieces)

    def send_bytewise(self, data: bytes) -> None:
        self.send(*(data[index : index + 1] for index in range(len(data))))

    def close(self) -> None:
        """FIN."""
        self.transport.end(ConnectionDone())
        self.settle()

    def reset(self) -> None:
        """RST."""
        self.transport.end(ConnectionLost())
        self.settle()

    def lose(self) -> None:
        """Answer what the edge has written, or writes, by RST."""
        self.transport.lose()
        self.settle()

    def stall(self) -> None:
        self.transport.stall()

    def unstall(self) -> None:
        self.transport.unstall()
        self.settle()

    def take_a_little(self) -> None:
        """Acknowledge some of what was sent, without room for more."""
        self.transport.acknowledged_bytes += 1000

    def settle(self) -> None:
        for _ in range(20):
            self.clock.advance(0)

    @property
    def is_closed(self) -> bool:
        """Whether the edge has closed in order."""
        return self.transport.is_closing and not self.transport.is_aborted

    @property
    def is_half_closed(self) -> bool:
        """Whether the edge has closed its half, and reads on."""
        return self.transport.is_half_closed and not self.transport.is_lost

    @property
    def is_aborted(self) -> bool:
        """Whether the edge has reset the connection."""
        return self.transport.is_aborted

    @property
    def has_ended(self) -> bool:
        """Whether the peer has sent FIN or RST."""
        return self.transport.has_ended

    @property
    def is_lost(self) -> bool:
        """Whether nothing is left of the connection."""
        return self.transport.is_lost

    @property
    def is_open(self) -> bool:
        transport = self.transport
        return not (transport.is_closing or transport.is_aborted or transport.is_lost or transport.is_half_closed)


class FakeNode:
    """What listens at one address: a test plays it, connection by connection.

    :ivar refuses: dials are refused; `holds`: they stay unanswered until `accept`.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.connections: list[Peer] = []
        self.refuses = False
        self.holds = False
        self.held: list[tuple[IProtocolFactory, Deferred[IProtocol]]] = []
        self.cancelled = 0

    @property
    def last(self) -> Peer:
        return self.connections[-1]

    def accept(self) -> Peer:
        """Accept the dial that has been held longest."""
        factory, connected = self.held.pop(0)
        self._establish(factory, connected)
        self.last.settle()
        return self.last

    def dialled(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        connected: Deferred[IProtocol] = Deferred(self._cancel)
        if self.refuses:
            connected.errback(Failure(ConnectionRefusedError()))
        elif self.holds:
            self.held.append((factory, connected))
        else:
            self._establish(factory, connected)
        return connected

    def _establish(self, factory: IProtocolFactory, connected: Deferred[IProtocol]) -> None:
        protocol = factory.buildProtocol(IPv4Address("TCP", "10.0.0.1", 5001))
        if protocol is None:
            connected.errback(Failure(ConnectionAborted()))
            return
        peer = Peer(self.clock)
        peer.transport.protocol = protocol
        self.connections.append(peer)
        protocol.makeConnection(peer.transport)  # type: ignore[arg-type]
        connected.callback(protocol)

    def _cancel(self, connected: Deferred[IProtocol]) -> None:
        self.cancelled += 1
        self.held = [held for held in self.held if held[1] is not connected]
        connected.errback(Failure(CancelledError()))


class MemoryNetwork:
    """Addresses and the nodes that listen at them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.nodes: dict[Address, FakeNode] = {}

    def node(self, address: Address) -> FakeNode:
        return self.nodes.setdefault(address, FakeNode(self.clock))

    def connect(self, address: Address) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = MemoryEndpoint(self.node(address))
        return endpoint


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """Dials one fake node."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return self._node.dialled(protocolFactory)
