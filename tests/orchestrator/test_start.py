"""StartNetwork: what it answers, what it joins, and what it leaves when it fails."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from zope.interface.verify import verifyObject

from nexus.errors import (
    DatabaseError,
    EngineUnreachableError,
    ExhaustedError,
    ImageMissingError,
    InvalidError,
    NetworkNotFoundError,
    NexusError,
    NodeNotReadyError,
    PortTakenError,
)
from nexus.interfaces import INetworkControl, INetworkStatus
from nexus.model import (
    ContainerState,
    DesiredState,
    Network,
    NetworkState,
    Node,
    NodeEvent,
    NodeEventKind,
    NodeId,
    NodeIdentity,
    PortRange,
)
from nexus.testing.nodes import MemoryNodes
from tests.orchestrator.setting import EPOCH, TIMINGS, OrchestratorTestCase

UNREACHABLE = EngineUnreachableError("create", "no engine")
DATABASE = DatabaseError("write", "it is away")


class StartTests(OrchestratorTestCase):
    """A network is brought online."""

    def test_interfaces(self) -> None:
        """The orchestrator is what the control API and the edge ask."""
        verifyObject(INetworkControl, self.orchestrator)
        verifyObject(INetworkStatus, self.orchestrator)

    def test_answer(self) -> None:
        """The answer has all that members need."""
        self.create("demo")
        answer = self.successResultOf(self.start())
        self.assertEqual(answer.state, NetworkState.ONLINE)
        self.assertEqual(answer.peer_id, "peer-of-demo")
        self.assertEqual(answer.api_url, "http://demo.api.example.test:8080")
        self.assertEqual(answer.gateway_url, "http://demo.gateway.example.test:8080")
        self.assertEqual(answer.swarm_multiaddrs, ["/ip4/127.0.0.1/tcp/4005/p2p/peer-of-demo"])
        self.assertEqual(answer.swarm_key, "/key/swarm/psk/1.0.0/ generated")

    def test_secrets_in_no_repr(self) -> None:
        """Neither answer nor route gives a secret away when it is printed."""
        self.create("demo")
        answer = self.successResultOf(self.start())
        self.assertNotIn("generated", repr(answer))
        self.assertNotIn(self.record().rpc_bearers[0].reveal(), repr(self.route()))

    def test_everything_is_there(self) -> None:
        """Record, lease, node and route agree; the route carries the node's bearer."""
        self.create("demo")
        self.successResultOf(self.start())
        self.assert_online()
        self.assertEqual(self.route().targets[0].rpc_bearer, self.record().rpc_bearers[0])
        self.assertEqual(self.record().activated_at, EPOCH)
        self.assertEqual(self.record().activation_reason, "StartNetwork")

    def test_wanted_before_made(self) -> None:
        """The record says online before the engine is asked for a container, and the state is starting."""
        self.create("demo")
        self.nodes.hold("create_node")
        self.start()
        self.assertEqual(self.record().desired_state, DesiredState.ONLINE)
        self.assertEqual(self.route().state, NetworkState.STARTING)
        self.assertEqual(self.route().targets, ())

    def test_not_routed_before_ready(self) -> None:
        """Nothing is routed to a node that does not answer yet."""
        self.create("demo")
        self.nodes.hold("identify_node")
        starting = self.start()
        self.assertEqual(self.route().targets, ())
        self.nodes.release("identify_node")
        self.successResultOf(starting)
        self.assert_online()

    def test_joins(self) -> None:
        """A second start while one is under way gets the same answer from the same node."""
        self.create("demo")
        self.nodes.hold("create_node")
        first, second = self.start(), self.start()
        self.nodes.release("create_node")
        self.assertEqual(self.successResultOf(first), self.successResultOf(second))
        self.assertEqual(self.calls("create_node"), 1)

    def test_joiners_share_failure(self) -> None:
        """A second start while one is under way gets the same error."""
        self.create("demo")
        self.nodes.fail_next("create_node", ImageMissingError("create", "no image"))
        self.nodes.hold("create_node")
        first, second = self.start(), self.start()
        self.nodes.release("create_node")
        self.failed(first, ImageMissingError)
        self.failed(second, ImageMissingError)
        self.assertEqual(self.calls("create_node"), 1)

    def test_impatient_caller(self) -> None:
        """A caller that stops waiting disturbs neither the start nor who joined it."""
        self.create("demo")
        self.nodes.hold("create_node")
        first, second = self.start(), self.start()
        first.addErrback(lambda _: None)
        first.cancel()
        self.nodes.release("create_node")
        self.successResultOf(second)
        self.assert_online()

    def test_online_already(self) -> None:
        """Starting what is online answers at once and makes nothing."""
        self.online("demo")
        route = self.route()
        self.nodes.calls.clear()
        self.successResultOf(self.start())
        self.assertEqual(self.nodes.calls, [("identify_node", "demo")])
        self.assertEqual(self.route(), route)

    def test_networks_in_parallel(self) -> None:
        """One network's start waits for no other's."""
        self.create("slow", "quick")
        self.nodes.hold("create_node")
        slow = self.start("slow")
        quick = self.start("quick")
        self.assertEqual(self.nodes.held("create_node"), 2)
        self.nodes.release("create_node")
        self.successResultOf(slow)
        self.successResultOf(quick)
        self.assertNotEqual(self.leases.get(NodeId("slow")), self.leases.get(NodeId("quick")))

    def test_unknown_network(self) -> None:
        """What is not on record cannot be started, and leaves nothing behind."""
        self.nodes.calls.clear()
        self.failed(self.start("nobody"), NetworkNotFoundError)
        self.assertIsNone(self.registry.route("nobody"))
        self.assertEqual(self.nodes.calls, [])

    def test_invalid_name(self) -> None:
        """A name that no network can have is told as such."""
        self.assertEqual(self.failed(self.start("No_Name"), InvalidError).field, "network")

    def test_leftover_container_is_replaced(self) -> None:
        """A dead container of an offline network, found at a start, makes way; data stay."""
        self.create("demo")
        self.nodes.put(self.record(), self.leases.lease(NodeId("demo")), ContainerState.EXITED)
        self.successResultOf(self.start())
        self.assert_online()
        self.assertEqual([call for call in self.nodes.calls if call[0].startswith("remove")], [])

    def test_leftover_running_container_is_used(self) -> None:
        """A container that runs as the record says is routed, not made again."""
        self.create("demo")
        self.nodes.put(self.record(), self.leases.lease(NodeId("demo")))
        self.successResultOf(self.start())
        self.assert_online()
        self.assertEqual(self.calls("create_node"), 0)

    def test_outdated_running_container_is_renewed(self) -> None:
        """A start takes on what the record says now."""
        self.create("demo")
        self.nodes.put(self.record(), self.leases.lease(NodeId("demo")))
        self.successResultOf(self.update(resources=None, bootstrap_peers=["/ip4/1.2.3.4"]))
        self.patch(self.nodes, "node_revision", lambda network, lease: "another")
        self.successResultOf(self.start())
        self.assert_online()
        self.assertEqual(self.calls("create_node"), 1)


