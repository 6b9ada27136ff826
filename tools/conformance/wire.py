"""Both ends of a proxy on real sockets: a client that sends bytes, and a backend that records the ones it gets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from typing import cast

from tests.edge.hostile.case import End
from tests.edge.strict import Message, read_requests

NEXT_TARGET = b"/next"
"""What the next client asks for: the backend's answer to it is always the same."""


class Wire(asyncio.Protocol):
    """One end of a connection: all that came, and how it ended.

    :ivar end: `open`, `fin` or `rst`.
    :ivar changed_at: when something came last; a time of the monotonic clock.
    """

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.received = b""
        self.end = "open"
        self.changed_at = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self.transport = cast(asyncio.Transport, transport)
        self.changed_at = time.monotonic()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self.received += data
        self.changed_at = time.monotonic()

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`. What is to be sent still is."""
        self._end("fin")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end("rst" if isinstance(exc, ConnectionError) else "fin")

    def finish(self, end: End) -> None:
        """End our half as a case says."""
        if self.transport.is_closing():
            return
        if end is End.FIN:
            with contextlib.suppress(OSError):
                self.transport.write_eof()
        elif end is End.RST:
            self.reset()

    def reset(self) -> None:
        """End at once, by RST."""
        if not self.transport.is_closing():
            connection = cast(socket.socket, self.transport.get_extra_info("socket"))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

    def _end(self, end: str) -> None:
        if self.end == "open" or (self.end == "fin" and end == "rst"):
            self.end = end
            self.changed_at = time.monotonic()


@dataclass(frozen=True, slots=True)
class Script:
    """What the backend answers in place of 200."""

    data: bytes
    end: End


class BackendConnection(Wire):
    """The backend's end of a connection."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self._backend = backend
        self._answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._backend.connections.append(self)

    def data_received(self, data: bytes) -> None:
        """Answer each request that has arrived, and also what is none: a proxy that sends such a thing waits."""
        super().data_received(data)
        messages = read_requests(self.received)
        ready = [message for message in messages if message.complete or message.problems]
        for message in ready[self._answered :]:
            self._answer(message)
        self._answered = len(ready)

    def _answer(self, message: Message) -> None:
        script = None if message.target == NEXT_TARGET else self._backend.script_for(message)
        if script is not None:
            self.transport.write(script.data)
            if script.end is not End.NONE:
                # What was written gets out before a reset overtakes it.
                asyncio.get_running_loop().call_later(0.01, self.finish, script.end)
            return
        target = message.target or b"-"
        body = b"" if message.line[0] == b"HEAD" else target
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), body))
        if message.problems:
            self.finish(End.FIN)


class Backend:
    """Stands behind one proxy.

    :ivar connections: those since the last `forget`.
    :ivar script: what it answers now.
    """

    def __init__(self) -> None:
        self.connections: list[BackendConnection] = []
        self.script: Script | None = None
        self.port = 0
        self._server: asyncio.Server | None = None

    def script_for(self, message: Message) -> Script | None:
        """What it answers to `message`; None for 200."""
        return self.script

    async def start(self) -> None:
        """Listen on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: BackendConnection(self), "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stop listening, and reset what is open."""
        self.forget()
        if self._server is not None:
            self._server.close()

    def forget(self) -> None:
        """Begin anew: no connection is there, and nothing has been said."""
        for connection in self.connections:
            connection.reset()
        self.connections = []
        self.script = None

    @property
    def changed_at(self) -> float:
        """When something came last."""
        return max((connection.changed_at for connection in self.connections), default=0.0)


async def connect(port: int) -> Wire:
    """A client's connection to a proxy."""
    _, wire = await asyncio.get_running_loop().create_connection(Wire, "127.0.0.1", port)
    return wire
