"""A request's way to a node: the half of a relay that the client's bytes take. `relay` is the other.

waiting for a node -> relaying the body -> done
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from nexus.edge import answers
from nexus.edge.answers import malformed
from nexus.edge.body_rate import BodyRate
from nexus.edge.errors import MalformedError
from nexus.edge.exchange import Exchange
from nexus.edge.forwarding import request_trailers
from nexus.edge.framing import CHUNKED, NO_BODY, ChunkedBody, LengthBody, body_reader, chunk, last_chunk
from nexus.edge.rewrite import request_head
from nexus.edge.splice import Side, SpliceUser
from nexus.edge.timeouts import Phase
from nexus.edge.transport import pauses_until_written
from nexus.edge.upgrade import upgrade_lines, websocket_key
from nexus.model import Feature

if TYPE_CHECKING:
    from nexus.edge.admission import Destination, Disposition
    from nexus.edge.answers import Answer
    from nexus.edge.client_connection import ClientConnection
    from nexus.edge.context import EdgeContext
    from nexus.edge.dial import Dial
    from nexus.edge.heads import RequestHead
    from nexus.edge.node_connection import NodeConnection
    from nexus.edge.splice import Splicing
    from nexus.edge.upstream_queue import Place

IDEMPOTENT_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
"""RFC 9110 section 9.2.2. Kubo's RPC is all POST, and a POST is never sent twice."""

_QUEUE_ANSWERS: Final = {
    "upstream_queue_max": answers.QUEUE_FULL,
    Phase.UPSTREAM_QUEUE.value: answers.QUEUE_TIMEOUT,
    "draining": answers.DRAINING,
}


