"""A client of large bodies, as a process of its own: `python -m benchmarks.edge.transfers` with a `Job` in JSON.

Some connections each carry one body after the other, for so many or so long. Downloads are discarded by the kernel
(MSG_TRUNC, tcp(7)) and uploads come from the page cache (sendfile(2)), so that the client costs next to nothing; every
length is checked. Where hashes are asked for, downloads are read, and the sink reads uploads.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import selectors
import socket
import sys
import time
from dataclasses import asdict, dataclass
from typing import BinaryIO, Final

READ_BYTES: Final = 1024 * 1024
_HEAD_BYTES: Final = 4096
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class TransferError(Exception):
    """A body did not arrive as it should have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be transferred.

    :ivar request: the whole head, up to and with its empty line.
    :ivar body: the path of a file that is sent as the body; none for downloads.
    :ivar length: of each body, in bytes.
    :ivar bodies: how many in all, at most.
    :ivar seconds: after which none is begun.
    :ivar sha256: what each body's hash must be; unchecked if empty.
    """

    port: int
    request: str
    length: int
    connections: int
    bodies: int
    seconds: float = 60.0
    body: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """What was transferred, and how long it took from the first to the last byte."""

    bodies: int
    seconds: float


class Transfer:
    """One connection: request after request, for as long as `next` lets it begin one."""

    def __init__(self, job: Job, selector: selectors.BaseSelector, body: BinaryIO | None) -> None:
        self._job = job
        self._selector = selector
        self._body = body
        self._buffer = bytearray(READ_BYTES)
        self.connection = socket.create_connection(("127.0.0.1", job.port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(self.connection, selectors.EVENT_READ, self)
        self._left_bytes = -1
        self._sent_bytes = 0

    def begin(self) -> None:
        """Send a request."""
        self.connection.setblocking(True)
        self.connection.sendall(self._job.request.encode())
        self.connection.setblocking(False)
        self._head = b""
        self._answer = b""
        self._left_bytes = -1
        self._sent_bytes = 0
        self._hash = hashlib.sha256()
        if self._body is not None:
            self._selector.modify(self.connection, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def end(self) -> None:
        """Close it."""
        self._selector.unregister(self.connection)
        self.connection.close()

    def writable(self) -> None:
        """Send more of the body."""
        assert self._body is not None  # noqa: S101 - it is only then that this is asked for
        left = self._job.length - self._sent_bytes
        self._sent_bytes += os.sendfile(self.connection.fileno(), self._body.fileno(), self._sent_bytes, left)
        if self._sent_bytes == self._job.length:
            self._selector.modify(self.connection, selectors.EVENT_READ, self)

    def readable(self) -> bool:
        """Take what has come; whether that was the last of an answer.

        :raises TransferError: where it is not what it should be.
        """
        if self._left_bytes < 0:
            received = self.connection.recv(_HEAD_BYTES)
            count = len(received)
            self._head += received
            if count and not self._take_head():
                return False
        else:
            asked = min(self._left_bytes, READ_BYTES)
            if self._job.body:
                received = self.connection.recv(asked)
                count = len(received)
                self._answer += received
            elif self._job.sha256:
                count = self.connection.recv_into(self._buffer, asked)
                self._hash.update(memoryview(self._buffer)[:count])
            else:
                count = self.connection.recv_into(self._buffer, asked, socket.MSG_TRUNC)
            self._left_bytes -= count
        if count == 0 and self._left_bytes != 0:
            raise TransferError(f"the connection ended {self._left_bytes} bytes before its answer did: {self._head!r}")
        if self._left_bytes == 0:
            self._check()
        return self._left_bytes == 0

    def _take_head(self) -> bool:
        head, end, early = self._head.partition(b"\r\n\r\n")
        if not end:
            return False
        length = _LENGTH.search(head)
        if not head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 ")) or length is None:
            raise TransferError(f"an answer that was not asked for: {head!r}")
        self._left_bytes = int(length[1]) - len(early)
        if not self._job.body and int(length[1]) != self._job.length:
            raise TransferError(f"a body of {int(length[1])} bytes instead of {self._job.length}")
        self._answer = early
        self._hash.update(early)
        return True

    def _check(self) -> None:
        if self._job.body:
            length, _, sha256 = self._answer.decode().partition(" ")
            if int(length) != self._job.length or self._sent_bytes != self._job.length:
                raise TransferError(f"{length} bytes arrived of {self._job.length}")
        else:
            sha256 = self._hash.hexdigest()
        if self._job.sha256 and sha256 != self._job.sha256:
            raise TransferError(f"other bytes arrived than were sent: {sha256}")


def run(job: Job) -> Transferred:
    """Do it.

    :raises TransferError: where a body did not arrive as it should have.
    """
    begun = done = 0
    body = open(job.body, "rb") if job.body else None  # noqa: SIM115 - the process ends with it
    with selectors.EpollSelector() as selector:
        transfers = [Transfer(job, selector, body) for _ in range(job.connections)]
        started = time.perf_counter()
        for transfer in transfers:
            transfer.begin()
            begun += 1
        while done < begun:
            for key, events in selector.select():
                transfer = key.data
                if events & selectors.EVENT_WRITE:
                    transfer.writable()
                if not events & selectors.EVENT_READ or not transfer.readable():
                    continue
                done += 1
                if begun < job.bodies and time.perf_counter() - started < job.seconds:
                    transfer.begin()
                    begun += 1
        taken_s = time.perf_counter() - started
        for transfer in transfers:
            transfer.end()
    return Transferred(bodies=done, seconds=taken_s)


if __name__ == "__main__":
    try:
        print(json.dumps(asdict(run(Job(**json.loads(sys.argv[1]))))))
    except (OSError, TransferError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
