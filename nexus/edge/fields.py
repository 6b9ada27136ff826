"""Header and trailer fields: which are whose business (RFC 9110 sections 5, 6.5 and 7.6).

A message's fields are sorted once, as it is parsed: *known* ones, by lower-case name, which the edge decides by, and
the *rest*, the lines that pass, in their order and spelling. What belongs to one connection, or is ours to say, is
never in the rest.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nexus.edge.field_lines import FieldLines, FieldReader, split_line

if TYPE_CHECKING:
    from collections.abc import Iterable

Known = dict[bytes, tuple[bytes, ...]]
"""Values by lower-case field name, in their order."""

Rest = list[bytes]
"""Field lines that pass, each with its CRLF, in their order."""

Pairs = list[tuple[bytes, bytes]]
"""Names and values, of trailers and of fields of our own."""

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
_REQUEST_INSPECTED: Final = frozenset(
    b"accept via user-agent cookie access-control-request-method sec-websocket-key sec-websocket-version".split()
)

_RESPONSE_CONSUMED: Final = HOP_BY_HOP | frozenset(b"content-length server".split())
_RESPONSE_INSPECTED: Final = frozenset(b"date location vary sec-websocket-accept".split())

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

CORS_LINES: Final = b":access-control"
"""Where `Known` has a response's lines whose name begins so: for `api` they are ours to say."""

_UNDERSCORED: Final = b":underscored"
"""Where `Known` has a request's lines whose name holds one, while its fields are sorted."""


def list_members(values: Iterable[bytes]) -> list[bytes]:
    """The members of a comma-separated list field, over all its lines, lower-case, empty ones left out (section
    5.6.1)."""
    return [member for value in values for part in value.lower().split(b",") if (member := part.strip(b" \t"))]


def line_name(line: bytes) -> bytes:
    """The lower-case name of a field line."""
    return line[: line.index(b":")].lower()


def line_value(line: bytes) -> bytes:
    """The value of a line that passes."""
    return line[line.index(b":") + 2 : -2]


def _request_field_reader(name: bytes) -> FieldReader:
    lower, start = name.lower(), name + b": "
    if lower in _REQUEST_CONSUMED or lower.startswith(b"x-forwarded-"):
        return lambda value: (lower, (value,), b"")
    if lower in _REQUEST_INSPECTED:
        return lambda value: (lower, (value,), start + value + b"\r\n")
    if b"_" in lower:
        return lambda value: (_UNDERSCORED, (lower,), start + value + b"\r\n")
    return lambda value: start + value + b"\r\n"


def _response_field_reader(name: bytes) -> FieldReader:
    lower, start = name.lower(), name + b": "
    if lower in _RESPONSE_CONSUMED:
        return lambda value: (lower, (value,), b"")
    if lower in _RESPONSE_INSPECTED:
        return lambda value: (lower, (value,), start + value + b"\r\n")
    if lower.startswith(b"access-control-"):
        return lambda value: (CORS_LINES, (start + value + b"\r\n",), start + value + b"\r\n")
    return lambda value: start + value + b"\r\n"


_read_request_line: Final = FieldLines(_request_field_reader).__getitem__
_read_response_line: Final = FieldLines(_response_field_reader).__getitem__


def sort_request_fields(lines: Iterable[bytes]) -> tuple[Known, Rest]:
    """Sort a request's field lines. Connection's nominations are obeyed here, before anything of ours is added.

    A name with `_` goes where some server would read it as one with `-` that counts (Kubo does not, what stands
    behind a later node may).

    :raises MalformedError: where one is no field line.
    """
    known, rest = _sort(map(_read_request_line, lines))
    if _UNDERSCORED in known:
        rest = _without_colliding_underscores(known, rest)
    if b"connection" in known:
        rest = _without_nominated(known[b"connection"], rest)
    return known, rest


def sort_response_fields(lines: Iterable[bytes]) -> tuple[Known, Rest]:
    """Sort a response's field lines, obeying Connection's nominations.

    :raises MalformedError: where one is no field line.
    """
    known, rest = _sort(map(_read_response_line, lines))
    if b"connection" in known:
        rest = _without_nominated(known[b"connection"], rest)
    return known, rest


def _sort(fields: Iterable[Any]) -> tuple[Known, Rest]:
    known: Known = {}
    rest: Rest = []
    for field in fields:
        if type(field) is bytes:  # the fastest test of all
            rest.append(field)
            continue
        name, values, passing = field
        known[name] = known[name] + values if name in known else values
        if passing:
            rest.append(passing)
    return known, rest


def wants_close(known: Known) -> bool:
    """Whether the sender closes the connection after this message (RFC 9112 section 9.6)."""
    return b"connection" in known and _connection_options(known[b"connection"])[0]


def accepts_trailers(known: Known) -> bool:
    """Whether the sender of this request says that it reads trailers (RFC 9110 section 10.1.4)."""
    values = known.get(b"te")
    return values is not None and b"trailers" in list_members(values)


def parse_field_lines(block: bytes) -> Pairs:
    """Field lines, each with its CRLF, as names and values.

    :raises MalformedError: where a line is not one.
    """
    return [split_line(line) for line in block[:-2].split(b"\r\n")]


def sanitised_trailers(trailers: Pairs, nominated: Iterable[bytes], *, drop_cors: bool) -> Pairs:
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
    return _announced(known[b"trailer"]) if b"trailer" in known else b""


@lru_cache(maxsize=64)
def _announced(values: tuple[bytes, ...]) -> bytes:
    names = [member.strip(b" \t") for value in values for member in value.split(b",")]
    return b", ".join(
        name for name, _ in sanitised_trailers([(name, b"") for name in names if name], [], drop_cors=False)
    )


@lru_cache(maxsize=128)
def _connection_options(values: tuple[bytes, ...]) -> tuple[bool, frozenset[bytes]]:
    """Whether Connection says close, and the names of fields that it nominates."""
    options = frozenset(list_members(values))
    return b"close" in options, options - {b"close", b"keep-alive"}


def _without_nominated(connection: tuple[bytes, ...], rest: Rest) -> Rest:
    nominated = _connection_options(connection)[1]
    return [line for line in rest if line_name(line) not in nominated] if nominated else rest


def _without_colliding_underscores(known: Known, rest: Rest) -> Rest:
    names = {*known, *map(line_name, rest)}
    dropped = set()
    for name in known.pop(_UNDERSCORED):
        mapped = name.replace(b"_", b"-")
        if (
            mapped in names
            or mapped in _REQUEST_CONSUMED
            or mapped in _REQUEST_INSPECTED
            or mapped.startswith(b"x-forwarded-")
        ):
            dropped.add(name)
    return [line for line in rest if line_name(line) not in dropped]
