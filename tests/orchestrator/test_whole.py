"""The orchestrator over the real node client, in memory down to the engine: the contract of `INetworkControl`, and a
node's life as events of containers tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from nexus.interfaces import INetworkControl
from nexus.ipfs.client import NodeClient
from nexus.ipfs.multiaddr import check_bootstrap_peers
from nexus.ipfs.swarm_key import check_swarm_key, generate_swarm_key, swarm_key_fingerprint
from nexus.leases import Leases
from nexus.messages import CreateNetwork, NetworkName
from nexus.model import NetworkState, PortRange, Reach, Resources
from nexus.orchestrator.orchestrator import Orchestrator
from nexus.registry import Registry
from nexus.testing.kubo import FakeKuboAgent
from nexus.testing.networks import MemoryNetworks
from nexus.testing.runtime import MemoryRuntime
from tests.contracts.network_control import NetworkControlTests
from tests.ipfs.making import make_hosting

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class WholeTestCase(TestCase):
    """Makes orchestrators, each with an engine of its own, and a clock for all."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.networks = MemoryNetworks(self.now)
        self.runtime = MemoryRuntime(["ipfs/kubo:v0.43.0"], now=self.now, clock=self.clock)
        self.kubos = FakeKuboAgent(self.runtime)
        self.registry = Registry()

    def now(self) -> datetime:
        """The wall clock: runs with the test's."""
        return EPOCH + timedelta(seconds=self.clock.seconds())

    def make_orchestrator(self) -> Orchestrator:
        """One that has started."""
        self.registry = Registry()
        orchestrator = Orchestrator(
            clock=self.clock,
            now=self.now,
            networks=self.networks,
            nodes=NodeClient(self.clock, self.runtime, self.kubos, make_hosting(), ready_timeout_s=60),
            registry=self.registry,
            leases=Leases(
                clock=self.clock,
                reach=Reach.BRIDGE,
                subnet=IPv4Network("10.213.0.0/20"),
                swarm_bind="127.0.0.1",
                swarm_ports=PortRange(24000, 24009),
                api_ports=PortRange(25000, 25009),
                gateway_ports=PortRange(28000, 28009),
                quarantine_s=30,
                is_port_free=lambda host, port: True,
            ),
            instance="test1",
            version="1.2.3",
            domain="nexus.example",
            edge_port=lambda: 80,
            default_resources=Resources(),
            generate_swarm_key=generate_swarm_key,
            check_swarm_key=check_swarm_key,
            check_bootstrap_peers=check_bootstrap_peers,
            fingerprint=swarm_key_fingerprint,
        )
        self.successResultOf(orchestrator.start())
        return orchestrator

    def answered(self, asked: Deferred[T]) -> Deferred[T]:
        """Let time pass until it is answered."""
        for _ in range(1000):
            if asked.called:
                break
            self.clock.advance(0.1)
        return asked

    def pass_time(self, duration_s: float) -> None:
        """Let time pass."""
        for _ in range(int(duration_s * 10)):
            self.clock.advance(0.1)


class OrchestratorControlTests(NetworkControlTests, WholeTestCase):
    """The orchestrator keeps what the control API promises."""

    def make_control(self) -> INetworkControl:
        return self.make_orchestrator()

    def settle(self, asked: Deferred[T]) -> Deferred[T]:
        return self.answered(asked)


class NodeLifeTests(WholeTestCase):
    """A node's container dies, is removed, comes up late."""

    async def online(self) -> Orchestrator:
        """An orchestrator with `demo` online."""
        control = self.make_orchestrator()
        await self.answered(control.create_network(CreateNetwork(network="demo")))
        await self.answered(control.start_network(NetworkName(network="demo")))
        self.pass_time(1)
        return control

    @property
    def container_id(self) -> str:
        """That of the container there is."""
        (container_id,) = self.runtime.engine.containers
        return container_id

    def assert_routed(self) -> None:
        """The route leads to the container there is."""
        route = self.registry.route("demo")
        assert route is not None
        self.assertEqual(route.state, NetworkState.ONLINE)
        self.assertEqual([target.container_id for target in route.targets], [self.container_id])
        self.assertTrue(self.runtime.engine.containers[self.container_id].runs)

    async def test_killed(self) -> None:
        """`docker kill`: a new container, the same peer, a right route."""
        control = await self.online()
        first = self.container_id
        peer_id = self.kubos.kubo("demo").peer_id
        self.runtime.kill(first)
        self.pass_time(5)
        self.assertNotEqual(self.container_id, first)
        self.assert_routed()
        self.assertEqual(self.kubos.kubo("demo").peer_id, peer_id)
        started = await self.answered(control.start_network(NetworkName(network="demo")))
        self.assertEqual(started.peer_id, peer_id)

    async def test_crashed(self) -> None:
        """A crash: the engine restarts the same container, and it is routed again."""
        await self.online()
        first = self.container_id
        self.runtime.crash(first)
        self.pass_time(5)
        self.assertEqual(self.container_id, first)
        self.assert_routed()

    async def test_removed(self) -> None:
        """`docker rm -f`: a new container, the same data."""
        await self.online()
        volumes = list(self.runtime.engine.volumes)
        self.runtime.engine.remove(self.container_id)
        self.pass_time(5)
        self.assert_routed()
        self.assertEqual(list(self.runtime.engine.volumes), volumes)

    async def test_stopped_while_it_boots(self) -> None:
        """A stop during a start leaves no container and no volume."""
        control = self.make_orchestrator()
        await self.answered(control.create_network(CreateNetwork(network="demo")))
        self.kubos.booting.add("demo")
        starting = control.start_network(NetworkName(network="demo"))
        self.pass_time(3)
        self.assertEqual(len(self.runtime.engine.containers), 1)
        await self.answered(control.stop_network(NetworkName(network="demo")))
        self.assertEqual((self.runtime.engine.containers, self.runtime.engine.volumes), ({}, {}))
        self.assertIn("it was stopped", str(self.failureResultOf(starting).value))

    async def test_restart_of_nexus(self) -> None:
        """A new Nexus routes to what runs, from one list call."""
        control = await self.online()
        await self.answered(control.stop())
        self.runtime.calls.clear()
        self.make_orchestrator()
        self.assert_routed()
        self.assertEqual([call.method for call in self.runtime.calls], ["list"])
