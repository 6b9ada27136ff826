"""A server that takes uploads and throws them away: `python -m benchmarks.edge.sink PORT`. Linux only.

Answers with the count of bytes, and, where the target holds `hash`, with their SHA-256. The kernel discards the bytes
of other bodies (MSG_TRUNC, tcp(7)), so that an upload waits for the proxy alone.
"""

from __future__ import annotations

import hashlib
import re
import selectors
import socket
import sys
from typing import Final

READ_BYTES: Final = 1024 * 1024
HEAD_BYTES_MAX: Final = 65536
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_BUFFER: Final = bytearray(READ_BYTES)


class Upload:
    """One connection, with one request after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._begin()

    def _begin(self) -> None:
        self._head = bytearray()
        self._is_in_head = True
        self._left_bytes = self._length = 0
        self._hash: hashlib._Hash | None = None

    def readable(self) -> bool:
        """Take what has come; whether the connection is still of use."""
        try:
            if self._is_in_head:
                received = self.connection.recv(HEAD_BYTES_MAX)
                self._head += received
                return bool(received) and self._take_head()
            flags = socket.MSG_TRUNC if self._hash is None else 0
            count = self.connection.recv_into(_BUFFER, min(self._left_bytes, READ_BYTES), flags)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return count > 0 and self._take(memoryview(_BUFFER)[:count])

    def _take_head(self) -> bool:
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return len(self._head) < HEAD_BYTES_MAX
        head, early = bytes(self._head[:end]), bytes(self._head[end + 4 :])
        length = _LENGTH.search(head)
        if length is None:
            return False
        self._is_in_head = False
        self._left_bytes = self._length = int(length[1])
        if b"hash" in head.partition(b"\r\n")[0]:
            self._hash = hashlib.sha256()
        return self._take(memoryview(early))

    def _take(self, received: memoryview) -> bool:
        self._left_bytes -= len(received)
        if self._hash is not None:
            self._hash.update(received)
        if self._left_bytes == 0:
            told = f"{self._length} {self._hash.hexdigest() if self._hash is not None else '-'}"
            self.connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(told)}\r\n\r\n{told}".encode())
            self._begin()
        return True


def serve(port: int) -> None:
    """Take uploads on `port` of 127.0.0.1, for ever."""
    listening = socket.create_server(("127.0.0.1", port), backlog=4096)
    listening.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(listening, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    connection, _ = listening.accept()
                    connection.setblocking(False)
                    selector.register(connection, selectors.EVENT_READ, Upload(connection))
                elif not key.data.readable():
                    selector.unregister(key.data.connection)
                    key.data.connection.close()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
