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
from nexus.edge.errors import MalformedError
from nexus.edge.exchange import Exchange
from nexus.edge.forwarding import forwarded_framing, response_trailers
from nexus.edge.framing import CHUNKED, UNTIL_CLOSE, chunk, last_chunk
from nexus.edge.relay_request import RequestRelay
from nexus.edge.response_reader import ResponseReader
from nexus.edge.rewrite import interim_head, response_head
from nexus.edge.splice import Side, SpliceUser
from nexus.edge.timeouts import Phase
from nexus.edge.transport import pauses_until_written
from nexus.edge.tunnel import Tunnel
from nexus.model import Feature

if TYPE_CHECKING:
    from nexus.edge.admission import Destination, Disposition
    from nexus.edge.answers import Answer
    from nexus.edge.client_connection import ClientConnection
    from nexus.edge.context import EdgeContext
    from nexus.edge.heads import RequestHead, ResponseHead
    from nexus.edge.node_connection import NodeConnection
    from nexus.edge.splice import Splicing

log = Logger()

# By these names, since an Enum's own attributes take 80 ns each.
_GATEWAY: Final = Feature.GATEWAY
_FIRST_BYTE: Final = Phase.FIRST_BYTE
_NODE_IDLE: Final = Phase.NODE_IDLE


JOINED_BYTES_MAX: Final = 4096
"""Payload that is copied behind a head, or into a chunk: cheaper than a write of several pieces."""


