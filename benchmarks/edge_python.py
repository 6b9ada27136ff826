"""What one request costs in the edge's own Python: the whole of it, and stage by stage.

    python -m benchmarks.edge_python [--rounds 15] [--requests 2000] [--only NAME]

Drives a real `Edge` over transports that keep nothing, so that what is measured is neither a kernel's nor an event
loop's. Three figures for each kind of request, lower quartiles of rounds, in microseconds of CPU:

    same     every request and every response as the one before it, as load generators send them
    path     another path each time, as browsers do: their fields repeat
    varying  another path, another value of one request field, and another Date and ETag each time

Each message is its own object, as it is when it comes from a socket.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from nexus.config.sections import EdgeConfig, JWTConfig
from nexus.edge.edge import Edge
from nexus.edge.heads import RequestFields, RequestHead, ResponseHead, read_request_head, read_response_head
from nexus.edge.rewrite import own_request_lines, request_head, response_head
from nexus.model import AccessRules, Address, NetworkState, RouteTarget
from nexus.registry import Registry
from nexus.secrets import Secret
from nexus.tokens import TokenVerifier, issue_token

SECRET = Secret("j" * 48)
HEAD_BYTES_MAX = 32 * 1024
FIELDS_MAX = 100

Message = tuple[bytes, ...]
"""What is delivered, in as many reads."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request, and its response. `%d` is replaced by a number."""

    name: str
    request: bytes
    response: bytes
    behind: bytes = b""


