"""Single field lines (RFC 9112 section 5): their grammar, and a memory of those that were read. Pure.

Most lines of most messages are lines that were seen a moment ago, whoever sent them: `Accept-Encoding: gzip`,
`Server: nginx`, this second's Date. What a line says depends on its bytes alone, so each is checked and taken apart
once, and looked up from then on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from nexus.edge.errors import MalformedError

LINES_REMEMBERED_MAX: Final = 2048
"""By each of the two halves of a memory; with `LINE_BYTES_REMEMBERED_MAX` it bounds one to some 4 MiB."""

LINE_BYTES_REMEMBERED_MAX: Final = 512

SIGHTINGS: Final = 1024
"""How many marks of lines that came once are kept, each until another takes its place."""

SECRET_NAMES: Final = frozenset(b"authorization proxy-authorization cookie set-cookie".split())
"""Whose lines are never remembered: they would stay in memory beyond their connection."""

NAMES_REMEMBERED_MAX: Final = 512
NAME_BYTES_REMEMBERED_MAX: Final = 64

_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NEVER_IN_VALUE: Final = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")

KnownField = tuple[bytes, tuple[bytes, ...], bytes]
"""A field that the edge decides by: its lower-case name, its one value, and the line that passes, empty where none
does."""

Field = bytes | KnownField
"""What a line is to the edge: one that passes, with its CRLF, or a known one."""


FieldReader = Callable[[bytes], Field]
"""What a field of one name says, by its value."""


def split_line(line: bytes) -> tuple[bytes, bytes]:
    """The name and the value of a field line, which is given without its CRLF.

    Nothing but tabs and spaces around a value is overlooked: no space before the colon, no obsolete folding (sections
    5.1 and 5.2), no CR, LF, NUL or other control character (RFC 9110 section 5.5).

    :raises MalformedError: where it is none.
    """
    name, colon, value = line.partition(b":")
    if not colon or _NAME.fullmatch(name) is None or _NEVER_IN_VALUE.search(value) is not None:
        raise MalformedError("a field line is malformed")
    return name, value.strip(b" \t")


class FieldLines(dict[bytes, Field]):
    """What lines say: `lines[line]`, read by `read` where it is not remembered.

    A line is remembered when it comes for the second time: many (an ETag, an identifier of the request) never do, and
    would only push others out, of this memory and of the processor's. There are two halves: what is used is in the
    younger one; when that is full, it becomes the older one, and what was only in that is forgotten. So a stranger who
    sends ever new lines takes time from others, and no more memory.

    :param reader: makes what reads the fields of one name, spelled as it is given.
    """

    def __init__(self, reader: Callable[[bytes], FieldReader]) -> None:
        super().__init__()
        self._reader = reader
        self._readers: dict[bytes, FieldReader] = {}
        self._older: dict[bytes, Field] = {}
        self._sighted = [0] * SIGHTINGS

    def __missing__(self, line: bytes) -> Field:
        """What `line` says.

        :raises MalformedError: where it is no field line.
        """
        field = self._older.get(line)
        if field is None:
            name, colon, value = line.partition(b":")
            read = self._readers.get(name)
            if read is None:
                read = self._learn(name)
            if not colon or _NEVER_IN_VALUE.search(value) is not None:
                raise MalformedError("a field line is malformed")
            field = read(value.strip(b" \t"))
            mark = hash(line)
            if self._sighted[mark % SIGHTINGS] != mark:
                self._sighted[mark % SIGHTINGS] = mark
                return field
            if len(line) > LINE_BYTES_REMEMBERED_MAX or name.lower() in SECRET_NAMES:
                return field
        if len(self) == LINES_REMEMBERED_MAX:
            self._older = self.copy()
            self.clear()
        self[line] = field
        return field

    def _learn(self, name: bytes) -> FieldReader:
        if _NAME.fullmatch(name) is None:
            raise MalformedError("a field line is malformed")
        read = self._reader(name)
        if len(name) <= NAME_BYTES_REMEMBERED_MAX:
            if len(self._readers) == NAMES_REMEMBERED_MAX:
                self._readers.clear()
            self._readers[name] = read
        return read
