"""The PROXY protocol: who a connection comes from, told by what stands before us in its first bytes. Pure.

Versions 1 and 2, as HAProxy's doc/proxy-protocol.txt (2020/03/05) has them; what it leaves to the receiver is refused.
Only connections from the addresses in `edge.proxy_protocol_from` are read so, and those must begin with a header: one
that could be left out could be forged (its section 5).
"""

from __future__ import annotations

import re
import socket
import struct
from typing import Final

from nexus.edge.errors import MalformedError

V1_BYTES_MAX: Final = 107
"""The longest line of version 1, its CRLF included (section 2.1)."""

V2_BYTES_MAX: Final = 4096
"""The longest header of version 2 that we take, its type-length-values included. They may be 64 KiB by the
specification, and are some hundred bytes in practice."""

_V1_START: Final = b"PROXY "
_V1_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [\x20-\x7e]*)?\r\n")
_PORT: Final = rb"(?:0|[1-9][0-9]{0,4})"
_V1_TCP: Final = re.compile(
    rb"PROXY TCP(4|6) ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39}) (" + _PORT + rb") (" + _PORT + rb")\r\n"
)
_V2_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEAD_BYTES: Final = 16
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_V2_FAMILIES: Final = {
    0x00: (None, 0),
    0x11: (socket.AF_INET, 4),
    0x21: (socket.AF_INET6, 16),
    0x31: (None, 108),
}
"""By family and transport: UNSPEC, TCP over IPv4, TCP over IPv6, UNIX stream; and the length of one address."""

_PORTS_BYTES: Final = 4


def read_proxy_header(buffer: bytes) -> tuple[int, str | None] | None:
    """How long the header is that `buffer` begins with, and the client's IP address; None for the address where the
    header tells none (UNKNOWN, LOCAL, UNSPEC, a unix socket): then the connection is the sender's own.

    None while the header is incomplete and can still become one.

    :raises MalformedError: where it is none.
    """
    if buffer[: len(_V2_SIGNATURE)] == _V2_SIGNATURE[: len(buffer)]:
        return _read_v2(buffer)
    if buffer[: len(_V1_START)] == _V1_START[: len(buffer)]:
        return _read_v1(buffer)
    raise MalformedError("the connection does not begin with a PROXY header", 400, "proxy_header")


def _malformed() -> MalformedError:
    return MalformedError("the PROXY header is malformed", 400, "proxy_header")


def _read_v1(buffer: bytes) -> tuple[int, str | None] | None:
    end = buffer.find(b"\n", 0, V1_BYTES_MAX) + 1
    if not end:
        if len(buffer) >= V1_BYTES_MAX:
            raise _malformed()
        return None
    line = buffer[:end]
    if _V1_UNKNOWN.fullmatch(line):
        return end, None
    match = _V1_TCP.fullmatch(line)
    if match is None or int(match[4]) > 65535 or int(match[5]) > 65535:
        raise _malformed()
    family = socket.AF_INET if match[1] == b"4" else socket.AF_INET6
    try:
        source, _ = (socket.inet_pton(family, match[index].decode("ascii")) for index in (2, 3))
    except OSError:
        raise _malformed() from None
    return end, socket.inet_ntop(family, source)


def _read_v2(buffer: bytes) -> tuple[int, str | None] | None:
    if len(buffer) < _V2_HEAD_BYTES:
        return None
    command, kind, length = struct.unpack_from("!BBH", buffer, len(_V2_SIGNATURE))
    end = _V2_HEAD_BYTES + length
    if command not in (_LOCAL, _PROXY) or end > V2_BYTES_MAX:
        raise _malformed()
    if command == _LOCAL:  # whatever else it says does not count (section 2.2)
        return (end, None) if len(buffer) >= end else None
    if kind not in _V2_FAMILIES:
        raise _malformed()
    family, address_bytes = _V2_FAMILIES[kind]
    if length < 2 * address_bytes + (0 if family is None else _PORTS_BYTES):
        raise _malformed()
    if len(buffer) < end:
        return None
    if family is None:
        return end, None
    return end, socket.inet_ntop(family, buffer[_V2_HEAD_BYTES : _V2_HEAD_BYTES + address_bytes])
