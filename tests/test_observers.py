"""Observers: told in order, until their subscription is closed."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from nexus.interfaces import ISubscription
from nexus.observers import Observers


class ObserversTests(SynchronousTestCase):
    """What everything observable may rely on. The observers here are lists that keep what they are told."""

    def test_told_in_order(self) -> None:
        """Every observer is told, in the order of subscription."""
        observers: Observers[str] = Observers()
        told: list[str] = []
        for name in ("first", "second"):
            observers.add(name)
        observers.tell(told.append)
        self.assertEqual(told, ["first", "second"])

    def test_closed(self) -> None:
        """A closed subscription hears nothing; closing it twice is nothing."""
        observers: Observers[list[int]] = Observers()
        observer: list[int] = []
        subscription = observers.add(observer)
        verifyObject(ISubscription, subscription)
        subscription.close()
        subscription.close()
        observers.tell(lambda each: each.append(1))
        self.assertEqual(observer, [])
        self.assertFalse(observers)

    def test_closed_while_others_are_told(self) -> None:
        """One whose subscription is closed by another's reaction is not told any more."""
        observers: Observers[str] = Observers()
        told: list[str] = []
        subscriptions: list[ISubscription] = []

        def tell(name: str) -> None:
            told.append(name)
            subscriptions[1].close()

        subscriptions += [observers.add("first"), observers.add("second")]
        observers.tell(tell)
        self.assertEqual(told, ["first"])

    def test_a_failure_stops_nobody(self) -> None:
        """What one observer fails with is logged, and the next is told all the same."""
        observers: Observers[str] = Observers()
        told: list[str] = []

        def tell(name: str) -> None:
            if name == "bad":
                raise RuntimeError(name)
            told.append(name)

        observers.add("bad")
        observers.add("good")
        observers.tell(tell)
        self.assertEqual(told, ["good"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_told_of_closing(self) -> None:
        """Whoever keeps observers learns when one has gone, so that it can stop what only they needed."""
        left: list[bool] = []
        observers: Observers[str] = Observers(lambda: left.append(bool(observers)))
        subscriptions = [observers.add("first"), observers.add("second")]
        for subscription in subscriptions:
            subscription.close()
        self.assertEqual(left, [True, False])
