"""Heads as they leave the edge: what is dropped, what is said instead (RFC 9110 sections 7.6 and 8.6). Pure.

`fields` has taken out what belongs to one connection and what a stranger may not say; here is what the edge says
itself, added last, so that no client can nominate it away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nexus.edge.cors import VARY_ORIGIN
from nexus.edge.fields import (
    CORS_LINES,
    Rest,
    accepts_trailers,
    announced_trailers,
    line_name,
    line_value,
    list_members,
)
from nexus.edge.framing import CHUNKED
from nexus.model import Feature

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexus.edge.admission import Disposition
    from nexus.edge.heads import RequestFields, RequestHead, ResponseHead
    from nexus.model import RouteTarget

_OUR_USER_AGENT: Final = b"User-Agent: nexus\r\n"
_API: Final = Feature.API


def own_request_lines(pseudonym: bytes, hops: bytes, scheme: bytes) -> bytes:
    """What every request of one client connection carries: Via, and who it comes from.

    :param hops: the client's address, or what a trusted proxy says, with its own behind it.
    :param scheme: what the client speaks, as far as we know.
    """
    return b"Via: 1.1 %b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (
        pseudonym,
        hops,
        scheme,
    )


def own_node_lines(target: RouteTarget, feature: Feature) -> bytes:
    """What every request to `feature` of one node carries: the bearer that its RPC wants."""
    if feature is not _API or target.rpc_bearer is None:
        return b""
    return b"Authorization: Bearer %b\r\n" % target.rpc_bearer.reveal().encode("ascii")


def request_head(head: RequestHead, disposition: Disposition, own_lines: bytes, forwarded_host: bytes = b"") -> bytes:
    """The head that goes to the node: HTTP/1.1 whatever the client speaks, and the same framing.

    :param own_lines: of `own_request_lines`, and of `own_node_lines`.
    :param forwarded_host: what X-Forwarded-Host says; empty for the request's Host.
    """
    fields = head.fields
    is_rpc = disposition.feature is _API
    passing = fields.passing
    if passing is None or passing[0] is not is_rpc:
        passing = fields.passing = is_rpc, _passing_lines(fields, is_rpc)
    more = b""
    if head.method == b"OPTIONS" and b"max-forwards" in head.known:
        more = b"Max-Forwards: %d\r\n" % (int(head.known[b"max-forwards"][0]) - 1)
    if fields.minor == 0:  # Via says what was received (RFC 9110 section 7.6.3)
        own_lines = own_lines.replace(b"Via: 1.1 ", b"Via: 1.0 ", 1)
    return b"%b %b HTTP/1.1\r\n%b%b%bX-Forwarded-Host: %b\r\n\r\n" % (
        head.method,
        disposition.path,
        passing[1],
        more,
        own_lines,
        forwarded_host or fields.authority,
    )


def _passing_lines(fields: RequestFields, is_rpc: bool) -> bytes:
    """What a node gets of a request's fields, whatever the request line says: Host, the rest, and the framing."""
    known, framing = fields.known, fields.framing
    lines = [b"Host: %b\r\n" % fields.authority, *(_rpc_lines(fields) if is_rpc else fields.rest)]
    if framing == CHUNKED:
        lines.append(b"Transfer-Encoding: chunked\r\n")
        announced = announced_trailers(known)
        if announced:
            lines.append(b"Trailer: %b\r\n" % announced)
    elif framing or b"content-length" in known:
        lines.append(b"Content-Length: %d\r\n" % framing)
    if framing and fields.minor == 1 and b"expect" in known:  # RFC 9110 section 10.1.1
        lines.append(b"Expect: 100-continue\r\n")
    if b"te" in known and accepts_trailers(known):
        lines.append(b"TE: trailers\r\nConnection: TE\r\n")
    return b"".join(lines)


def _rpc_lines(fields: RequestFields) -> Rest:
    """For Kubo's RPC: no cookies, and nothing that makes Kubo take the client for a foreign browser."""
    known = fields.known
    rest = fields.rest
    if b"cookie" in known:
        rest = [line for line in rest if line_name(line) != b"cookie"]
    if b"user-agent" in known and known[b"user-agent"][0].startswith(b"Mozilla"):
        rest = [line for line in rest if line_name(line) != b"user-agent"]
        rest.append(_OUR_USER_AGENT)
    return rest


def interim_head(head: ResponseHead) -> bytes:
    """A 1xx response, for an HTTP/1.1 client (RFC 9110 section 15.2)."""
    return b"".join((head.line, *head.rest, b"\r\n"))


def response_head(
    head: ResponseHead,
    disposition: Disposition,
    framing: int | None,
    date: Callable[[], bytes],
    close: bool,
) -> bytes:
    """The head that goes to the client.

    :param framing: how the body goes to the client: a length, `CHUNKED`, `UNTIL_CLOSE` (nothing is said), or None
        where there is none and the node's Content-Length, if any, says how long it would be (HEAD, 304).
    :param date: tells the Date field's value, for a response without one (RFC 9110 section 6.6.1).
    :param close: whether the connection closes behind this response.
    """
    if close or disposition.prefix or disposition.response_fields or b"date" not in head.known:
        return _response_lines(head, disposition, framing, date, close)
    key = disposition.feature is _API, framing
    passing = head.passing
    if passing is None or passing[0] != key:
        passing = head.passing = key, _response_lines(head, disposition, framing, date, close)
    return passing[1]


def _response_lines(
    head: ResponseHead, disposition: Disposition, framing: int | None, date: Callable[[], bytes], close: bool
) -> bytes:
    known = head.known
    rest = head.rest
    if disposition.feature is _API and CORS_LINES in known:
        rest = [line for line in rest if line not in known[CORS_LINES]]
    if disposition.prefix and b"location" in known:
        rest = [_prefixed_location_line(line, disposition) for line in rest]
    lines = [head.line, *rest]
    if framing is None:
        if b"content-length" in known:
            lines.append(b"Content-Length: %b\r\n" % known[b"content-length"][0])
    elif framing == CHUNKED:
        lines.append(b"Transfer-Encoding: chunked\r\n")
        announced = announced_trailers(known)
        if announced:
            lines.append(b"Trailer: %b\r\n" % announced)
    elif framing >= 0:
        lines.append(b"Content-Length: %d\r\n" % framing)
    if b"date" not in known:
        lines.append(b"Date: %b\r\n" % date())
    for field in disposition.response_fields:
        if field == VARY_ORIGIN and _varies_by_origin(head.rest):
            continue
        lines.append(b"%b: %b\r\n" % field)
    lines.append(b"Connection: close\r\n\r\n" if close else b"\r\n")
    return b"".join(lines)


def _varies_by_origin(rest: Rest) -> bool:
    return any(line_name(line) == b"vary" and b"origin" in list_members([line_value(line)]) for line in rest)


def _prefixed_location_line(line: bytes, disposition: Disposition) -> bytes:
    if line_name(line) != b"location":
        return line
    return b"Location: %b\r\n" % prefixed_location(line_value(line), disposition.prefix, disposition.authority)


def prefixed_location(location: bytes, prefix: bytes, authority: bytes) -> bytes:
    """A node's Location with the path prefix that the client's path had; one that leads elsewhere stays as it is."""
    if location.startswith(b"/") and not location.startswith(b"//"):
        return prefix + location
    for scheme in (b"http://", b"https://", b"//"):
        base = scheme + authority
        if location.lower().startswith(base.lower()) and location[len(base) :][:1] in (b"", b"/", b"?"):
            return location[: len(base)] + prefix + location[len(base) :]
    return location
