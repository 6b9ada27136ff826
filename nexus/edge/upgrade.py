"""The websocket handshake, checked at both ends (RFC 6455 sections 4.1 and 4.2, RFC 9110 section 7.8). Pure.

`websocket` is the only protocol that a connection may change to. A request for anything else (`h2c` above all:
CVE-2026-88008), or one that is not complete, goes on as an ordinary request without its Upgrade; a node that changes
the protocol all the same, or to another one, has given no valid answer.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha1
from typing import TYPE_CHECKING, Final

from nexus.edge.errors import MalformedError
from nexus.edge.fields import list_members

if TYPE_CHECKING:
    from nexus.edge.heads import RequestHead, ResponseHead

_WEBSOCKET: Final = b"websocket"
_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{22}==")
_ACCEPT_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NEVER_NOMINATED: Final = frozenset({b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-accept"})
"""What the handshake needs at its other end too: a sender that names it in Connection takes it away there."""

_LINES: Final = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"


def websocket_key(head: RequestHead, framing: int) -> bytes | None:
    """The key of a complete request to speak websocket; None for every other request.

    Complete is: GET, HTTP/1.1, without a body, `websocket` in Upgrade and `upgrade` in Connection, version 13, and one
    key of 16 bytes (RFC 6455 section 4.2.1).
    """
    known = head.known
    if b"upgrade" not in known or head.method != b"GET" or head.minor == 0 or framing != 0:
        return None
    nominated = list_members(known.get(b"connection", ()))
    if (
        _WEBSOCKET not in list_members(known[b"upgrade"])
        or b"upgrade" not in nominated
        or not _NEVER_NOMINATED.isdisjoint(nominated)
        or known.get(b"sec-websocket-version") != (b"13",)
    ):
        return None
    keys = known.get(b"sec-websocket-key", ())
    return keys[0] if len(keys) == 1 and _KEY.fullmatch(keys[0]) else None


def upgrade_lines(head: RequestHead) -> bytes:
    """What the node is told besides, of a request that has a `websocket_key`. Its Origin is the node's to judge
    (RFC 6455 section 10.2)."""
    return _LINES + b"".join(b"Origin: %b\r\n" % origin for origin in head.known.get(b"origin", ()))


def check_switch(head: ResponseHead, key: bytes) -> None:
    """Check a node's 101 to a request with `key`.

    :raises MalformedError: unless it changes to websocket, and shows that it has read this key (RFC 6455 section
        4.2.2). It has no framing fields: a message that never ends has no length.
    """
    known = head.known
    accept = b64encode(sha1(key + _ACCEPT_SUFFIX, usedforsecurity=False).digest())
    nominated = list_members(known.get(b"connection", ()))
    if (
        head.minor == 0
        or list_members(known.get(b"upgrade", ())) != [_WEBSOCKET]
        or b"upgrade" not in nominated
        or not _NEVER_NOMINATED.isdisjoint(nominated)
        or known.get(b"sec-websocket-accept") != (accept,)
        or b"content-length" in known
        or b"transfer-encoding" in known
    ):
        raise MalformedError("the node changed the protocol in a way that nobody asked for")


def switch_head(head: ResponseHead) -> bytes:
    """The 101 that goes to the client."""
    return b"".join((b"HTTP/1.1 101 Switching Protocols\r\n", *head.rest, _LINES, b"\r\n"))
