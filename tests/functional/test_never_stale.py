"""A route is never stale: real nodes that take over each other's only address, under load, with late events."""

from __future__ import annotations

import http.client
import ipaddress
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.threads import deferToThread
from zope.interface import directlyProvides, implementer

from nexus.config.sections import EdgeConfig, JWTConfig, TCPListen
from nexus.coroutines import returns_deferred
from nexus.dialling import dialling_endpoint
from nexus.edge.edge import Edge
from nexus.interfaces import INodeObserver, INodes, ISubscription
from nexus.ipfs.multiaddr import check_bootstrap_peers
from nexus.ipfs.swarm_key import check_swarm_key, generate_swarm_key, swarm_key_fingerprint
from nexus.leases import Leases, is_tcp_port_free, static_part
from nexus.listening import bind
from nexus.messages import CreateNetwork, NetworkName
from nexus.model import Address, Lease, NodeEvent, NodeId, PortRange, Reach, Resources
from nexus.orchestrator.orchestrator import Orchestrator
from nexus.registry import Registry
from nexus.secrets import Secret
from nexus.testing.networks import MemoryNetworks
from nexus.tokens import TokenVerifier
from tests.functional.kubo import KuboTestCase, free_port
from tests.on_uvloop import on_uvloop

MOVES = 6
CLIENTS = 4


@implementer(INodeObserver)
class HeldEvents:
    """An event stream that is late: keeps what it is told until `release`."""

    def __init__(self, observer: INodeObserver) -> None:
        self._observer = observer
        self._held: list[NodeEvent] | None = []

    def node_event(self, event: NodeEvent) -> None:
        """Keep it."""
        if self._held is None:
            self._observer.node_event(event)
        else:
            self._held.append(event)

    def node_events_restored(self) -> None:
        """The stream was not lost in this test; told at once."""
        self._observer.node_events_restored()

    def release(self) -> int:
        """Tell everything now, in order; how many there were."""
        held, self._held = self._held or [], None
        for event in held:
            self._observer.node_event(event)
        return len(held)


class LateNodes:
    """The nodes, with a late event stream."""

    def __init__(self, nodes: INodes) -> None:
        self._nodes = nodes
        self.events: HeldEvents | None = None
        directlyProvides(self, INodes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._nodes, name)

    def watch(self, observer: INodeObserver) -> ISubscription:
        """Watch, lately."""
        self.events = HeldEvents(observer)
        return self._nodes.watch(self.events)


