"""Marks by which a response is known to be of its request: the request's path has a number, and an honest node repeats
it in a field of its response, with a checksum, so that a mangled mark is none."""

from __future__ import annotations

import re
from zlib import crc32

FIELD = b"X-Mark"
PLACE = b"@mark@"
"""What stands in a response for the mark."""

_IN_PATH = re.compile(rb"mark-([0-9]+)")
_MARK = re.compile(rb"([0-9]+)-([0-9a-f]{8})")


def path(number: int) -> bytes:
    """A path with that number."""
    return b"/ipfs/mark-%d" % number


def number_of(target: bytes) -> int | None:
    """The number in a request's target, if there is one, and only one."""
    found = set(_IN_PATH.findall(target))
    return int(found.pop()[:18]) if len(found) == 1 else None


def mark(number: int | None) -> bytes:
    """What an honest node says of the request with that number."""
    return b"none" if number is None else b"%d-%08x" % (number, crc32(b"%d" % number))


def marked(value: bytes) -> int | None:
    """The number that a mark tells; None for what is none."""
    match = _MARK.fullmatch(value)
    if match is None or int(match[2], 16) != crc32(match[1]):
        return None
    return int(match[1])
