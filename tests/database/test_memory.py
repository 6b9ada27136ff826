"""The in-memory records keep the contract that the database keeps."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase, TestCase

from nexus.errors import DatabaseError
from nexus.interfaces import INetworks
from nexus.testing.networks import MemoryNetworks
from tests.contracts.networks import NOW, NetworksTests, make_network


class MemoryNetworksTests(NetworksTests, TestCase):
    """The contract, in memory."""

    def make_networks(self) -> Deferred[INetworks]:
        return succeed(MemoryNetworks(now=lambda: NOW))


class FailureTests(SynchronousTestCase):
    """Tests can take the database away."""

    def test_failure(self) -> None:
        """While a failure is set every call fails with it and changes nothing; afterwards all is as before."""
        networks = MemoryNetworks(now=lambda: NOW)
        self.successResultOf(networks.create(make_network()))
        networks.failure = DatabaseError("any", "the disk is full")
        self.failureResultOf(networks.delete("demo"), DatabaseError)
        self.failureResultOf(networks.list(), DatabaseError)
        networks.failure = None
        self.assertEqual(self.successResultOf(networks.get("demo")), make_network())
