"""One connection of a client: requests come in, one exchange at a time, answered in order (RFC 9112 section 9.3).

It reads heads, and hands bodies to the exchange. While an exchange is under way it goes on reading, so that it learns
at once of a client that leaves; what is pipelined meanwhile waits, up to a bound, and beyond it the client waits.

    HEAD -> (BODY ->) BUSY -> HEAD ... -> CLOSED, or LINGERING -> CLOSED
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer
from zope.interface import implementer

from nexus.edge import answers
from nexus.edge.answers import Answer, malformed
from nexus.edge.errors import MalformedError
from nexus.edge.exchange import LocalExchange
from nexus.edge.framing import request_framing
from nexus.edge.heads import RequestHead, find_head_end, parse_request_head, skip_empty_lines
from nexus.edge.relay import Relay
from nexus.edge.rewrite import own_request_lines
from nexus.edge.timeouts import Phase, PhaseTimer
from nexus.edge.transport import StreamTransport, is_connected, prepare

if TYPE_CHECKING:
    from twisted.internet.interfaces import ITransport
    from twisted.python.failure import Failure

    from nexus.edge.context import EdgeContext
    from nexus.edge.exchange import Exchange

BUFFERED_BYTES_MAX: Final = 16 * 1024
"""What is read ahead of a client that pipelines, or whose body cannot be forwarded yet."""

LINGER_S: Final = 5.0
"""How long a client may go on sending what nobody reads, so that it gets to read its answer."""

REQUESTS_PER_TURN_MAX: Final = 16
"""How many requests of one client that pipelines are answered before the others have their turn."""

PRESENCE_CHECK_S: Final = 5.0
"""How often we look whether a client is still there, while nothing of it is read and so nothing tells."""


class State(Enum):
    """What the connection takes bytes for."""

    HEAD = auto()
    """The next request's head."""

    BODY = auto()
    """The body of the exchange under way."""

    TUNNEL = auto()
    """No HTTP any more: the exchange takes all bytes, until the end."""

    BUSY = auto()
    """Later requests: this one has arrived, and its response is going out."""

    LINGERING = auto()
    """Nothing: they are read and forgotten until the client closes."""

    CLOSED = auto()
    """Nothing any more."""