CURL = b"GET /ipfs/bafy%d HTTP/1.1\r\nHost: demo.gateway.localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n%b\r\n"
WRK = b"GET /ipfs/bafy%d HTTP/1.1\r\nHost: demo.gateway.localhost:8080\r\n%b\r\n"
WRK_JWT = b"GET /api/v0/version?n=%d HTTP/1.1\r\nHost: demo.api.localhost:8080\r\nAuthorization: Bearer TOKEN\r\n%b\r\n"
BROWSER = (
    b"GET /ipfs/bafy%d/image.png HTTP/1.1\r\nHost: demo.gateway.localhost:8080\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Referer: http://demo.gateway.localhost:8080/ipfs/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3/\r\n"
    b"Connection: keep-alive\r\nCookie: session=6f1ed002ab5595859014ebf0951522d9; theme=dark\r\n"
    b"Sec-Fetch-Dest: image\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-origin\r\nPriority: u=5, i\r\n%b\r\n"
)
KUBO_CLIENT = (
    b"POST /api/v0/id?arg=%d HTTP/1.1\r\nHost: demo.api.localhost:8080\r\nUser-Agent: kubo/0.43.0/ipfs\r\n"
    b'Content-Length: 0\r\nAuthorization: Bearer TOKEN\r\nContent-Disposition: form-data; name="files"\r\n'
    b"Content-Type: application/octet-stream\r\nAccept-Encoding: gzip\r\n%b\r\n"
)
NGINX = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 06 Jan 2026 11:22:%02d GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 128\r\nLast-Modified: Mon, 05 Jan 2026 10:00:00 GMT\r\n"
    b'Connection: keep-alive\r\nETag: "695b-%d"\r\nAccept-Ranges: bytes\r\n\r\n' + b"x" * 128
)
KUBO_GATEWAY = (
    b"HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nAccess-Control-Allow-Headers: Content-Type, Range, User-Agent, "
    b"X-Requested-With\r\nAccess-Control-Allow-Methods: GET, HEAD, OPTIONS\r\nAccess-Control-Allow-Origin: *\r\n"
    b"Access-Control-Expose-Headers: Content-Length, Content-Range, X-Chunked-Output, X-Ipfs-Path, X-Ipfs-Roots, "
    b"X-Stream-Output\r\nCache-Control: public, max-age=29030400, immutable\r\nContent-Length: 128\r\n"
    b'Content-Type: text/plain; charset=utf-8\r\nDate: Tue, 06 Jan 2026 11:22:%02d GMT\r\nEtag: "bafkrei%d"\r\n'
    b"X-Ipfs-Path: /ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku\r\n"
    b"X-Ipfs-Roots: bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku\r\n\r\n" + b"x" * 128
)
KUBO_RPC = (
    b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Headers: X-Stream-Output, X-Chunked-Output, X-Content-Length\r\n"
    b"Access-Control-Expose-Headers: X-Stream-Output, X-Chunked-Output, X-Content-Length\r\n"
    b"Content-Type: application/json\r\nServer: kubo/0.43.0\r\nTrailer: X-Stream-Error\r\nVary: Origin\r\n"
    b"X-Chunked-Output: 1\r\nDate: Tue, 06 Jan 2026 11:22:%02d GMT\r\nX-Number: %d\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
KUBO_RPC_BODY = b"80\r\n" + b"x" * 128 + b"\r\n0\r\n\r\n"

KINDS = (
    Kind("wrk -> nginx", WRK, NGINX),
    Kind("wrk+JWT -> nginx", WRK_JWT, NGINX),
    Kind("curl -> nginx", CURL, NGINX),
    Kind("browser -> nginx", BROWSER, NGINX),
    Kind("browser -> kubo gateway", BROWSER, KUBO_GATEWAY),
    Kind("kubo client -> kubo RPC", KUBO_CLIENT, KUBO_RPC, KUBO_RPC_BODY),
)
VARIATIONS = ("same", "path", "varying")


def messages(kind: Kind, variation: str, count: int, token: bytes) -> list[tuple[bytes, Message]]:
    """As many requests and responses, each an object of its own, whose hash nobody has asked for."""
    made: list[tuple[bytes, Message]] = []
    request = kind.request.replace(b"TOKEN", token)
    for number in range(count):
        path = 0 if variation == "same" else number + 1_000_000
        changing = number + 1_000_000 if variation == "varying" else 1_000_000
        head = kind.response % (changing % 60, changing)
        asked = request % (path, b"X-Number: %d\r\n" % changing if variation == "varying" else b"")
        made.append((asked, (head, kind.behind) if kind.behind else (head,)))
    return made


class Transport:
    """Takes everything, and forgets it."""

    __slots__ = ("paused", "resumed", "write", "writeSequence")

    def __init__(self) -> None:
        self.write = self.writeSequence = deque[Any](maxlen=1).append
        self.paused = self.resumed = 0

    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def loseConnection(self) -> None: ...
    def loseWriteConnection(self) -> None: ...
    def abortConnection(self) -> None: ...

    def pauseProducing(self) -> None:
        self.paused += 1

    def resumeProducing(self) -> None:
        self.resumed += 1


class RealClock(Clock):
    """A reactor's time, as cheap as it is there; what is delayed never happens."""

    seconds = staticmethod(time.time)
    delayed = 0

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> Any:
        self.delayed += 1
        return Clock.callLater(self, 1e9, callable, *args, **kw)


class Endpoint:
    """Connects at once."""

    def __init__(self, made: list[Any]) -> None:
        self._made = made

    def connect(self, factory: Any) -> Any:
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(Transport())
        self._made.append(protocol)
        return succeed(protocol)


class Bench:
    """An edge in memory with one network, one client and one node."""

    def __init__(self) -> None:
        self.clock = RealClock()
        registry = Registry()
        config = EdgeConfig(listen=(), access_log=False)
        verifier = TokenVerifier(JWTConfig(), SECRET, time.time, "localhost")
        self.nodes: list[Any] = []
        self.node: Any = None
        self.edge = Edge(
            config=config,
            instance="bench",
            clock=cast(Any, self.clock),
            registry=registry,
            verifier=verifier,
            status=cast(Any, None),
            connect=lambda address: cast(Any, Endpoint(self.nodes)),
        )
        target = RouteTarget(
            index=0,
            api=Address("10.0.0.1", 5001),
            gateway=Address("10.0.0.1", 8080),
            rpc_bearer=Secret("b" * 43),
            container_id="c",
        )
        registry.publish(
            "demo",
            rules=AccessRules(users=frozenset({"alice"}), gateway_public=True),
            state=NetworkState.ONLINE,
            targets=(target,),
        )
        self.token = issue_token(
            JWTConfig(), SECRET, user="alice", lifetime_s=3600, default_audience="localhost", now=time.time()
        ).encode()
        factory: Any = self.edge.factory
        self.client = factory.buildProtocol(IPv4Address("TCP", "192.0.2.7", 50000))
        self.client.makeConnection(Transport())
        self.admission = self.edge._context.admission

    def check(self, kind: Kind) -> None:
        """See that the edge does what is to be measured."""
        sent: list[bytes] = []
        transport = self.client.transport
        write, write_sequence = transport.write, transport.writeSequence
        transport.write = sent.append
        transport.writeSequence = sent.extend
        for request, response in messages(kind, "varying", 3, self.token):
            self.client.dataReceived(request)
            self.node = next(node for node in self.nodes if node.exchange is not None)
            for data in response:
                self.node.dataReceived(data)
        transport.write, transport.writeSequence = write, write_sequence
        if b"".join(sent).count(b"HTTP/1.1 200 OK\r\n") != 3:
            raise SystemExit(f"{kind.name}: {sent}")

    def whole(self, kind: Kind, variation: str, count: int) -> tuple[float, float]:
        """Microseconds of CPU for each request: up to the node, and back."""
        asked = messages(kind, variation, count, self.token)
        client, node = self.client.dataReceived, self.node.dataReceived
        clock = time.process_time_ns
        begun = clock()
        for request, response in asked:
            client(request)
            for data in response:
                node(data)
        both = clock() - begun
        # The same again with a look at the clock in between, only to tell the two halves apart.
        asked = messages(kind, variation, count, self.token)
        there = back = 0
        perf = time.perf_counter_ns
        for request, response in asked:
            at = perf()
            client(request)
            between = perf()
            for data in response:
                node(data)
            back += perf() - between
            there += between - at
        share = there / (there + back)
        return both * share / count / 1000, both * (1 - share) / count / 1000


def stages(bench: Bench, kind: Kind, variation: str, count: int) -> Iterator[tuple[str, float]]:
    """The pure parts, each by itself."""
    asked = messages(kind, variation, count, bench.token)
    own = own_request_lines(b"nexus-bench", b"192.0.2.7", b"http")

    def timed(name: str, call: Callable[[Any], Any], over: list[Any]) -> tuple[str, float, list[Any]]:
        gc.disable()
        begun = time.process_time_ns()
        results = [call(one) for one in over]
        taken = time.process_time_ns() - begun
        gc.enable()
        return name, taken / count / 1000, results

    requests = [bytes(memoryview(request)) for request, _ in asked]
    last: list[RequestFields | None] = [None]

    def read(data: bytes) -> RequestHead:
        head, _ = cast(tuple[RequestHead, int], read_request_head(data, 0, HEAD_BYTES_MAX, FIELDS_MAX, last[0]))
        if head.fields is not last[0]:
            head.fields.interpret()
            last[0] = head.fields
        return head

    name, cost, heads = timed("read request", read, requests)
    yield name, cost
    name, cost, dispositions = timed("dispose", bench.admission.dispose, heads)
    yield name, cost
    name, cost, _ = timed(
        "write request",
        lambda both: request_head(both[0], both[1], own),
        list(zip(heads, dispositions, strict=True)),
    )
    yield name, cost
    ends = [response[0].index(b"\r\n\r\n") + 4 for _, response in asked]
    responses = [bytes(memoryview(response[0])[:end]) for (_, response), end in zip(asked, ends, strict=True)]
    last_head: list[ResponseHead | None] = [None]

    def read_response(data: bytes) -> ResponseHead:
        head, _ = cast(tuple[ResponseHead, int], read_response_head(data, 0, HEAD_BYTES_MAX, FIELDS_MAX, last_head[0]))
        head.framing(b"GET")
        last_head[0] = head
        return head

    name, cost, answers = timed("read response", read_response, responses)
    yield name, cost
    name, cost, _ = timed(
        "write response",
        lambda both: response_head(both[0], both[1], 128, lambda: b"now", False),
        list(zip(answers, dispositions, strict=True)),
    )
    yield name, cost


def quiet(costs: Iterable[float]) -> float:
    """The lower quartile: a neighbour on the machine only ever adds."""
    return statistics.quantiles(costs, n=4)[0]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--only", default="", help="kinds whose name begins so")
    parser.add_argument("--no-stages", action="store_true")
    arguments = parser.parse_args()
    bench = Bench()
    kinds = [kind for kind in KINDS if kind.name.startswith(arguments.only)]
    print(f"{'us of CPU per request':28}" + "".join(f"{name:>10}" for name in VARIATIONS) + "     (there + back)")
    for kind in kinds:
        bench.check(kind)
        row, halves = [], []
        for variation in VARIATIONS:
            gc.collect()
            rounds = [bench.whole(kind, variation, arguments.requests) for _ in range(arguments.rounds)]
            there = quiet(one[0] for one in rounds)
            back = quiet(one[1] for one in rounds)
            row.append(there + back)
            halves.append(f"{there:.1f}+{back:.1f}")
        print(f"{kind.name:28}" + "".join(f"{value:10.2f}" for value in row) + "     " + "  ".join(halves))
    print(f"delayed calls begun: {bench.clock.delayed}")
    if arguments.no_stages:
        return
    for kind in kinds:
        print(f"\n{kind.name}, pure stages")
        names: dict[str, list[float]] = {}
        for variation in VARIATIONS:
            taken: dict[str, list[float]] = {}
            for _ in range(arguments.rounds):
                for name, cost in stages(bench, kind, variation, arguments.requests):
                    taken.setdefault(name, []).append(cost)
            for name, costs in taken.items():
                names.setdefault(name, []).append(quiet(costs))
        for name, costs in names.items():
            print(f"  {name:26}" + "".join(f"{cost:10.2f}" for cost in costs))
        print(f"  {'sum':26}" + "".join(f"{sum(column):10.2f}" for column in zip(*names.values(), strict=True)))


if __name__ == "__main__":
    main()
