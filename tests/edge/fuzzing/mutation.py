"""Messages, mostly whole, now and then mangled: a pure function of a random source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

FRAGMENTS: Final = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b":",
    b" ",
    b"\t",
    b"\xff",
    b";",
    b"chunked",
    b"0\r\n\r\n",
    b"5\r\n",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive, Host\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: x\r\n",
    b"TE: trailers\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
)

DATA_BYTES_MAX: Final = 160_000


def mangle(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """`data`, with between one and four things done to it.

    :param others: what it may be spliced with.
    """
    for _ in range(random.choice((1, 1, 2, 4))):
        data = random.choice(_WAYS)(random, data, others)[:DATA_BYTES_MAX]
    return data


def split(random: Random, data: bytes, pieces_max: int = 60) -> list[bytes]:
    """`data` in pieces of all sizes; one in fifty times its end is lost."""
    pieces: list[bytes] = []
    size = random.choice((1, 3, 20, 1000, 100_000, 100_000, 100_000))
    while data and len(pieces) < pieces_max:
        if random.random() < 0.3:
            size = random.choice((1, 2, 3, 7, 50, 1000, 100_000))
        pieces.append(data[:size])
        data = data[size:]
    if data and random.random() < 0.98:
        pieces.append(data)
    return pieces


def _insert(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    position = random.randrange(len(data) + 1)
    return data[:position] + random.choice(FRAGMENTS) + data[position:]


def _remove(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    position = random.randrange(len(data) + 1)
    return data[:position] + data[position + random.choice((1, 1, 2, 9)) :]


def _flip(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    if not data:
        return data
    position = random.randrange(len(data))
    return data[:position] + bytes([data[position] ^ (1 << random.randrange(8))]) + data[position + 1 :]


def _replace(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    position = random.randrange(len(data) + 1)
    return data[:position] + random.randbytes(1) + data[position + 1 :]


def _repeat(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    position = random.randrange(len(data) + 1)
    return data[: position + random.randrange(40)] + data[position:]


def _cut_off(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _splice(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = random.choice(others)
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _join(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return data + random.choice(others)


def _lines(change: Callable[[Random, list[bytes]], None]) -> Callable[[Random, bytes, Sequence[bytes]], bytes]:
    def way(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
        lines = data.splitlines(keepends=True)
        if len(lines) > 1:
            change(random, lines)
        return b"".join(lines)

    return way


def _repeat_line(random: Random, lines: list[bytes]) -> None:
    lines.insert(random.randrange(len(lines)), random.choice(lines))


def _remove_line(random: Random, lines: list[bytes]) -> None:
    del lines[random.randrange(len(lines))]


def _move_line(random: Random, lines: list[bytes]) -> None:
    lines.insert(random.randrange(len(lines)), lines.pop(random.randrange(len(lines))))


_WAYS: Final[tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...]] = (
    _insert,
    _remove,
    _flip,
    _replace,
    _repeat,
    _cut_off,
    _splice,
    _join,
    _lines(_repeat_line),
    _lines(_remove_line),
    _lines(_move_line),
)
