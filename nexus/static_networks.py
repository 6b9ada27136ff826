"""Static networks in the registry: routed as all others are, by what the configuration says of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nexus.model import AccessRules, NetworkState, RouteTarget

if TYPE_CHECKING:
    from nexus.config.sections import StaticNetwork
    from nexus.registry import Registry


def publish_static_networks(networks: Iterable[StaticNetwork], registry: Registry) -> None:
    """Route to `networks`. There may be very many, so equal rules are one object."""
    shared: dict[AccessRules, AccessRules] = {}
    for network in networks:
        rules = AccessRules(
            users=network.users,
            gateway_public=network.gateway_public,
            api_allowed_origins=network.api_allowed_origins,
        )
        target = RouteTarget(
            index=0, api=network.api, gateway=network.gateway, rpc_bearer=network.rpc_bearer, container_id=""
        )
        registry.publish(
            network.name, rules=shared.setdefault(rules, rules), state=NetworkState.ONLINE, targets=(target,)
        )
