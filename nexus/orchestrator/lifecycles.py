"""The lifecycles of all networks, by name. One exists for each network that has a route, or work to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nexus.orchestrator.lifecycle import Lifecycle

if TYPE_CHECKING:
    from nexus.model import Route
    from nexus.orchestrator.parts import Parts


class Lifecycles:
    """See the module."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._by_name: dict[str, Lifecycle] = {}

    def get(self, name: str) -> Lifecycle | None:
        """That of a known network."""
        return self._by_name.get(name)

    def take(self, name: str) -> Lifecycle:
        """That of any network: a new one, if there is none."""
        lifecycle = self._by_name.get(name)
        if lifecycle is None:
            lifecycle = self._by_name[name] = Lifecycle(name, self._parts, self._drop_unknown)
        return lifecycle

    def static_route(self, name: str) -> Route | None:
        """The route of a static network of that name: one that is in the registry, and was not put there from here."""
        lifecycle = self._by_name.get(name)
        if lifecycle is not None and lifecycle.hosted.route is not None:
            return None
        return self._parts.registry.route(name)

    def __iter__(self) -> Iterator[Lifecycle]:
        return iter(tuple(self._by_name.values()))

    def _drop_unknown(self, lifecycle: Lifecycle) -> None:
        hosted = lifecycle.hosted
        if hosted.route is None and not lifecycle.upkeep.waiting and self._by_name.get(hosted.name) is lifecycle:
            del self._by_name[hosted.name]
