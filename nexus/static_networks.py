"""Static networks in the registry: routed as all others are, by what the configuration says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from twisted.logger import Logger

from nexus.errors import ConflictError
from nexus.model import AccessRules, NetworkState, Route, RouteTarget

if TYPE_CHECKING:
    from nexus.config.sections import StaticNetwork
    from nexus.registry import Registry

log = Logger()


def publish_static_networks(networks: Iterable[StaticNetwork], registry: Registry) -> None:
    """Route to `networks`, while the registry knows no others."""
    for _ in _publish(networks, registry):
        pass


def replace_static_networks(networks: list[StaticNetwork], registry: Registry) -> Iterator[None]:
    """Make `networks` the static networks, in small steps that may have time between them. What stays the same is not
    disturbed; what goes, goes first. `networks` is emptied on the way: letting go of very many at once takes its time.

    :raises ConflictError: on the way, before anything is changed, where a network on record has the name of one.
    """
    names = set()
    for network in networks:
        route = registry.route(network.name)
        if route is not None and not is_static(route):
            raise ConflictError(network.name, "it is on record, and a static network has its name; rename one")
        names.add(network.name)
        yield
    removed = 0
    for route in registry.routes():
        if route.network not in names and is_static(route):
            registry.remove(route.network)
            removed += 1
        yield
    added = changed = 0
    for old, new in _publish(_take(networks), registry):
        added += old is None
        changed += old is not None and old is not new
        yield
    log.info(
        "static networks: {added} added, {changed} changed, {removed} removed, {total} in all",
        added=added,
        changed=changed,
        removed=removed,
        total=len(names),
    )


def is_static(route: Route) -> bool:
    """Whether `route` leads to a node that Nexus does not run: it has no container."""
    return bool(route.targets) and not route.targets[0].container_id


def _take(networks: list[StaticNetwork]) -> Iterator[StaticNetwork]:
    networks.reverse()
    while networks:
        yield networks.pop()


def _publish(networks: Iterable[StaticNetwork], registry: Registry) -> Iterator[tuple[Route | None, Route]]:
    """Route to one after the other; what was and what is. There may be very many, so equal rules are one object."""
    shared: dict[AccessRules, AccessRules] = {}
    for network in networks:
        old = registry.route(network.name)
        if old is not None and not is_static(old):
            log.error("network {network} was created meanwhile, so the static one is not routed", network=network.name)
            continue
        rules = AccessRules(
            users=network.users,
            gateway_public=network.gateway_public,
            api_allowed_origins=network.api_allowed_origins,
        )
        target = RouteTarget(
            index=0, api=network.api, gateway=network.gateway, rpc_bearer=network.rpc_bearer, container_id=""
        )
        rules = shared.setdefault(rules, rules)
        yield old, registry.publish(network.name, rules=rules, state=NetworkState.ONLINE, targets=(target,))
