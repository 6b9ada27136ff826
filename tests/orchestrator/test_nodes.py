"""The nodes that these tests stand on keep the contract that the node client keeps."""

from __future__ import annotations

from datetime import UTC, datetime

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nexus.interfaces import INodes
from nexus.ipfs.client import NodeClient
from nexus.testing.kubo import FakeKuboAgent
from nexus.testing.nodes import MemoryNodes
from nexus.testing.runtime import MemoryRuntime
from tests.contracts.nodes import NodesTests
from tests.ipfs.making import make_hosting


class MemoryNodesTests(NodesTests, SynchronousTestCase):
    """Nodes in memory."""

    def make_nodes(self) -> INodes:
        self.nodes = MemoryNodes()
        return self.nodes

    def hold_creation(self) -> None:
        self.nodes.hold("create_node")


class NodeClientTests(NodesTests, SynchronousTestCase):
    """The node client, on an engine in memory."""

    def make_nodes(self) -> INodes:
        clock = Clock()
        runtime = MemoryRuntime(["ipfs/kubo:v0.43.0"], now=lambda: datetime.fromtimestamp(clock.seconds(), UTC))
        self.kubos = FakeKuboAgent(runtime)
        return NodeClient(clock, runtime, self.kubos, make_hosting(), ready_timeout_s=60)

    def hold_creation(self) -> None:
        self.kubos.booting.add("demo")
