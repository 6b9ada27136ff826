"""A request and its response, relayed both ways at once (RFC 9110 sections 3.4 and 7.5).

The two directions are independent: a response may begin, and end, before its request does (Kubo's `add` with progress
does so). Each direction has one reader of its bytes (`framing`, `ResponseReader`) and is held back by whoever takes
them (backpressure). Before the response's head is out every failure has an answer; after it both sides are reset, so
that a cut body never looks like a whole one.

    request:   waiting for a node -> relaying the body -> done
    response:  waiting for its head -> relaying the body -> done
    over:      both done, or one answer of our own, or a reset
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from nexus.edge import answers
from nexus.edge.answers import malformed
from nexus.edge.errors import MalformedError
from nexus.edge.exchange import Exchange
from nexus.edge.fields import accepts_trailers, sanitised_trailers, wants_close
from nexus.edge.framing import CHUNKED, UNTIL_CLOSE, ChunkedBody, body_reader, chunk, last_chunk
from nexus.edge.response_reader import ResponseReader
from nexus.edge.rewrite import interim_head, request_head, response_head
from nexus.edge.timeouts import Phase
from nexus.model import Feature

if TYPE_CHECKING:
    from nexus.edge.admission import Destination, Disposition
    from nexus.edge.answers import Answer
    from nexus.edge.client_connection import ClientConnection
    from nexus.edge.context import EdgeContext
    from nexus.edge.heads import RequestHead, ResponseHead
    from nexus.edge.node_connection import NodeConnection
    from nexus.edge.upstream import Dial

log = Logger()

IDEMPOTENT_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
"""RFC 9110 section 9.2.2. Kubo's RPC is all POST, and a POST is never sent twice."""


