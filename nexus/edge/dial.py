"""A dial to a node, and who waits for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from twisted.logger import Logger

from nexus.edge.node_connection import NodeConnection

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall, IProtocol
    from twisted.python.failure import Failure

    from nexus.edge.upstream import Upstream, UpstreamPool

log = Logger()


class DialWaiter(Protocol):
    """Who asked for a connection."""

    def node_connected(self, node: NodeConnection) -> None:
        """Here it is: fresh, or one that another request has done with."""

    def dial_failed(self, timed_out: bool) -> None:
        """There will be none: it was refused, or not accepted in time."""

    def place_reached(self) -> None:
        """Whoever waited before is served, and there is room: ask again."""

    def queue_failed(self, ended: str) -> None:
        """There will be none: too many wait, or none was free in time, or the edge stops."""

    def upstream_retired(self) -> None:
        """The target is no longer the network's."""


class Dial:
    """One attempt to connect, timed by our own clock."""

    __slots__ = ("_connecting", "_is_over", "_pool", "_timeout", "_upstream", "_waiter")

    def __init__(self, upstream: Upstream, pool: UpstreamPool, waiter: DialWaiter) -> None:
        self._upstream = upstream
        self._pool = pool
        self._waiter = waiter
        self._is_over = False
        self._timeout: IDelayedCall | None = None
        self._connecting: Deferred[IProtocol] | None = None

    def start(self) -> None:
        """Dial."""
        self._pool.counters.dials += 1
        self._timeout = self._pool.clock.callLater(self._pool.config.connect_timeout_s, self._time_out)
        connecting = self._pool.connect(self._upstream.address).connect(self._upstream)
        self._connecting = connecting
        connecting.addCallbacks(self._connected, self._failed)
        connecting.addErrback(lambda failure: log.failure("a dial's waiter failed", failure))

    def cancel(self) -> None:
        """Nobody waits any more."""
        if self._end():
            self._cancel_connecting()

    def retire(self) -> None:
        """The target is no more."""
        if self._end():
            self._cancel_connecting()
            self._waiter.upstream_retired()

    def _end(self) -> bool:
        if self._is_over:
            return False
        self._is_over = True
        self._upstream.dial_ended(self)
        if self._timeout is not None and self._timeout.active():
            self._timeout.cancel()
        return True

    def _cancel_connecting(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()

    def _connected(self, protocol: IProtocol) -> None:
        node = cast(NodeConnection, protocol)
        if self._end() and not self._upstream.retired:
            self._waiter.node_connected(node)
        else:
            node.abort()

    def _failed(self, failure: Failure) -> None:
        if self._end():
            self._pool.counters.dials_failed += 1
            self._waiter.dial_failed(timed_out=False)

    def _time_out(self) -> None:
        if self._end():
            self._pool.counters.dials_failed += 1
            self._cancel_connecting()
            self._waiter.dial_failed(timed_out=True)