class DyingNodes(MemoryNodes):
    """A node that dies while it is asked who it is."""

    def identify_node(self, node: Node, network: Network) -> Deferred[NodeIdentity]:
        """See `INodes`."""
        answer = super().identify_node(node, network)
        self.kill(network.name)
        return answer


class FailedStartTests(OrchestratorTestCase):
    """A start that fails leaves everything as it was."""

    def setUp(self) -> None:
        """A network that was never started."""
        super().setUp()
        self.create("demo")

    def assert_undone(self, kind: type[NexusError], *, data: bool = False) -> None:
        """A start fails so, nothing of it is left, and the next one succeeds."""
        self.failed(self.start(), kind)
        self.assert_offline(data=data)
        self.clock.advance(600)
        self.assert_offline(data=data)
        self.successResultOf(self.start())
        self.assert_online()

    def test_list_fails(self) -> None:
        """Step 1: the engine does not list its nodes."""
        self.nodes.fail_next("nodes", UNREACHABLE)
        self.assert_undone(EngineUnreachableError)

    def test_volumes_fail(self) -> None:
        """Step 2: the engine does not list its volumes."""
        self.nodes.fail_next("volumes", UNREACHABLE)
        self.assert_undone(EngineUnreachableError)

    def test_record_fails(self) -> None:
        """Step 3: the database does not take the desired state."""
        broken = self.fail_networks("record_activation", DATABASE)
        self.failed(self.start(), DatabaseError)
        broken.restore()
        self.assert_offline(data=False)

    def test_lease_fails(self) -> None:
        """Step 4: the ranges are exhausted."""
        self.restart(self.make_leases(PortRange(4000, 4000)))
        self.online("other")
        self.assertEqual(self.failed(self.start(), ExhaustedError).field, "swarm.ports")
        self.assert_offline(data=False)
        self.assert_online("other")

    def test_create_fails(self) -> None:
        """Step 5: the node does not come up."""
        self.nodes.fail_next("create_node", NodeNotReadyError("demo", "died", ["no space"]))
        self.assert_undone(NodeNotReadyError)

    def test_identify_fails(self) -> None:
        """Step 6: the node comes up, and answers no more; its new data go, too."""
        self.nodes.fail_next("identify_node", NodeNotReadyError("demo", "does not answer"))
        self.assert_undone(NodeNotReadyError)

    def test_dies_before_routed(self) -> None:
        """Step 7: the node dies after it was ready; a dead node is never routed."""
        self.nodes = DyingNodes()
        self.restart()
        generation = self.route().generation
        self.failed(self.start(), NodeNotReadyError)
        self.assertEqual(self.route().generation, generation)
        self.assert_offline(data=False)

    def test_older_data_stay(self) -> None:
        """Data that were there before a failed start are there after it."""
        self.nodes.data.add(NodeId("demo"))
        self.nodes.fail_next("identify_node", NodeNotReadyError("demo", "does not answer"))
        self.assert_undone(NodeNotReadyError, data=True)

    def test_said_why(self) -> None:
        """The record says that the start did not succeed; diagnostics say why."""
        self.nodes.fail_next("create_node", NodeNotReadyError("demo", "died"))
        self.failed(self.start(), NodeNotReadyError)
        self.assertEqual(self.record().deactivation_reason, "StartNetwork did not succeed")

    def test_port_taken(self) -> None:
        """A port that something else has is not tried again."""
        self.nodes.fail_next("create_node", PortTakenError("start", "port 4005 is in use"))
        self.failed(self.start(), PortTakenError)
        answer = self.successResultOf(self.start())
        self.assertEqual(answer.swarm_multiaddrs, ["/ip4/127.0.0.1/tcp/4006/p2p/peer-of-demo"])

    def test_undo_fails(self) -> None:
        """An undo that fails is logged, does not mask the error, and keeps the address from being given to another."""
        self.nodes.fail_next("create_node", NodeNotReadyError("demo", "died"))
        self.nodes.fail_next("remove_node", UNREACHABLE)
        self.failed(self.start(), NodeNotReadyError)
        self.assertEqual(len(self.flushLoggedErrors(EngineUnreachableError)), 1)
        self.assertEqual(self.record().desired_state, DesiredState.OFFLINE)
        self.assertIsNotNone(self.leases.get(NodeId("demo")))
        self.nodes.restore_events()
        self.clock.advance(0)
        self.assert_offline(data=False)

    def test_undoing_the_record_fails(self) -> None:
        """With the database gone in the middle, node and lease are undone all the same."""
        broken = self.patch(self.networks, "record_deactivation", lambda *arguments: fail(DATABASE))
        self.nodes.fail_next("create_node", NodeNotReadyError("demo", "died"))
        self.failed(self.start(), NodeNotReadyError)
        self.assertEqual(len(self.flushLoggedErrors(DatabaseError)), 1)
        self.assert_nothing_left()
        broken.restore()
        self.clock.advance(TIMINGS.retry_first_s)
        self.assert_online()

    def test_wanted_before_is_wanted_after(self) -> None:
        """A start of a network that is being retried, when it fails, leaves it being retried."""
        self.successResultOf(self.start())
        self.nodes.fail_next("create_node", NodeNotReadyError("demo", "died"))
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s + TIMINGS.retry_first_s)
        self.assertEqual(self.route().state, NetworkState.FAILED)
        self.nodes.fail_next("create_node", NodeNotReadyError("demo", "died"))
        self.failed(self.start(), NodeNotReadyError)
        self.assertEqual(self.record().desired_state, DesiredState.ONLINE)
        self.assertEqual(self.route().state, NetworkState.FAILED)
        self.clock.advance(TIMINGS.retry_max_s)
        self.assert_online()

    def test_event_while_starting(self) -> None:
        """Events of the container that a start makes do not disturb it."""
        self.nodes.hold("identify_node")
        starting = self.start()
        node = self.nodes.node("demo")
        self.nodes.tell(NodeEvent(node=node.id, kind=NodeEventKind.STARTED, container_id=node.container_id))
        self.clock.advance(TIMINGS.grace_s)
        self.nodes.release("identify_node")
        self.successResultOf(starting)
        self.clock.advance(TIMINGS.grace_s)
        self.assert_online()
        self.assertEqual(self.calls("create_node"), 1)