@implementer(IProtocol, IHalfCloseableProtocol, IPushProducer)
class ClientConnection:
    """The edge's end of a client's connection. It is the producer of its own transport's writes.

    :ivar host: the client's IP address.
    :ivar own_lines: what every request that came this way carries to a node.
    :ivar write_blocked: whether the client takes bytes slower than we have them.
    """

    __slots__ = (
        "_advancing",
        "_buffer",
        "_context",
        "_exchange",
        "_has_begun",
        "_is_held",
        "_is_reading",
        "_is_yielding",
        "_scanned",
        "_skipped_lines",
        "_state",
        "host",
        "own_lines",
        "timer",
        "transport",
        "write_blocked",
    )

    transport: StreamTransport

    def __init__(self, context: EdgeContext, host: str) -> None:
        self._context = context
        self.host = host
        self.own_lines = own_request_lines(context.pseudonym, host, b"http")
        self.timer = PhaseTimer(context.clock, self._timed_out)
        self.write_blocked = False
        self._state = State.HEAD
        self._buffer = b""
        self._scanned = 0
        self._skipped_lines = 0
        self._has_begun = False
        self._exchange: Exchange | None = None
        self._advancing = False
        self._is_held = False
        self._is_reading = True
        self._is_yielding = False

    def makeConnection(self, transport: ITransport) -> None:
        """See `IProtocol.makeConnection`."""
        self.transport = cast(StreamTransport, transport)
        self.connectionMade()

    def connectionMade(self) -> None:
        """See `IProtocol.connectionMade`."""
        self._context.client_connected(self)
        prepare(self.transport)
        self.transport.registerProducer(self, True)
        self.timer.start(Phase.KEEP_ALIVE, self._context.config.keep_alive_timeout_s)

    def dataReceived(self, data: bytes) -> None:
        """See `IProtocol.dataReceived`."""
        state = self._state
        if state is State.BODY or state is State.TUNNEL:
            exchange = self._exchange
            if exchange is not None and exchange.takes_body:
                exchange.request_received(data)
                return
        if state in (State.LINGERING, State.CLOSED):
            return
        self._buffer = self._buffer + data if self._buffer else data
        if state is State.HEAD:
            self._advance()
        self._update_reading()

    def readConnectionLost(self) -> None:
        """See `IHalfCloseableProtocol.readConnectionLost`. What was answered before still goes out."""
        if self._exchange is not None:
            self._exchange.client_ended()
        else:
            self.close()

    def writeConnectionLost(self) -> None:
        """See `IHalfCloseableProtocol.writeConnectionLost`. It was us."""

    def connectionLost(self, reason: Failure) -> None:
        """See `IProtocol.connectionLost`. A client that goes while its response is under way has left."""
        self._state = State.CLOSED
        self._buffer = b""
        self.timer.close()
        self._context.client_gone(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.client_lost()

    def pauseProducing(self) -> None:
        """The client takes no more for now."""
        self.write_blocked = True
        if self._exchange is not None:
            self._exchange.client_blocked()

    def resumeProducing(self) -> None:
        """The client takes bytes again."""
        self.write_blocked = False
        if self._exchange is not None:
            self._exchange.client_unblocked()
        self._advance()
        self._update_reading()

    def stopProducing(self) -> None:
        """The transport is gone; `connectionLost` follows."""

    def hold_body(self, held: bool) -> None:
        """Leave the body's next bytes with the client, since the node takes no more; or take them again."""
        self._is_held = held
        self._update_reading()

    def release_body(self) -> None:
        """The exchange takes the body from now on: hand it what has arrived."""
        if self._state is State.BODY and self._buffer and self._exchange is not None:
            data, self._buffer = self._buffer, b""
            self._exchange.request_received(data)
        self._update_reading()

    def request_complete(self, surplus: bytes) -> None:
        """The exchange has the whole body; `surplus` came behind it."""
        self._state = State.BUSY
        self._buffer = surplus
        self._is_held = False
        self._update_reading()
        self.time_body(False)

    def become_tunnel(self, exchange: Exchange) -> None:
        """Hand all that comes from now on to `exchange`, and first what came early."""
        self._state = State.TUNNEL
        self._exchange = exchange
        data, self._buffer = self._buffer, b""
        if data:
            exchange.request_received(data)
        self._update_reading()

    def end_writing(self) -> None:
        """Close our half, after what was written."""
        self.transport.unregisterProducer()
        self.transport.loseWriteConnection()

    def exchange_finished(self, *, is_request_read: bool, keep_alive: bool) -> None:
        """The response is out: go on with the next request, or close in order."""
        self._exchange = None
        if self._state is State.CLOSED:
            return
        ends = not keep_alive or self._context.is_draining
        if not is_request_read or (ends and self._buffer):
            self._linger()
        elif ends:
            self.close()
        else:
            self._state = State.HEAD
            self.timer.start(Phase.KEEP_ALIVE, self._context.config.keep_alive_timeout_s)
            self._advance()
            self._update_reading()

    def close_if_idle(self) -> None:
        """Close it unless a request is under way, or has begun to arrive."""
        if self._state is State.HEAD and not self._has_begun and not self._buffer:
            self.close()

    def close(self) -> None:
        """Close it in order, after what was written."""
        self._shut()
        self.timer.start(Phase.CLOSE, self._context.config.body_idle_timeout_s)
        self.transport.loseConnection()

    def abort(self) -> None:
        """Reset it: what the client has got is not all (RFC 9112 section 8)."""
        self._shut()
        self.timer.stop()
        self.transport.abortConnection()

    def cut(self, ended: str) -> bool:
        """Reset it together with what is under way; whether something was."""
        exchange = self._exchange
        if exchange is not None:
            exchange.cut(ended)
        else:
            self.abort()
        return exchange is not None

    def time_body(self, is_awaited: bool) -> None:
        """Give the body's next bytes their time, while it is the client that they are awaited from."""
        if is_awaited:
            self.timer.start(Phase.BODY, self._context.config.body_idle_timeout_s)
        elif self._is_reading:
            self.timer.stop()
        else:
            self.timer.start(Phase.PRESENCE, PRESENCE_CHECK_S)

    def _shut(self) -> None:
        if self._state not in (State.CLOSED, State.LINGERING):
            self.transport.unregisterProducer()
        self._state = State.CLOSED
        self._exchange = None
        self._buffer = b""

    def _linger(self) -> None:
        """Close our half, and read on for a while, where a client may go on sending a body, or pipelined requests:
        closing with unread bytes would reset the connection, and it might lose its answer (RFC 9112 section 9.6)."""
        self._state = State.LINGERING
        self._buffer = b""
        self._is_held = False
        self._update_reading()
        self.transport.unregisterProducer()
        self.timer.start(Phase.LINGER, LINGER_S)
        self.transport.loseWriteConnection()

    def _update_reading(self) -> None:
        waits = self._state in (State.BODY, State.BUSY) or self.write_blocked or self._is_yielding
        reading = not (self._is_held or (waits and len(self._buffer) >= BUFFERED_BYTES_MAX))
        if reading is not self._is_reading and self._state is not State.CLOSED:
            self._is_reading = reading
            if reading:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()
                if self._exchange is not None:
                    self.timer.start(Phase.PRESENCE, PRESENCE_CHECK_S)

    def _advance(self) -> None:
        """Begin the requests that have arrived, one after the other, for as long as each ends at once and the client
        takes its answers. A loop, not a recursion, and in turns: a client may pipeline thousands of them."""
        if self._advancing or self._is_yielding:
            return
        self._advancing = True
        try:
            for _ in range(REQUESTS_PER_TURN_MAX):
                if not self._can_begin() or not self._begin_request():
                    return
        finally:
            self._advancing = False
        if self._can_begin():
            self._is_yielding = True
            self._context.clock.callLater(0, self._take_turn)

    def _take_turn(self) -> None:
        self._is_yielding = False
        self._advance()
        self._update_reading()

    def _can_begin(self) -> bool:
        return self._state is State.HEAD and bool(self._buffer) and not self.write_blocked

    def _begin_request(self) -> bool:
        """Begin the first buffered request; False while its head is incomplete."""
        config = self._context.config
        buffer = self._buffer
        head: RequestHead | None = None
        try:
            if buffer.startswith(b"\r\n"):
                buffer, self._skipped_lines = skip_empty_lines(buffer, self._skipped_lines)
                self._buffer = buffer
                self._scanned = 0
            end = find_head_end(buffer, self._scanned, config.head_bytes_max)
            if not end:
                self._scanned = len(buffer)
                if buffer and not self._has_begun:
                    self._has_begun = True
                    self.timer.start(Phase.HEAD, config.head_timeout_s)
                return False
            head = parse_request_head(buffer[:end], config.headers_max)
            framing = request_framing(head.known, head.minor)
            disposition = self._context.admission.dispose(head)
        except MalformedError as error:
            self._reject(malformed(error), "malformed_request", head)
            return False
        self._buffer = buffer[end:]
        self._scanned = 0
        self._skipped_lines = 0
        self._has_begun = False
        self.time_body(False)
        self._state = State.BODY if framing else State.BUSY
        exchange: Exchange
        if disposition.destination is None:
            exchange = LocalExchange(self._context, self, head=head, framing=framing, disposition=disposition)
        else:
            exchange = Relay(
                self._context,
                self,
                head=head,
                framing=framing,
                disposition=disposition,
                destination=disposition.destination,
            )
        self._exchange = exchange
        exchange.begin()
        return True

    def _reject(self, answer: Answer, ended: str, head: RequestHead | None) -> None:
        """Answer what is no request that could be understood, and close."""
        self.timer.stop()
        self._context.answer_rejected(self, answer, ended, head)
        self._linger()

    def _timed_out(self, phase: Phase) -> None:
        if phase is Phase.BODY and self._exchange is not None:
            self._exchange.timed_out(phase)
        elif phase is Phase.HEAD:
            self._reject(answers.HEAD_TIMEOUT, phase.value, None)
        elif phase is Phase.KEEP_ALIVE:
            self.close()
        elif phase is Phase.PRESENCE:
            self._check_presence()
        else:
            self.abort()

    def _check_presence(self) -> None:
        """See whether the client whose bytes we leave with it is still there: one that has left must not keep a node
        waiting for the rest of an upload: Kubo's `add` then holds up every later write.

        What this cannot see is an end behind more bytes than the kernel takes for us. That is read as soon as the node
        takes bytes again, and a node that takes none is not waiting for this client.
        """
        if self._is_reading or self._exchange is None:
            return
        if is_connected(self.transport):
            self.timer.start(Phase.PRESENCE, PRESENCE_CHECK_S)
        else:
            self._exchange.cut("client_gone")
