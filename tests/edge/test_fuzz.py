"""A seeded, bounded mutator: clients, nodes, routes and time, in random order, with messages whole and mangled.

Whatever happens, nothing raises, and when all have left nothing is left: no request in flight, no connection, no
delayed call.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import cast

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from nexus.model import NetworkState, NetworkStatus
from nexus.registry import Registry
from tests.edge.fakes import CHUNKED_HEAD, OK_EMPTY, EdgeTestCase, FakeStatus
from tests.edge.hostile.table import REQUESTS
from tests.edge.hostile.table import RESPONSES as ANSWERS
from tests.edge.memory import MemoryNetwork, Peer

SEEDS = 1000

FRAGMENTS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b":",
    b" ",
    b"\xff",
    b"chunked",
    b"0\r\n\r\n",
    b"5\r\n",
    b"HTTP/1.1",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: x\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
)
RESPONSES = (
    OK_EMPTY,
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    CHUNKED_HEAD + b"Trailer: X-A\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nhello",
    b"HTTP/1.0 200 OK\r\n\r\nhello",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 301 Moved Permanently\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n",
    b"y" * 50_000,
)
HOSTILE_REQUESTS = [case.data for case in REQUESTS if len(case.data) < 2000]
HOSTILE_RESPONSES = [case.data for case in ANSWERS if len(case.data) < 2000]


class FuzzTests(EdgeTestCase):
    """Random lives of one edge."""

    def test_seeds(self) -> None:
        """No exception, no leak, whatever comes in whatever order."""
        failures: list[LogEvent] = []

        def observe(event: LogEvent) -> None:
            if "log_failure" in event:
                failures.append(event)

        observer = cast(ILogObserver, observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for seed in range(SEEDS):
            self.begin(seed)
            for _ in range(self.random.randrange(5, 40)):
                self.step()
            self.leave()
            counters = self.edge.counters
            self.assertEqual((counters.requests_in_flight, counters.client_connections_open), (0, 0), seed)
            self.assertEqual(sum(counters.ended.values()), counters.requests, seed)
            self.successResultOf(self.edge.drain())
            self.pass_time(100)
            self.assertEqual(counters.node_connections_open, 0, seed)
            self.assertEqual(self.clock.getDelayedCalls(), [], seed)
            self.assertEqual(failures, [], seed)

    def begin(self, seed: int) -> None:
        """An edge, a network and a course of events of their own."""
        self.random = random.Random(seed)  # noqa: S311
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock)
        self.registry = Registry()
        self.status = FakeStatus()
        self.status.statuses["demo"] = NetworkStatus(network="demo", state=NetworkState.ONLINE)
        self.edge = self.make_edge()
        self.events.clear()
        self.clients: list[Peer] = []
        self.publish(origins=["https://app.example"])

    def step(self) -> None:
        """One thing that happens."""
        if not self.clients or self.random.random() < 0.15:
            self.clients.append(self.client())
        choices: list[tuple[int, Callable[[], None]]] = [
            (42, self.client_sends),
            (36, self.node_sends),
            (4, lambda: self.end(self.random.choice(self.clients))),
            (4, self.node_ends),
            (3, lambda: self.random.choice(self.clients).stall()),
            (3, lambda: self.random.choice(self.clients).unstall()),
            (2, self.node_stalls),
            (2, self.route_changes),
            (2, self.dials_change),
            (2, lambda: self.pass_time(self.random.choice((0.1, 5, 10, 61, 100)))),
        ]
        (happens,) = self.random.choices([choice for _, choice in choices], [weight for weight, _ in choices])
        happens()

    def client_sends(self) -> None:
        """A request, or a piece of a body, whole or mangled."""
        requests = (
            self.gateway_request(),
            self.gateway_request(b"/x", b"Connection: close"),
            self.gateway_request(method=b"HEAD"),
            self.api_request(),
            self.api_request(body=b"hello"),
            self.api_request(b"/api/v0/add", b"Transfer-Encoding: chunked", b"Trailer: X-A")
            + b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n",
            self.api_request(b"/api/v0/add", b"Content-Length: 200000", b"Expect: 100-continue"),
            b"x" * 30_000,
            b"GET / HTTP/1.0\r\nHost: demo.gateway.localhost\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: demo.status.localhost\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: demo.swarm.localhost\r\nAuthorization: Bearer " + self.token() + b"\r\n\r\n",
            b"GET /network/demo/gateway/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"\r\n",
        )
        self.send(self.random.choice(self.clients), requests, HOSTILE_REQUESTS)

    def node_sends(self) -> None:
        """A response, or a piece of a body, whole or mangled, asked for or not."""
        if nodes := self.nodes():
            self.send(self.random.choice(nodes), RESPONSES, HOSTILE_RESPONSES)

    def node_ends(self) -> None:
        """A node closes or resets a connection."""
        if nodes := self.nodes():
            self.end(self.random.choice(nodes))

    def node_stalls(self) -> None:
        """A node takes nothing, or again."""
        if nodes := self.nodes():
            node = self.random.choice(nodes)
            self.random.choice((node.stall, node.unstall))()

    def route_changes(self) -> None:
        """The network is stopped, or its node is another."""
        number = self.random.randrange(1, 6)
        self.publish(host=f"10.0.0.{number}", container_id=f"c{number}", running=self.random.random() < 0.7)

    def dials_change(self) -> None:
        """Nodes begin, or cease, to refuse dials or to leave them unanswered; what waited is accepted."""
        for node in self.network.nodes.values():
            while node.held:
                node.accept()
            node.holds = self.random.random() < 0.3
            node.refuses = self.random.random() < 0.2

    def leave(self) -> None:
        """All clients go, and whatever has its time has it."""
        for peer in [*self.nodes(), *self.clients]:
            if not peer.is_lost:
                peer.unstall()
        for client in self.clients:
            self.end(client)
        self.pass_time(6)
        self.pass_time(100)
        self.pass_time(100)

    def nodes(self) -> list[Peer]:
        """The nodes' ends that are there."""
        return [peer for node in self.network.nodes.values() for peer in node.connections if not peer.is_lost]

    def end(self, peer: Peer) -> None:
        """FIN or RST, once."""
        if not (peer.has_ended or peer.is_lost):
            self.random.choice((peer.close, peer.reset))()

    def send(self, peer: Peer, usual: tuple[bytes, ...], rare: list[bytes]) -> None:
        """One of them, cut into pieces of all sizes."""
        if peer.has_ended or peer.is_lost:
            return
        data = self.mangled(self.random.choice(usual if self.random.random() < 0.95 else rare))
        pieces: list[bytes] = []
        while data and len(pieces) < 60 and self.random.random() < 0.98:
            size = self.random.choice((1, 2, 3, 7, 50, 1000, 100_000))
            pieces.append(data[:size])
            data = data[size:]
        peer.send(*pieces, *([data] if data else []))

    def mangled(self, data: bytes) -> bytes:
        """Mostly `data`; else with bytes lost, changed, doubled or put in between."""
        for _ in range(self.random.choice((0, 0, 0, 0, 0, 0, 0, 1, 1, 3))):
            position = self.random.randrange(len(data) + 1)
            before, behind = data[:position], data[position:]
            data = self.random.choice(
                (
                    before + self.random.choice(FRAGMENTS) + behind,
                    before + behind[1:],
                    before + self.random.randbytes(1) + behind[1:],
                    before + behind[:20] + behind,
                )
            )
        return data
