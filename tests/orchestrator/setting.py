"""An orchestrator over memory alone, as every test here begins."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nexus.errors import InvalidError, NexusError
from nexus.interfaces import INodes
from nexus.leases import Leases
from nexus.messages import CreateNetwork, DeleteNetwork, NetworkDiagnostics, NetworkName, UpdateNetwork
from nexus.model import NetworkState, NodeId, PortRange, Reach, Resources, Route
from nexus.orchestrator.orchestrator import Orchestrator
from nexus.orchestrator.parts import Timings
from nexus.registry import Registry
from nexus.secrets import Secret
from nexus.testing.networks import MemoryNetworks
from nexus.testing.nodes import MemoryNodes

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TIMINGS = Timings()
TEN_PORTS = PortRange(4000, 4009)
"""Of these, the node of network demo gets 4005, and the next one where that is in use."""


def check_swarm_key(text: str) -> Secret:
    """Stands for `nexus.ipfs`'s."""
    if not text.startswith("/key/swarm/psk/1.0.0/"):
        raise InvalidError("key", "it is none", "a swarm key")
    return Secret(text)


def check_bootstrap_peers(peers: Iterable[str]) -> tuple[str, ...]:
    """Stands for `nexus.ipfs`'s."""
    for place, peer in enumerate(peers):
        if not peer.startswith("/"):
            raise InvalidError(f"bootstrap_peers[{place}]", "it is none", "a multiaddr")
    return tuple(peers)


class OrchestratorTestCase(SynchronousTestCase):
    """Makes an orchestrator before each test, and says in the test's words what happens to it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.networks = MemoryNetworks(self.now)
        self.nodes = MemoryNodes()
        self.registry = Registry()
        self.leases = self.make_leases()
        self.orchestrator = self.make_orchestrator()
        self.successResultOf(self.orchestrator.start())

    def now(self) -> datetime:
        """The wall clock: runs with the test's."""
        return EPOCH + timedelta(seconds=self.clock.seconds())

    def make_leases(self, swarm_ports: PortRange = TEN_PORTS) -> Leases:
        """Leases for ten nodes."""
        return Leases(
            clock=self.clock,
            reach=Reach.BRIDGE,
            subnet=ipaddress.IPv4Network("10.0.0.0/24"),
            swarm_bind="127.0.0.1",
            swarm_ports=swarm_ports,
            api_ports=PortRange(5000, 5009),
            gateway_ports=PortRange(6000, 6009),
            quarantine_s=30,
            is_port_free=lambda host, port: True,
        )

    def make_orchestrator(self, nodes: INodes | None = None, timings: Timings = TIMINGS) -> Orchestrator:
        """One more orchestrator on what is there, as after a restart (with `registry` and `leases` made anew)."""
        return Orchestrator(
            clock=self.clock,
            now=self.now,
            networks=self.networks,
            nodes=nodes or self.nodes,
            registry=self.registry,
            leases=self.leases,
            instance="test",
            version="1.2.3",
            domain="example.test",
            edge_port=lambda: 8080,
            default_resources=Resources(),
            generate_swarm_key=lambda: Secret("/key/swarm/psk/1.0.0/ generated"),
            check_swarm_key=check_swarm_key,
            check_bootstrap_peers=check_bootstrap_peers,
            fingerprint=lambda key: "fingerprint",
            timings=timings,
        )

    def restart(self, leases: Leases | None = None) -> None:
        """Nexus is killed and starts again: only records and nodes are left."""
        self.clock = Clock()
        self.registry = Registry()
        self.leases = leases or self.make_leases()
        self.orchestrator = self.make_orchestrator()
        self.successResultOf(self.orchestrator.start())

    # Commands

    def create(self, *names: str, **fields: Any) -> None:
        """Records for these networks."""
        for name in names:
            self.successResultOf(self.orchestrator.create_network(CreateNetwork(network=name, **fields)))

    def online(self, *names: str) -> None:
        """Networks that are online."""
        for name in names:
            self.create(name)
            self.successResultOf(self.start(name))

    def start(self, name: str = "demo") -> Deferred[Any]:
        """StartNetwork."""
        return self.orchestrator.start_network(NetworkName(network=name))

    def stop(self, name: str = "demo") -> Deferred[Any]:
        """StopNetwork."""
        return self.orchestrator.stop_network(NetworkName(network=name))

    def remove(self, name: str = "demo") -> Deferred[Any]:
        """RemoveNetwork."""
        return self.orchestrator.remove_network(NetworkName(network=name))

    def delete(self, name: str = "demo", *, remove: bool = False) -> Deferred[Any]:
        """DeleteNetwork."""
        return self.orchestrator.delete_network(DeleteNetwork(network=name, remove=remove))

    def update(self, name: str = "demo", **fields: Any) -> Deferred[Any]:
        """UpdateNetwork."""
        return self.orchestrator.update_network(UpdateNetwork(network=name, **fields))

    # Faults

    def fail_networks(self, method: str, error: NexusError) -> Any:
        """The database fails at this call, until `restore()` of what this answers."""
        return self.patch(self.networks, method, lambda *arguments: fail(error))

    def failed(self, deferred: Deferred[Any], kind: type[Exception]) -> Any:
        """The error that `deferred` has failed with."""
        return self.failureResultOf(deferred, kind).value

    # What is there

    def route(self, name: str = "demo") -> Route:
        """The route of a known network."""
        route = self.registry.route(name)
        assert route is not None, f"{name} is not routed"
        return route

    def record(self, name: str = "demo") -> Any:
        """The record."""
        return self.successResultOf(self.networks.get(name))

    def calls(self, method: str) -> int:
        """How often the node client was called so."""
        return sum(called == method for called, _ in self.nodes.calls)

    def assert_online(self, name: str = "demo") -> None:
        """It is wanted, runs, and is routed to the container that it runs in; its lease is the container's."""
        route, node = self.route(name), self.nodes.node(name)
        self.assertEqual(self.record(name).desired_state, "online")
        self.assertEqual(route.state, NetworkState.ONLINE)
        self.assertEqual([target.container_id for target in route.targets], [node.container_id])
        self.assertEqual([target.api for target in route.targets], [node.api_address])
        self.assertEqual(self.leases.get(NodeId(name)), node.lease)

    def assert_offline(self, name: str = "demo", *, data: bool) -> None:
        """It is known and not wanted: no container, lease or target is left, and data only as told."""
        route = self.route(name)
        self.assertEqual(self.record(name).desired_state, "offline")
        self.assertEqual((route.state, route.targets), (NetworkState.OFFLINE, ()))
        self.assert_nothing_left(name, data=data)

    def assert_nothing_left(self, name: str = "demo", *, data: bool = False) -> None:
        """No container or lease of it is left, and data only as told."""
        self.assertEqual([node for node in self.nodes.present() if node.id.network == name], [])
        self.assertIsNone(self.leases.get(NodeId(name)))
        self.assertEqual(NodeId(name) in self.nodes.data, data)


class SettledTestCase(OrchestratorTestCase):
    """A network that has been online for a while."""

    def setUp(self) -> None:
        """`demo` is online and has settled."""
        super().setUp()
        self.online("demo")
        self.clock.advance(0)
        self.clock.advance(TIMINGS.settled_after_s)
        self.nodes.calls.clear()

    def diagnostics(self) -> NetworkDiagnostics:
        """What diagnostics say."""
        return self.successResultOf(self.orchestrator.network_diagnostics(NetworkName(network="demo")))
