"""Header and trailer fields: which are whose business (RFC 9110 sections 5, 6.5 and 7.6).

A message's fields are sorted once, as it is parsed: *known* ones, by lower-case name, which the edge decides by, and
the *rest* in their order and spelling, which pass. What belongs to one connection, or is ours to say, is never in the
rest.
"""

from __future__ import annotations

import re
from typing import Final

from nexus.edge.errors import MalformedError

Known = dict[bytes, list[bytes]]
"""Values by lower-case field name, in their order."""

Rest = list[tuple[bytes, bytes]]
"""Fields as sent, in their order."""

HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authentication-info proxy-authorization "
    b"te trailer transfer-encoding upgrade http2-settings".split()
)
"""RFC 9110 section 7.6.1, with those that older servers know."""

_FORWARDED: Final = frozenset(
    b"forwarded x-real-ip proxy via x-forwarded-for x-forwarded-host x-forwarded-proto".split()
)
"""Who a request came from and through. Never taken from a stranger; `proxy` is httpoxy's (CVE-2016-5385)."""

_REQUEST_CONSUMED: Final = (
    HOP_BY_HOP
    | (_FORWARDED - {b"via"})
    | frozenset(b"host content-length expect max-forwards authorization origin referer".split())
)
_REQUEST_INSPECTED: Final = frozenset(b"accept via user-agent cookie access-control-request-method".split())
_REQUEST_ROLES: Final = dict.fromkeys(_REQUEST_CONSUMED, False) | dict.fromkeys(_REQUEST_INSPECTED, True)

_RESPONSE_CONSUMED: Final = HOP_BY_HOP | frozenset(b"content-length server".split())
_RESPONSE_INSPECTED: Final = frozenset(b"date location vary".split())
_RESPONSE_ROLES: Final = dict.fromkeys(_RESPONSE_CONSUMED, False) | dict.fromkeys(_RESPONSE_INSPECTED, True)

_NEVER_IN_TRAILERS: Final = (
    HOP_BY_HOP
    | _FORWARDED
    | frozenset(
        b"age allow authorization cache-control clear-site-data content-disposition content-encoding "
        b"content-language content-length content-location content-range content-security-policy content-type "
        b"cookie date etag expect expires host if-match if-modified-since if-none-match if-range "
        b"if-unmodified-since last-modified location max-forwards origin pragma range referer refresh retry-after "
        b"server set-cookie strict-transport-security vary warning www-authenticate".split()
    )
)
"""Framing, routing, authentication, request modifiers, response control and content format (RFC 9110 section
6.5.1)."""

_FIELD_LINES: Final = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t\x20-\x7e\x80-\xff]*+\r\n)++")


def list_members(values: list[bytes]) -> list[bytes]:
    """The members of a comma-separated list field, over all its lines, lower-case, empty ones left out (section
    5.6.1)."""
    return [member for value in values for part in value.lower().split(b",") if (member := part.strip(b" \t"))]


def sort_request_fields(fields: list[tuple[bytes, bytes]]) -> tuple[Known, Rest]:
    """Sort a request's fields. Connection's nominations are obeyed here, before anything of ours is added.

    A name with `_` goes where some server would read it as one with `-` that counts (Kubo does not, what stands
    behind a later node may).
    """
    known: Known = {}
    rest: Rest = []
    underscored = False
    for field in fields:
        name = field[0].lower()
        kept = _REQUEST_ROLES.get(name)
        if kept is not None:
            if name in known:
                known[name].append(field[1])
            else:
                known[name] = [field[1]]
            if kept:
                rest.append(field)
        elif not name.startswith(b"x-forwarded-"):
            rest.append(field)
            if b"_" in name:
                underscored = True
    if underscored:
        rest = _without_colliding_underscores(fields, rest)
    if b"connection" in known:
        rest = _without_nominated(known[b"connection"], rest)
    return known, rest


def sort_response_fields(fields: list[tuple[bytes, bytes]]) -> tuple[Known, Rest]:
    """Sort a response's fields, obeying Connection's nominations."""
    known: Known = {}
    rest: Rest = []
    for field in fields:
        name = field[0].lower()
        kept = _RESPONSE_ROLES.get(name)
        if kept is None:
            rest.append(field)
            continue
        if name in known:
            known[name].append(field[1])
        else:
            known[name] = [field[1]]
        if kept:
            rest.append(field)
    if b"connection" in known:
        rest = _without_nominated(known[b"connection"], rest)
    return known, rest


def wants_close(known: Known) -> bool:
    """Whether the sender closes the connection after this message (RFC 9112 section 9.6)."""
    values = known.get(b"connection")
    return values is not None and b"close" in list_members(values)


def accepts_trailers(known: Known) -> bool:
    """Whether the sender of this request says that it reads trailers (RFC 9110 section 10.1.4)."""
    values = known.get(b"te")
    return values is not None and b"trailers" in list_members(values)


def parse_field_lines(block: bytes) -> list[tuple[bytes, bytes]]:
    """Field lines, each with its CRLF, as names and values (RFC 9112 section 5). Obsolete folding is refused.

    :raises MalformedError: where a line is not one.
    """
    if _FIELD_LINES.fullmatch(block) is None:
        raise MalformedError("a field line is malformed")
    pairs = []
    for line in block[:-2].split(b"\r\n"):
        name, _, value = line.partition(b":")
        pairs.append((name, value.strip(b" \t")))
    return pairs


def sanitised_trailers(trailers: list[tuple[bytes, bytes]], nominated: list[bytes], *, drop_cors: bool) -> Rest:
    """The trailers that may pass: none that a header rule would have stopped (cf. CVE-2026-88004).

    :param nominated: the values of the message's Connection fields.
    :param drop_cors: whether cross-origin fields are ours alone to say.
    """
    dropped = frozenset(list_members(nominated))
    passing = []
    for field in trailers:
        name = field[0].lower().replace(b"_", b"-")
        if name in _NEVER_IN_TRAILERS or name in dropped or name.startswith(b"x-forwarded-"):
            continue
        if drop_cors and name.startswith(b"access-control-"):
            continue
        passing.append(field)
    return passing


def announced_trailers(known: Known) -> bytes:
    """The Trailer field's names that may pass, as its value; empty where there are none (RFC 9110 section 6.6.2)."""
    values = known.get(b"trailer")
    if values is None:
        return b""
    names = [member.strip(b" \t") for value in values for member in value.split(b",")]
    return b", ".join(
        name for name, _ in sanitised_trailers([(name, b"") for name in names if name], [], drop_cors=False)
    )


def _without_nominated(connection: list[bytes], rest: Rest) -> Rest:
    nominated = frozenset(list_members(connection)) - {b"close", b"keep-alive"}
    return [field for field in rest if field[0].lower() not in nominated] if nominated else rest


def _without_colliding_underscores(fields: list[tuple[bytes, bytes]], rest: Rest) -> Rest:
    names = {name.lower() for name, _ in fields}
    kept = []
    for field in rest:
        name = field[0].lower()
        if b"_" in name:
            mapped = name.replace(b"_", b"-")
            if mapped in names or mapped in _REQUEST_ROLES or mapped.startswith(b"x-forwarded-"):
                continue
        kept.append(field)
    return kept
