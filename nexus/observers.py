"""A set of observers, and the subscriptions that they hold: one way of telling many, for whatever is observed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.logger import Logger
from zope.interface import implementer

from nexus.interfaces import ISubscription

T = TypeVar("T")

log = Logger()


class Observers(Generic[T]):
    """Observers in the order in which they subscribed.

    :param closed: called after a subscription was closed.
    """

    def __init__(self, closed: Callable[[], None] | None = None) -> None:
        self._subscriptions: list[_Subscription[T]] = []
        self._closed = closed

    def __bool__(self) -> bool:
        return bool(self._subscriptions)

    def add(self, observer: T) -> ISubscription:
        """Tell `observer` from now on, until the subscription is closed. One observer may subscribe more than once."""
        subscription = _Subscription(observer, self._remove)
        self._subscriptions.append(subscription)
        return subscription

    def tell(self, tell: Callable[[T], object]) -> None:
        """Call `tell` with each observer that is subscribed when its turn comes.

        What one fails with is logged, and keeps the others from nothing.
        """
        for subscription in tuple(self._subscriptions):
            if subscription in self._subscriptions:
                with log.failuresHandled("observer {observer!r} failed", observer=subscription.observer):
                    tell(subscription.observer)

    def _remove(self, subscription: _Subscription[T]) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            if self._closed is not None:
                self._closed()


@implementer(ISubscription)
class _Subscription(Generic[T]):
    def __init__(self, observer: T, remove: Callable[[_Subscription[T]], None]) -> None:
        self.observer = observer
        self._remove = remove

    def close(self) -> None:
        """See `ISubscription.close`."""
        self._remove(self)
