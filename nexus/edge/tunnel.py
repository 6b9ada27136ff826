"""A connection that is no HTTP any more: bytes, both ways, until both sides have ended (RFC 9110 section 7.8).

It takes the place of the exchange whose node changed the protocol. Each direction ends by itself: the end of one side
is told to the other (FIN), which may go on. A reset of one side resets the other.

    open -> client ended, or node ended -> both: complete
    over: complete, a reset of either side, idle for too long, a changed route, the end of a drain
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.edge.exchange import Exchange
from nexus.edge.timeouts import Phase
from nexus.edge.upgrade import switch_head

if TYPE_CHECKING:
    from nexus.edge.heads import ResponseHead
    from nexus.edge.node_connection import NodeConnection


class Tunnel(Exchange):
    """Goes on with the connections of an exchange that the node has answered with 101.

    :param exchange: which is over then, without a record of its own.
    """

    __slots__ = ("_has_client_ended", "_has_node_ended", "_node")

    def __init__(self, exchange: Exchange, node: NodeConnection) -> None:
        self.succeed(exchange)
        self._node = node
        self._has_client_ended = False
        self._has_node_ended = False

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
        client.transport.write(switch_head(head) + early)
        self._bytes_out += len(early)
        self.takes_body = True
        client.become_tunnel(self)

    # From the client to the node.

    def request_received(self, data: bytes) -> None:
        """See `Exchange.request_received`."""
        self._bytes_in += len(data)
        self._node.transport.write(data)
        self._node.timer.touch()

    def client_ended(self) -> None:
        """See `Exchange.client_ended`. Here it is told to the node, which may go on."""
        self._has_client_ended = True
        self._node.end_writing()
        self._finish_if_ended()

    def node_blocked(self) -> None:
        """See `NodeUser.node_blocked`."""
        if not self._has_client_ended:
            self._client.hold_body(True)

    def node_unblocked(self) -> None:
        """See `NodeUser.node_unblocked`."""
        if not self._has_client_ended:
            self._client.hold_body(False)

    # From the node to the client.

    def response_received(self, data: bytes) -> None:
        """See `NodeUser.response_received`."""
        self._bytes_out += len(data)
        self._client.transport.write(data)
        self._node.timer.touch()

    def node_ended(self) -> None:
        """See `NodeUser.node_ended`. It is told to the client, which may go on."""
        self._has_node_ended = True
        self._client.end_writing()
        self._finish_if_ended()

    def client_blocked(self) -> None:
        """See `Exchange.client_blocked`."""
        if not self._has_node_ended:
            self._node.set_reading(False)

    def client_unblocked(self) -> None:
        """See `Exchange.client_unblocked`."""
        if not self._has_node_ended:
            self._node.set_reading(True)

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

    def _finish_if_ended(self) -> None:
        if self._has_client_ended and self._has_node_ended:
            self._record("complete")
            self._node.close()
            self._client.close()

    def _record(self, ended: str) -> None:
        self._context.counters.tunnels_open -= 1
        Exchange._record(self, ended)

    def _release(self) -> None:
        self._node.abort()
