"""An edge in memory, with networks, members and requests at hand; and readers of what came out of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from nexus.config.sections import EdgeConfig, JWTConfig
from nexus.edge import access_log
from nexus.edge.edge import Edge
from nexus.errors import NetworkNotFoundError
from nexus.interfaces import INetworkStatus
from nexus.model import AccessRules, Address, NetworkState, NetworkStatus, Route, RouteTarget
from nexus.registry import Registry
from nexus.secrets import Secret
from nexus.tokens import TokenVerifier, issue_token
from tests.edge.memory import FakeNode, MemoryNetwork, MemorySplicer, Peer

JWT_SECRET = Secret("j" * 48)
NODE_BEARER = Secret("node-bearer-of-demo")


@implementer(INetworkStatus)
class FakeStatus:
    """Networks' statuses, and what the edge reported.

    :ivar pending: set to a list to leave questions unanswered there.
    """

    def __init__(self) -> None:
        self.statuses: dict[str, NetworkStatus] = {}
        self.unreachable: list[tuple[str, int]] = []
        self.pending: list[Deferred[NetworkStatus]] | None = None
        self.failure: Exception | None = None
        self.cancelled = 0

    def _cancel(self, asked: Deferred[NetworkStatus]) -> None:
        self.cancelled += 1

    def network_status(self, network: str) -> Deferred[NetworkStatus]:
        asked: Deferred[NetworkStatus] = Deferred(self._cancel)
        if self.pending is not None:
            self.pending.append(asked)
        elif self.failure is not None:
            asked.errback(Failure(self.failure))
        elif network in self.statuses:
            asked.callback(self.statuses[network])
        else:
            asked.errback(Failure(NetworkNotFoundError(network)))
        return asked

    def target_unreachable(self, network: str, generation: int) -> None:
        self.unreachable.append((network, generation))


class MemoryEdge:
    """An edge for `localhost`, in memory, whose clock stands still."""

    access_log = True

    def set_up(self, **changes: object) -> None:
        """Begin, with `changes` to the default configuration."""
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock)
        self.registry = Registry()
        self.status = FakeStatus()
        self.events: list[LogEvent] = []
        self.splicer = MemorySplicer()
        self.edge = self.make_edge(**changes)

    def observe(self, event: LogEvent) -> None:
        """Keep what the edge logs."""
        if str(event.get("log_namespace", "")).startswith("nexus.edge"):
            self.events.append(event)

    def make_edge(self, **changes: object) -> Edge:
        """An edge with `changes` to the default configuration."""
        options: dict[str, object] = {
            "listen": (),
            "access_log": self.access_log,
            "access_log_format": "json",
            **changes,
        }
        return Edge(
            config=EdgeConfig(**options),  # type: ignore[arg-type]
            instance="test",
            clock=self.clock,
            registry=self.registry,
            verifier=TokenVerifier(JWTConfig(), JWT_SECRET, self.clock.seconds, "localhost"),
            status=self.status,
            connect=self.network.connect,
            splicer=self.splicer,
        )

    def token(self, user: str = "alice", lifetime_s: float = 3600) -> bytes:
        """An access token that verifies."""
        return issue_token(
            JWTConfig(),
            JWT_SECRET,
            user=user,
            lifetime_s=lifetime_s,
            default_audience="localhost",
            now=self.clock.seconds(),
        ).encode()

    def publish(
        self,
        name: str = "demo",
        *,
        host: str = "10.0.0.1",
        running: bool = True,
        public: bool = True,
        users: Iterable[str] = ("alice",),
        origins: Iterable[str] = (),
        container_id: str = "c1",
    ) -> Route:
        """Make a network known, with its node at `host`."""
        target = RouteTarget(
            index=0,
            api=Address(host, 5001),
            gateway=Address(host, 8080),
            rpc_bearer=NODE_BEARER,
            container_id=container_id,
        )
        return self.registry.publish(
            name,
            rules=AccessRules(users=frozenset(users), gateway_public=public, api_allowed_origins=frozenset(origins)),
            state=NetworkState.ONLINE if running else NetworkState.OFFLINE,
            targets=(target,) if running else (),
        )

    def rpc(self, host: str = "10.0.0.1") -> FakeNode:
        """Who listens where Kubo's RPC is."""
        return self.network.node(Address(host, 5001))

    def gateway(self, host: str = "10.0.0.1") -> FakeNode:
        """Who listens where Kubo's gateway is."""
        return self.network.node(Address(host, 8080))

    def client(self, edge: Edge | None = None, host: str = "192.0.2.7") -> Peer:
        """A client that has just connected."""
        peer = Peer(self.clock)
        address = IPv6Address("TCP", host, 50000) if ":" in host else IPv4Address("TCP", host, 50000)
        protocol = (edge or self.edge).factory.buildProtocol(address)
        assert protocol is not None
        peer.transport.protocol = protocol
        protocol.makeConnection(peer.transport)  # type: ignore[arg-type]
        return peer

    def ask(self, request: bytes, edge: Edge | None = None) -> Peer:
        """A new client that has sent `request`."""
        client = self.client(edge)
        client.send(request)
        return client

    def api_request(
        self, path: bytes = b"/api/v0/id", *lines: bytes, method: bytes = b"POST", body: bytes | None = None
    ) -> bytes:
        """A member's RPC call."""
        extra = b"".join(line + b"\r\n" for line in lines)
        if body is not None:
            extra += b"Content-Length: %d\r\n" % len(body)
        return b"%b %b HTTP/1.1\r\nHost: demo.api.localhost\r\nAuthorization: Bearer %b\r\n%b\r\n%b" % (
            method,
            path,
            self.token(),
            extra,
            body or b"",
        )

    def gateway_request(self, path: bytes = b"/ipfs/cid", *lines: bytes, method: bytes = b"GET") -> bytes:
        """Anybody's gateway request."""
        extra = b"".join(line + b"\r\n" for line in lines)
        return b"%b %b HTTP/1.1\r\nHost: demo.gateway.localhost\r\n%b\r\n" % (method, path, extra)

    @property
    def access_events(self) -> list[dict[str, Any]]:
        """The access log, as far as it is written: in a test case, whenever a request is over."""
        texts = [event["lines"] for event in self.events if event["log_namespace"] == "nexus.edge.access"]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    def ended(self) -> str:
        """How the last request ended."""
        return str(self.access_events[-1]["ended"])

    def pass_time(self, seconds: float) -> None:
        """Let time pass in one step, and what is due happen."""
        self.clock.advance(seconds)
        for _ in range(20):
            self.clock.advance(0)

    def pass_slowly(self, seconds: int) -> None:
        """Let time pass second by second."""
        for _ in range(seconds):
            self.clock.advance(1)


