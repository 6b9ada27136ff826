"""Single field lines (RFC 9112 section 5): their grammar, and a memory of those that were read. Pure.

Most lines of most messages are lines that were seen a moment ago, whoever sent them: `Accept-Encoding: gzip`,
`Server: nginx`, this second's Date. What a line says depends on its bytes alone, so each is checked and taken apart
once, and looked up from then on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nexus.edge.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable

LINES_REMEMBERED_MAX: Final = 2048
"""By each of the two halves of a memory; with `LINE_BYTES_REMEMBERED_MAX` it bounds one to some 4 MiB."""

LINE_BYTES_REMEMBERED_MAX: Final = 512

SECRET_NAMES: Final = frozenset(b"authorization proxy-authorization cookie set-cookie".split())
"""Whose lines are never remembered: they would stay in memory beyond their connection."""

_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):[\t ]*+([\t\x20-\x7e\x80-\xff]*+)")

KnownField = tuple[bytes, tuple[bytes, ...], bytes]
"""A field that the edge decides by: its lower-case name, its one value, and the line that passes, empty where none
does."""

Field = bytes | KnownField
"""What a line is to the edge: one that passes, with its CRLF, or a known one."""


def split_line(line: bytes) -> tuple[bytes, bytes]:
    """The name and the value of a field line, which is given without its CRLF.

    Nothing but tabs and spaces around a value is overlooked: no space before the colon, no obsolete folding (sections
    5.1 and 5.2), no CR, LF, NUL or other control character (RFC 9110 section 5.5).

    :raises MalformedError: where it is none.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        raise MalformedError("a field line is malformed")
    return match[1], match[2].rstrip(b" \t")


class FieldLines(dict[bytes, Field]):
    """What lines say: `lines[line]`, read by `read` where it is not remembered.

    Two halves: what is used is in the younger one; when that is full, it becomes the older one, and what was only in
    that is forgotten. So a stranger who sends ever new lines takes time from others, and no more memory.

    :param read: what a line, split, says; gets the lower-case name, the name and the value.
    """

    def __init__(self, read: Callable[[bytes, bytes, bytes], Field]) -> None:
        super().__init__()
        self._read = read
        self._older: dict[bytes, Field] = {}

    def __missing__(self, line: bytes) -> Field:
        """What `line` says.

        :raises MalformedError: where it is no field line.
        """
        field = self._older.get(line)
        if field is None:
            name, value = split_line(line)
            lower = name.lower()
            field = self._read(lower, name, value)
            if len(line) > LINE_BYTES_REMEMBERED_MAX or lower in SECRET_NAMES:
                return field
        if len(self) == LINES_REMEMBERED_MAX:
            self._older = self.copy()
            self.clear()
        self[line] = field
        return field
