"""Many networks behind one proxy, each at an address of its own: what a request costs, and what each network takes."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.edge import wrk
from benchmarks.edge.loads import ALL
from benchmarks.edge.measuring import Bench, Sample, cost_of
from benchmarks.edge.peers import TwistedWebProxy
from benchmarks.edge.proxies import GATEWAY_PATH, Factory, Proxy, network_host

GIF_BYTES: Final = 43
HOSTS_FORMAT: Final = network_host(0).replace("000000", "%06d")
ROUTING: Final = tuple(each for each in ALL if each is not TwistedWebProxy)
"""Those that route by a table."""
BUSY: Final = 1000
"""How many networks have requests where only some of very many do."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One scenario of many networks.

    :ivar count: how many the proxy is told of.
    :ivar busy: how many of them have requests, in turns.
    """

    name: str
    title: str
    count: int
    busy: int
    proxies: tuple[Factory, ...] = ROUTING

    def check(self, bench: Bench, proxy: Proxy) -> None:
        """See that the first and the last of them are reached, and make the connections that will be kept.

        :raises wrk.WrkError: otherwise.
        """
        for number in (0, self.busy - 1):
            _check(proxy.ports.networks, network_host(number))
        wrk.run_wrk(self._script(bench), proxy.ports.networks, "/", bench.cores.others, duration_s=1)

    def _script(self, bench: Bench) -> Path:
        return bench.script(f"{self.name}.lua", lambda: wrk.spread(GATEWAY_PATH, HOSTS_FORMAT, self.busy))

    def run(self, bench: Bench, proxy: Proxy) -> Sample:
        """Requests spread over the networks.

        :raises wrk.WrkError: where one fails.
        """
        script = self._script(bench)
        others, duration_s = bench.cores.others, bench.window_s
        result, cost = cost_of(
            bench, proxy, lambda: wrk.run_wrk(script, proxy.ports.networks, "/", others, duration_s=duration_s)
        )
        wrk.check_result(result, GIF_BYTES)
        return cost.sample(result.requests, result.seconds) | {"p50_ms": result.p50_ms, "p99_ms": result.p99_ms}


def _check(port: int, host: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": host})
        response = connection.getresponse()
        received = response.read()
    finally:
        connection.close()
    if response.status != 200 or len(received) != GIF_BYTES:
        raise wrk.WrkError(f"{host}: {response.status} {received[:200]!r}")


SPREADS: Final = (
    Spread("networks_1", "1 network", 1, 1),
    Spread("networks_1000", "1,000 networks", 1000, 1000),
    Spread("networks_100000_one", "100,000 networks, one of them busy", 100_000, 1),
    Spread("networks_100000", "100,000 networks, 1,000 of them busy", 100_000, BUSY),
    Spread("networks_100000_all", "100,000 networks, all of them in turns", 100_000, 100_000),
)
