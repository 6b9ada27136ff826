"""The registry of live routes: network name -> `Route`, in memory, derived, never the truth of anything.

A request's walk asks it once (`route`); the orchestrator publishes. It does no I/O, and tells its observers before the
call that changed it returns: when `publish` is back, nothing can reach the old targets any more.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from nexus.model import Route
from nexus.observers import Observers

if TYPE_CHECKING:
    from nexus.interfaces import IRouteObserver, ISubscription
    from nexus.model import AccessRules, NetworkState, RouteTarget


class Registry:
    """Routes by network name, stamped with generations that rise for as long as this process lives."""

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}
        self._generations = count(1)
        self._observers: Observers[IRouteObserver] = Observers()

    def route(self, network: str) -> Route | None:
        """What is known of `network`; None if nothing. O(1)."""
        return self._routes.get(network)

    @property
    def size(self) -> int:
        """How many routes there are."""
        return len(self._routes)

    def routes(self) -> list[Route]:
        """All routes, in no promised order."""
        return list(self._routes.values())

    def publish(
        self, network: str, *, rules: AccessRules, state: NetworkState, targets: tuple[RouteTarget, ...]
    ) -> Route:
        """Make this the route of `network`, and tell the observers.

        The generation is new exactly where the targets differ from the present ones, so that a change of rules alone
        disturbs no connection.
        """
        old = self._routes.get(network)
        if old is not None and (old.rules, old.state, old.targets) == (rules, state, targets):
            return old
        kept = old is not None and old.targets == targets
        generation = old.generation if old is not None and kept else next(self._generations)
        new = Route(network=network, generation=generation, rules=rules, state=state, targets=targets)
        self._routes[network] = new
        if old is None:
            self._observers.tell(lambda observer: observer.route_added(new))
        else:
            self._observers.tell(lambda observer: observer.route_changed(old, new))
        return new

    def remove(self, network: str) -> None:
        """Know nothing of `network` any more, and tell the observers. Idempotent."""
        old = self._routes.pop(network, None)
        if old is not None:
            self._observers.tell(lambda observer: observer.route_removed(old))

    def observe(self, observer: IRouteObserver) -> ISubscription:
        """Tell `observer` of every change from now on, until the subscription is closed."""
        return self._observers.add(observer)
