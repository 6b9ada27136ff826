"""Cross-origin rules for `api` (Fetch standard, CORS protocol). Pure.

Kubo refuses every origin but its own, so the edge decides by the network's list, shows Kubo an origin that it knows,
and says Kubo's cross-origin fields itself. Gateway answers pass with Kubo's fields: it allows every origin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nexus.edge.fields import Known, Pairs

if TYPE_CHECKING:
    from nexus.model import Route

_EXPOSED: Final = b"X-Chunked-Output, X-Content-Length, X-Stream-Output"
VARY_ORIGIN: Final = (b"Vary", b"Origin")
_VARY_PREFLIGHT: Final = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
_PREFLIGHT_LIFETIME_S: Final = b"600"


def is_preflight(method: bytes, known: Known) -> bool:
    """Whether this asks for leave to send another request, which browsers do without credentials."""
    return method == b"OPTIONS" and b"origin" in known and b"access-control-request-method" in known


def origin_of(known: Known) -> bytes:
    """The Origin field of a request that has one. Several make one that no list holds."""
    return b", ".join(known[b"origin"])


def is_listed(origin: bytes, route: Route | None) -> bool:
    """Whether the network lists `origin`. False for an unknown network, so that both look the same."""
    return route is not None and origin.decode("latin-1") in route.rules.api_allowed_origins


def preflight_fields(origin: bytes) -> Pairs:
    """What a preflight of a listed origin is answered."""
    return [
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Allow-Methods", b"POST"),
        (b"Access-Control-Allow-Headers", b"Authorization, Content-Type, X-Requested-With"),
        (b"Access-Control-Max-Age", _PREFLIGHT_LIFETIME_S),
        (b"Vary", _VARY_PREFLIGHT),
    ]


REFUSED_PREFLIGHT_FIELDS: Final[Pairs] = [(b"Vary", _VARY_PREFLIGHT)]


def response_fields(origin: bytes) -> Pairs:
    """What a response to a listed origin carries."""
    return [
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Expose-Headers", _EXPOSED),
        VARY_ORIGIN,
    ]
