"""The scenarios of memory: what a proxy grows by for each connection of a kind. Each has a proxy of its own, fresh."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final

from benchmarks.edge.backend import STALLED_BYTES
from benchmarks.edge.holding import Hold, HoldError
from benchmarks.edge.loads import ALL
from benchmarks.edge.measuring import Bench, Sample
from benchmarks.edge.nexus_proxy import Nexus, make_token
from benchmarks.edge.peers import TwistedWebProxy
from benchmarks.edge.processes import piped_client
from benchmarks.edge.proxies import API_PATH, GATEWAY_HOST, GATEWAY_PATH, SINK_HOST, Factory, Proxy

BOUNDED: Final = tuple(each for each in ALL if each is not TwistedWebProxy)
"""Those that wait for a reader; the other would take a GiB for each, as fast as it comes."""
WARM_UP: Final = 50
"""Connections that are there before the first measurement, so that what is made once is not counted."""
SETTLE_S: Final = 1.0
SETTLED_BYTES: Final = 512 * 1024
SETTLE_TIMEOUT_S: Final = 20.0
SLOW_BODY_BYTES: Final = 64 * 1024
STALLED_RECEIVE_BUFFER_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Holding:
    """One scenario of memory.

    :ivar hold: makes what is held, for a proxy.
    """

    name: str
    title: str
    count: int
    proxies: tuple[Factory, ...]
    hold: Callable[[Bench, Proxy, tuple[int, ...]], Hold]

    def run(self, bench: Bench, proxy: Proxy) -> Sample:
        """What `proxy` grows by from few to `count` more connections.

        :raises HoldError: where they could not be held.
        """
        with _holding(bench, self.hold(bench, proxy, (WARM_UP, WARM_UP + self.count))) as step:
            step()
            before = settled_rss_bytes(proxy)
            step()
            grown = settled_rss_bytes(proxy) - before
            step()
        proxy.process.check()
        return {"kib_each": grown / 1024 / self.count, "mib_all": grown / 1024**2, "mib_before": before / 1024**2}


@contextmanager
def _holding(bench: Bench, hold: Hold) -> Iterator[Callable[[], None]]:
    """The client of `hold`; what it gives goes to the next step."""
    with piped_client("benchmarks.edge.holding", json.dumps(asdict(hold)), bench.cores) as client:
        is_first = True

        def step() -> None:
            nonlocal is_first
            assert client.stdin is not None  # noqa: S101 - both are pipes
            assert client.stdout is not None  # noqa: S101
            if not is_first:
                client.stdin.write("\n")
                client.stdin.flush()
            is_first = False
            if not client.stdout.readline():
                raise HoldError(client.communicate()[1].strip())

        try:
            yield step
        finally:
            client.kill()


def settled_rss_bytes(proxy: Proxy) -> int:
    """The memory of `proxy`, once it no longer changes much."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    last = proxy.process.rss_bytes()
    while time.monotonic() < deadline:
        time.sleep(SETTLE_S)
        now = proxy.process.rss_bytes()
        if abs(now - last) < SETTLED_BYTES:
            return now
        last = now
    return last


def _idle(bench: Bench, proxy: Proxy, steps: tuple[int, ...]) -> Hold:
    request = f"GET {GATEWAY_PATH} HTTP/1.1\r\nHost: {GATEWAY_HOST}\r\n\r\n"
    return Hold(port=proxy.ports.plain, steps=steps, request=request, awaits="all of it")


def _stalled(bench: Bench, proxy: Proxy, steps: tuple[int, ...]) -> Hold:
    request = f"GET /files/1g HTTP/1.1\r\nHost: {GATEWAY_HOST}\r\n\r\n"
    return Hold(
        port=proxy.ports.plain,
        steps=steps,
        request=request,
        awaits="its head",
        receive_buffer_bytes=STALLED_RECEIVE_BUFFER_BYTES,
    )


def _slow(bench: Bench, proxy: Proxy, steps: tuple[int, ...]) -> Hold:
    head = f"POST {API_PATH} HTTP/1.1\r\nHost: {SINK_HOST}\r\n"
    token = make_token(bench.setting, time.time())
    return Hold(
        port=proxy.ports.sink,
        steps=steps,
        request=f"{head}Authorization: Bearer {token}\r\nContent-Length: {STALLED_BYTES}\r\n\r\n",
        awaits="nothing",
        body_bytes=SLOW_BODY_BYTES,
    )


HOLDINGS: Final = (
    Holding("idle", "1,000 idle connections", 1000, ALL, _idle),
    Holding("idle_10000", "10,000 idle connections", 10_000, (Nexus,), _idle),
    Holding("stalled", "1,000 readers stalled on a body of 1 GiB", 1000, BOUNDED, _stalled),
    Holding("slow_uploads", "1,000 slow uploads", 1000, ALL, _slow),
)
