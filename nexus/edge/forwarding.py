"""How a message's body goes on: the framing that the next hop gets, and the trailers that pass (RFC 9112 section 6,
RFC 9110 section 6.5). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.edge.fields import Pairs, accepts_trailers, sanitised_trailers
from nexus.edge.framing import CHUNKED, UNTIL_CLOSE
from nexus.model import Feature

if TYPE_CHECKING:
    from nexus.edge.heads import RequestHead, ResponseHead


def forwarded_framing(request: RequestHead, head: ResponseHead, framing: int) -> int | None:
    """How a response's body goes to the client: a length, `CHUNKED`, `UNTIL_CLOSE`, or None where there is none and
    the node's Content-Length may say how long it would be.

    :param framing: how it comes from the node.
    """
    if head.status == 204:
        return UNTIL_CLOSE  # says nothing (RFC 9110 section 8.6)
    if request.method == b"HEAD" or head.status == 304:
        return None
    if framing >= 0:
        return framing
    return CHUNKED if request.minor == 1 else UNTIL_CLOSE


def request_trailers(head: RequestHead, trailers: Pairs) -> Pairs:
    """Those of a request's trailers that reach the node: announced ones, sanitised."""
    known = head.known
    if not trailers or b"trailer" not in known:
        return []
    return sanitised_trailers(trailers, known.get(b"connection", ()), drop_cors=False)


def response_trailers(
    request: RequestHead, head: ResponseHead | None, trailers: Pairs, feature: Feature | None
) -> Pairs:
    """Those of a response's trailers that reach the client: such as either side has spoken of, sanitised."""
    if not trailers or head is None or not (b"trailer" in head.known or accepts_trailers(request.known)):
        return []
    return sanitised_trailers(trailers, head.known.get(b"connection", ()), drop_cors=feature is Feature.API)
