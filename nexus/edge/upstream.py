"""The edge's connections to nodes, kept by route generation.

When a route's generation changes, everything that is open to its old targets ends before the registry's call returns:
a freed address may belong to another tenant a moment later.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IProtocolFactory
from zope.interface import implementer

from nexus.edge.dial import Dial
from nexus.edge.node_connection import NodeConnection
from nexus.edge.rewrite import own_node_lines
from nexus.edge.upstream_queue import UpstreamQueue
from nexus.interfaces import IRouteObserver
from nexus.model import Feature

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime, IStreamClientEndpoint

    from nexus.config.sections import EdgeConfig
    from nexus.counters import Counters
    from nexus.edge.dial import DialWaiter
    from nexus.edge.heads import ResponseHead
    from nexus.edge.upstream_queue import Place
    from nexus.model import Address, Route, RouteTarget

Key = tuple[str, Feature, int]
"""Network, feature, node index."""


class UpstreamPool:
    """An LRU cache of upstreams, by network, feature and node. At most `config.upstreams_max`, not counting those
    that are busy. Observes routes (see `RetiringObserver`).

    :param connect: makes the endpoint that dials an address.
    """

    def __init__(
        self,
        config: EdgeConfig,
        clock: IReactorTime,
        connect: Callable[[Address], IStreamClientEndpoint],
        counters: Counters,
    ) -> None:
        self.config = config
        self.clock = clock
        self.connect = connect
        self.counters = counters
        self._upstreams: OrderedDict[Key, Upstream] = OrderedDict()
        self._sweep: IDelayedCall | None = None

    @property
    def size(self) -> int:
        """How many upstreams there are."""
        return len(self._upstreams)

    def upstream(self, route: Route, feature: Feature, node: RouteTarget) -> Upstream:
        """The upstream of one node of `route`, made if there is none of its generation."""
        key = (route.network, feature, node.index)
        upstream = self._upstreams.get(key)
        if upstream is not None and upstream.generation != route.generation:
            del self._upstreams[key]
            upstream.retire()
            # A request that waited behind one that has just ended may have made the next upstream already.
            upstream = self._upstreams.get(key)
        if upstream is not None:
            self._upstreams.move_to_end(key)
            return upstream
        address = node.address(feature)
        if address is None:
            raise ValueError(f"{route.network} has no {feature}, and nobody should have been let in")
        upstream = self._upstreams[key] = Upstream(self, address, route.generation, own_node_lines(node, feature))
        if len(self._upstreams) > self.config.upstreams_max:
            self._evict()
        return upstream

    def retire(self, route: Route) -> None:
        """End everything that is open to the targets of `route`."""
        for feature in (Feature.API, Feature.GATEWAY):
            for node in route.targets:
                upstream = self._upstreams.pop((route.network, feature, node.index), None)
                if upstream is not None:
                    upstream.retire()

    def end_waiting(self) -> None:
        """Send those away who wait for a connection: the edge stops."""
        for upstream in list(self._upstreams.values()):
            upstream.end_waiting()

    def close(self) -> None:
        """End all that is open."""
        upstreams = list(self._upstreams.values())
        self._upstreams.clear()
        for upstream in upstreams:
            upstream.retire()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def connection_idle(self) -> None:
        """A connection has become idle: see that it does not stay so for ever."""
        if self._sweep is None:
            self._sweep = self.clock.callLater(self.config.upstream_idle_timeout_s, self._close_idle)

    def _close_idle(self) -> None:
        self._sweep = None
        before = self.clock.seconds() - self.config.upstream_idle_timeout_s
        kept = [upstream.close_idle(before) for upstream in self._upstreams.values()]
        oldest = [since for since in kept if since is not None]
        if oldest:
            self._sweep = self.clock.callLater(max(0.001, min(oldest) - before), self._close_idle)

    def _evict(self) -> None:
        """Drop the least recently used upstream that nobody uses now. A busy one counts as used: it must stay known
        here for as long as something is open to its address."""
        for _ in range(len(self._upstreams) - 1):
            key, upstream = next(iter(self._upstreams.items()))
            if upstream.is_busy:
                self._upstreams.move_to_end(key)
                continue
            del self._upstreams[key]
            upstream.retire()
            return


@implementer(IRouteObserver)
class RetiringObserver:
    """Ends upstreams as routes change."""

    def __init__(self, pool: UpstreamPool) -> None:
        self._pool = pool

    def route_added(self, route: Route) -> None:
        """See `IRouteObserver.route_added`."""

    def route_changed(self, old: Route, new: Route) -> None:
        """See `IRouteObserver.route_changed`."""
        if old.generation != new.generation:
            self._pool.retire(old)

    def route_removed(self, route: Route) -> None:
        """See `IRouteObserver.route_removed`."""
        self._pool.retire(route)


@implementer(IProtocolFactory)
class Upstream:
    """All that is open to one address of one node, of one generation: at most `config.upstream_connections_max`
    connections. Beyond them requests wait, first come, first served.

    :ivar retired: nothing may be sent there any more.
    :ivar own_lines: what every request that goes there carries.
    :ivar last_head: of the last response, if it is worth keeping; see `read_response_head`.
    """

    __slots__ = (
        "_connections",
        "_dials",
        "_idle",
        "_is_serving",
        "_pool",
        "_queue",
        "address",
        "generation",
        "last_head",
        "own_lines",
        "retired",
    )

    def __init__(self, pool: UpstreamPool, address: Address, generation: int, own_lines: bytes) -> None:
        self._pool = pool
        self.own_lines = own_lines
        self.address = address
        self.generation = generation
        self.retired = False
        self.last_head: ResponseHead | None = None
        self._connections: set[NodeConnection] = set()
        self._idle: list[NodeConnection] = []
        self._dials: set[Dial] = set()
        self._queue = UpstreamQueue(pool)
        self._is_serving = False

    @property
    def is_busy(self) -> bool:
        """Whether an exchange uses it, or waits for a dial."""
        return len(self._connections) > len(self._idle) or bool(self._dials)

    def take(self, may_retry: bool) -> NodeConnection | None:
        """An idle connection on which the kernel, too, knows of nothing unread, the one used last first; None where
        there is none.

        :param may_retry: whether the request could be sent again. One that cannot is only given a connection that the
            kernel also knows to be open (RFC 9110 section 9.2.2).
        """
        since = self._pool.clock.seconds() - self._pool.config.upstream_idle_timeout_s
        while self._idle:
            node = self._idle.pop()
            if node.idle_since > since and not node.is_stale(may_retry):
                self._pool.counters.node_connections_reused += 1
                return node
            node.abort()
        return None

    def give_back(self, node: NodeConnection) -> None:
        """The exchange is over, and the connection can carry another: that of who has waited longest, if anybody."""
        node.exchange = None
        node.timer.stop()
        if self.retired or (
            len(self._idle) >= self._pool.config.idle_connections_per_upstream and not self._queue.places
        ):
            node.close()
            return
        node.set_reading(True)
        node.is_reused = True
        if self._queue.places:
            self._hand_on(node)
            return
        node.idle_since = self._pool.clock.seconds()
        self._idle.append(node)
        self._pool.connection_idle()

    def dial(self, waiter: DialWaiter, may_retry: bool) -> Dial | Place:
        """Open a connection for `waiter`, or let it wait for one.

        :param may_retry: see `take`.
        """
        if not self._has_room:
            return self._queue.join(waiter, may_retry)
        dial = Dial(self, self._pool, waiter)
        self._dials.add(dial)
        dial.start()
        return dial

    def dial_ended(self, dial: Dial) -> None:
        """It has, this way or that."""
        self._dials.discard(dial)
        if self._queue.places:
            self._serve()

    @property
    def _has_room(self) -> bool:
        return len(self._connections) + len(self._dials) < self._pool.config.upstream_connections_max

    def _hand_on(self, node: NodeConnection) -> None:
        """Give `node` to who has waited longest; if it cannot be used, its place is free for a dial."""
        place = self._queue.first
        if node.is_stale(place.may_retry):
            node.abort()
            return
        self._pool.counters.node_connections_reused += 1
        self._queue.leave(place)
        place.waiter.node_connected(node)

    def _serve(self) -> None:
        """Dial for those who wait, as far as there is room. A loop, not a recursion: a dial may fail at once."""
        if self._is_serving or self.retired:
            return
        self._is_serving = True
        try:
            while self._queue.places and self._has_room:
                place = self._queue.first
                self._queue.leave(place)
                place.waiter.place_reached()
        finally:
            self._is_serving = False

    def end_waiting(self) -> None:
        """Send those away who wait: the edge stops."""
        self._queue.fail("draining")

    def retire(self) -> None:
        """End everything that is open to the address, now."""
        self.retired = True
        self._queue.retire()
        for dial in list(self._dials):
            dial.retire()
        for node in list(self._connections):
            exchange = node.exchange
            node.abort()
            if exchange is not None:
                exchange.upstream_retired()

    def close_idle(self, before: float) -> float | None:
        """Close what has been idle since `before` or longer; since when the oldest that stays has been."""
        kept = [node for node in self._idle if node.idle_since > before]
        for node in [node for node in self._idle if node.idle_since <= before]:
            node.close()
        self._idle = kept
        return kept[0].idle_since if kept else None

    def connection_opened(self, node: NodeConnection) -> None:
        """Told by each connection."""
        self._connections.add(node)
        self._pool.counters.node_connections_open += 1

    def connection_closed(self, node: NodeConnection) -> None:
        """Told by each connection, when it is gone or reset."""
        if node in self._connections:
            self._connections.discard(node)
            self._pool.counters.node_connections_open -= 1
        if node in self._idle:
            self._idle.remove(node)
        if self._queue.places:
            self._serve()

    def doStart(self) -> None:
        """See `IProtocolFactory.doStart`."""

    def doStop(self) -> None:
        """See `IProtocolFactory.doStop`."""

    def buildProtocol(self, addr: IAddress) -> NodeConnection | None:
        """See `IProtocolFactory.buildProtocol`. None, which closes the connection, for a target that is no more."""
        if self.retired:
            return None
        return NodeConnection(self, self._pool.clock, self._pool.config.body_idle_timeout_s)