class Relay(RequestRelay):
    """Serves one request by a node: to the request's way (`RequestRelay`) it adds the response's, and how both end."""

    __slots__ = ("_may_splice_response", "_reader", "_response_framing", "_response_splice")

    def __init__(
        self,
        context: EdgeContext,
        client: ClientConnection,
        head: RequestHead,
        disposition: Disposition,
        destination: Destination,
    ) -> None:
        RequestRelay.__init__(self, context, client, head, disposition, destination)
        config = context.config
        self._reader = ResponseReader(
            head.method, config.head_bytes_max, config.headers_max, self._upgrade_key, self._upstream.last_head
        )
        self._response_framing: int | None = None
        self._may_splice_response = False
        self._response_splice: Splicing | None = None

    # The response, as it comes.

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
        if not self._is_head_sent and not self._begin_response(pieces, payload):
            return
        if payload:
            self._bytes_out += len(payload)
            if self._response_framing == CHUNKED:
                pieces.extend(chunk(payload))
            else:
                pieces.append(payload)
        if reader.done:
            if self._response_framing == CHUNKED:
                self._end_body(pieces)
            self._write(pieces, len(payload))
            self._complete_response()
        else:
            self._write(pieces, len(payload))
            if self._node is not None:
                self._await_response(self._node)

    def _await_response(self, node: NodeConnection) -> None:
        node.timer.touch()
        if self._may_splice_response:
            self._splice_response(node)
        elif self._reader.has_more:
            node.set_reading(False)
            self._context.clock.callLater(0, self._read_on)

    def _read_on(self) -> None:
        """Others have had their turn: go on with what the node has sent, if the client takes it."""
        node = self._node
        if node is None or self._client.write_blocked or not self._reader.has_more:
            return
        self.response_received(b"")
        if self._node is node and not (self._reader.has_more or self._client.write_blocked):
            node.set_reading(True)

    def node_ended(self) -> None:
        """The node has closed its half: it sends no more, and may yet take the rest of the request."""
        node = self._node
        if node is None:
            return
        if self._is_response_done:
            if self._status >= 400:
                # It has refused the request, and only discards what is left of it.
                self._release()
                self._finish("complete")
        elif self._reader.end(is_clean=True):
            self._end_response()
        else:
            self._node = None
            node.abort()
            self._lose_response(node)

    def node_lost(self, is_clean: bool) -> None:
        """The node's connection is gone."""
        node, self._node = self._node, None
        if self._is_response_done:
            self._finish("complete")
        elif self._reader.end(is_clean):
            self._end_response()
        elif node is not None:
            self._lose_response(node)

    def _lose_response(self, node: NodeConnection) -> None:
        """`node`, which is gone, will not complete the response, or begin it."""
        has_begun = self._reader.has_begun
        if not has_begun and self._may_retry and node.is_reused:
            # It closed an idle connection as we used it: no part of the request was taken (RFC 9110 section 9.2.2).
            self._context.counters.retries += 1
            self._dial = self._upstream.dial(self, self._may_retry)
        else:
            self._fail(answers.BAD_RESPONSE if has_begun else answers.NODE_GONE, "node_gone")

    def _end_response(self) -> None:
        """The end of the node's half was the response's."""
        pieces: list[bytes] = []
        if self._response_framing == CHUNKED:
            self._end_body(pieces)
        self._write(pieces)
        self._complete_response()

    def _become_tunnel(self, head: ResponseHead, early: bytes) -> None:
        """The node has changed the protocol, as it was asked to; `early` is of the new one."""
        node, self._node = self._node, None
        if node is not None:
            Tunnel(self, node).open(head, early)

    def _take_interim(self, pieces: list[bytes]) -> None:
        if self._head.minor == 1:
            pieces.extend(interim_head(head) for head in self._reader.interim)
        if self._awaits_continue and any(head.status == 100 for head in self._reader.interim):
            self._go_on()
        self._reader.interim.clear()

    def _begin_response(self, pieces: list[bytes], payload: bytes) -> bool:
        """Answer the client, if the head is there; whether it is one that a body may follow."""
        head = self._reader.head
        if head is None:
            self._write(pieces)
            return False
        if self._reader.has_switched:
            self._write(pieces)
            self._become_tunnel(head, payload)
            return False
        if head is not self._upstream.last_head and head.is_worth_keeping:
            self._upstream.last_head = head
        framing = forwarded_framing(self._head, head, self._reader.framing)
        if framing == UNTIL_CLOSE and head.status != 204:
            self._keep_alive = False
        if head.status >= 400 and not self._is_request_done and not head.keeps_alive:
            # It does not want the rest: the client is told, so that it can stop sending (RFC 9112 section 9.6).
            self._keep_alive = False
        if self._awaits_continue or self._context.is_draining:
            self._keep_alive = False
        self._response_framing = framing
        self._may_splice_response = framing is not None and framing >= self._context.splice_bytes_min
        self._is_head_sent = True
        self._status = head.status
        if self._context.access_log is not None:
            self._first_byte_at = self._context.clock.seconds()
        pieces.append(response_head(head, self._disposition, framing, self._context.date, not self._keep_alive))
        if not self._reader.done:
            self._watch_node()
        return True

    def _end_body(self, pieces: list[bytes]) -> None:
        reader = self._reader
        trailers = response_trailers(self._head, reader.head, reader.trailers, self._disposition.feature)
        pieces.append(last_chunk(trailers))

    def _complete_response(self) -> None:
        self._is_response_done = True
        if self._is_over:
            return
        if self._reader.surplus or self._awaits_continue:
            # Surplus must not stay on a connection; and who was told the outcome instead of 100 need not send the body.
            self._release()
        if self._is_request_done or self._node is None:
            self._finish("complete")
        else:
            self._watch_node()

    def _write(self, pieces: list[bytes], payload_bytes: int = 0) -> None:
        if payload_bytes > JOINED_BYTES_MAX:
            self._client.transport.writeSequence(pieces)
        elif pieces:
            self._client.transport.write(b"".join(pieces))

    # A large body, which passes without us.

    def _splice_response(self, node: NodeConnection) -> None:
        """Let the rest of the body pass without us, once the client has what was written; if much is left."""
        client, splicer = self._client, self._context.splicer
        left = self._reader.remaining
        self._may_splice_response = left >= self._context.splice_bytes_min
        if splicer is None or not self._may_splice_response:
            node.set_reading(not client.write_blocked)
            return
        node.set_reading(False)
        if not pauses_until_written(client.transport):
            self._may_splice_response = False
            user = SpliceUser(client, self._response_moved, self._response_splice_ended, self._response_splice_lost)
            self._response_splice = splicer.splice(node.transport, client.transport, left, user)
            if self._response_splice is None:
                node.set_reading(True)

    def _response_moved(self, count: int) -> None:
        self._bytes_out += count
        self._reader.skip(count)
        if self._node is not None:
            self._node.timer.touch()

    def _response_splice_ended(self) -> None:
        self._response_splice = None
        if self._reader.done:
            self._complete_response()
        elif self._node is not None:
            self._node.set_reading(True)

    def _response_splice_lost(self, side: Side) -> None:
        self._response_splice = None
        self.cut("node_gone" if side is Side.SOURCE else "client_gone")

    def _stop_splices(self) -> None:
        for splice in (self._request_splice, self._response_splice):
            if splice is not None:
                splice.stop()
        self._request_splice = self._response_splice = None

    # Backpressure, and who is waited for.

    def client_blocked(self) -> None:
        """See `Exchange.client_blocked`. Neither do we take more, of the node's."""
        if self._node is not None:
            self._node.set_reading(False)
            self._watch_node()

    def client_unblocked(self) -> None:
        """See `Exchange.client_unblocked`."""
        if self._node is not None:
            if self._may_splice_response:
                self._splice_response(self._node)
            elif self._reader.has_more:
                self._context.clock.callLater(0, self._read_on)
            elif self._response_splice is None:
                self._node.set_reading(True)
            self._watch_node()

    def _watch_node(self) -> None:
        """Time a response, while it is the node that we wait for; by default an RPC call may be silent for hours. A
        node that has answered, and not taken the rest of the request, is given its time whoever it is."""
        node = self._node
        if node is None:
            return
        config = self._context.config
        if self._is_response_done:
            if node.write_blocked and not self._is_request_done:
                node.timer.start(Phase.REST, config.body_idle_timeout_s)
            else:
                node.timer.stop()
            return
        waits_for_node = self._is_request_done or node.write_blocked or self._awaits_continue
        is_gateway = self._disposition.feature is _GATEWAY
        if self._is_head_sent:
            phase, seconds = _NODE_IDLE, config.gateway_idle_timeout_s if is_gateway else config.api_idle_timeout_s
        elif is_gateway:
            phase, seconds = _FIRST_BYTE, config.gateway_first_byte_timeout_s
        else:
            phase, seconds = _FIRST_BYTE, config.api_first_byte_timeout_s
        if seconds and waits_for_node and not self._client.write_blocked:
            node.timer.start(phase, seconds)
        else:
            node.timer.stop()

    # Ends.

    def upstream_retired(self) -> None:
        """The target is no longer the network's, and the connection to it has been reset."""
        self._node = None
        self._dial = None
        if self._is_response_done:
            self._finish("complete")
        else:
            self._fail(answers.ROUTE_CHANGED, "route_changed")

    def _revoke(self, answer: Answer) -> None:
        self._give_up(answer, "access_revoked")

    def timed_out(self, phase: Phase) -> None:
        """Client or node was given its time."""
        self._give_up(answers.BODY_TIMEOUT if phase is Phase.BODY else answers.NODE_TIMEOUT, phase.value)

    def _give_up(self, answer: Answer, ended: str) -> None:
        if self._is_response_done:
            # The client has its answer, and gets to read it.
            self._release()
            self._finish(ended)
        else:
            self._fail(answer, ended)

    def _fail(self, answer: Answer, ended: str) -> None:
        if self._is_head_sent:
            self.cut(ended)
        else:
            self._release()
            self._answer(answer, ended)

    def _finish(self, ended: str) -> None:
        node, self._node = self._node, None
        if self._request_splice is not None:
            self._stop_splices()
        if node is not None:
            self._part_with(node)
        Exchange._finish(self, ended)

    def _part_with(self, node: NodeConnection) -> None:
        """Keep the connection for another request, where both ends are at the same place of it (RFC 9112 section
        9.3)."""
        head = self._reader.head
        if head is None or not head.keeps_alive or self._reader.framing == UNTIL_CLOSE or node.write_blocked:
            node.close()
        else:
            self._upstream.give_back(node)

    def _release(self) -> None:
        self._stop_splices()
        node, self._node = self._node, None
        dial, self._dial = self._dial, None
        if node is not None:
            node.abort()
        if dial is not None:
            dial.cancel()
