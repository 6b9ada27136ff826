"""A network in memory: transports with backpressure, clients, and nodes that a test plays itself.

Everything that a reactor would do later is a delayed call of the test's clock at 0 seconds; `EdgeTestCase.settle`
lets it happen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IStreamClientEndpoint,
)
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from nexus.config import EdgeConfig, JWTConfig
from nexus.edge.edge import Edge
from nexus.errors import NetworkNotFoundError
from nexus.interfaces import INetworkStatus
from nexus.model import AccessRules, Address, NetworkState, NetworkStatus, Route, RouteTarget
from nexus.registry import Registry
from nexus.secrets import Secret
from nexus.tokens import TokenVerifier, issue_token

WRITE_BUFFER_BYTES = 64 * 1024
JWT_SECRET = Secret("j" * 48)
NODE_BEARER = Secret("node-bearer-of-demo")


class MemoryTransport:
    """One end of a connection: what the edge writes is kept; what its peer sends is delivered while the edge reads.

    A `stalled` peer takes nothing, so that the write buffer fills and the producer is paused, as on a real transport.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.protocol: IProtocol | None = None
        self.written = bytearray()
        self.is_reading = True
        self.was_paused = False
        self.is_stalled = False
        self.is_half_closed = False
        self.is_closing = False
        self.is_aborted = False
        self.is_lost = False
        self._buffered = 0
        self._producer: IPushProducer | None = None
        self._producer_paused = False
        self._inbox: list[bytes] = []
        self._end: Exception | None = None

    # What the edge calls.

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        assert not self.is_half_closed, "written after the half close"
        if self.is_lost or self.is_closing:
            return
        self.written += data
        if self.is_stalled:
            self._buffered += len(data)
            if self._producer is not None and not self._producer_paused and self._buffered > WRITE_BUFFER_BYTES:
                self._producer_paused = True
                self._producer.pauseProducing()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def registerProducer(self, producer: object, streaming: bool) -> None:
        assert self._producer is None
        assert streaming
        self._producer = cast(IPushProducer, producer)

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self.is_reading = False
        self.was_paused = True

    def resumeProducing(self) -> None:
        self.is_reading = True
        self.clock.callLater(0, self._deliver)

    def loseConnection(self) -> None:
        assert self._producer is None, "a registered producer keeps a closing connection open"
        if not self.is_closing:
            self.is_closing = True
            if not self.is_stalled:
                self.clock.callLater(0, self._lose, ConnectionDone())

    def loseWriteConnection(self) -> None:
        self.is_half_closed = True

    def abortConnection(self) -> None:
        if not self.is_lost:
            self.is_aborted = True
            self.clock.callLater(0, self._lose, ConnectionAborted())

    # What the peer does.

    def send(self, data: bytes) -> None:
        self._inbox.append(data)
        self._deliver()

    def end(self, reason: Exception) -> None:
        """FIN (ConnectionDone) or RST (ConnectionLost), behind what was sent."""
        self._end = reason
        self._deliver()

    def stall(self) -> None:
        self.is_stalled = True

    def unstall(self) -> None:
        self.is_stalled = False
        self._buffered = 0
        if self._producer is not None and self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()
        if self.is_closing:
            self._lose(ConnectionDone())

    def _deliver(self) -> None:
        while self._inbox and self.is_reading and not (self.is_lost or self.is_closing or self.is_aborted):
            assert self.protocol is not None
            self.protocol.dataReceived(self._inbox.pop(0))
        if self._end is not None and self.is_reading and not self._inbox:
            self._lose(self._end)

    def _lose(self, reason: Exception) -> None:
        if not self.is_lost:
            self.is_lost = True
            assert self.protocol is not None
            self.protocol.connectionLost(Failure(reason))


