"""The contract of `INodes`, for whatever keeps the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from nexus.errors import ContainerNotFoundError, NameTakenError, NodeNotReadyError
from nexus.interfaces import INodeObserver, INodes
from nexus.model import ContainerState, Node, NodeEvent, NodeEventKind, NodeId, Resources
from tests.ipfs.making import make_lease, make_network

if TYPE_CHECKING:
    _Base = SynchronousTestCase
else:
    _Base = object

DEMO = NodeId("demo")


@implementer(INodeObserver)
class RecordingObserver:
    """Writes down what it was told."""

    def __init__(self) -> None:
        self.events: list[NodeEvent] = []

    def node_event(self, event: NodeEvent) -> None:
        """See `INodeObserver`."""
        self.events.append(event)

    def node_events_restored(self) -> None:
        """See `INodeObserver`."""


class NodesTests(_Base):
    """Mix in with `SynchronousTestCase`; make `make_nodes` and `hold_creation`."""

    def make_nodes(self) -> INodes:
        """A client without nodes, whose answers are there at once."""
        raise NotImplementedError

    def hold_creation(self) -> None:
        """From now on a node that is created does not become ready."""
        raise NotImplementedError

    def create(self, nodes: INodes) -> Node:
        """A node that is ready."""
        node: Node = self.successResultOf(nodes.create_node(make_network(), make_lease()))
        return node

    def assert_there(self, nodes: INodes, *there: Node, data: bool) -> None:
        """These nodes are there, and `demo` has data or not."""
        self.assertEqual({node.container_id for node in there}, {node.container_id for node in self.listed(nodes)})
        self.assertEqual(self.successResultOf(nodes.volumes().addCallback(list)), [DEMO] if data else [])

    def listed(self, nodes: INodes) -> list[Node]:
        """The nodes there are."""
        listed: list[Node] = self.successResultOf(nodes.nodes().addCallback(list))
        return listed

    def test_interface(self) -> None:
        """It has every method of the interface."""
        verifyObject(INodes, self.make_nodes())

    def test_create(self) -> None:
        """A node that was made runs, has data, and is told as its record and its lease had it."""
        nodes = self.make_nodes()
        node = self.create(nodes)
        self.assert_there(nodes, node, data=True)
        (listed,) = self.listed(nodes)
        self.assertEqual((listed.id, listed.state, listed.lease), (DEMO, ContainerState.RUNNING, make_lease()))
        self.assertEqual(listed.resources, make_network().resources)
        self.assertEqual(listed.revision, nodes.node_revision(make_network(), make_lease()))

    def test_revision(self) -> None:
        """A record that would make another node has another revision."""
        nodes = self.make_nodes()
        changed = make_network(resources=Resources(disk_gb=20))
        self.assertNotEqual(
            nodes.node_revision(changed, make_lease()), nodes.node_revision(make_network(), make_lease())
        )

    def test_create_twice(self) -> None:
        """A second node in the place of the first is refused, and the first is unharmed."""
        nodes = self.make_nodes()
        node = self.create(nodes)
        self.failureResultOf(nodes.create_node(make_network(), make_lease()), NameTakenError)
        self.assert_there(nodes, node, data=True)

    def test_cancelled_create(self) -> None:
        """Who cancels leaves neither container nor data."""
        nodes = self.make_nodes()
        self.hold_creation()
        creating = nodes.create_node(make_network(), make_lease())
        self.assertNoResult(creating)
        creating.cancel()
        self.failureResultOf(creating)
        self.assert_there(nodes, data=False)

    def test_cancelled_create_keeps_older_data(self) -> None:
        """But data that were there before."""
        nodes = self.make_nodes()
        self.create(nodes)
        self.successResultOf(nodes.stop_node(DEMO))
        self.hold_creation()
        creating: Deferred[Node] = nodes.create_node(make_network(), make_lease())
        creating.cancel()
        self.failureResultOf(creating)
        self.assert_there(nodes, data=True)

    def test_stop(self) -> None:
        """A stopped node has no container, and keeps its data; stopping it again succeeds."""
        nodes = self.make_nodes()
        self.create(nodes)
        for _ in range(2):
            self.successResultOf(nodes.stop_node(DEMO))
            self.assert_there(nodes, data=True)

    def test_remove(self) -> None:
        """A removed node has neither; removing it again succeeds, also after a stop."""
        nodes = self.make_nodes()
        self.create(nodes)
        for _ in range(2):
            self.successResultOf(nodes.remove_node(DEMO))
            self.assert_there(nodes, data=False)
        self.create(nodes)
        self.successResultOf(nodes.stop_node(DEMO))
        self.successResultOf(nodes.remove_node(DEMO))
        self.assert_there(nodes, data=False)

    def test_update(self) -> None:
        """An update tells what has to wait for the next start; the node runs on."""
        nodes = self.make_nodes()
        node = self.create(nodes)
        smaller = make_network(resources=Resources(cpus=0.5))
        self.assertEqual(self.successResultOf(nodes.update_node(node, smaller).addCallback(list)), [])
        larger = make_network(resources=Resources(cpus=0.5, disk_gb=20))
        self.assertEqual(self.successResultOf(nodes.update_node(node, larger).addCallback(list)), ["resources.disk_gb"])
        self.assert_there(nodes, node, data=True)

    def test_measure(self) -> None:
        """A running node is measured, and says who it is, both times the same."""
        nodes = self.make_nodes()
        node = self.create(nodes)
        stats = self.successResultOf(nodes.node_stats(node, make_network()))
        identity = self.successResultOf(nodes.identify_node(node, make_network()))
        self.assertEqual((stats.node, stats.state), (DEMO, ContainerState.RUNNING))
        self.assertTrue(identity.peer_id)
        self.assertEqual((stats.peer_id, stats.swarm_multiaddrs), (identity.peer_id, identity.swarm_multiaddrs))
        for multiaddr in identity.swarm_multiaddrs:
            self.assertTrue(multiaddr.endswith(f"/tcp/{node.lease.swarm_port}/p2p/{identity.peer_id}"), multiaddr)

    def test_not_running(self) -> None:
        """A node that is gone cannot be measured, is nobody, and is not ready."""
        nodes = self.make_nodes()
        node = self.create(nodes)
        self.successResultOf(nodes.await_ready(node, make_network()))
        self.successResultOf(nodes.stop_node(DEMO))
        self.failureResultOf(nodes.node_stats(node, make_network()), NodeNotReadyError)
        self.failureResultOf(nodes.identify_node(node, make_network()), NodeNotReadyError)
        self.failureResultOf(nodes.await_ready(node, make_network()), NodeNotReadyError)
        self.failureResultOf(nodes.diagnose(node), ContainerNotFoundError)

    def test_diagnose(self) -> None:
        """What the engine tells of a node."""
        nodes = self.make_nodes()
        node = self.create(nodes)
        diagnosis = self.successResultOf(nodes.diagnose(node))
        self.assertEqual((diagnosis.node, diagnosis.container_id), (DEMO, node.container_id))
        self.assertEqual((diagnosis.container_name, diagnosis.state), (node.container_name, ContainerState.RUNNING))

    def test_events(self) -> None:
        """An observer hears of a node's start and end, by its container, until it closes its subscription."""
        nodes = self.make_nodes()
        observer = RecordingObserver()
        subscription = nodes.watch(observer)
        node = self.create(nodes)
        self.successResultOf(nodes.stop_node(DEMO))
        subscription.close()
        subscription.close()
        self.create(nodes)
        self.assertEqual(
            observer.events,
            [
                NodeEvent(node=DEMO, kind=kind, container_id=node.container_id)
                for kind in (NodeEventKind.STARTED, NodeEventKind.DIED, NodeEventKind.REMOVED)
            ],
        )
