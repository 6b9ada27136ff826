"""A connection that is no HTTP any more: bytes, both ways, until both sides have ended (RFC 9110 section 7.8).

It takes the place of the exchange whose node changed the protocol. Each direction ends by itself: the end of one side
is told to the other (FIN), which may go on. A reset of one side resets the other.

    open -> client ended, or node ended -> both: complete
    over: complete, a reset of either side, idle for too long, a changed route, the end of a drain
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.edge.client_stream import LOOK_S
from nexus.edge.exchange import Exchange
from nexus.edge.splice import Side, SpliceUser
from nexus.edge.timeouts import Phase, PhaseTimer
from nexus.edge.transport import is_reset, pauses_until_written
from nexus.edge.upgrade import switch_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexus.edge.client_connection import ClientConnection
    from nexus.edge.context import EdgeContext
    from nexus.edge.heads import ResponseHead
    from nexus.edge.node_connection import NodeConnection
    from nexus.edge.splice import Splicing


class Tunnel(Exchange):
    """Goes on with the connections of an exchange that the node has answered with 101.

    :param exchange: which is over then, without a record of its own.
    """

    __slots__ = ("_down", "_looks", "_node", "_up")

    def __init__(self, exchange: Exchange, node: NodeConnection) -> None:
        self.succeed(exchange)
        client, context = self._client, self._context
        self._node = node
        self._looks = PhaseTimer(context.clock, self._look)
        self._up = Direction(context, client, node, lambda reads: client.hold_body(not reads), node.timer.touch)
        self._up.lost = lambda side: self.cut("client_gone" if side is Side.SOURCE else "node_gone")
        self._down = Direction(context, node, client, node.set_reading, node.timer.touch)
        self._down.lost = lambda side: self.cut("node_gone" if side is Side.SOURCE else "client_gone")

    def open(self, head: ResponseHead, early: bytes) -> None:
        """Tell the client, and pass on what came early on either side; `early` is the node's."""
        counters = self._context.counters
        counters.tunnels += 1
        counters.tunnels_open += 1
        node, client = self._node, self._client
        node.exchange = self
        self._status = head.status
        self._is_head_sent = True
        self._first_byte_at = self._context.clock.seconds()
        node.timer.start(Phase.TUNNEL, self._context.config.tunnel_idle_timeout_s)
        client.transport.write(switch_head(head))
        self.takes_body = True
        if early:
            self._down.received(early)
        client.become_tunnel(self)

    # From the client to the node.

    def request_received(self, data: bytes) -> None:
        """See `Exchange.request_received`."""
        self._up.received(data)

    def client_ended(self) -> None:
        """See `Exchange.client_ended`. Here it is told to the node, which may go on."""
        self._up.end()
        self._side_ended()

    def node_blocked(self) -> None:
        """See `NodeUser.node_blocked`."""
        self._up.hold()

    def node_unblocked(self) -> None:
        """See `NodeUser.node_unblocked`."""
        self._up.go_on()

    # From the node to the client.

    def response_received(self, data: bytes) -> None:
        """See `NodeUser.response_received`."""
        self._down.received(data)

    def node_ended(self) -> None:
        """See `NodeUser.node_ended`. It is told to the client, which may go on."""
        self._down.end()
        self._side_ended()

    def client_blocked(self) -> None:
        """See `Exchange.client_blocked`."""
        self._down.hold()

    def client_unblocked(self) -> None:
        """See `Exchange.client_unblocked`."""
        self._down.go_on()

    # Ends.

    def node_lost(self, is_clean: bool) -> None:
        """See `NodeUser.node_lost`. It takes no more either."""
        self.cut("node_gone")

    def upstream_retired(self) -> None:
        """See `NodeUser.upstream_retired`."""
        self.cut("route_changed")

    def timed_out(self, phase: Phase) -> None:
        """See `Exchange.timed_out`."""
        self.cut(phase.value)

    def _side_ended(self) -> None:
        if self._up.has_ended and self._down.has_ended:
            self._record("complete")
            self._node.close()
            self._client.close()
        else:
            self._looks.start(Phase.LOOK, LOOK_S)

    def _look(self, phase: Phase) -> None:
        """See whether the side that has ended its direction is there still, to take the other: nobody tells of a reset
        where nothing is read any more."""
        if is_reset(self._client.transport):
            self.cut("client_gone")
        elif is_reset(self._node.transport):
            self.cut("node_gone")
        else:
            self._looks.start(phase, LOOK_S)

    def _record(self, ended: str) -> None:
        self._looks.close()
        self._up.stop()
        self._down.stop()
        self._bytes_in = self._up.passed_bytes
        self._bytes_out = self._down.passed_bytes
        self._context.counters.tunnels_open -= 1
        Exchange._record(self, ended)

    def _release(self) -> None:
        self._node.abort()


class Direction:
    """One direction of a tunnel. What is much passes by splice, where there is one.

    :param source: whose bytes these are, and `sink` whom they go to.
    :param set_reading: reads the source, or leaves its bytes with it.
    :param touched: called whenever bytes pass.
    :ivar lost: called when a splice finds that one side was reset.
    :ivar passed_bytes: how many have passed.
    :ivar has_ended: whether the source has sent its end, and the sink was told.
    """

    __slots__ = (
        "_context",
        "_copied_bytes",
        "_set_reading",
        "_sink",
        "_source",
        "_splice",
        "_touched",
        "has_ended",
        "lost",
        "passed_bytes",
    )

    lost: Callable[[Side], None]

    def __init__(
        self,
        context: EdgeContext,
        source: ClientConnection | NodeConnection,
        sink: ClientConnection | NodeConnection,
        set_reading: Callable[[bool], None],
        touched: Callable[[], object],
    ) -> None:
        self._context = context
        self._source = source
        self._sink = sink
        self._set_reading = set_reading
        self._touched = touched
        self._splice: Splicing | None = None
        self._copied_bytes = 0
        self.passed_bytes = 0
        self.has_ended = False

    def received(self, data: bytes) -> None:
        """The source sent `data`."""
        self.passed_bytes += len(data)
        self._copied_bytes += len(data)
        self._sink.transport.write(data)
        self._touched()
        if self._copied_bytes >= self._context.splice_bytes_min:
            self._begin_splice()

    def end(self) -> None:
        """The source has ended."""
        self.has_ended = True
        self._sink.end_writing()

    def hold(self) -> None:
        """The sink takes no more for now. Not called behind the end: nobody produces for the sink then."""
        self._set_reading(False)

    def go_on(self) -> None:
        """The sink takes bytes again."""
        if self._splice is not None:
            return
        if self._copied_bytes >= self._context.splice_bytes_min:
            self._begin_splice()
        else:
            self._set_reading(True)

    def stop(self) -> None:
        """Nothing may pass any more."""
        if self._splice is not None:
            self._splice.stop()
            self._splice = None

    def _begin_splice(self) -> None:
        """Let what comes now pass without us, once the sink has what was written."""
        sink, splicer = self._sink, self._context.splicer
        self._set_reading(False)
        if splicer is None or pauses_until_written(sink.transport):
            return
        self._copied_bytes = 0
        user = SpliceUser(sink, self._moved, self._read_on, self.lost)
        self._splice = splicer.splice(self._source.transport, sink.transport, None, user)
        if self._splice is None:
            self._set_reading(True)

    def _moved(self, count: int) -> None:
        self.passed_bytes += count
        self._touched()

    def _read_on(self) -> None:
        self._splice = None
        self._set_reading(True)
