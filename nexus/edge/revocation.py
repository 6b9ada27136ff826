"""Ends what somebody has open who may no longer use a network: a user taken off it, or everybody, where its gateway was
public. What a changed target ends is `RetiringObserver`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import implementer

from nexus.interfaces import IRouteObserver

if TYPE_CHECKING:
    from nexus.edge.limits import NetworkTally
    from nexus.model import Route


@implementer(IRouteObserver)
class RevokingObserver:
    """Decides anew on the requests that are under way at a network's node, when its rules change."""

    def __init__(self, networks: NetworkTally) -> None:
        self._networks = networks

    def route_added(self, route: Route) -> None:
        """See `IRouteObserver.route_added`."""

    def route_changed(self, old: Route, new: Route) -> None:
        """See `IRouteObserver.route_changed`."""
        use = self._networks.use(new.network)
        if use is not None and old.rules != new.rules:
            for client in list(use.clients):
                client.reconsider(new)

    def route_removed(self, route: Route) -> None:
        """See `IRouteObserver.route_removed`."""
