"""A client at a fixed rate: `python -m benchmarks.edge.pacing` with a `Pace` in JSON; it ends with its input.

Requests are sent when they are due, whether or not earlier ones were answered; one that finds no free connection
counts from when it was due. All targets have their requests in turns, from one process, so that what disturbs the
client disturbs their figures alike.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Final

CONNECTIONS: Final = 32
"""For each target."""
ANSWER_BYTES_MAX: Final = 65536


class PaceError(Exception):
    """A request was not answered as it should have been."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What is sent, to each of `ports`.

    :ivar per_s: requests a second to each.
    :ivar answer_end: what every answer ends with.
    """

    ports: tuple[int, ...]
    request: str
    per_s: float
    answer_end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Of one target, in milliseconds."""

    requests: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def summarize(latencies_s: list[float]) -> Latencies:
    """The quantiles of `latencies_s`, which must hold one at least."""
    ordered = sorted(latencies_s)
    last = len(ordered) - 1
    return Latencies(
        requests=len(ordered),
        p50_ms=ordered[last * 50 // 100] * 1000,
        p99_ms=ordered[last * 99 // 100] * 1000,
        max_ms=ordered[last] * 1000,
    )


class Target:
    """One proxy's connections and figures."""

    def __init__(self, pace: Pace, port: int, selector: selectors.BaseSelector) -> None:
        self._request = pace.request.encode()
        self._answer_end = pace.answer_end.encode()
        self._free: deque[socket.socket] = deque()
        self._waiting: deque[float] = deque()
        self._began: dict[socket.socket, float] = {}
        self._received: dict[socket.socket, bytes] = {}
        self.latencies_s: list[float] = []
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ, self)
            self._free.append(connection)

    @property
    def is_quiet(self) -> bool:
        """Whether all that was sent was answered."""
        return len(self._free) == CONNECTIONS

    def due(self) -> None:
        """Send one more request, as soon as can be."""
        now = time.perf_counter()
        if self._free:
            self._send(self._free.popleft(), now)
        else:
            self._waiting.append(now)

    def _send(self, connection: socket.socket, began: float) -> None:
        self._began[connection] = began
        self._received[connection] = b""
        connection.sendall(self._request)

    def readable(self, connection: socket.socket) -> None:
        """Take what has come.

        :raises PaceError: where it is not what it should be.
        """
        received = connection.recv(ANSWER_BYTES_MAX)
        answer = self._received[connection] = self._received.get(connection, b"") + received
        if not received or not answer.startswith(b"HTTP/1.1 200 "[: len(answer)]):
            raise PaceError(f"an answer that was not asked for: {answer[:200]!r}")
        if not answer.endswith(self._answer_end):
            return
        self.latencies_s.append(time.perf_counter() - self._began.pop(connection))
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._free.append(connection)


def main(pace: Pace) -> list[Latencies]:
    """Keep the pace until the input ends; the figures of each target.

    :raises PaceError: where an answer is not what it should be.
    """
    interval_s = 1 / pace.per_s / len(pace.ports)
    with selectors.EpollSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        targets = [Target(pace, port, selector) for port in pace.ports]
        turn = 0
        ends = False
        due = time.perf_counter()
        while not ends or not all(target.is_quiet for target in targets):
            while not ends and due <= time.perf_counter():
                targets[turn % len(targets)].due()
                turn += 1
                due += interval_s
            for key, _ in selector.select(1.0 if ends else max(0.0, due - time.perf_counter())):
                if key.data is None:
                    selector.unregister(sys.stdin)
                    ends = True
                else:
                    key.data.readable(key.fileobj)
    return [summarize(target.latencies_s) for target in targets]


if __name__ == "__main__":
    try:
        print(json.dumps([asdict(each) for each in main(Pace(**json.loads(sys.argv[1])))]))
    except (OSError, PaceError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
