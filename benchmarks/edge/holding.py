"""A client that holds many connections open: `python -m benchmarks.edge.holding` with a `Hold` in JSON.

Opens them in steps, says `held N` on stdout after each step, and waits for a line on stdin before it checks them and
takes the next; it ends with its input.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
from dataclasses import dataclass
from typing import Final, Literal

CONNECT_TIMEOUT_S: Final = 20.0
_OK: Final = b"HTTP/1.1 200 "
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class HoldError(Exception):
    """A connection did not come to where it was to be held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What is to be held.

    :ivar steps: how many connections there are to be in all, after each step.
    :ivar request: what each sends: a whole request, or the first part of one.
    :ivar awaits: what must have come of the answer, a 200, before the connection is left alone; no more of it is read.
    :ivar body_bytes: how many bytes of body follow `request`, for one that is left unfinished.
    :ivar receive_buffer_bytes: of the kernel's for each connection; 0 for its own choice.
    """

    port: int
    steps: tuple[int, ...]
    request: str
    awaits: Literal["nothing", "its head", "all of it"]
    body_bytes: int = 0
    receive_buffer_bytes: int = 0


def open_one(hold: Hold) -> socket.socket:
    """A connection that is where it is to be held.

    :raises HoldError: where it did not come there.
    """
    connection = socket.socket()
    if hold.receive_buffer_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, hold.receive_buffer_bytes)
    connection.settimeout(CONNECT_TIMEOUT_S)
    connection.connect(("127.0.0.1", hold.port))
    connection.sendall(hold.request.encode() + os.urandom(hold.body_bytes))
    if hold.awaits == "its head":
        _check_head(connection.recv(len(_OK), socket.MSG_PEEK | socket.MSG_WAITALL))
    elif hold.awaits == "all of it":
        _read_answer(connection)
    return connection


def check(hold: Hold, held: list[socket.socket]) -> None:
    """See that none was answered, or ended, that should not have been.

    :raises HoldError: otherwise.
    """
    if hold.awaits == "its head":
        return
    for connection in held:
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            raise HoldError(f"a connection did not last: {connection.recv(200)!r}")


def _check_head(head: bytes) -> None:
    if head[: len(_OK)] != _OK:
        raise HoldError(f"an answer that was not asked for: {head!r}")


def _read_answer(connection: socket.socket) -> None:
    received = b""
    while True:
        chunk = connection.recv(65536)
        received += chunk
        head, end, body = received.partition(b"\r\n\r\n")
        if end:
            length = _LENGTH.search(head)
            _check_head(head)
            if length is not None and len(body) >= int(length[1]):
                return
        if not chunk:
            raise HoldError(f"the connection ended in {received[:200]!r}")


def main(hold: Hold) -> None:
    """Hold them.

    :raises HoldError: where a connection did not come to where it was to be held.
    """
    held: list[socket.socket] = []
    for step in hold.steps:
        held += (open_one(hold) for _ in range(step - len(held)))
        print(f"held {len(held)}", flush=True)
        if not sys.stdin.readline():
            break
        check(hold, held)
    print("lasted", flush=True)


if __name__ == "__main__":
    try:
        main(Hold(**json.loads(sys.argv[1])))
    except (OSError, HoldError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
