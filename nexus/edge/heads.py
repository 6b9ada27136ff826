"""Message heads, read strictly (RFC 9112 sections 2 to 5). Pure.

A head is lines that end in CRLF. The first has a grammar here, the others one in `field_lines`, and what is no such
line makes the whole no message: there is no second way to read it. The tests let llhttp read all that is accepted
here, and it must find the same in it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nexus.edge.errors import MalformedError
from nexus.edge.field_lines import SECRET_NAMES
from nexus.edge.fields import sort_request_fields, sort_response_fields, wants_close
from nexus.edge.framing import request_framing, response_framing
from nexus.edge.target import authority_of

if TYPE_CHECKING:
    from nexus.edge.fields import Known, Rest
    from nexus.tokens import Verified

LEADING_EMPTY_LINES_MAX: Final = 2
"""Empty lines before a request line that are overlooked (RFC 9112 section 2.2)."""

REPEATED_BYTES_MAX: Final = 2048
"""Of what is kept to be recognised: idle connections are many, and have little room."""

REPEATED_LINES_MAX: Final = 32

_VERSION: Final = b" HTTP/1.1"
_METHOD_AND_TARGET: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++) ([\x21\x22\x24-\x7e]++)")
_REQUEST_LINE: Final = re.compile(_METHOD_AND_TARGET.pattern + rb" HTTP/1\.([01])")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*+))?")
_OTHER_VERSION: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP/(?!1\.[01]\Z)[0-9]\.[0-9]")
_NEVER_IN_HEAD: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n|\Z)|\A[ \t]|\r\n[ \t]")
_HTTP_2_PREFACE: Final = b"PRI * HTTP/2.0\r\n"
"""RFC 9113 section 3.4: no request, and nobody is there who could read a 505."""
_STATUS_LINE_START: Final = b"HTTP/1."


StatusLine = tuple[int, bytes, int]
"""The status, the line that passes, and the minor version."""


class RequestFields:
    """All that stands behind a request's target: its version and fields. A client's next request mostly repeats it,
    byte for byte.

    :ivar block: the bytes.
    :ivar minor: 0 or 1, of HTTP/1.x.
    :ivar known: as `fields` tells, and `rest` too; neither is ever changed.
    :ivar framing: of the request's body (see `framing`); set by `interpret`, as the following.
    :ivar authority: the one Host.
    :ivar keeps_alive: whether the client lets the connection go on after this request (RFC 9112 section 9.3).
    :ivar verified: the token among the fields, once it is verified.
    :ivar passing: what a node gets of the fields, once that is written, and whether it is for its RPC.
    """

    __slots__ = ("authority", "block", "framing", "keeps_alive", "known", "minor", "passing", "rest", "verified")

    def __init__(self, block: bytes, minor: int, known: Known, rest: Rest) -> None:
        self.block = block
        self.minor = minor
        self.known = known
        self.rest = rest
        self.framing = 0
        self.authority = b""
        self.keeps_alive = False
        self.verified: Verified | None = None
        self.passing: tuple[bool, bytes] | None = None

    def interpret(self) -> None:
        """Learn from the fields what every request is treated by.

        :raises MalformedError: where they contradict each other, or what must be there is not.
        """
        self.framing = request_framing(self.known, self.minor)
        self.authority = authority_of(self.known)
        self.keeps_alive = self.minor == 1 and not wants_close(self.known)

    @property
    def is_worth_keeping(self) -> bool:
        """Whether it may stay in memory for as long as a connection is idle."""
        return len(self.block) <= REPEATED_BYTES_MAX and len(self.rest) + len(self.known) <= REPEATED_LINES_MAX

    @property
    def holds_secret(self) -> bool:
        """Whether it holds what must not outlive its connection: a token, a password or a cookie."""
        return not SECRET_NAMES.isdisjoint(self.known)


class RequestHead:
    """A request's head. `minor`, `known` and `rest` are those of `fields`."""

    __slots__ = ("fields", "known", "method", "minor", "rest", "target")

    def __init__(self, method: bytes, target: bytes, fields: RequestFields) -> None:
        self.method = method
        self.target = target
        self.fields = fields
        self.minor = fields.minor
        self.known = fields.known
        self.rest = fields.rest

    @property
    def framing(self) -> int:
        """Of its body, once `fields` are interpreted."""
        return self.fields.framing


