"""What a TCP connection is set to: small writes are sent at once, and peers that vanish without a word are found.

A connection that is accepted has the options of the socket that it was accepted at, so that clients' are set once, and
not six of them for each connection.
"""

from __future__ import annotations

import socket
import sys
from typing import Final, Protocol

KEEP_ALIVE_IDLE_S: Final = 60
KEEP_ALIVE_INTERVAL_S: Final = 15
KEEP_ALIVE_PROBES: Final = 4
"""A peer that vanished is found within two minutes, or a user timeout if that is longer; the kernel's own default is
two hours."""

_TCP_USER_TIMEOUT: Final = 18


class Settable(Protocol):
    """A socket, or what stands for one."""

    def setsockopt(self, level: int, option: int, value: int, /) -> object: ...


def set_stream_options(stream: Settable, user_timeout_s: float = 0.0) -> None:
    """Set them, of a connection or of a socket that accepts connections.

    :param user_timeout_s: after how long without an acknowledgement of what was sent the kernel gives the peer up
        (TCP_USER_TIMEOUT of tcp(7)); 0 leaves that to its retransmissions, some 15 minutes. Linux counts a peer that
        takes nothing but still acknowledges its zero window as well (tried on 6.18), so nodes get none: one that
        stalls an upload for minutes may be at work. A client may stall for as long as `edge.send_timeout_s`, so its
        must be longer than that: then the edge ends it, and can say why.
    """
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_IDLE_S)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEP_ALIVE_INTERVAL_S)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEP_ALIVE_PROBES)
        if user_timeout_s:
            stream.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int(user_timeout_s * 1000))