class RequestRelay(Exchange):
    """Brings one request to a node, which may have answered long before it has all of it."""

    __slots__ = (
        "_awaits_continue",
        "_body",
        "_dial",
        "_is_response_done",
        "_may_retry",
        "_may_splice_request",
        "_node",
        "_rate",
        "_request_splice",
        "_upgrade_key",
        "_upstream",
    )

    def __init__(
        self,
        context: EdgeContext,
        client: ClientConnection,
        head: RequestHead,
        disposition: Disposition,
        destination: Destination,
    ) -> None:
        Exchange.__init__(self, context, client, head, disposition, client.use)
        framing = head.fields.framing
        self._upstream = context.pool.upstream(*destination)
        self._body = body_reader(framing) if framing else NO_BODY
        config = context.config
        self._rate = BodyRate(config.body_bytes_per_s_min, config.body_rate_window_s) if framing else None
        self._upgrade_key: bytes | None = None
        if b"upgrade" in head.known and disposition.feature is Feature.GATEWAY:
            self._upgrade_key = websocket_key(head, framing)
        self._node: NodeConnection | None = None
        self._dial: Dial | Place | None = None
        self._may_retry = framing == 0 and head.method in IDEMPOTENT_METHODS
        self._awaits_continue = framing != 0 and head.minor == 1 and b"expect" in head.known
        self._is_response_done = False
        self._may_splice_request = framing >= context.splice_bytes_min
        self._request_splice: Splicing | None = None

    def begin(self) -> None:
        """See `Exchange.begin`."""
        node = self._upstream.take(self._may_retry)
        if node is not None:
            self._send(node)
        else:
            self._dial = self._upstream.dial(self, self._may_retry)

    @abstractmethod
    def upstream_retired(self) -> None:
        """See `DialWaiter.upstream_retired`."""

    @abstractmethod
    def response_received(self, data: bytes) -> None:
        """See `NodeUser.response_received`."""

    @abstractmethod
    def node_ended(self) -> None:
        """See `NodeUser.node_ended`."""

    @abstractmethod
    def node_lost(self, is_clean: bool) -> None:
        """See `NodeUser.node_lost`."""

    @abstractmethod
    def _watch_node(self) -> None:
        """Time the response, while it is the node that we wait for."""

    @abstractmethod
    def _give_up(self, answer: Answer, ended: str) -> None:
        """As `_fail`, for what the client failed in; where it has its answer already, it gets to read that."""

    @abstractmethod
    def _fail(self, answer: Answer, ended: str) -> None:
        """End both ways, by `answer` where nothing has been answered yet."""

    def node_connected(self, node: NodeConnection) -> None:
        """See `DialWaiter.node_connected`."""
        self._dial = None
        self._send(node)

    def dial_failed(self, timed_out: bool) -> None:
        """See `DialWaiter.dial_failed`."""
        self._dial = None
        if timed_out:
            self._fail(answers.DIAL_TIMEOUT, Phase.CONNECT.value)
        else:
            self._fail(answers.DIAL_REFUSED, "dial_refused")
        self._context.status.target_unreachable(self._disposition.network, self._upstream.generation)

    def place_reached(self) -> None:
        """See `DialWaiter.place_reached`."""
        self._dial = self._upstream.dial(self, self._may_retry)

    def queue_failed(self, ended: str) -> None:
        """See `DialWaiter.queue_failed`."""
        self._dial = None
        self._fail(_QUEUE_ANSWERS[ended], ended)

    def request_received(self, data: bytes) -> None:
        """The client sent `data` of the body."""
        node = self._node
        if node is None:
            return
        try:
            payload = self._body.feed(data)
        except MalformedError as error:
            self._fail(malformed(error), "malformed_request")
            return
        if payload:
            self._bytes_in += len(payload)
            if self._head.framing == CHUNKED:
                if self._bytes_in > self._context.request_body_bytes_max:
                    self._give_up(answers.BODY_TOO_LARGE, "request_body_bytes_max")
                    return
                node.transport.writeSequence(chunk(payload))
            else:
                node.transport.write(payload)
        if self._body.done:
            self._complete_request(node)
        elif self._awaits_continue:
            self._go_on()
        elif self._body_progressed(len(payload)) and self._may_splice_request:
            self._splice_request(node)
        if self._body.has_more and self._node is node:
            self._client.hold_body(True)
            self._context.clock.callLater(0, self._forward_on)

    def _forward_on(self) -> None:
        """Others have had their turn: go on with what the client has sent, if the node takes it."""
        node = self._node
        if node is None or node.write_blocked or not self._body.has_more:
            return
        self.request_received(b"")
        if self._node is node and not (self._is_request_done or self._body.has_more or node.write_blocked):
            self._client.hold_body(False)

    def _body_progressed(self, count: int) -> bool:
        """`count` bytes more of the body have come, and it goes on; False where they were so few that it does not."""
        now = self._client.timer.touch()
        if self._rate is None or not self._rate.is_too_slow(count, now):
            return True
        self._give_up(answers.BODY_TOO_SLOW, Phase.BODY_RATE.value)
        return False

    def _send(self, node: NodeConnection) -> None:
        node.exchange = self
        self._node = node
        client = self._client
        own_lines = client.own_lines + self._upstream.own_lines
        if self._upgrade_key is not None:
            own_lines += upgrade_lines(self._head)
        node.transport.write(request_head(self._head, self._disposition, own_lines, client.forwarded_host))
        if not self._is_request_done:
            self.takes_body = True
            self._watch_client()
            self._client.release_body()
        self._watch_node()

    def _go_on(self) -> None:
        """The client need not wait for a 100 (any more)."""
        self._awaits_continue = False
        self._watch_client()
        self._watch_node()

    def _complete_request(self, node: NodeConnection) -> None:
        if isinstance(self._body, ChunkedBody):
            node.transport.write(last_chunk(request_trailers(self._head, self._body.trailers)))
        self._is_request_done = True
        self._awaits_continue = False
        self.takes_body = False
        self._client.request_complete(self._body.surplus)
        if self._is_response_done:
            self._finish("complete")
        else:
            self._watch_node()

    def node_blocked(self) -> None:
        """See `NodeUser.node_blocked`. Neither do we take more, of the client's."""
        if not self._is_request_done:
            self._client.hold_body(True)
            self._watch_client()
            self._watch_node()

    def node_unblocked(self) -> None:
        """See `NodeUser.node_unblocked`."""
        if not self._is_request_done:
            if self._may_splice_request and self._node is not None:
                self._splice_request(self._node)
            elif self._body.has_more:
                self._context.clock.callLater(0, self._forward_on)
            elif self._request_splice is None:
                self._client.hold_body(False)
            self._watch_client()
            self._watch_node()

    def _splice_request(self, node: NodeConnection) -> None:
        """Let the rest of the body pass without us, once the node has what was written; if much is left."""
        client, splicer = self._client, self._context.splicer
        left = self._body.remaining if isinstance(self._body, LengthBody) else 0
        self._may_splice_request = left >= self._context.splice_bytes_min
        if splicer is None or not self._may_splice_request:
            client.hold_body(node.write_blocked)
            return
        client.hold_body(True)
        if not pauses_until_written(node.transport):
            self._may_splice_request = False
            user = SpliceUser(node, self._request_moved, self._request_splice_ended, self._request_splice_lost)
            self._request_splice = splicer.splice(client.transport, node.transport, left, user)
            if self._request_splice is None:
                client.hold_body(False)
        self._watch_client()

    def _request_moved(self, count: int) -> None:
        self._bytes_in += count
        if isinstance(self._body, LengthBody):
            self._body.skip(count)
        if not self._body.done:
            self._body_progressed(count)

    def _request_splice_ended(self) -> None:
        self._request_splice = None
        if not self._body.done:
            self._client.hold_body(False)
        elif self._node is not None:
            self._complete_request(self._node)

    def _request_splice_lost(self, side: Side) -> None:
        self._request_splice = None
        if side is Side.SOURCE:
            self.cut("client_gone")
        elif self._node is not None:
            self._node.lose()

    def _watch_client(self) -> None:
        """Time the request's body, while it is the client that we wait for."""
        node = self._node
        waits_for_node = node is None or node.write_blocked or self._awaits_continue
        is_awaited = not (self._is_request_done or waits_for_node)
        self._client.time_body(is_awaited)
        if self._rate is not None:
            now = self._context.clock.seconds()
            if is_awaited:
                self._rate.wait(now)
            else:
                self._rate.hold(now)