class ResponseHead:
    """A response's head. What a node says next is often the same, byte for byte, within a second.

    :ivar block: the bytes.
    :ivar line: the status line that passes, with its CRLF.
    :ivar minor: 0 or 1, of HTTP/1.x.
    :ivar known: as `fields` tells, and `rest` too; neither is ever changed.
    :ivar keeps_alive: whether the node lets the connection go on after this response (RFC 9112 section 9.3).
    :ivar passing: what a client gets of it, once that is written, whether it comes from an RPC, and by which framing.
    """

    __slots__ = (
        "_framing",
        "block",
        "keeps_alive",
        "known",
        "line",
        "minor",
        "passing",
        "rest",
        "status",
    )

    def __init__(self, block: bytes, line: StatusLine, known: Known, rest: Rest) -> None:
        self.block = block
        self.status, self.line, self.minor = line
        self.known = known
        self.rest = rest
        self.keeps_alive = self.minor == 1 and not wants_close(known)
        self.passing: tuple[tuple[bool, int | None], bytes] | None = None
        self._framing: int | None = None

    def framing(self, method: bytes) -> int:
        """Of its body, as the answer to `method`; see `response_framing`."""
        if method == b"HEAD":
            return response_framing(self.known, self.status, self.minor, method)
        if self._framing is None:
            self._framing = response_framing(self.known, self.status, self.minor, method)
        return self._framing

    @property
    def is_worth_keeping(self) -> bool:
        """Whether it may stay in memory, to be recognised."""
        return len(self.block) <= REPEATED_BYTES_MAX and len(self.rest) <= REPEATED_LINES_MAX


def find_head_end(buffer: bytes, scanned: int, bytes_max: int) -> int:
    """The index behind the head that `buffer` begins with; 0 while it is incomplete and can still become one.

    :param scanned: how much of the buffer an earlier call has seen.
    :raises MalformedError: 414 or 431 where it is too long, 400 where it holds what no head may, so that nobody waits
        for the rest of it.
    """
    end = buffer.find(b"\r\n\r\n", scanned - 3 if scanned > 3 else 0) + 4
    if 4 <= end <= bytes_max:
        return end
    if end < 4 and len(buffer) <= bytes_max:
        if _NEVER_IN_HEAD.search(buffer, max(0, scanned - 2)):
            raise MalformedError("the head holds bytes that no head may hold")
        return 0
    if b"\r\n" not in buffer[:bytes_max]:
        raise MalformedError("the request target is too long", 414, "head_bytes_max")
    raise MalformedError("the header fields are too long", 431, "head_bytes_max")


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


def read_request_head(
    buffer: bytes, scanned: int, bytes_max: int, fields_max: int, last: RequestFields | None
) -> tuple[RequestHead, int] | None:
    """The request head that `buffer` begins with, and the index behind it; None while it is incomplete.

    Its method may be any token: what a node does with one is the node's business (RFC 9110 section 9.1).

    :param scanned: as `find_head_end` takes it, and `bytes_max` too.
    :param last: the fields of the connection's last request: the same bytes need not be read again.
    :raises MalformedError: 400, 414, 431 (too many fields too), 505 (another version: RFC 9112 section 2.3).
    """
    line_end = buffer.find(b"\r\n")
    target_end = line_end - len(_VERSION)
    if last is not None and buffer.startswith(last.block, target_end) and target_end + len(last.block) <= bytes_max:
        match = _METHOD_AND_TARGET.fullmatch(buffer, 0, target_end)
        if match is not None:
            return RequestHead(match[1], match[2], last), target_end + len(last.block)
    end = find_head_end(buffer, scanned, bytes_max)
    if not end:
        return None
    match = _REQUEST_LINE.fullmatch(buffer, 0, line_end)
    if match is None:
        if _OTHER_VERSION.fullmatch(buffer, 0, line_end) and not buffer.startswith(_HTTP_2_PREFACE):
            raise MalformedError("only HTTP/1.0 and HTTP/1.1 are spoken here", 505)
        raise MalformedError("the request line is malformed")
    lines = buffer[line_end + 2 : end - 4].split(b"\r\n") if end > line_end + 4 else []
    if len(lines) > fields_max:
        raise MalformedError("there are too many header fields", 431, "headers_max")
    known, rest = sort_request_fields(lines)
    fields = RequestFields(buffer[target_end:end], 1 if match[3] == b"1" else 0, known, rest)
    return RequestHead(match[1], match[2], fields), end


def read_response_head(
    buffer: bytes, scanned: int, bytes_max: int, fields_max: int, last: ResponseHead | None
) -> tuple[ResponseHead, int] | None:
    """The response head (interim ones too) that `buffer` begins with, and the index behind it; None while it is
    incomplete.

    :param scanned: as `find_head_end` takes it, and `bytes_max` too.
    :param last: an earlier head: the same bytes need not be read again.
    :raises MalformedError: in every other case; what it says is for a log.
    """
    if last is not None and buffer.startswith(last.block):
        return last, len(last.block)
    end = find_head_end(buffer, scanned, bytes_max)
    if not end:
        if buffer[:7] != _STATUS_LINE_START[: len(buffer)]:
            raise MalformedError("the node does not speak HTTP")
        return None
    lines = buffer[: end - 4].split(b"\r\n")
    line = _read_status_line(lines[0])
    del lines[0]
    if len(lines) > fields_max:
        raise MalformedError("the response has too many header fields")
    known, rest = sort_response_fields(lines)
    return ResponseHead(buffer[:end], line, known, rest), end


@lru_cache(maxsize=64)
def _read_status_line(line: bytes) -> StatusLine:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise MalformedError("the status line is malformed")
    return int(match[2]), b"HTTP/1.1 %b %b\r\n" % (match[2], match[3] or b""), 1 if match[1] == b"1" else 0
