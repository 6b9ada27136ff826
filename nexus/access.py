"""Who may pass: a pure decision from a feature, a route and a user. Fails closed; `edge` turns it into an answer.

The rules are made so that what a stranger hears does not tell whether a network exists, nor whether it is private
(docs/architecture.md has the table).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from nexus.model import Feature

if TYPE_CHECKING:
    from nexus.model import Route


class Decision(Enum):
    """What the edge does with a request."""

    ALLOW = auto()
    """Forward it (api, gateway), or answer in full (status, swarm)."""

    ALLOW_PUBLIC = auto()
    """status and swarm of a public gateway without a member's token: online or not, nothing more."""

    UNAUTHENTICATED = auto()
    """No token, or one that does not verify: 401, whether or not the network exists."""

    FORBIDDEN = auto()
    """A good token of somebody who is no member, or of a network that does not exist: 403, the same text."""

    NOT_FOUND = auto()
    """Unknown, not public, or a feature that the network's node does not offer: 404, the same text."""

    UNAVAILABLE = auto()
    """Allowed, but the network has no ready node now: 503."""


_API: Final = Feature.API
_GATEWAY: Final = Feature.GATEWAY
_ALLOW: Final = Decision.ALLOW


def decide(feature: Feature, route: Route | None, user: str | None) -> Decision:
    """Whether `user` (None: no token that verifies) may use `feature` of the network of `route` (None: unknown)."""
    if feature is _GATEWAY:
        if route is None or not route.rules.gateway_public:
            return Decision.NOT_FOUND
        return _reachable(feature, route)
    member = route is not None and user is not None and user in route.rules.users
    if feature is _API:
        if user is None:
            return Decision.UNAUTHENTICATED
        if route is None or not member:
            return Decision.FORBIDDEN
        return _reachable(feature, route)
    if member:
        return Decision.ALLOW
    if route is not None and route.rules.gateway_public:
        return Decision.ALLOW_PUBLIC
    return Decision.NOT_FOUND if user is None else Decision.FORBIDDEN


def _reachable(feature: Feature, route: Route) -> Decision:
    if not route.targets:
        return Decision.UNAVAILABLE
    target = route.targets[0]
    return Decision.NOT_FOUND if (target.api if feature is _API else target.gateway) is None else _ALLOW
