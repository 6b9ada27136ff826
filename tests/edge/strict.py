"""A second opinion on what leaves the edge: messages, read whole and strictly (RFC 9112), by none of the edge's code.

It reads what a recording peer got, once it is there: not incremental, and never lenient. What breaks a rule is told as
a problem, and reading ends there, since two readers might go on differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

Fields = list[tuple[bytes, bytes]]

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) (HTTP/1\.[01])")
_STATUS_LINE: Final = re.compile(rb"(HTTP/1\.[01]) ([0-9]{3})(?: [\t -~\x80-\xff]*)?")
_FIELD: Final = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
_NEVER: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n|\Z)")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]+)(?:[ \t]*;[\t -~\x80-\xff]*)?")


@dataclass(slots=True)
class Message:
    """One request or response.

    :ivar line: the start line's three parts; empty while it has not come.
    :ivar complete: all of it is there.
    :ivar problems: what breaks a rule.
    :ivar raw: its bytes; all that there are from there on, where there are problems.
    """

    line: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    fields: Fields = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    complete: bool = False
    problems: list[str] = field(default_factory=list)
    raw: bytes = b""

    def values(self, name: bytes) -> list[bytes]:
        """The values of all fields of that name."""
        return [value for known, value in self.fields if known.lower() == name]

    @property
    def status(self) -> int:
        """Of a response; 0 while it has not come."""
        return int(self.line[1] or 0)

    @property
    def target(self) -> bytes:
        """Of a request."""
        return self.line[1]

    @property
    def plain(self) -> bytes:
        """Its bytes without chunk framing, so that patterns can be looked for; trailers behind an empty line."""
        if self.problems or not self.line[1]:
            return self.raw
        head = self.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        return head + self.body + b"".join(b"\r\n%b: %b\r\n" % trailer for trailer in self.trailers)


def read_requests(data: bytes) -> list[Message]:
    """The requests in what a server got on one connection; the last may be incomplete, or have problems."""
    return list(_read(data, None, ended=False))


def read_responses(data: bytes, methods: Sequence[bytes] = (b"GET",), *, ended: bool = False) -> list[Message]:
    """The responses, interim ones too, in what a client got that sent requests of `methods`.

    :param ended: whether the connection has ended in order behind them.
    """
    return list(_read(data, list(methods), ended=ended))


def _read(data: bytes, methods: list[bytes] | None, *, ended: bool) -> Iterator[Message]:
    position = 0
    while position < len(data):
        message = Message()
        began = position
        position = _read_message(message, data, position, methods, ended)
        message.raw = data[began:] if message.problems else data[began:position]
        yield message
        if message.problems or not message.complete:
            return


def _read_message(message: Message, data: bytes, position: int, methods: list[bytes] | None, ended: bool) -> int:
    """Read the message at `position`; the position behind it."""
    end = data.find(b"\r\n\r\n", position)
    head = data[position:] if end < 0 else data[position : end + 2]
    if _NEVER.search(head):
        message.problems.append("bytes that no head may hold")
    if end < 0 or message.problems:
        return len(data)
    position = end + 4
    lines = head[:-2].split(b"\r\n")
    start = (_REQUEST_LINE if methods is None else _STATUS_LINE).fullmatch(lines[0])
    if start is None:
        message.problems.append("a malformed start line")
        return position
    message.line = (start[1], start[2], start[3] if methods is None else b"")
    for line in lines[1:]:
        matched = _FIELD.fullmatch(line)
        if matched is None:
            message.problems.append("a malformed field line")
            return position
        message.fields.append((matched[1], matched[2]))
    version = start[3] if methods is None else start[1]
    if methods is None:
        _check_request(message, version)
        length = _framing(message, version, bodiless=False, is_request=True)
    else:
        method = b""
        if message.status >= 200:
            if not methods:
                message.problems.append("a response that nobody asked for")
                return position
            method = methods.pop(0)
        bodiless = message.status < 200 or message.status in (204, 304) or method == b"HEAD"
        length = _framing(message, version, bodiless=bodiless, is_request=False)
    if message.problems:
        return position
    return _read_body(message, data, position, length, ended)


def _check_request(message: Message, version: bytes) -> None:
    hosts = message.values(b"host")
    if len(hosts) > 1 or (version == b"HTTP/1.1" and not hosts):
        message.problems.append("not exactly one Host")
    if b"#" in message.target:
        message.problems.append("a fragment in the target")


def _framing(message: Message, version: bytes, *, bodiless: bool, is_request: bool) -> int:
    """A length, -1 for chunked, -2 until the end of the connection."""
    codings, lengths = message.values(b"transfer-encoding"), message.values(b"content-length")
    problems = message.problems
    if lengths and (len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,19}", lengths[0])):
        problems.append("a malformed Content-Length")
        return 0
    if codings:
        if [coding.lower() for coding in codings] != [b"chunked"]:
            problems.append("a Transfer-Encoding that is not just chunked")
        if lengths:
            problems.append("Content-Length beside Transfer-Encoding")
        if version == b"HTTP/1.0":
            problems.append("Transfer-Encoding in HTTP/1.0")
    if bodiless and not is_request and (message.status < 200 or message.status == 204):
        if codings or (lengths and int(lengths[0])):
            problems.append("a body announced where there is none")
        return 0
    if bodiless:
        return 0
    if codings:
        return -1
    if lengths:
        return int(lengths[0])
    return 0 if is_request else -2


def _read_body(message: Message, data: bytes, position: int, length: int, ended: bool) -> int:
    if length == -1:
        return _read_chunked(message, data, position)
    if length == -2:
        message.body = data[position:]
        message.complete = ended
        return len(data)
    message.body = data[position : position + length]
    message.complete = len(message.body) == length
    return position + length


def _read_chunked(message: Message, data: bytes, position: int) -> int:
    while True:
        end = data.find(b"\r\n", position)
        line = data[position:] if end < 0 else data[position:end]
        size = _CHUNK_SIZE.fullmatch(line)
        if (end >= 0 and size is None) or _NEVER.search(line):
            message.problems.append("a malformed chunk size")
        if end < 0 or size is None or message.problems:
            return len(data)
        position = end + 2
        length = int(size[1], 16)
        if length == 0:
            return _read_trailers(message, data, position)
        message.body += data[position : position + length]
        behind = data[position + length : position + length + 2]
        position += length + 2
        if behind != b"\r\n":
            if not b"\r\n".startswith(behind):
                message.problems.append("a chunk that does not end where its size says")
            return len(data)


def _read_trailers(message: Message, data: bytes, position: int) -> int:
    while True:
        end = data.find(b"\r\n", position)
        line = data[position:] if end < 0 else data[position:end]
        if _NEVER.search(line):
            message.problems.append("a malformed trailer")
        if end < 0 or message.problems:
            return len(data)
        position = end + 2
        if not line:
            message.complete = True
            return position
        matched = _FIELD.fullmatch(line)
        if matched is None:
            message.problems.append("a malformed trailer")
            return position
        message.trailers.append((matched[1], matched[2]))
