"""Who waits for a connection to a node that has as many as it may: first come, first served, bounded both in number
and in time.

Whoever leaves gives up its place; nobody is served who has left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.edge.timeouts import Phase

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from nexus.edge.dial import DialWaiter
    from nexus.edge.upstream import UpstreamPool


class Place:
    """A place in a queue.

    :ivar may_retry: see `Upstream.take`.
    """

    __slots__ = ("_queue", "may_retry", "timeout", "waiter")

    def __init__(self, queue: UpstreamQueue, waiter: DialWaiter, may_retry: bool) -> None:
        self._queue = queue
        self.waiter = waiter
        self.may_retry = may_retry
        self.timeout: IDelayedCall | None = None

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._queue.leave(self)


class UpstreamQueue:
    """The queue of one upstream. At most `config.upstream_queue_max` wait, `config.upstream_queue_timeout_s` long.

    :ivar places: those who wait, in their order.
    """

    __slots__ = ("_pool", "places")

    def __init__(self, pool: UpstreamPool) -> None:
        self._pool = pool
        self.places: dict[Place, None] = {}

    @property
    def first(self) -> Place:
        """Who has waited longest; there must be somebody."""
        return next(iter(self.places))

    def join(self, waiter: DialWaiter, may_retry: bool) -> Place:
        """The last place, which is over already where the queue is full."""
        place = Place(self, waiter, may_retry)
        if len(self.places) >= self._pool.config.upstream_queue_max:
            waiter.queue_failed("upstream_queue_max")
            return place
        place.timeout = self._pool.clock.callLater(self._pool.config.upstream_queue_timeout_s, self._time_out, place)
        self.places[place] = None
        self._pool.counters.upstream_waits += 1
        self._pool.counters.upstream_waits_open += 1
        return place

    def leave(self, place: Place) -> None:
        """`place` is free, if it was not already."""
        if place.timeout is None:
            return
        if place.timeout.active():
            place.timeout.cancel()
        place.timeout = None
        del self.places[place]
        self._pool.counters.upstream_waits_open -= 1

    def fail(self, ended: str) -> None:
        """Send all away."""
        for _ in range(len(self.places)):
            place = self.first
            self.leave(place)
            place.waiter.queue_failed(ended)

    def retire(self) -> None:
        """The target is no more."""
        for _ in range(len(self.places)):
            place = self.first
            self.leave(place)
            place.waiter.upstream_retired()

    def _time_out(self, place: Place) -> None:
        self.leave(place)
        place.waiter.queue_failed(Phase.UPSTREAM_QUEUE.value)
