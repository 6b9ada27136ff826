"""Pipes that bytes are spliced through: kept for reuse, and bounded (pipe(7))."""

from __future__ import annotations

import fcntl
import os
from typing import Final

PIPE_BYTES: Final = 1024 * 1024
"""What one pipe holds: the largest that a process without privileges may have by default. A fifth less CPU a byte than
with 256 KiB, a third less than with the kernel's own 64 KiB."""

PIPES_MAX: Final = 128
"""All that exist at once. A side that stalls keeps the one that its bytes are in."""

_IDLE_PIPES_MAX: Final = 16


class Pipe:
    """One pipe.

    :ivar reader: descriptor of the end that bytes leave by.
    :ivar writer: descriptor of the end that they enter by.
    :ivar held_bytes: how many are in it.
    """

    __slots__ = ("held_bytes", "reader", "writer")

    def __init__(self, reader: int, writer: int) -> None:
        self.reader = reader
        self.writer = writer
        self.held_bytes = 0

    def close(self) -> None:
        """Give the descriptors up, and the bytes."""
        os.close(self.reader)
        os.close(self.writer)


class PipePool:
    """Pipes, at most `PIPES_MAX`, a few of them kept while nobody uses them.

    :ivar idle: those that are kept.
    :ivar open_count: how many exist.
    """

    def __init__(self) -> None:
        self.idle: list[Pipe] = []
        self._is_closed = False
        self.open_count = 0

    def take(self) -> Pipe | None:
        """An empty pipe; None where there are enough already, or the kernel allows no more (descriptors, or
        `fs.pipe-user-pages-soft`)."""
        if self.idle:
            return self.idle.pop()
        if self.open_count >= PIPES_MAX:
            return None
        try:
            pipe = Pipe(*os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            return None
        try:
            fcntl.fcntl(pipe.writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:
            pipe.close()
            return None
        self.open_count += 1
        return pipe

    def give_back(self, pipe: Pipe) -> None:
        """Nobody uses it any more; what may still be in it reaches nobody."""
        if pipe.held_bytes or self._is_closed or len(self.idle) >= _IDLE_PIPES_MAX:
            pipe.close()
            self.open_count -= 1
        else:
            self.idle.append(pipe)

    def close(self) -> None:
        """Keep none from now on."""
        self._is_closed = True
        for pipe in self.idle:
            pipe.close()
        self.open_count -= len(self.idle)
        self.idle.clear()
