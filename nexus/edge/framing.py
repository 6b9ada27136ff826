"""Body framing (RFC 9112 sections 6 and 7): how long a body is, and incremental readers that accept nothing else.
Pure.

A reader is fed what arrives and gives back payload. `done` says that the body is complete; `surplus` holds what came
behind it. `has_more` says that it has not read all that it was fed: a peer may send 40,000 chunks in 256 KiB, and
others want a turn before all of them are read; feeding nothing reads on.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Protocol

from nexus.edge.errors import MalformedError
from nexus.edge.fields import Known, list_members, parse_field_lines

CHUNKED: Final = -1
"""A framing: chunked. Others are a length in bytes, or `UNTIL_CLOSE`."""

UNTIL_CLOSE: Final = -2
"""A framing: the body ends with the connection (responses only)."""

CHUNK_LINE_BYTES_MAX: Final = 256
CHUNK_EXTENSIONS_BYTES_MAX: Final = 4096
CHUNKS_PER_TURN_MAX: Final = 2048
"""How many chunks are read before others have their turn: some 1 ms, and 3 where they are written strangely."""

TRAILERS_BYTES_MAX: Final = 16 * 1024
TRAILERS_MAX: Final = 100
_LENGTH_MAX: Final = 2**63 - 1
_LENGTH_DIGITS_MAX: Final = 19

_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})([\t ]*;[\t\x20-\x7e\x80-\xff]*)?")
_PLAIN_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
_PLAIN_SIZE_BYTES_MAX: Final = 8
_PARTIAL_CHUNK_LINE: Final = re.compile(rb"(?:[0-9A-Fa-f]{1,16}(?:\r?|[\t ]+|[\t ]*;[\t\x20-\x7e\x80-\xff]*\r?))?")
_NEVER_IN_TRAILERS: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n|\Z)")


class BodyReader(Protocol):
    """What reads one body."""

    done: bool
    surplus: bytes

    @property
    def has_more(self) -> bool:
        """Whether a part of what it was fed is still to be read."""

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`.

        :raises MalformedError: where the bytes are not a body of this framing.
        """


class LengthBody:
    """A body of known length: its bytes pass as they are."""

    __slots__ = ("done", "remaining", "surplus")

    has_more = False

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.done = length == 0
        self.surplus = b""

    def feed(self, data: bytes) -> bytes:
        """See `BodyReader.feed`."""
        if len(data) < self.remaining:
            self.remaining -= len(data)
            return data
        payload = data[: self.remaining]
        self.surplus = data[self.remaining :]
        self.remaining = 0
        self.done = True
        return payload

    def skip(self, count: int) -> None:
        """`count` bytes, at most what remains, have passed elsewhere."""
        self.remaining -= count
        self.done = self.remaining == 0


NO_BODY: Final = LengthBody(0)
"""For a message that has none, and that is never asked for what is behind it."""


class CloseBody:
    """A body that ends with its connection: whoever sees it closed says whether that was an end or a cut."""

    __slots__ = ("done", "surplus")

    has_more = False

    def __init__(self) -> None:
        self.done = False
        self.surplus = b""

    def feed(self, data: bytes) -> bytes:
        """See `BodyReader.feed`."""
        return data


class ChunkedBody:
    """A chunked body (section 7.1): 1*HEXDIG sizes of at most 16 digits, CRLF exactly, extensions (and the white space
    before them) overlooked and bounded, trailers kept apart from the header.

    :ivar trailers: complete when `done`.
    """

    __slots__ = (
        "_extension_bytes",
        "_in_data",
        "_in_trailers",
        "_pending",
        "_remaining",
        "done",
        "has_more",
        "surplus",
        "trailers",
    )

    def __init__(self) -> None:
        self._pending = b""
        self._remaining = 0
        self._in_data = False
        self._in_trailers = False
        self._extension_bytes = 0
        self.has_more = False
        self.done = False
        self.surplus = b""
        self.trailers: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes) -> bytes:
        """See `BodyReader.feed`."""
        if self._pending:
            data = self._pending + data
            self._pending = b""
        self.has_more = False
        payload: list[bytes] = []
        position = 0
        while not self.done:
            if not (self._in_data or self._in_trailers):
                position = _take_whole_chunks(data, position, payload)
            if len(payload) >= CHUNKS_PER_TURN_MAX and position < len(data):
                self.has_more = True
                self._pending = data[position:]
                break
            if self._in_data:
                taken = data[position : position + self._remaining]
                self._remaining -= len(taken)
                position += len(taken)
                if taken:
                    payload.append(taken)
                if self._remaining:
                    break
                behind = data[position : position + 2]
                if behind != b"\r\n":
                    if behind not in (b"", b"\r"):
                        raise MalformedError("a chunk does not end where its size says")
                    self._pending = behind
                    break
                position += 2
                self._in_data = False
            advanced = (
                self._read_trailers(data, position) if self._in_trailers else self._read_chunk_line(data, position)
            )
            if advanced == position:
                self._pending = data[position:]
                break
            position = advanced
        if self.done:
            self.surplus = data[position:]
        return payload[0] if len(payload) == 1 else b"".join(payload)

    def _read_chunk_line(self, data: bytes, position: int) -> int:
        """The position behind the chunk's size line, or `position` while it is incomplete."""
        end = data.find(b"\r\n", position, position + CHUNK_LINE_BYTES_MAX + 2)
        if end < 0:
            too_long = len(data) - position > CHUNK_LINE_BYTES_MAX
            if too_long or _PARTIAL_CHUNK_LINE.fullmatch(data, position) is None:
                raise MalformedError("a chunk size line is malformed")
            return position
        line = _CHUNK_LINE.fullmatch(data, position, end)
        if line is None:
            raise MalformedError("a chunk size line is malformed")
        size = int(line[1], 16)
        self._extension_bytes += len(line[2] or b"")
        if self._extension_bytes > CHUNK_EXTENSIONS_BYTES_MAX or size > _LENGTH_MAX:
            raise MalformedError("a chunk size line is out of bounds")
        if size:
            self._remaining = size
            self._in_data = True
        else:
            self._in_trailers = True
        return end + 2

    def _read_trailers(self, data: bytes, position: int) -> int:
        """The position behind the trailer section (section 7.1.2), or `position` while it is incomplete."""
        if data.startswith(b"\r\n", position):
            self.done = True
            return position + 2
        end = data.find(b"\r\n\r\n", position)
        if (len(data) if end < 0 else end) - position > TRAILERS_BYTES_MAX:
            raise MalformedError("the trailers are too long", 431)
        if end < 0:
            if _NEVER_IN_TRAILERS.search(data, position):
                raise MalformedError("a trailer is malformed")
            return position
        self.trailers = parse_field_lines(data[position : end + 2])
        if len(self.trailers) > TRAILERS_MAX:
            raise MalformedError("there are too many trailers", 431)
        self.done = True
        return end + 4


