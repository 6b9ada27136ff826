"""One connection of a client: requests come in, one exchange at a time, answered in order (RFC 9112 section 9.3).

It reads heads, and hands bodies to the exchange. While an exchange is under way it goes on reading, so that it learns
at once of a client that leaves; what is pipelined meanwhile waits, up to a bound, and beyond it the client waits.

    (PROXY ->) HEAD -> (BODY ->) BUSY -> HEAD ... -> CLOSED, or LINGERING -> CLOSED
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer
from zope.interface import implementer

from nexus.edge import answers
from nexus.edge.answers import Answer, malformed
from nexus.edge.client_stream import BODY, BUSY, CLOSED, HEAD, LINGERING, PROXY, TUNNEL, ClientStream
from nexus.edge.errors import MalformedError
from nexus.edge.exchange import LocalExchange
from nexus.edge.heads import RequestFields, RequestHead, read_request_head, skip_empty_lines
from nexus.edge.proxy_protocol import read_proxy_header
from nexus.edge.relay import Relay
from nexus.edge.rewrite import own_request_lines
from nexus.edge.timeouts import Phase
from nexus.edge.transport import StreamTransport
from nexus.edge.trusted_proxies import told_client

if TYPE_CHECKING:
    from twisted.internet.interfaces import ITransport
    from twisted.python.failure import Failure

    from nexus.edge.admission import Destination, Disposition
    from nexus.edge.context import EdgeContext
    from nexus.edge.exchange import Exchange
    from nexus.edge.limits import NetworkUse
    from nexus.edge.trusted_proxies import AddressSet
    from nexus.model import Route

_KEEP_ALIVE: Final = Phase.KEEP_ALIVE

REQUESTS_PER_TURN_MAX: Final = 16
"""How many requests of one client that pipelines are answered before the others have their turn."""


@implementer(IProtocol, IHalfCloseableProtocol, IPushProducer)
class ClientConnection(ClientStream):
    """The edge's end of a client's connection. It is the producer of its own transport's writes.

    :param host: the peer's IP address.
    :param is_proxied: whether a PROXY header comes first, and says whose the connection is.
    :ivar host: the client's IP address; behind a trusted proxy, that of the present request's.
    :ivar counted_host: the address that the connection is counted for; empty for none.
    :ivar own_lines: what every request that came this way carries to a node; behind a trusted proxy, the present one.
    :ivar forwarded_host: the Host that a trusted proxy was asked for; empty where it is the request's.
    :ivar use: what is open of the network that the connection counts for; see `NetworkTally`.
    """

    __slots__ = (
        "_advancing",
        "_has_begun",
        "_last_fields",
        "_peer",
        "_scanned",
        "_skipped_lines",
        "_trusted",
        "counted_host",
        "forwarded_host",
        "host",
        "own_lines",
        "use",
    )

    def __init__(self, context: EdgeContext, host: str, *, is_proxied: bool = False) -> None:
        ClientStream.__init__(self, context)
        self.forwarded_host = b""
        self._set_peer(host)
        if is_proxied:
            self._state = PROXY
            self.counted_host = ""
        self.use: NetworkUse | None = None
        self._scanned = 0
        self._skipped_lines = 0
        self._has_begun = False
        self._last_fields: RequestFields | None = context.last_fields
        self._advancing = False

    def _set_peer(self, host: str) -> None:
        context = self._context
        self._peer = self.host = host
        self.own_lines = context.own_lines(host)
        self._trusted = context.trusted_proxies if context.is_trusted(host) else None
        self.counted_host = host if self._trusted is None else ""

    def makeConnection(self, transport: ITransport) -> None:
        """See `IProtocol.makeConnection`."""
        self.transport = cast(StreamTransport, transport)
        self.connectionMade()

    def connectionMade(self) -> None:
        """See `IProtocol.connectionMade`."""
        self._context.client_connected(self)
        self.transport.registerProducer(self, True)
        config = self._context.config
        if self._state is PROXY:
            self.timer.start(Phase.HEAD, config.head_timeout_s)
        else:
            self.timer.start(Phase.KEEP_ALIVE, config.keep_alive_timeout_s)

    def dataReceived(self, data: bytes) -> None:
        """See `IProtocol.dataReceived`."""
        state = self._state
        if state is BODY or state is TUNNEL:
            exchange = self._exchange
            if exchange is not None and exchange.takes_body:
                exchange.request_received(data)
                return
        if state is LINGERING or state is CLOSED:
            return
        self._buffer = self._buffer + data if self._buffer else data
        if state is PROXY:
            self._read_proxy_header()
        if self._state is HEAD:
            self._advance()
        if self._buffer or not self._is_reading:
            self._update_reading()

    def _read_proxy_header(self) -> None:
        try:
            header = read_proxy_header(self._buffer)
        except MalformedError as error:
            self._reject(malformed(error), error.ended, None)
            return
        if header is None:
            return
        end, host = header
        self._buffer = self._buffer[end:]
        context = self._context
        self._set_peer(host or self._peer)
        if context.enter(self._peer):
            self._state = HEAD
            self.timer.start(Phase.KEEP_ALIVE, context.config.keep_alive_timeout_s)
        else:
            self.counted_host = ""
            self.transport.write(context.refusals.answer("connections_per_client_max", context.date()))
            self._linger()

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
        self._state = CLOSED
        self._buffer = b""
        self.timer.close()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.client_lost()
        self._context.client_gone(self)

    def pauseProducing(self) -> None:
        """The client takes no more for now."""
        self.write_blocked = True
        if self._exchange is not None:
            self._exchange.client_blocked()
            if not self.timer.is_timing(Phase.BODY):
                self._look_after()

    def resumeProducing(self) -> None:
        """The client takes bytes again."""
        self.write_blocked = False
        self._stalled_s = 0.0
        if self._exchange is not None:
            self._exchange.client_unblocked()
        self._advance()
        self._update_reading()

    def stopProducing(self) -> None:
        """The transport is gone; `connectionLost` follows."""

    def release_body(self) -> None:
        """The exchange takes the body from now on: hand it what has arrived."""
        if self._state is BODY and self._buffer and self._exchange is not None:
            data, self._buffer = self._buffer, b""
            self._exchange.request_received(data)
        self._update_reading()

    def request_complete(self, surplus: bytes) -> None:
        """The exchange has the whole body; `surplus` came behind it."""
        self._state = BUSY
        self._buffer = surplus
        self._is_held = False
        self._update_reading()
        self.time_body(False)

    def become_tunnel(self, exchange: Exchange) -> None:
        """Hand all that comes from now on to `exchange`, and first what came early."""
        self._state = TUNNEL
        self._exchange = exchange
        data, self._buffer = self._buffer, b""
        if data:
            exchange.request_received(data)
        self._update_reading()

    def exchange_finished(self, is_request_read: bool, keep_alive: bool) -> None:
        """The response is out: go on with the next request, or close in order."""
        self._exchange = None
        if self._state is CLOSED:
            return
        ends = not keep_alive or self._context.is_draining
        if not is_request_read or (ends and self._buffer):
            self._linger()
        elif ends:
            self.close()
        else:
            self._state = HEAD
            self.timer.start(_KEEP_ALIVE, self._context.config.keep_alive_timeout_s)
            if self._buffer or not self._is_reading:
                self._advance()
                self._update_reading()

    def close_if_idle(self) -> None:
        """Close it unless a request is under way, or has begun to arrive."""
        if self._state in (PROXY, HEAD) and not self._has_begun and not self._buffer:
            self.close()

    def reconsider(self, route: Route) -> None:
        """End what is under way where `route`, whose rules have changed, no longer allows it."""
        if self._exchange is not None and self._exchange.network == route.network:
            self._exchange.reconsider(route)

    def cut(self, ended: str) -> Exchange | None:
        """Reset it together with what is under way: that, if something was."""
        exchange = self._exchange
        if exchange is not None:
            exchange.cut(ended)
        else:
            self.abort()
        return exchange

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
        return self._state is HEAD and bool(self._buffer) and not self.write_blocked

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
            read = read_request_head(
                buffer, self._scanned, config.head_bytes_max, config.headers_max, self._last_fields
            )
            if read is None:
                self._scanned = len(buffer)
                if buffer and not self._has_begun:
                    self._has_begun = True
                    self.timer.start(Phase.HEAD, config.head_timeout_s)
                return False
            head, end = read
            if len(head.target) > config.target_bytes_max:
                raise MalformedError("the request target is too long", 414, "target_bytes_max")
            if self._trusted is not None:
                self._believe(head, self._trusted)
            if head.fields is not self._last_fields:
                head.fields.interpret()
                if head.fields.is_worth_keeping:
                    self._last_fields = head.fields
                    if not head.fields.holds_secret:
                        self._context.last_fields = head.fields
                else:
                    self._last_fields = None
            disposition = self._context.admission.dispose(head)
        except MalformedError as error:
            self._reject(malformed(error), error.ended, head)
            return False
        self._buffer = buffer[end:]
        self._scanned = 0
        self._skipped_lines = 0
        self._has_begun = False
        self.time_body(False)
        self._state = BODY if head.fields.framing else BUSY
        if disposition.destination is None:
            self._exchange = LocalExchange(self._context, self, head, disposition)
            self._exchange.begin()
        else:
            self._begin_relay(head, disposition, disposition.destination)
        return True

    def _believe(self, head: RequestHead, trusted: AddressSet) -> None:
        """Take from a trusted proxy who the request comes from."""
        told = told_client(self._peer, head.known, trusted)
        self.host = told.host
        self.own_lines = own_request_lines(self._context.pseudonym, told.hops, told.scheme)
        self.forwarded_host = told.authority

    def _begin_relay(self, head: RequestHead, disposition: Disposition, destination: Destination) -> None:
        """Let a node answer, as far as the limits of its network go."""
        context = self._context
        use = self.use
        if use is None or use.network != disposition.network:
            use = context.networks.move(self, disposition.network)
        if use is None:
            refusal = answers.TOO_MANY_CONNECTIONS, "connections_per_network_max"
        elif use.requests >= context.config.requests_per_network_max:
            refusal = answers.TOO_MANY_REQUESTS, "requests_per_network_max"
        elif head.fields.framing > context.request_body_bytes_max:
            refusal = answers.BODY_TOO_LARGE, "request_body_bytes_max"
        else:
            self._exchange = Relay(context, self, head, disposition, destination)
            self._exchange.begin()
            return
        local = self._exchange = LocalExchange(context, self, head, disposition)
        local.refuse(*refusal)

    def _reject(self, answer: Answer, ended: str, head: RequestHead | None) -> None:
        """Answer what is no request that could be understood, and close."""
        if head is None:
            self.host = self._peer
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
        else:
            ClientStream._timed_out(self, phase)
