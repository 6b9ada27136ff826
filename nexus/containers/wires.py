"""The sockets that are open to the engine, known from the moment that they are, so that another thread can cut them.

The SDK's own way to end a stream (`CancellableStream.close`) reaches for the socket through private attributes of
`requests`, `urllib3` and `http.client`, and can't end what has not answered yet.
"""

from __future__ import annotations

import socket as sockets
from contextlib import suppress
from threading import Lock
from weakref import WeakSet


class Wires:
    """The sockets that are open to the engine. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: WeakSet[sockets.socket] = WeakSet()
        self._is_cut = False

    def add(self, wire: sockets.socket) -> None:
        """Know `wire`.

        :raises ConnectionAbortedError: when everything was cut already.
        """
        with self._lock:
            if self._is_cut:
                wire.close()
                raise ConnectionAbortedError("the runtime is closed")
            self._open.add(wire)

    def cut(self) -> None:
        """End all connections, and those that would be opened later: whoever reads from one sees its end at once."""
        with self._lock:
            self._is_cut = True
            for wire in list(self._open):
                with suppress(OSError):
                    wire.shutdown(sockets.SHUT_RDWR)
