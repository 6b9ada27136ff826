"""Leases: what a node holds, exhaustion, quarantine, adoption."""

from __future__ import annotations

import ipaddress
import socket

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nexus.errors import ConflictError, ExhaustedError
from nexus.leases import Leases, dynamic_part, is_tcp_port_free, static_part
from nexus.model import Lease, NodeId, PortRange, Reach

SUBNET = ipaddress.IPv4Network("10.9.0.0/28")
ONE, TWO, THREE = NodeId("one"), NodeId("two"), NodeId("three")


class LeasesTests(SynchronousTestCase):
    """What the orchestrator may rely on."""

    def setUp(self) -> None:
        """A clock, and ports of the host that are in use by others."""
        self.clock = Clock()
        self.busy: set[tuple[str, int]] = set()

    def make_leases(
        self, *, reach: Reach = Reach.BRIDGE, quarantine_s: float = 30, swarm_ports: str = "4000-4009"
    ) -> Leases:
        """Leases over small ranges."""
        return Leases(
            clock=self.clock,
            reach=reach,
            subnet=SUBNET,
            swarm_bind="192.0.2.1",
            swarm_ports=PortRange.parse(swarm_ports),
            api_ports=PortRange(5000, 5001),
            gateway_ports=PortRange(6000, 6001),
            quarantine_s=quarantine_s,
            is_port_free=lambda host, port: (host, port) not in self.busy,
        )

    def test_bridge(self) -> None:
        """On a bridge a node gets a swarm port and an address outside the engine's own part."""
        lease = self.make_leases().lease(ONE)
        self.assertEqual(lease, Lease(node=ONE, swarm_port=lease.swarm_port, address="10.9.0.2"))
        self.assertIn(lease.swarm_port, PortRange(4000, 4009))
        self.assertNotIn(ipaddress.IPv4Address(lease.address or ""), dynamic_part(SUBNET))

    def test_published(self) -> None:
        """With published ports a node gets three of them and no address."""
        lease = self.make_leases(reach=Reach.PUBLISHED).lease(ONE)
        self.assertEqual(lease, Lease(node=ONE, swarm_port=lease.swarm_port, api_port=5000, gateway_port=6000))

    def test_the_swarm_port_is_the_node_s_own(self) -> None:
        """A node that is stopped and started again, even by another Nexus process, has the swarm port that it had, so
        that members' saved multiaddrs keep working."""
        leases = self.make_leases()
        port = leases.lease(ONE).swarm_port
        leases.lease(TWO)
        leases.release(ONE)
        leases.lease(THREE)
        self.assertEqual(leases.lease(ONE).swarm_port, port)
        self.assertEqual(self.make_leases().lease(ONE).swarm_port, port)

    def test_the_same_again(self) -> None:
        """A node that has a lease keeps it."""
        leases = self.make_leases()
        self.assertIs(leases.lease(ONE), leases.lease(ONE))
        self.assertEqual(leases.held(), [leases.get(ONE)])

    def test_nothing_is_shared(self) -> None:
        """Two nodes hold nothing in common, nor do two nodes of one network."""
        leases = self.make_leases()
        held = [leases.lease(NodeId("n", index)) for index in range(8)]
        self.assertEqual(len({lease.address for lease in held}), 8)
        self.assertEqual(len({lease.swarm_port for lease in held}), 8)

    def test_ports_in_use_are_passed_over(self) -> None:
        """A port that something else on the host uses is not leased."""
        self.busy = {("192.0.2.1", port) for port in range(4000, 4009)} | {("127.0.0.1", 5000)}
        lease = self.make_leases(reach=Reach.PUBLISHED).lease(ONE)
        self.assertEqual((lease.swarm_port, lease.api_port, lease.gateway_port), (4009, 5001, 6000))

    def test_exhausted_ports(self) -> None:
        """A range with nothing left is told by its configuration key, and nothing is leased by halves."""
        leases = self.make_leases(reach=Reach.PUBLISHED)
        leases.lease(ONE)
        leases.lease(TWO)
        error = self.assertRaises(ExhaustedError, leases.lease, THREE)
        self.assertEqual(error.field, "containers.api_ports")
        self.assertIn("5000-5001", str(error))
        self.assertIsNone(leases.get(THREE))

    def test_exhausted_addresses(self) -> None:
        """So is a subnet."""
        leases = self.make_leases(swarm_ports="4000-4100")
        for index, _ in enumerate(static_part(SUBNET)):
            leases.lease(NodeId("n", index))
        error = self.assertRaises(ExhaustedError, leases.lease, ONE)
        self.assertEqual(error.field, "containers.subnet")

    def test_a_failed_lease_takes_nothing(self) -> None:
        """When the second range is exhausted, what was found in the first is still to be had."""
        leases = self.make_leases(reach=Reach.PUBLISHED)
        self.busy = {("127.0.0.1", 6000), ("127.0.0.1", 6001)}
        self.assertRaises(ExhaustedError, leases.lease, ONE)
        self.busy = {("192.0.2.1", port) for port in range(4001, 4010)}
        self.assertEqual(leases.lease(ONE).swarm_port, 4000)

    def test_quarantine(self) -> None:
        """A freed address is not leased again before its quarantine is over, even when no other is left."""
        leases = self.make_leases(swarm_ports="4000-4100")
        size = len(list(static_part(SUBNET)))
        held = [leases.lease(NodeId("n", index)) for index in range(size)]
        leases.release(NodeId("n", 3))
        self.clock.advance(29)
        self.assertRaises(ExhaustedError, leases.lease, ONE)
        self.clock.advance(1)
        self.assertEqual(leases.lease(ONE).address, held[3].address)

    def test_published_ports_rest_too(self) -> None:
        """The edge dials published ports, so they have a quarantine as well."""
        leases = self.make_leases(reach=Reach.PUBLISHED)
        leases.lease(ONE)
        leases.lease(TWO)
        leases.release(ONE)
        self.clock.advance(29)
        self.assertRaises(ExhaustedError, leases.lease, THREE)
        self.clock.advance(1)
        self.assertEqual(leases.lease(THREE).api_port, 5000)

    def test_no_quarantine(self) -> None:
        """With the quarantine at 0 a freed address can be forced upon the next node."""
        leases = self.make_leases(quarantine_s=0, swarm_ports="4000-4100")
        size = len(list(static_part(SUBNET)))
        held = [leases.lease(NodeId("n", index)) for index in range(size)]
        leases.release(NodeId("n", 0))
        self.assertEqual(leases.lease(ONE).address, held[0].address)

    def test_addresses_rotate(self) -> None:
        """A freed address rests as long as the subnet allows, beyond its quarantine."""
        leases = self.make_leases(quarantine_s=0)
        first = leases.lease(ONE)
        leases.release(ONE)
        self.assertNotEqual(leases.lease(TWO).address, first.address)

    def test_what_is_in_use_is_not_leased_again(self) -> None:
        """When the engine finds a leased port in use after all, the next lease is of another."""
        leases = self.make_leases(quarantine_s=0)
        refused = leases.lease(ONE)
        leases.release(ONE, in_use=True)
        again = leases.lease(ONE)
        self.assertNotEqual(again.swarm_port, refused.swarm_port)
        self.assertNotEqual(again.address, refused.address)

    def test_release_is_idempotent(self) -> None:
        """Releasing what is not held is done already."""
        leases = self.make_leases()
        leases.release(ONE)
        leases.lease(ONE)
        leases.release(ONE)
        leases.release(ONE)
        self.assertEqual(leases.held(), [])

    def test_adopted(self) -> None:
        """After a restart a running node keeps what it holds, and nobody else gets it."""
        leases = self.make_leases()
        lease = Lease(node=ONE, swarm_port=4000, address="10.9.0.2")
        leases.adopt(lease)
        leases.adopt(lease)
        self.assertIs(leases.lease(ONE), leases.get(ONE))
        other = leases.lease(TWO)
        self.assertEqual(other.address, "10.9.0.3")
        self.assertNotEqual(other.swarm_port, 4000)

    def test_adopted_conflict(self) -> None:
        """Two nodes that claim the same address are told, and the first keeps it."""
        leases = self.make_leases()
        leases.adopt(Lease(node=ONE, swarm_port=4000, address="10.9.0.2"))
        error = self.assertRaises(ConflictError, leases.adopt, Lease(node=TWO, swarm_port=4001, address="10.9.0.2"))
        self.assertIn("10.9.0.2", str(error))
        self.assertIsNone(leases.get(TWO))

    def test_adopted_replaces(self) -> None:
        """What a node really holds wins over what it was thought to hold."""
        leases = self.make_leases(quarantine_s=0)
        leases.lease(ONE)
        actual = Lease(node=ONE, swarm_port=4007, address="10.9.0.9")
        leases.adopt(actual)
        self.assertEqual(leases.get(ONE), actual)


class PortProbeTests(SynchronousTestCase):
    """The question that is asked of the host."""

    def test_listening_port_is_not_free(self) -> None:
        """A port that something listens on is in use; once closed it is free."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            port = listener.getsockname()[1]
            self.assertFalse(is_tcp_port_free("127.0.0.1", port))
        self.assertTrue(is_tcp_port_free("127.0.0.1", port))

    def test_address_of_another_host(self) -> None:
        """On an address that this host does not have nothing is in use: the engine tells what is wrong with it."""
        self.assertTrue(is_tcp_port_free("192.0.2.77", 24000))


class SubnetTests(SynchronousTestCase):
    """How a bridge's subnet is split."""

    def test_split(self) -> None:
        """The engine's part and the leased part do not meet, and neither holds network or broadcast address twice."""
        subnet = ipaddress.IPv4Network("10.9.0.0/24")
        leased = list(static_part(subnet))
        self.assertEqual(str(dynamic_part(subnet)), "10.9.0.0/27")
        self.assertEqual((str(leased[0]), str(leased[-1]), len(leased)), ("10.9.0.32", "10.9.0.254", 223))