def _take_whole_chunks(data: bytes, position: int, payload: list[bytes]) -> int:
    """Add to `payload` the chunks, from `position` on, that are there as a whole and written as most are: the position
    behind them. Whatever else it meets, it leaves."""
    while len(payload) < CHUNKS_PER_TURN_MAX:
        line_end = data.find(b"\r\n", position, position + _PLAIN_SIZE_BYTES_MAX + 2)
        size = 0 if line_end < 0 else _plain_size(data[position:line_end])
        end = line_end + 2 + size
        if not size or data[end : end + 2] != b"\r\n":
            break
        payload.append(data[line_end + 2 : end])
        position = end + 2
    return position


@lru_cache(maxsize=4096)
def _plain_size(line: bytes) -> int:
    """The size that a chunk's line says and nothing else; 0 for any other line, and for the last chunk's."""
    return int(line, 16) if _PLAIN_SIZE.fullmatch(line) is not None else 0


def body_reader(framing: int) -> BodyReader:
    """What reads a body of `framing`."""
    if framing >= 0:
        return LengthBody(framing)
    return ChunkedBody() if framing == CHUNKED else CloseBody()


def request_framing(known: Known, minor: int) -> int:
    """How long a request's body is: a length, or `CHUNKED` (RFC 9112 section 6.3).

    :raises MalformedError: where it could be read in two ways (CL beside TE, more than one CL, TE in HTTP/1.0), or
        the coding is unknown (501).
    """
    codings = known.get(b"transfer-encoding")
    if codings is None:
        lengths = known.get(b"content-length")
        return 0 if lengths is None else _length(lengths)
    if minor == 0:
        raise MalformedError("HTTP/1.0 has no Transfer-Encoding")
    if b"content-length" in known:
        raise MalformedError("a message with Transfer-Encoding has no Content-Length")
    if len(codings) == 1 and codings[0].lower() == b"chunked":
        return CHUNKED
    members = list_members(codings)
    if len(members) > 1 and members.count(b"chunked") == 1 and members[-1] == b"chunked":
        raise MalformedError("the transfer coding is not implemented", 501)
    raise MalformedError("the Transfer-Encoding ends in no single chunked")


def response_framing(known: Known, status: int, minor: int, method: bytes) -> int:
    """How long a response's body is: a length, `CHUNKED` or `UNTIL_CLOSE` (RFC 9112 section 6.3). There is none to
    HEAD, nor behind 1xx, 204, 205 and 304 (RFC 9110 sections 6.4.1, 9.3.2, 15.2, 15.3.5, 15.3.6 and 15.4.5).

    :raises MalformedError: where it could be read in two ways, or a status that has no body announces one.
    """
    codings = known.get(b"transfer-encoding")
    lengths = known.get(b"content-length")
    length = None if lengths is None else _length(lengths)
    if codings is not None:
        if minor == 0 or lengths is not None or len(codings) != 1 or codings[0].lower() != b"chunked":
            raise MalformedError("the response's framing is ambiguous")
        if status < 200 or status in (204, 205):
            raise MalformedError("a status without a body announces one")
    if status < 200 or status == 204:
        if length:
            raise MalformedError("a status without a body announces one")
        return 0
    if method == b"HEAD" or status == 304:
        return 0
    if status == 205:
        if length:
            raise MalformedError("a status without a body announces one")
        return 0
    if codings is not None:
        return CHUNKED
    return UNTIL_CLOSE if length is None else length


def _length(values: tuple[bytes, ...]) -> int:
    """RFC 9112 section 6.3: digits only, once; a list, even of equal values, is refused."""
    value = values[0]
    if len(values) != 1 or not value.isdigit() or len(value) > _LENGTH_DIGITS_MAX:
        raise MalformedError("the Content-Length is malformed")
    length = int(value)
    if length > _LENGTH_MAX:
        raise MalformedError("the Content-Length is out of bounds")
    return length


def chunk(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """`payload`, not empty, as one chunk, in pieces for `writeSequence`."""
    return b"%x\r\n" % len(payload), payload, b"\r\n"


def last_chunk(trailers: list[tuple[bytes, bytes]]) -> bytes:
    """The end of a chunked body."""
    if not trailers:
        return b"0\r\n\r\n"
    return b"0\r\n" + b"".join(b"%b: %b\r\n" % trailer for trailer in trailers) + b"\r\n"
