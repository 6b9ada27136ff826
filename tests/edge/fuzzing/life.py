"""One random life of an edge: clients, nodes, routes, limits and time, in random order, with messages whole and
mangled. All of it follows from the seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from nexus.edge.client_connection import ClientConnection
from nexus.model import NetworkState, NetworkStatus
from tests.edge.fakes import CHUNKED_HEAD, MemoryEdge
from tests.edge.fuzzing import marks
from tests.edge.fuzzing.mutation import mangle, split
from tests.edge.fuzzing.oracle import ViolationError, check_client, check_forwarded, check_node
from tests.edge.hostile.table import REQUESTS
from tests.edge.hostile.table import RESPONSES as TABLE_RESPONSES
from tests.edge.memory import Peer
from tests.edge.strict import read_requests

ODD_REQUESTS: Final = [case.data for case in REQUESTS if 0 < len(case.data) < 3000]
ODD_RESPONSES: Final = [case.data for case in TABLE_RESPONSES if 0 < len(case.data) < 3000]
_MARK: Final = marks.FIELD + b": " + marks.PLACE + b"\r\n"
SWITCHED: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
RESPONSES: Final = [
    b"HTTP/1.1 200 OK\r\n" + _MARK + b"Content-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + _MARK + b"Content-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\n" + _MARK + b"Content-Length: 5\r\n\r\nhello",
    CHUNKED_HEAD + _MARK + b"Trailer: X-A\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n\r\n",
    CHUNKED_HEAD + _MARK + b"\r\n5;x=y\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n",
    CHUNKED_HEAD + _MARK + b"\r\n5\r\nhello\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n" + _MARK + b"Content-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\n" + _MARK + b"\r\nhello",
    b"HTTP/1.0 200 OK\r\n" + _MARK + b"\r\nhello",
    b"HTTP/1.1 304 Not Modified\r\n" + _MARK + b"Content-Length: 9\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n" + _MARK + b"\r\n",
    b"HTTP/1.1 404 Not Found\r\n" + _MARK + b"Content-Length: 2\r\n\r\nno",
    b"HTTP/1.1 413 Too Large\r\nConnection: close\r\n" + _MARK + b"Content-Length: 2\r\n\r\nno",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + _MARK + b"Content-Length: 2\r\n\r\nok",
    b"HTTP/1.1 301 Moved Permanently\r\nLocation: /y\r\n" + _MARK + b"Content-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + _MARK + b"Content-Length: 200000\r\n\r\n",
    SWITCHED,
    b"HTTP/1.1 200 OK\r\n" + _MARK + b"Content-Length: 80000\r\n\r\n" + b"z" * 80_000,
    b"y" * 50_000,
    b"y" * 150_000,
]
CONFIGURATIONS: Final[list[dict[str, object]]] = [
    {},
    {},
    {"splice_bytes_min": 1000},
    {"splice_bytes_min": 1, "tunnel_idle_timeout_s": 20.0},
    {"idle_connections_per_upstream": 1, "upstreams_max": 1},
    {"upstream_connections_max": 1, "upstream_queue_max": 2, "upstream_queue_timeout_s": 5.0},
    {"upstream_connections_max": 2, "upstream_queue_max": 1},
    {"connections_per_network_max": 2, "requests_per_network_max": 2},
    {"client_connections_max": 3},
    {"request_body_bytes_max": 10_000, "target_bytes_max": 256, "head_bytes_max": 1024, "headers_max": 10},
    {"body_bytes_per_s_min": 10_000, "body_rate_window_s": 1.0, "send_timeout_s": 7.0},
    {"api_first_byte_timeout_s": 5.0, "api_idle_timeout_s": 5.0, "gateway_idle_timeout_s": 5.0},
]
NETWORKS: Final = ("demo", "other")


class Life(MemoryEdge):
    """See the module. `live` does it all.

    :ivar story: what happened, for who wants to know.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311
        self.story: list[str] = []
        self.clients: list[tuple[str, Peer]] = []
        self.failures: list[LogEvent] = []
        self._next_mark = 0

    def live(self) -> None:
        """Begin, let things happen, end, and check.

        :raises ViolationError: where something does not hold that must.
        """
        observer = cast(ILogObserver, self._see)
        globalLogPublisher.addObserver(observer)
        try:
            self.set_up(**self.random.choice(CONFIGURATIONS))
            for name in NETWORKS:
                self.status.statuses[name] = NetworkStatus(network=name, state=NetworkState.ONLINE)
                self.publish(name, host=self._host(name, 1), origins=["https://app.example"])
            for _ in range(self.random.randrange(5, 50)):
                self._happen()
            self._leave()
            self._check()
        finally:
            globalLogPublisher.removeObserver(observer)

    def _see(self, event: LogEvent) -> None:
        self.observe(event)
        if "log_failure" in event:
            self.failures.append(event)

    def _host(self, network: str, number: int) -> str:
        """Networks never share an address."""
        return f"10.0.{NETWORKS.index(network)}.{number}"

    # What happens.

    def _happen(self) -> None:
        if not self.clients or self.random.random() < 0.15:
            host = f"192.0.2.{len(self.clients) + 1}"
            self.clients.append((host, self.client(host=host)))
        choices: list[tuple[int, Callable[[], None]]] = [
            (42, self._client_sends),
            (36, self._node_sends),
            (4, self._client_ends),
            (4, self._node_ends),
            (3, self._client_stalls),
            (3, self._node_stalls),
            (2, self._route_changes),
            (2, self._dials_change),
            (2, self._status_changes),
            (1, self._splicing_changes),
            (2, lambda: self.pass_time(self.random.choice((0.1, 1, 5, 10, 61, 100)))),
        ]
        (happens,) = self.random.choices([choice for _, choice in choices], [weight for weight, _ in choices])
        happens()

    def _requests(self) -> list[bytes]:
        self._next_mark += 1
        path = marks.path(self._next_mark)
        api = b"/api/v0/add/" + path[1:]
        other = b"Host: other.gateway.localhost\r\n"
        return [
            self.gateway_request(path),
            self.gateway_request(path),
            self.gateway_request(path + b"?a=b", b"Connection: close"),
            self.gateway_request(path, method=b"HEAD"),
            self.gateway_request(path, b"Content-Length: 5", method=b"PUT") + b"hello",
            self.gateway_request(path, b"TE: trailers", b"Connection: TE"),
            b"GET %b HTTP/1.1\r\n%b\r\n" % (path, other),
            b"GET %b HTTP/1.1\r\n%b\r\n" % (path, other),
            self.gateway_request(path) + b"GET %b HTTP/1.1\r\n%b\r\n" % (path, other),
            b"GET %b HTTP/1.0\r\nHost: demo.gateway.localhost\r\n\r\n" % path,
            self.api_request(api),
            self.api_request(api, body=b"hello"),
            self.api_request(api, b"Transfer-Encoding: chunked", b"Trailer: X-A")
            + b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n",
            self.api_request(api, b"Content-Length: 200000", b"Expect: 100-continue"),
            self.gateway_request(
                path,
                b"Upgrade: websocket",
                b"Connection: Upgrade",
                b"Sec-WebSocket-Version: 13",
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ),
            self.gateway_request(path, b"Content-Length: 60000", method=b"PUT") + b"x" * 60_000,
            b"x" * 30_000,
            b"GET / HTTP/1.1\r\nHost: demo.status.localhost\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: demo.swarm.localhost\r\nAuthorization: Bearer " + self.token() + b"\r\n\r\n",
            b"GET /network/demo/gateway%b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path,
            b"OPTIONS * HTTP/1.1\r\nHost: demo.gateway.localhost\r\n\r\n",
            b"\r\n",
        ]

    def _made(self, usual: list[bytes], odd: list[bytes]) -> bytes:
        data = self.random.choice(usual if self.random.random() < 0.93 else odd)
        return mangle(self.random, data, [*usual, *odd]) if self.random.random() < 0.2 else data

    def _client_sends(self) -> None:
        host, client = self.random.choice(self.clients)
        if client.has_ended or client.is_lost:
            return
        data = self._made(self._requests(), ODD_REQUESTS)
        self.story.append(f"client {host} sends {data[:2000]!r}")
        for piece in split(self.random, data):
            if self.random.random() < 0.1:
                client.queue(piece)
            elif not (client.has_ended or client.is_lost):
                client.send(piece)
        if self.random.random() < 0.9:
            client.settle()

    def _node_sends(self) -> None:
        if not (nodes := self._nodes()):
            return
        node = self.random.choice(nodes)
        if node.has_ended:
            return
        mark = self._mark(node)
        # One that has no request answers nobody, and yet it may: nobody may ever get that.
        data = self._made(RESPONSES, ODD_RESPONSES).replace(marks.PLACE, mark)
        if b"\r\nUpgrade: websocket\r\n" in node.received[-600:] and self.random.random() < 0.5:
            data = SWITCHED + self.random.choice((b"", b"early"))
        self.story.append(f"node {nodes.index(node)} sends {data[:2000]!r}")
        for piece in split(self.random, data):
            if self._mark(node) != mark:
                return  # the next request is there: what comes from now on could be taken for its answer
            if node.has_ended or node.is_lost:
                return
            if self.random.random() < 0.1:
                node.queue(piece)
            else:
                node.send(piece)

    def _mark(self, node: Peer) -> bytes:
        """The mark of the last request that a node has got on a connection."""
        targets = [message.target for message in read_requests(node.received) if message.target]
        return marks.mark(marks.number_of(targets[-1]) if targets else None)

    def _client_ends(self) -> None:
        host, client = self.random.choice(self.clients)
        self._end(f"client {host}", client)

    def _node_ends(self) -> None:
        if nodes := self._nodes():
            node = self.random.choice(nodes)
            self._end(f"node {nodes.index(node)}", node)

    def _end(self, name: str, peer: Peer) -> None:
        if peer.has_ended or peer.is_lost:
            return
        way = self.random.choice(("close", "reset", "queue", "queue a reset", "lose"))
        self.story.append(f"{name} ends: {way}")
        if way == "close":
            peer.close()
        elif way == "reset":
            peer.reset()
        elif way == "lose":
            peer.lose()
        else:
            peer.transport.queue_end(ConnectionDone() if way == "queue" else ConnectionLost())

    def _client_stalls(self) -> None:
        host, client = self.random.choice(self.clients)
        self._stall(f"client {host}", client)

    def _node_stalls(self) -> None:
        if nodes := self._nodes():
            node = self.random.choice(nodes)
            self._stall(f"node {nodes.index(node)}", node)

    def _stall(self, name: str, peer: Peer) -> None:
        if not peer.is_lost:
            stalls = self.random.random() < 0.5
            self.story.append(f"{name} {'stalls' if stalls else 'goes on'}")
            (peer.stall if stalls else peer.unstall)()

    def _route_changes(self) -> None:
        name = self.random.choice(NETWORKS)
        number = self.random.randrange(1, 6)
        running = self.random.random() < 0.7
        self.story.append(f"{name} is at {number}, {running}")
        before = self.registry.route(name)
        after = self.publish(name, host=self._host(name, number), container_id=f"c{number}", running=running)
        if before is None or before.generation == after.generation:
            return
        for target in before.targets:
            for address in filter(None, (target.api, target.gateway)):
                if not all(peer.is_aborted or peer.is_lost for peer in self.network.node(address).connections):
                    raise ViolationError(f"something is still open to {address}, which is no longer {name}'s")

    def _dials_change(self) -> None:
        self.story.append("dials change")
        for node in list(self.network.nodes.values()):
            while node.held:
                node.accept()
            node.holds = self.random.random() < 0.3
            node.refuses = self.random.random() < 0.2

    def _status_changes(self) -> None:
        pending, self.status.pending = self.status.pending, None if self.random.random() < 0.7 else []
        for asked in pending or []:
            if not asked.called:
                self._tell(asked)

    def _splicing_changes(self) -> None:
        self.story.append("splicing changes")
        self.splicer.gives_up = self.random.random() < 0.2
        self.splicer.refuses = self.random.random() < 0.2

    def _tell(self, asked: Deferred[NetworkStatus]) -> None:
        asked.callback(self.status.statuses["demo"])

    def _nodes(self) -> list[Peer]:
        return [peer for node in self.network.nodes.values() for peer in node.connections if not peer.is_lost]

    # How it ends.

    def _leave(self) -> None:
        """All go, and whatever has its time has it."""
        for _, client in self.clients:
            if not client.is_lost:
                client.unstall()
        for node in self._nodes():
            node.unstall()
        if self.random.random() < 0.3:
            for node in self._nodes():
                self._end("node", node)
        for host, client in self.clients:
            self._end(f"client {host}", client)
        if self.status.pending is not None:
            self._status_changes()
        self.pass_time(6)
        for _ in range(4):
            self.pass_time(100)
        self.pass_time(4000)

    def _check(self) -> None:
        self._expect("exceptions", self.failures, [])
        counters = self.edge.counters
        self._expect("requests in flight", counters.requests_in_flight, 0)
        self._expect("waits", counters.upstream_waits_open, 0)
        self._expect("tunnels", counters.tunnels_open, 0)
        self._expect("clients", counters.client_connections_open, 0)
        self._expect("ends", sum(counters.ended.values()), counters.requests)
        drained: list[None] = []
        self.edge.drain().addCallback(drained.append)
        self.pass_time(100)
        self._expect("drained", drained, [None])
        self._expect("nodes' connections", counters.node_connections_open, 0)
        self._expect("upstreams", self.edge.upstreams, 0)
        self._expect("splices", self.splicer.open, [])
        self._expect("delayed calls", [str(call) for call in self.clock.getDelayedCalls()], [])
        self._expect("exceptions", self.failures, [])
        logged = self.access_events
        peers = [peer for node in self.network.nodes.values() for peer in node.connections]
        check_forwarded([heard for peer in peers for heard in check_node(peer)], logged, counters.retries)
        for host, client in self.clients:
            if isinstance(client.transport.protocol, ClientConnection):
                check_client(client, [event for event in logged if event["client"] == host])

    def _expect(self, what: str, seen: object, expected: object) -> None:
        if seen != expected:
            raise ViolationError(f"{what}: {seen!r}")