class Peer:
    """The other end of a transport: a client, or a node's end of one connection."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.transport = MemoryTransport(clock)

    @property
    def received(self) -> bytes:
        """All that the edge has written."""
        return bytes(self.transport.written)

    def take(self) -> bytes:
        """What the edge has written since the last `take`."""
        taken = bytes(self.transport.written)
        self.transport.written.clear()
        return taken

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.transport.send(piece)
        self.settle()

    def send_bytewise(self, data: bytes) -> None:
        self.send(*(data[index : index + 1] for index in range(len(data))))

    def close(self) -> None:
        """FIN."""
        self.transport.end(ConnectionDone())
        self.settle()

    def reset(self) -> None:
        """RST."""
        self.transport.end(ConnectionLost())
        self.settle()

    def stall(self) -> None:
        self.transport.stall()

    def unstall(self) -> None:
        self.transport.unstall()
        self.settle()

    def settle(self) -> None:
        for _ in range(20):
            self.clock.advance(0)

    @property
    def is_closed(self) -> bool:
        """Whether the edge has closed in order."""
        return self.transport.is_closing and not self.transport.is_aborted

    @property
    def is_half_closed(self) -> bool:
        """Whether the edge has closed its half, and reads on."""
        return self.transport.is_half_closed and not self.transport.is_lost

    @property
    def is_aborted(self) -> bool:
        """Whether the edge has reset the connection."""
        return self.transport.is_aborted

    @property
    def is_open(self) -> bool:
        transport = self.transport
        return not (transport.is_closing or transport.is_aborted or transport.is_lost or transport.is_half_closed)


class FakeNode:
    """What listens at one address: a test plays it, connection by connection.

    :ivar refuses: dials are refused; `holds`: they stay unanswered until `accept`.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.connections: list[Peer] = []
        self.refuses = False
        self.holds = False
        self.held: list[tuple[IProtocolFactory, Deferred[IProtocol]]] = []
        self.cancelled = 0

    @property
    def last(self) -> Peer:
        return self.connections[-1]

    def accept(self) -> Peer:
        """Accept the dial that has been held longest."""
        factory, connected = self.held.pop(0)
        self._establish(factory, connected)
        self.last.settle()
        return self.last

    def dialled(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        connected: Deferred[IProtocol] = Deferred(self._cancel)
        if self.refuses:
            connected.errback(Failure(ConnectionRefusedError()))
        elif self.holds:
            self.held.append((factory, connected))
        else:
            self._establish(factory, connected)
        return connected

    def _establish(self, factory: IProtocolFactory, connected: Deferred[IProtocol]) -> None:
        protocol = factory.buildProtocol(IPv4Address("TCP", "10.0.0.1", 5001))
        if protocol is None:
            connected.errback(Failure(ConnectionAborted()))
            return
        peer = Peer(self.clock)
        peer.transport.protocol = protocol
        self.connections.append(peer)
        protocol.makeConnection(peer.transport)  # type: ignore[arg-type]
        connected.callback(protocol)

    def _cancel(self, connected: Deferred[IProtocol]) -> None:
        self.cancelled += 1
        connected.errback(Failure(CancelledError()))


class MemoryNetwork:
    """Addresses and the nodes that listen at them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.nodes: dict[Address, FakeNode] = {}

    def node(self, address: Address) -> FakeNode:
        return self.nodes.setdefault(address, FakeNode(self.clock))

    def connect(self, address: Address) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = MemoryEndpoint(self.node(address))
        return endpoint


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """Dials one fake node."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return self._node.dialled(protocolFactory)


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


class EdgeTestCase(SynchronousTestCase):
    """An edge for `localhost`, in memory, whose clock stands still."""

    access_log = True

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock)
        self.registry = Registry()
        self.status = FakeStatus()
        self.events: list[LogEvent] = []
        self.edge = self.make_edge()
        observer = cast(ILogObserver, self._observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def _observe(self, event: LogEvent) -> None:
        if str(event.get("log_namespace", "")).startswith("nexus.edge"):
            self.events.append(event)

    def make_edge(self, **changes: object) -> Edge:
        """An edge with `changes` to the default configuration."""
        options: dict[str, object] = {"listen": (), "access_log": self.access_log, **changes}
        return Edge(
            config=EdgeConfig(**options),  # type: ignore[arg-type]
            instance="test",
            clock=self.clock,
            registry=self.registry,
            verifier=TokenVerifier(JWTConfig(), JWT_SECRET, self.clock.seconds, "localhost"),
            status=self.status,
            connect=self.network.connect,
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

    def client(self, edge: Edge | None = None) -> Peer:
        """A client that has just connected."""
        peer = Peer(self.clock)
        protocol = (edge or self.edge).factory.buildProtocol(IPv4Address("TCP", "192.0.2.7", 50000))
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
    def access_events(self) -> list[LogEvent]:
        """The access log."""
        return [event for event in self.events if event["log_namespace"] == "nexus.edge.access"]

    def ended(self) -> str:
        """How the last request ended."""
        return str(self.access_events[-1]["ended"])

    def pass_time(self, seconds: float) -> None:
        """Let time pass in one step, and what is due happen."""
        self.clock.advance(seconds)
        for _ in range(20):
            self.clock.advance(0)


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
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    fields: dict[bytes, list[bytes]] = {}
    for line in lines[1:]:
        name, _, value = line.partition(b": ")
        fields.setdefault(name.lower(), []).append(value)
    return int(lines[0].split(b" ")[1]), fields, rest


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
