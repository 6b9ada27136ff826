"""The edge's clock: many delayed calls on one of the reactor's."""

from __future__ import annotations

import random
import time

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from nexus.monotonic_clock import STALE_MAX, MonotonicClock


class MonotonicClockTests(SynchronousTestCase):
    """What whoever uses a reactor's time may rely on."""

    def setUp(self) -> None:
        """A clock whose time, and whose reactor's, are the test's."""
        self.reactor = Clock()
        self.patch(time, "monotonic", self.reactor.seconds)
        self.patch(MonotonicClock, "seconds", staticmethod(self.reactor.seconds))
        self.clock = MonotonicClock(self.reactor)
        self.called: list[object] = []

    def call(self, delay: float, name: object) -> IDelayedCall:
        """Note `name` after `delay`."""
        call: IDelayedCall = self.clock.callLater(delay, self.called.append, name)
        return call

    def test_interfaces(self) -> None:
        """It is an `IReactorTime`, and its calls are `IDelayedCall`s."""
        verifyObject(IReactorTime, self.clock)
        verifyObject(IDelayedCall, self.call(1, "x"))

    def test_order(self) -> None:
        """Calls come in the order of their times, each when it is due, with their arguments."""
        self.clock.callLater(2, lambda *a, **k: self.called.append((a, k)), 1, b=2)
        self.call(3, "third")
        self.call(1, "first")
        self.reactor.advance(0.5)
        self.assertEqual(self.called, [])
        self.reactor.pump([0.5, 1, 1])
        self.assertEqual(self.called, ["first", ((1,), {"b": 2}), "third"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_one_alarm(self) -> None:
        """However many there are, the reactor has one."""
        for delay in range(100, 1, -1):
            self.call(delay, delay)
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 99)

    def test_cancel(self) -> None:
        """A cancelled call never comes, and says so."""
        call = self.call(1, "never")
        self.assertTrue(call.active())
        call.cancel()
        self.assertFalse(call.active())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.reactor.advance(2)
        self.assertEqual(self.called, [])
        self.assertRaises(AlreadyCancelled, call.cancel)
        self.assertRaises(AlreadyCancelled, call.reset, 1)

    def test_called(self) -> None:
        """A call that has come cannot be cancelled or moved."""
        call = self.call(1, "x")
        self.reactor.advance(1)
        self.assertRaises(AlreadyCalled, call.cancel)
        self.assertRaises(AlreadyCalled, call.delay, 1)

    def test_move(self) -> None:
        """A call can be moved later and earlier, any number of times."""
        later, earlier, both = self.call(1, "later"), self.call(10, "earlier"), self.call(5, "both")
        later.delay(5)
        earlier.reset(2)
        both.reset(1)
        both.reset(8)
        self.assertEqual([later.getTime(), earlier.getTime(), both.getTime()], [6, 2, 8])
        seen = []
        for _ in range(10):
            self.reactor.advance(1)
            seen.append(list(self.called))
            self.called.clear()
        self.assertEqual(seen, [[], ["earlier"], [], [], [], ["later"], [], ["both"], [], []])

    def test_now(self) -> None:
        """A call with no delay comes after the one that asked for it, not within it."""

        def outer() -> None:
            self.call(0, "inner")
            self.called.append("outer")

        self.clock.callLater(0, outer)
        self.reactor.advance(0)
        self.reactor.advance(0)
        self.assertEqual(self.called, ["outer", "inner"])

    def test_failure(self) -> None:
        """A call that fails is logged, and the next one comes."""
        self.clock.callLater(1, lambda: 1 / 0)
        self.call(1, "next")
        self.reactor.advance(1)
        self.assertEqual(self.called, ["next"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_forgets(self) -> None:
        """Calls that are cancelled or moved take no room for long."""
        kept = self.call(10_000, "kept")
        for _ in range(20 * STALE_MAX):
            self.call(5000, "x").cancel()
            kept.reset(10_000)
            kept.reset(9_000)
        self.assertLess(len(self.clock._heap), 4 * STALE_MAX)
        self.reactor.advance(9_000)
        self.assertEqual(self.called, ["kept"])

    def test_at_random(self) -> None:
        """Whatever is done in whatever order, each call comes once, at its time."""
        choice = random.Random(7)  # noqa: S311
        due: dict[int, float] = {}
        calls: dict[int, IDelayedCall] = {}
        came: dict[int, float] = {}
        for number in range(3000):
            delay = choice.randrange(1, 50)
            due[number] = self.reactor.seconds() + delay
            calls[number] = self.clock.callLater(delay, lambda n=number: came.__setitem__(n, self.reactor.seconds()))
            other = choice.randrange(number + 1)
            if calls[other].active():
                if choice.random() < 0.3:
                    calls[other].cancel()
                    del due[other]
                else:
                    delay = choice.randrange(1, 50)
                    calls[other].reset(delay)
                    due[other] = self.reactor.seconds() + delay
            if choice.random() < 0.1:
                self.reactor.advance(1)
        self.reactor.pump([1] * 60)
        self.assertEqual(came, due)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