class EdgeTestCase(SynchronousTestCase, MemoryEdge):
    """One that lives as long as a test."""

    def setUp(self) -> None:
        self.patch(access_log, "RECORDS_MAX", 1)
        self.set_up()
        observer = cast(ILogObserver, self.observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)


class RelayTestCase(EdgeTestCase):
    """A running network whose node the test plays."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def upload(self, *lines: bytes, path: bytes = b"/api/v0/add") -> tuple[Peer, Peer]:
        """A chunked upload whose body has not begun, and the node's end."""
        client = self.ask(self.api_request(path, b"Transfer-Encoding: chunked", *lines))
        node = self.rpc().last
        node.take()
        return client, node

    def download(self, *lines: bytes) -> tuple[Peer, Peer]:
        """A gateway request, and the node's end."""
        client = self.ask(self.gateway_request(b"/ipfs/cid", *lines))
        return client, self.gateway().last


def parse_response(data: bytes) -> tuple[int, dict[bytes, list[bytes]], bytes]:
    """Status, fields by lower-case name, and what is behind the head."""
    line, fields, rest = parse_request(data)
    return int(line.split(b" ")[1]), fields, rest


def parse_request(data: bytes) -> tuple[bytes, dict[bytes, list[bytes]], bytes]:
    """Request line, fields by lower-case name, and what is behind the head."""
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    fields: dict[bytes, list[bytes]] = {}
    for line in lines[1:]:
        name, _, value = line.partition(b": ")
        fields.setdefault(name.lower(), []).append(value)
    return lines[0], fields, rest


def without_date(response: bytes) -> bytes:
    """A response as it is compared with another."""
    return b"\r\n".join(line for line in response.split(b"\r\n") if not line.startswith(b"Date: "))


OK_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
"""A response's head without its empty line."""
