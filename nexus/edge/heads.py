"""Message heads, read strictly (RFC 9112 sections 2 to 5). Pure.

Two readers must agree on each head: a grammar that says exactly what we accept, and llhttp (by httptools), which
takes it apart. What llhttp lets pass and we do not: `#` and bytes above 0x7E in a target, statuses outside 100-599,
folded and unbounded fields, a bare LF that no more bytes follow. Bodies never pass through llhttp (see `framing`).
"""

from __future__ import annotations

import re
from typing import Final

from httptools import (
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
    HttpResponseParser,
)

from nexus.edge.errors import MalformedError
from nexus.edge.fields import Known, Rest, sort_request_fields, sort_response_fields

LEADING_EMPTY_LINES_MAX: Final = 2
"""Empty lines before a request line that are overlooked (RFC 9112 section 2.2)."""

_FIELDS: Final = rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+\r\n"
_REQUEST: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++) ([\x21\x22\x24-\x7e]++) HTTP/1\.([01])\r\n" + _FIELDS)
_RESPONSE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*+))?\r\n" + _FIELDS)
_OTHER_VERSION: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP/(?!1\.[01]\r)[0-9]\.[0-9]\r\n")
_NEVER_IN_HEAD: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n|\Z)|\A[ \t]|\r\n[ \t]")
_HTTP_2_PREFACE: Final = b"PRI * HTTP/2.0\r\n"
_STATUS_LINE_START: Final = b"HTTP/1."


class RequestHead:
    """A request's head. `minor` is 0 or 1, of HTTP/1.x; `known` and `rest` are told in `fields`."""

    __slots__ = ("known", "method", "minor", "rest", "target")

    def __init__(self, method: bytes, target: bytes, minor: int, known: Known, rest: Rest) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.known = known
        self.rest = rest


class ResponseHead:
    """A response's head; `minor` as in `RequestHead`."""

    __slots__ = ("known", "minor", "reason", "rest", "status")

    def __init__(self, status: int, reason: bytes, minor: int, known: Known, rest: Rest) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.known = known
        self.rest = rest


class _Fields:
    """Takes llhttp's calls."""

    __slots__ = ("complete", "pairs")

    def __init__(self) -> None:
        self.complete = False
        self.pairs: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.complete = True


def find_head_end(buffer: bytes, scanned: int, bytes_max: int) -> int:
    """The index behind the head that `buffer` begins with; 0 while it is incomplete and can still become one.

    :param scanned: how much of the buffer an earlier call has seen.
    :raises MalformedError: 414 or 431 where it is too long, 400 where it holds what no head may, so that nobody waits
        for the rest of it.
    """
    end = buffer.find(b"\r\n\r\n", max(0, scanned - 3)) + 4
    if 4 <= end <= bytes_max:
        return end
    if end < 4 and len(buffer) <= bytes_max:
        if _NEVER_IN_HEAD.search(buffer, max(0, scanned - 2)):
            raise MalformedError("the head holds bytes that no head may hold")
        return 0
    if b"\r\n" not in buffer[:bytes_max]:
        raise MalformedError("the request target is too long", 414)
    raise MalformedError("the header fields are too long", 431)


def skip_empty_lines(buffer: bytes, skipped: int) -> tuple[bytes, int]:
    """`buffer` without leading empty lines, and how many were skipped so far, at most `LEADING_EMPTY_LINES_MAX`.

    :raises MalformedError: when there are more.
    """
    while buffer.startswith(b"\r\n"):
        if skipped == LEADING_EMPTY_LINES_MAX:
            raise MalformedError("too many empty lines before the request line")
        buffer = buffer[2:]
        skipped += 1
    return buffer, skipped


def parse_request_head(head: bytes, fields_max: int) -> RequestHead:
    """The request whose complete head, up to and with its empty line, is `head`.

    :raises MalformedError: 400, 431 (too many fields), 501 (unknown method), 505 (another version).
    """
    line = _REQUEST.fullmatch(head)
    if line is None:
        if _OTHER_VERSION.match(head) and not head.startswith(_HTTP_2_PREFACE):
            raise MalformedError("only HTTP/1.0 and HTTP/1.1 are spoken here", 505)
        raise MalformedError("the request's head is malformed")
    fields = _Fields()
    try:
        HttpRequestParser(fields).feed_data(head)
    except HttpParserUpgrade:
        pass
    except HttpParserInvalidMethodError:
        raise MalformedError("the method is not implemented", 501) from None
    except HttpParserError:
        # llhttp also judges Transfer-Encoding once it has all fields; `framing` does that, with the status that is due.
        if not fields.complete:
            raise MalformedError("the request's head is malformed") from None
    if len(fields.pairs) > fields_max:
        raise MalformedError("there are too many header fields", 431)
    known, rest = sort_request_fields(fields.pairs)
    return RequestHead(line[1], line[2], 1 if line[3] == b"1" else 0, known, rest)


def starts_like_response(buffer: bytes) -> bool:
    """Whether what a node sent so far can become a status line."""
    return buffer[:7] == _STATUS_LINE_START[: len(buffer)]


def parse_response_head(head: bytes, fields_max: int) -> ResponseHead:
    """The response (interim ones too) whose complete head is `head`.

    :raises MalformedError: in every other case; what it says is for a log.
    """
    line = _RESPONSE.fullmatch(head)
    if line is None:
        raise MalformedError("the response's head is malformed")
    fields = _Fields()
    try:
        HttpResponseParser(fields).feed_data(head)
    except HttpParserUpgrade:
        pass
    except HttpParserError:
        if not fields.complete:
            raise MalformedError("the response's head is malformed") from None
    if len(fields.pairs) > fields_max:
        raise MalformedError("the response has too many header fields")
    known, rest = sort_response_fields(fields.pairs)
    return ResponseHead(int(line[2]), line[3] or b"", 1 if line[1] == b"1" else 0, known, rest)