class Relay(Exchange):
    """Serves one request by a node."""

    __slots__ = (
        "_awaits_continue",
        "_body",
        "_dial",
        "_is_response_done",
        "_may_retry",
        "_node",
        "_reader",
        "_response_framing",
        "_upstream",
    )

    def __init__(
        self,
        context: EdgeContext,
        client: ClientConnection,
        *,
        head: RequestHead,
        framing: int,
        disposition: Disposition,
        destination: Destination,
    ) -> None:
        Exchange.__init__(self, context, client, head=head, framing=framing, disposition=disposition)
        self._upstream = context.pool.upstream(*destination)
        self._body = body_reader(framing)
        self._reader = ResponseReader(head.method, context.config.head_bytes_max, context.config.headers_max)
        self._node: NodeConnection | None = None
        self._dial: Dial | None = None
        self._may_retry = framing == 0 and head.method in IDEMPOTENT_METHODS
        self._awaits_continue = framing != 0 and head.minor == 1 and b"expect" in head.known
        self._is_response_done = False
        self._response_framing: int | None = None

    def begin(self) -> None:
        """See `Exchange.begin`."""
        node = self._upstream.take(self._may_retry)
        if node is not None:
            self._send(node)
        else:
            self._dial = self._upstream.dial(self)

    # The request's way.

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
            if self._framing == CHUNKED:
                node.transport.writeSequence(chunk(payload))
            else:
                node.transport.write(payload)
        if self._body.done:
            self._complete_request(node)
        elif self._awaits_continue:
            self._go_on()
        else:
            self._client.timer.touch()

    def _send(self, node: NodeConnection) -> None:
        node.exchange = self
        self._node = node
        node.transport.write(request_head(self._head, self._disposition, self._framing, self._client.own_lines))
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
            node.transport.write(last_chunk(self._passing_request_trailers(self._body.trailers)))
        self._is_request_done = True
        self._awaits_continue = False
        self.takes_body = False
        self._client.request_complete(self._body.surplus)
        if self._is_response_done:
            self._finish("complete")
        else:
            self._watch_node()

    def _passing_request_trailers(self, trailers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        known = self._head.known
        if not trailers or b"trailer" not in known:
            return []
        return sanitised_trailers(trailers, known.get(b"connection", []), drop_cors=False)

    # The response's way.

    def response_received(self, data: bytes) -> None:
        """The node sent `data`."""
        if self._is_response_done:
            # More than its response, while the request goes on: nobody may ever get that.
            self._release()
            self._finish("complete")
            return
        reader = self._reader
        try:
            payload = reader.feed(data)
        except MalformedError as error:
            log.debug("{network}: {problem}", network=self._disposition.network, problem=error.problem)
            self._fail(answers.BAD_RESPONSE, "bad_response")
            return
        pieces: list[bytes] = []
        if reader.interim:
            self._take_interim(pieces)
        if not self._is_head_sent:
            if reader.head is None:
                self._write(pieces)
                return
            self._begin_response(reader.head, pieces)
        if payload:
            self._bytes_out += len(payload)
            if self._response_framing == CHUNKED:
                pieces.extend(chunk(payload))
            else:
                pieces.append(payload)
        if reader.done:
            self._end_body(pieces)
            self._write(pieces)
            self._complete_response()
        else:
            self._write(pieces)
            if self._node is not None:
                self._node.timer.touch()

    def node_lost(self, is_clean: bool) -> None:
        """The node's connection is gone."""
        node, self._node = self._node, None
        reader = self._reader
        if self._is_response_done:
            self._finish("complete")
        elif not reader.has_begun and self._may_retry and node is not None and node.is_reused:
            # It closed an idle connection as we used it: no part of the request was taken (RFC 9110 section 9.2.2).
            self._context.counters.retries += 1
            self._dial = self._upstream.dial(self)
        elif reader.end(is_clean):
            pieces: list[bytes] = []
            self._end_body(pieces)
            self._write(pieces)
            self._complete_response()
        else:
            self._fail(answers.BAD_RESPONSE if reader.has_begun else answers.NODE_GONE, "node_gone")

    def _take_interim(self, pieces: list[bytes]) -> None:
        if self._head.minor == 1:
            pieces.extend(interim_head(head) for head in self._reader.interim)
        if self._awaits_continue and any(head.status == 100 for head in self._reader.interim):
            self._go_on()
        self._reader.interim.clear()

    def _begin_response(self, head: ResponseHead, pieces: list[bytes]) -> None:
        framing: int | None = self._reader.framing
        if head.status == 204:
            framing = UNTIL_CLOSE  # says nothing (RFC 9110 section 8.6)
        elif self._head.method == b"HEAD" or head.status == 304:
            framing = None
        elif framing in (CHUNKED, UNTIL_CLOSE):
            framing = CHUNKED if self._head.minor == 1 else UNTIL_CLOSE
            self._keep_alive = self._keep_alive and framing == CHUNKED
        if self._awaits_continue or self._context.is_draining:
            self._keep_alive = False
        self._response_framing = framing
        self._is_head_sent = True
        self._status = head.status
        self._first_byte_at = self._context.clock.seconds()
        pieces.append(
            response_head(head, self._disposition, framing, date=self._context.date(), close=not self._keep_alive)
        )
        if not self._reader.done:
            self._watch_node()

    def _end_body(self, pieces: list[bytes]) -> None:
        if self._response_framing != CHUNKED:
            return
        head, trailers = self._reader.head, self._reader.trailers
        if head is None or not (b"trailer" in head.known or accepts_trailers(self._head.known)):
            trailers = []
        elif trailers:
            is_rpc = self._disposition.feature is Feature.API
            trailers = sanitised_trailers(trailers, head.known.get(b"connection", []), drop_cors=is_rpc)
        pieces.append(last_chunk(trailers))

    def _complete_response(self) -> None:
        self._is_response_done = True
        if self._is_over:
            return
        if self._node is not None:
            self._node.timer.stop()
        if self._reader.surplus or self._awaits_continue:
            # Surplus must not stay on a connection; and who was told the outcome instead of 100 need not send the body.
            self._release()
        if self._is_request_done or self._node is None:
            self._finish("complete")

    def _write(self, pieces: list[bytes]) -> None:
        if len(pieces) == 1:
            self._client.transport.write(pieces[0])
        elif pieces:
            self._client.transport.writeSequence(pieces)

    # Backpressure, and who is waited for.

    def client_blocked(self) -> None:
        """The client takes no more for now: neither do we, of the node's."""
        if self._node is not None:
            self._node.set_reading(False)
            self._watch_node()

    def client_unblocked(self) -> None:
        """The client takes bytes again."""
        if self._node is not None:
            self._node.set_reading(True)
            self._watch_node()

    def node_blocked(self) -> None:
        """The node takes no more for now: neither do we, of the client's."""
        if not self._is_request_done:
            self._client.hold_body(True)
            self._watch_client()
            self._watch_node()

    def node_unblocked(self) -> None:
        """The node takes bytes again."""
        if not self._is_request_done:
            self._client.hold_body(False)
            self._watch_client()
            self._watch_node()

    def _watch_client(self) -> None:
        """Time the request's body, while it is the client that we wait for."""
        node = self._node
        waits_for_node = node is None or node.write_blocked or self._awaits_continue
        self._client.time_body(not (self._is_request_done or waits_for_node))

    def _watch_node(self) -> None:
        """Time a gateway's response, while it is the node that we wait for. RPC calls may be silent for hours."""
        node = self._node
        if node is None or self._disposition.feature is not Feature.GATEWAY:
            return
        config = self._context.config
        waits_for_node = self._is_request_done or node.write_blocked or self._awaits_continue
        if not waits_for_node or self._client.write_blocked or self._is_response_done:
            node.timer.stop()
        elif self._is_head_sent:
            node.timer.start(Phase.NODE_IDLE, config.gateway_idle_timeout_s)
        else:
            node.timer.start(Phase.FIRST_BYTE, config.gateway_first_byte_timeout_s)

    # Ends.

    def upstream_retired(self) -> None:
        """The target is no longer the network's, and the connection to it has been reset."""
        self._node = None
        self._dial = None
        if self._is_response_done:
            self._finish("complete")
        else:
            self._fail(answers.ROUTE_CHANGED, "route_changed")

    def timed_out(self, phase: Phase) -> None:
        """Client or node was given its time."""
        self._fail(answers.BODY_TIMEOUT if phase is Phase.BODY else answers.NODE_TIMEOUT, phase.value)

    def _fail(self, answer: Answer, ended: str) -> None:
        if self._is_head_sent:
            self.cut(ended)
        else:
            self._release()
            self._answer(answer, ended)

    def _finish(self, ended: str) -> None:
        node, self._node = self._node, None
        if node is not None:
            self._part_with(node)
        Exchange._finish(self, ended)

    def _part_with(self, node: NodeConnection) -> None:
        """Keep the connection for another request, where both ends are at the same place of it (RFC 9112 section
        9.3)."""
        head = self._reader.head
        if (
            head is None
            or head.minor == 0
            or wants_close(head.known)
            or self._reader.framing == UNTIL_CLOSE
            or node.write_blocked
        ):
            node.close()
        else:
            self._upstream.give_back(node)

    def _release(self) -> None:
        node, self._node = self._node, None
        dial, self._dial = self._dial, None
        if node is not None:
            node.abort()
        if dial is not None:
            dial.cancel()
