"""One network's work, one piece at a time, and an outcome that several may wait for.

This is all the locking that the orchestrator has: a queue for each network, none across networks.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure

T = TypeVar("T")


class Shared(Generic[T]):
    """The outcome of `source`, for as many as ask. Whoever stops waiting disturbs neither `source` nor the others."""

    def __init__(self, source: Deferred[T]) -> None:
        self._waiting: list[Deferred[T]] = []
        self._outcome: list[T | Failure] = []
        source.addBoth(self._fire)

    @property
    def done(self) -> bool:
        """Whether the source has fired."""
        return bool(self._outcome)

    def wait(self) -> Deferred[T]:
        """A Deferred of one's own that fires as the source did, or will."""
        waiter: Deferred[T] = Deferred(self._waiting.remove)
        if self._outcome:
            waiter.callback(self._outcome[0])
        else:
            self._waiting.append(waiter)
        return waiter

    def _fire(self, outcome: T | Failure) -> None:
        self._outcome.append(outcome)
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(outcome)


class Turns:
    """Runs pieces of work in the order in which they were handed in, each when the one before it has ended.

    :param idle: called whenever a piece has ended and none waits; perhaps twice in a row.
    """

    def __init__(self, idle: Callable[[], None]) -> None:
        self._lock = DeferredLock()
        self._idle = idle

    @property
    def busy(self) -> bool:
        """Whether anything runs."""
        return self._lock.locked

    def take(self, work: Callable[[], Coroutine[Deferred[Any], Any, T]]) -> Shared[T]:
        """Run `work` when its turn comes. Who waits hears of its end before the next piece begins."""
        turn = Deferred.fromCoroutine(self._run(work))
        shared = Shared(turn)
        turn.addBoth(self._end)
        return shared

    async def _run(self, work: Callable[[], Coroutine[Deferred[Any], Any, T]]) -> T:
        await self._lock.acquire()
        return await work()

    def _end(self, _: object) -> None:
        self._lock.release()
        if not self._lock.locked:
            self._idle()
