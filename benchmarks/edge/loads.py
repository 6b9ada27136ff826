"""The loads that a proxy is put under: each gives one sample of what it costs."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from benchmarks.edge import wrk
from benchmarks.edge.backend import FILES, SMALL_BODY
from benchmarks.edge.measuring import Bench, Sample, cost_of, pace, small_pace, transfer
from benchmarks.edge.nexus_proxy import Nexus, make_token
from benchmarks.edge.peers import Caddy, HAProxy, Nginx, SplicingHAProxy, TwistedWebProxy
from benchmarks.edge.proxies import API_HOST, API_PATH, GATEWAY_HOST, GATEWAY_PATH, SINK_HOST, Factory, Proxy
from benchmarks.edge.transfers import Job, TransferError

ALL: Final[tuple[Factory, ...]] = (Nexus, HAProxy, Nginx, Caddy, TwistedWebProxy)
LARGE: Final[tuple[Factory, ...]] = (Nexus, HAProxy, SplicingHAProxy, Nginx, Caddy, TwistedWebProxy)
PACED: Final = tuple(each for each in ALL if each is not TwistedWebProxy)
"""Those that can do `PACED_PER_S`."""
CHECKING: Final[tuple[Factory, ...]] = (Nexus, HAProxy)
"""Those that check a JWT by themselves: nginx and Caddy would need other modules."""

FRESH_TOKENS: Final = 20_000
"""More than Nexus remembers, so that in turns none is ever remembered."""
STREAMS: Final = 4
PACED_PER_S: Final = 4000.0


@dataclass(frozen=True, slots=True)
class Load:
    """One scenario of speed.

    :ivar run: puts a proxy under the load, and gives its sample.
    :ivar check: sees beforehand, once, that the bytes are right.
    :ivar access_log: whether the proxy is one with an access log.
    """

    name: str
    title: str
    proxies: tuple[Factory, ...]
    run: Callable[[Bench, Proxy], Sample]
    check: Callable[[Bench, Proxy], None] = field(default=lambda bench, proxy: None)
    access_log: bool = False


def check_small(bench: Bench, proxy: Proxy) -> None:
    """See that the small body comes as it is, where there is a check only to who has a token."""
    _expect(proxy.ports.plain, {"Host": GATEWAY_HOST}, 200)
    if isinstance(proxy, CHECKING):
        token = make_token(bench.setting, time.time())
        for sent, status in ((token, 200), (f"{token[:-4]}AAAA", 401)):
            _expect(proxy.ports.jwt, {"Host": API_HOST, "Authorization": f"Bearer {sent}"}, status)


def _expect(port: int, fields: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", API_PATH, headers=fields)
        response = connection.getresponse()
        received = response.read()
    finally:
        connection.close()
    if response.status != status or (status == 200 and received != SMALL_BODY):
        raise wrk.WrkError(f"{fields['Host']}: {response.status} {received[:200]!r}")


@dataclass(frozen=True, slots=True)
class Requests:
    """A load of many small requests, by wrk.

    :ivar script: makes its script.
    :ivar checked: whether they have a token, which the proxy checks.
    """

    name: str
    script: Callable[[Bench], str]
    path: str = GATEWAY_PATH
    body_bytes: int = len(SMALL_BODY)
    checked: bool = False

    def __call__(self, bench: Bench, proxy: Proxy) -> Sample:
        """Put `proxy` under it."""
        script = bench.script(f"{self.name}.lua", lambda: self.script(bench))
        port = proxy.ports.jwt if self.checked else proxy.ports.plain
        duration_s = bench.window_s
        result, cost = cost_of(
            bench, proxy, lambda: wrk.run_wrk(script, port, self.path, bench.cores.others, duration_s=duration_s)
        )
        wrk.check_result(result, self.body_bytes)
        return cost.sample(result.requests, result.seconds) | {"p50_ms": result.p50_ms, "p99_ms": result.p99_ms}


def _fixed(bench: Bench) -> str:
    return wrk.fixed({"Host": GATEWAY_HOST})


def _varied(bench: Bench) -> str:
    return wrk.varied("/varied/", {"Host": GATEWAY_HOST}, {})


def _closing(bench: Bench) -> str:
    return wrk.fixed({"Host": GATEWAY_HOST, "Connection": "close"})


def _bearing(bench: Bench) -> str:
    return wrk.fixed({"Host": API_HOST, "Authorization": f"Bearer {make_token(bench.setting, time.time())}"})


def _bearing_one_of(tokens: int) -> Callable[[Bench], str]:
    def script(bench: Bench) -> str:
        now = time.time()
        made = (f"Bearer {make_token(bench.setting, now, number)}" for number in range(tokens))
        return wrk.varied(f"{API_PATH}/", {"Host": API_HOST}, {"Authorization": made})

    return script


SMALL: Final = Requests("small", _fixed)
VARIED: Final = Requests("varied", _varied, "/varied/")
CLOSING: Final = Requests("newconn", _closing)
KIB64: Final = Requests("64k", _fixed, "/files/64k", FILES["64k"])
JWT: Final = Requests("jwt", _bearing, API_PATH, checked=True)
JWT_VARIED: Final = Requests("jwt_varied", _bearing_one_of(1000), API_PATH, checked=True)
JWT_FRESH: Final = Requests("jwt_fresh", _bearing_one_of(FRESH_TOKENS), API_PATH, checked=True)


def paced(bench: Bench, proxy: Proxy) -> Sample:
    """So many small requests a second, which no proxy is saturated by."""
    told, cost = cost_of(
        bench,
        proxy,
        lambda: pace(bench, small_pace([proxy.ports.plain], PACED_PER_S), lambda: time.sleep(bench.window_s)),
    )
    each = told[0]
    sample = cost.sample(each.requests, each.requests / PACED_PER_S)
    return sample | {"p50_ms": each.p50_ms, "p99_ms": each.p99_ms}


def _download(proxy: Proxy, name: str, bodies: int, *, seconds: float = 60.0, sha256: str = "") -> Job:
    return Job(
        port=proxy.ports.plain,
        request=f"GET /files/{name} HTTP/1.1\r\nHost: {GATEWAY_HOST}\r\n\r\n",
        length=FILES[name],
        connections=min(bodies, STREAMS),
        bodies=bodies,
        seconds=seconds,
        sha256=sha256,
    )


def _upload(bench: Bench, proxy: Proxy, command: str, bodies: int, sha256: str = "") -> Job:
    length = FILES["256m"]
    token = make_token(bench.setting, time.time())
    head = f"POST /api/v0/{command} HTTP/1.1\r\nHost: {SINK_HOST}\r\nAuthorization: Bearer {token}\r\n"
    return Job(
        port=proxy.ports.sink,
        request=f"{head}Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n",
        length=length,
        connections=bodies,
        bodies=bodies,
        body=str(bench.setting.backend.files / "256m"),
        sha256=sha256,
    )


def _check_download(name: str) -> Callable[[Bench, Proxy], None]:
    def check(bench: Bench, proxy: Proxy) -> None:
        transfer(bench, _download(proxy, name, 1, sha256=bench.setting.backend.sha256(name)))

    return check


def check_upload(bench: Bench, proxy: Proxy) -> None:
    """See that an upload arrives as it was sent."""
    transfer(bench, _upload(bench, proxy, "hash", 1, bench.setting.backend.sha256("256m")))


def _moved(bench: Bench, proxy: Proxy, job: Job) -> Sample:
    result, cost = cost_of(bench, proxy, lambda: transfer(bench, job))
    if result.bodies < job.connections:
        raise TransferError(f"{result.bodies} bodies of {job.connections}")
    gigabytes = result.bodies * job.length / 1e9
    return cost.sample(result.bodies, result.seconds) | {
        "cpu_s_per_gb": cost.proxy_cpu_s / gigabytes,
        "gb_per_s": gigabytes / result.seconds,
    }


def mib1(bench: Bench, proxy: Proxy) -> Sample:
    """Bodies of 1 MiB, one after the other on each of a few connections."""
    return _moved(bench, proxy, _download(proxy, "1m", 1_000_000, seconds=bench.window_s))


def large_down(bench: Bench, proxy: Proxy) -> Sample:
    """Downloads of 256 MiB, side by side."""
    return _moved(bench, proxy, _download(proxy, "256m", STREAMS))


def large_up(bench: Bench, proxy: Proxy) -> Sample:
    """Uploads of 256 MiB, side by side."""
    return _moved(bench, proxy, _upload(bench, proxy, "add", STREAMS))


LOADS: Final = (
    Load("small", "small GET", ALL, SMALL, check_small),
    Load("paced", "small GET, 4,000 a second", PACED, paced),
    Load("varied", "small GET, no two alike", ALL, VARIED),
    Load("logged", "small GET, access log on", (Nexus,), SMALL, access_log=True),
    Load("jwt", "JWT-checked GET", CHECKING, JWT),
    Load("jwt_varied", "JWT-checked GET, no two alike", CHECKING, JWT_VARIED),
    Load("jwt_fresh", "JWT-checked GET, every token new", CHECKING, JWT_FRESH),
    Load("newconn", "a connection for each request", ALL, CLOSING),
    Load("64k", "64 KiB", LARGE, KIB64, _check_download("64k")),
    Load("1m", "1 MiB", LARGE, mib1, _check_download("1m")),
    Load("256m_down", "256 MiB down", LARGE, large_down, _check_download("256m")),
    Load("256m_up", "256 MiB up", LARGE, large_up, check_upload),
)