@dataclass
class Seen:
    """What the clients saw, all together."""

    requests: int = 0
    own: int = 0
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class NeverStaleTests(KuboTestCase):
    """The edge, the orchestrator and real nodes on a bridge that has one address left."""

    timeout = 180

    def setUp(self) -> None:
        super().setUp()
        subnet = ipaddress.IPv4Network(self.world.subnet)
        self.leases = Leases(
            clock=IReactorTime(reactor),
            reach=Reach.BRIDGE,
            subnet=subnet,
            swarm_bind="127.0.0.1",
            swarm_ports=PortRange(free_port(), 65535),
            api_ports=PortRange(1, 2),
            gateway_ports=PortRange(1, 2),
            quarantine_s=0,
            is_port_free=is_tcp_port_free,
        )
        *taken, self.only_address = map(str, static_part(subnet))
        for index, address in enumerate(taken):
            self.leases.adopt(Lease(node=NodeId("somebody", index), swarm_port=index + 1, address=address))
        self.registry = Registry()
        self.nodes = LateNodes(self.client)
        self.orchestrator = Orchestrator(
            clock=IReactorTime(reactor),
            now=lambda: datetime.now(UTC),
            networks=MemoryNetworks(lambda: datetime.now(UTC)),
            nodes=cast(INodes, self.nodes),
            registry=self.registry,
            leases=self.leases,
            instance=self.instance,
            version="test",
            domain="localhost",
            edge_port=lambda: 0,
            default_resources=Resources(),
            generate_swarm_key=generate_swarm_key,
            check_swarm_key=check_swarm_key,
            check_bootstrap_peers=check_bootstrap_peers,
            fingerprint=swarm_key_fingerprint,
        )
        self.edge = Edge(
            config=EdgeConfig(listen=(TCPListen("127.0.0.1", 0),), access_log=False),
            instance=self.instance,
            clock=IReactorTime(reactor),
            registry=self.registry,
            verifier=TokenVerifier(JWTConfig(), Secret("s" * 32), lambda: 0.0, "localhost"),
            status=self.orchestrator,
            connect=self._dial,
        )

    def _dial(self, address: Address) -> IStreamClientEndpoint:
        return dialling_endpoint(reactor, address, 10)

    async def serve(self) -> int:
        """Start orchestrator and edge; the edge's port."""
        await self.orchestrator.start()
        self.addCleanup(self.orchestrator.stop)
        bound = bind("edge.listen", TCPListen("127.0.0.1", 0))
        number = bound.port
        self.addCleanup(self._close, await bound.accept_streams(reactor, self.edge.factory))  # type: ignore[arg-type]
        return number

    @returns_deferred
    async def _close(self, port: Any) -> None:
        await port.stopListening()
        await self.edge.drain()

    async def start(self, name: str) -> None:
        """Start a network; it must get the only address that is left."""
        await self.orchestrator.start_network(NetworkName(network=name))
        lease = self.leases.get(NodeId(name))
        self.assertEqual(lease and lease.address, self.only_address)

    async def store(self, name: str) -> str:
        """Put a file that only this network has into its node; its CID."""
        record = await self.orchestrator._parts.networks.get(name)
        container = self.hosting.node_name(NodeId(name))
        return await self.ipfs(container, "add -Q --cid-version=1", record.rpc_bearers[0], text=f"of {name}")

    async def test_an_address_that_passes_on(self) -> None:
        """Two networks take turns at one address, with no quarantine and all events late; no client of one, on whatever
        connection, ever reaches the other's node."""
        port = await self.serve()
        cids: dict[str, str] = {}
        for name in ("one", "two"):
            await self.orchestrator.create_network(CreateNetwork(network=name, gateway_public=True))
            await self.start(name)
            cids[name] = await self.store(name)
            await self.orchestrator.stop_network(NetworkName(network=name))

        seen, ending = Seen(), threading.Event()
        clients = [
            deferToThread(ask_until, ending, seen, port, name, cids) for name in ("one", "two") for _ in range(CLIENTS)
        ]
        try:
            for move in range(MOVES):
                name = ("one", "two")[move % 2]
                await self.start(name)
                await self.pause(0.3)
                if move < MOVES - 1:
                    await self.orchestrator.stop_network(NetworkName(network=name))
            assert self.nodes.events is not None
            self.assertGreater(self.nodes.events.release(), MOVES)  # all those deaths, now, after the last start
            await self.pause(0.5)
            self.assertEqual(await deferToThread(ask, port, name, cids[name]), 200)
        finally:
            ending.set()
            await gatherResults(clients)
        self.assertEqual(seen.wrong, [])
        self.assertGreater(seen.requests, 1000)
        self.assertGreater(seen.own, 100)

    async def test_a_stream_is_cut_before_its_address_passes_on(self) -> None:
        """What is open to a node when it is stopped ends at once, before the next one can have the address."""
        port = await self.serve()
        await self.orchestrator.create_network(CreateNetwork(network="one", gateway_public=True))
        await self.start("one")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.addCleanup(connection.close)
        cid = await self.store("one")
        self.assertEqual(await deferToThread(ask, port, "one", cid, connection), 200)
        stopping: Deferred[Any] = self.orchestrator.stop_network(NetworkName(network="one"))
        self.assertIn(await deferToThread(ask, port, "one", cid, connection), (503, 0))
        await stopping


def ask(port: int, network: str, cid: str, connection: http.client.HTTPConnection | None = None) -> int:
    """The status of one request to a network's gateway; 0 where the connection was cut."""
    using = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        using.request("GET", f"/ipfs/{cid}", headers={"Host": f"{network}.gateway.localhost:{port}"})
        response = using.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        using.close()
        return 0
    else:
        return response.status
    finally:
        if connection is None:
            using.close()


def ask_until(ending: threading.Event, seen: Seen, port: int, network: str, cids: dict[str, str]) -> None:
    """Ask `network` in turn for its own file and for the other's, on one connection as long as it lives."""
    (other,) = set(cids) - {network}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while not ending.is_set():
        own = ask(port, network, cids[network], connection)
        foreign = ask(port, network, cids[other], connection)
        with seen.lock:
            seen.requests += 2
            seen.own += own == 200
            if foreign == 200:
                seen.wrong.append(f"{network} served the file of {other}")
    connection.close()


NeverStaleTestsOnUvloop = on_uvloop(NeverStaleTests, __name__)
