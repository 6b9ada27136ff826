"""A clock for the edge: delayed calls by the thousand, on a time that never jumps.

A reactor's own delayed calls take some 500 bytes each, and moving one to an earlier time is linear in their number:
with an idle timeout for each of 10,000 connections, 0.7 ms a time. A reactor's seconds are also the wall clock's, which
may be set: a step of an hour would time out everything at once.
"""

from __future__ import annotations

import time
from heapq import heapify, heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = Logger()

STALE_MAX: Final = 256
"""How many entries of calls that were cancelled or moved are kept at least before all of them are swept out."""


@implementer(IReactorTime)
class MonotonicClock:
    """An `IReactorTime` that has one delayed call of `reactor`'s, for the earliest of its own.

    :ivar seconds: the time, in seconds since some moment: good for durations only.
    """

    seconds = staticmethod(time.monotonic)

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._heap: list[tuple[float, DelayedCall]] = []
        self._stale = 0
        self._alarm: IDelayedCall | None = None
        self._alarm_at = inf

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> DelayedCall:
        """See `IReactorTime.callLater`."""
        call = DelayedCall(self, time.monotonic() + delay, callable, args, kwargs)
        self.enter(call)
        return call

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        """See `IReactorTime.getDelayedCalls`."""
        return [entry[1] for entry in self._heap if entry[1].entry is entry]

    def enter(self, call: DelayedCall) -> None:
        """Let `call` come when it is due, or look at it again then."""
        entry = call.entry = (call.due, call)
        heappush(self._heap, entry)
        if call.due < self._alarm_at:
            self._set_alarm(call.due)

    def outdated(self) -> None:
        """An entry has become stale; told by delayed calls."""
        self._stale += 1
        live = len(self._heap) - self._stale
        if live == 0 or (self._stale > STALE_MAX and self._stale > live):
            self._heap = [entry for entry in self._heap if entry[1].entry is entry]
            heapify(self._heap)
            self._stale = 0
            if live == 0 and self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
                self._alarm_at = inf

    def _set_alarm(self, due: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = due
        self._alarm = self._reactor.callLater(max(0.0, due - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        # What is entered meanwhile has its turn after the others of the reactor.
        self._alarm_at = -inf
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            entry = heappop(self._heap)
            call = entry[1]
            if call.entry is not entry:
                self._stale -= 1
            elif call.due > entry[0]:
                self.enter(call)
            else:
                call.run()
        self._alarm_at = inf
        if self._heap:
            self._set_alarm(self._heap[0][0])


def _nothing() -> None:
    """What a cancelled call would call."""


@implementer(IDelayedCall)
class DelayedCall:
    """A call that is to come. Moving it later only notes that; its entry is looked at when it comes.

    :ivar due: when it is to come.
    :ivar entry: its valid entry in the clock's heap; None when it has been called or cancelled.
    """

    __slots__ = ("_args", "_clock", "_function", "_is_cancelled", "_kwargs", "due", "entry")

    def __init__(
        self,
        clock: MonotonicClock,
        due: float,
        function: Callable[..., object],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> None:
        self.due = due
        self.entry: tuple[float, DelayedCall] | None = None
        self._clock = clock
        self._function: Callable[..., object] = function
        self._args = args
        self._kwargs = kwargs or None
        self._is_cancelled = False

    def __lt__(self, other: DelayedCall) -> bool:
        """For the heap: of two at the same time either may be first."""
        return False

    def getTime(self) -> float:
        """See `IDelayedCall.getTime`. By the clock's seconds."""
        return self.due

    def active(self) -> bool:
        """See `IDelayedCall.active`."""
        return self.entry is not None

    def cancel(self) -> None:
        """See `IDelayedCall.cancel`."""
        self._check()
        self._is_cancelled = True
        self.entry = None
        self._function = _nothing
        self._clock.outdated()

    def reset(self, secondsFromNow: float) -> None:
        """See `IDelayedCall.reset`."""
        self._check()
        self._move(self._clock.seconds() + secondsFromNow)

    def delay(self, secondsLater: float) -> None:
        """See `IDelayedCall.delay`."""
        self._check()
        self._move(self.due + secondsLater)

    def run(self) -> None:
        """Call it; told by the clock. What it raises is logged: the others have their turn all the same."""
        self.entry = None
        try:
            self._function(*self._args, **(self._kwargs or {}))
        except Exception:  # a border, as a reactor is
            log.failure("a delayed call failed")

    def _check(self) -> None:
        if self.entry is None:
            raise AlreadyCancelled if self._is_cancelled else AlreadyCalled

    def _move(self, due: float) -> None:
        self.due = due
        if self.entry is not None and due < self.entry[0]:
            self._clock.enter(self)
            self._clock.outdated()
