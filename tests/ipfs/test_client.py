"""NodeClient in memory: on an engine and Kubo nodes that are fakes, verified against the real ones elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from nexus.container import ContainerSpec
from nexus.errors import (
    ContainerNotFoundError,
    DeadlineError,
    EngineError,
    ImageMissingError,
    NameTakenError,
    NodeNotReadyError,
    PortTakenError,
)
from nexus.interfaces import INodeObserver, INodes
from nexus.ipfs.client import NodeClient
from nexus.ipfs.spec import Hosting
from nexus.ipfs.swarm_key import swarm_key_fingerprint
from nexus.model import ContainerState, Node, NodeEvent, NodeEventKind, NodeId, Resources
from nexus.secrets import Secret
from nexus.testing.kubo import FakeKuboAgent
from nexus.testing.runtime import MemoryRuntime
from tests.ipfs.making import make_hosting, make_lease, make_network, make_published_lease

DEMO = NodeId("demo")
NAME = "nexus-test1-demo-0"


@implementer(INodeObserver)
class RecordingObserver:
    """Writes down what it was told."""

    def __init__(self) -> None:
        self.events: list[NodeEvent] = []
        self.restored = 0

    def node_event(self, event: NodeEvent) -> None:
        self.events.append(event)

    def node_events_restored(self) -> None:
        self.restored += 1


class NodeClientTestCase(SynchronousTestCase):
    """A client on an empty engine."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.use(MemoryRuntime(["ipfs/kubo:v0.43.0"], now=self.now))

    def use(self, runtime: MemoryRuntime) -> None:
        """Have a client on that engine."""
        self.runtime = runtime
        self.engine = runtime.engine
        self.agent = FakeKuboAgent(runtime)
        self.client = self.make_client()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.seconds(), UTC)

    def make_client(self, hosting: Hosting | None = None) -> NodeClient:
        """A client on the same engine, such as the next process would have."""
        return NodeClient(self.clock, self.runtime, self.agent, hosting or make_hosting(), ready_timeout_s=30)

    def create(self, network: str = "demo", **fields: Any) -> Node:
        """A node that is ready."""
        return self.successResultOf(self.client.create_node(make_network(network, **fields), make_lease(network)))

    def begin(self) -> Deferred[Node]:
        """A node that runs, and does not answer yet."""
        self.agent.booting.add("demo")
        return self.client.create_node(make_network(), make_lease())

    def assert_nothing_left(self) -> None:
        """Neither container nor volume is there, and nobody watches any more."""
        self.assertEqual((self.engine.containers, self.engine.volumes), ({}, {}))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class CreateNodeTests(NodeClientTestCase):
    """`create_node`."""

    def test_interface(self) -> None:
        """It is an `INodes`."""
        self.assertTrue(verifyObject(INodes, self.client))

    def test_ready(self) -> None:
        """It fires with the node once the node answers, and not before."""
        creating = self.begin()
        self.clock.pump([0.05] * 20)
        self.assertNoResult(creating)
        self.agent.booting.clear()
        self.clock.advance(0.1)
        node = self.successResultOf(creating)
        self.assertEqual((node.id, node.lease, node.state), (DEMO, make_lease(), ContainerState.RUNNING))
        self.assertEqual(node.revision, self.client.node_revision(make_network(), make_lease()))
        self.assertEqual(str(node.api_address), "10.213.4.40:5001")

    def test_noticed_soon(self) -> None:
        """A node that answers is noticed within a twentieth of a second in the first second."""
        creating = self.begin()
        self.clock.pump([0.01] * 60)
        self.agent.booting.clear()
        self.clock.pump([0.01] * 5)
        self.successResultOf(creating)

    def test_published_reach(self) -> None:
        """A node that is reached by ports is asked there."""
        node = self.successResultOf(self.client.create_node(make_network(), make_published_lease()))
        self.assertEqual(str(node.gateway_address), "127.0.0.1:28000")

    def test_before_diag_healthy(self) -> None:
        """A Kubo that does not know `diag/healthy` is ready when it answers `id`."""
        creating = self.begin()
        self.agent.kubo("demo").knows_diag_healthy = False
        self.agent.booting.clear()
        self.clock.advance(1)
        self.successResultOf(creating)
        self.assertIn("id", self.agent.kubo("demo").asked)

    def test_not_well(self) -> None:
        """A node that answers that it is not well is not ready."""
        creating = self.begin()
        self.agent.kubo("demo").answers["diag/healthy"] = (500, b'{"Message":"shutting down"}')
        self.agent.booting.clear()
        self.clock.advance(1)
        self.assertNoResult(creating)
        creating.addErrback(lambda _: None)
        creating.cancel()

    def test_bridge(self) -> None:
        """The bridge is made before the first node, and asked for no more after that."""
        self.create()
        self.create_other()
        self.assertEqual(list(self.engine.bridges), ["nexus-test1"])
        self.assertEqual(sum(call.method == "ensure_bridge" for call in self.runtime.calls), 1)

    def create_other(self) -> Node:
        lease = make_lease("other", last=41, swarm_port=24001)
        return self.successResultOf(self.client.create_node(make_network("other"), lease))

    def test_bridge_gone(self) -> None:
        """A bridge that somebody removed meanwhile is made again."""
        self.create()
        self.successResultOf(self.client.stop_node(DEMO))
        self.engine.bridges.clear()
        self.create()
        self.assertEqual(list(self.engine.bridges), ["nexus-test1"])

    def test_same_data(self) -> None:
        """Stopped and made again it is the same peer; removed and made again it is another."""
        peer_ids = []
        for end in (self.client.stop_node, self.client.remove_node, self.client.remove_node):
            node = self.create()
            peer_ids.append(self.successResultOf(self.client.identify_node(node, make_network())).peer_id)
            self.successResultOf(end(DEMO))
        self.assertEqual(peer_ids[0], peer_ids[1])
        self.assertNotEqual(peer_ids[1], peer_ids[2])


class FailedCreateTests(NodeClientTestCase):
    """A create that fails leaves nothing that it made."""

    def test_image_missing(self) -> None:
        """Without the image it says so."""
        self.engine.images.clear()
        self.failureResultOf(self.client.create_node(make_network(), make_lease()), ImageMissingError)
        self.assert_nothing_left()

    def test_name_taken(self) -> None:
        """Another container of the name is left alone, and so are the data that it uses."""
        node = self.create()
        self.failureResultOf(self.client.create_node(make_network(), make_lease(last=41)), NameTakenError)
        self.assertEqual(list(self.engine.containers), [node.container_id])
        self.assertEqual(list(self.engine.volumes), [NAME])

    def test_foreign_volume(self) -> None:
        """Data of the name that are not this node's are not used, and stay."""
        self.successResultOf(self.runtime.create_volume(NAME, {"nexus.instance": "other"}))
        self.failureResultOf(self.client.create_node(make_network(), make_lease()), NameTakenError)
        self.assertEqual((list(self.engine.volumes), self.engine.containers), ([NAME], {}))

    def test_port_taken(self) -> None:
        """A swarm port that something else listens on is told."""
        self.engine.occupied.add(("192.0.2.7", 24000))
        failure = self.failureResultOf(self.client.create_node(make_network(), make_lease()), PortTakenError)
        self.assertIn("24000", str(failure.value))
        self.assert_nothing_left()

    def test_data_stay(self) -> None:
        """Data that were there before the failed create are there after it."""
        self.create()
        self.successResultOf(self.client.stop_node(DEMO))
        self.engine.occupied.add(("192.0.2.7", 24000))
        self.failureResultOf(self.client.create_node(make_network(), make_lease()), PortTakenError)
        self.assertEqual((list(self.engine.volumes), self.engine.containers), ([NAME], {}))

    def test_dies(self) -> None:
        """A node that dies on the way ends the wait at once, and its last lines are told."""
        creating = self.begin()
        container = self.runtime.container(NAME)
        container.log += [f"line {number}" for number in range(100)]
        self.runtime.crash(container.id, 1)
        failure = self.failureResultOf(creating, NodeNotReadyError)
        self.assertIn("line 99", str(failure.value))
        self.assertEqual(failure.value.log_lines[-1], "line 99")
        self.assertLess(len(failure.value.log_lines), 100)
        self.assert_nothing_left()

    def test_how_it_died(self) -> None:
        """The exit status, or that memory ran out, is told."""
        creating = self.begin()
        self.runtime.kill(self.runtime.container(NAME).id, 42)
        self.assertIn("status 42", str(self.failureResultOf(creating).value))
        creating = self.begin()
        container_id = self.runtime.container(NAME).id
        self.engine.run_out_of_memory(container_id)
        self.assertIn("memory", str(self.failureResultOf(creating).value))

    def test_dies_unnoticed(self) -> None:
        """A death whose event is lost is noticed in about a second all the same."""
        self.runtime.hold_events()
        creating = self.begin()
        self.runtime.kill(self.runtime.container(NAME).id)
        self.clock.pump([0.1] * 13)
        self.failureResultOf(creating, NodeNotReadyError)
        self.assert_nothing_left()

    def test_restarted_unnoticed(self) -> None:
        """So is one whose container the engine started again."""
        self.runtime.hold_events()
        creating = self.begin()
        self.runtime.crash(self.runtime.container(NAME).id)
        self.clock.pump([0.1] * 13)
        self.failureResultOf(creating, NodeNotReadyError)
        self.assert_nothing_left()

    def test_removed_unnoticed(self) -> None:
        """A container that is gone without an event is noticed as well."""
        self.runtime.hold_events()
        creating = self.begin()
        self.engine.remove(self.runtime.container(NAME).id)
        self.clock.pump([0.1] * 13)
        self.failureResultOf(creating, NodeNotReadyError)
        self.assert_nothing_left()

    def test_removed(self) -> None:
        """A container that somebody removes on the way ends the wait too."""
        self.use(MemoryRuntime(["ipfs/kubo:v0.43.0"], now=self.now, clock=self.clock))
        creating = self.begin()
        self.engine.remove(self.runtime.container(NAME).id)
        self.clock.advance(0)
        self.failureResultOf(creating, NodeNotReadyError)
        self.assert_nothing_left()

    def test_another_node_dies(self) -> None:
        """The death of another network's node does not concern it."""
        lease = make_lease("other", last=41, swarm_port=24001)
        other = self.successResultOf(self.client.create_node(make_network("other"), lease))
        creating = self.begin()
        self.runtime.kill(other.container_id)
        self.assertNoResult(creating)
        self.agent.booting.clear()
        self.clock.advance(1)
        self.successResultOf(creating)

    def test_deadline(self) -> None:
        """A node that does not answer in time is given up, and its last lines are told."""
        creating = self.begin()
        self.runtime.container(NAME).log.append("still thinking")
        self.clock.pump([0.5] * 59)
        self.assertNoResult(creating)
        self.clock.pump([0.5] * 2)
        failure = self.failureResultOf(creating, DeadlineError)
        self.assertEqual(failure.value.log_lines, ("still thinking",))
        self.assert_nothing_left()

    def test_another_bearer(self) -> None:
        """Something at the node's address that refuses its bearer is not the node."""
        creating = self.begin()
        self.agent.kubo("demo").bearer = "something else"
        self.agent.booting.clear()
        self.clock.advance(1)
        self.failureResultOf(creating, NodeNotReadyError)
        self.assert_nothing_left()

    def test_undo_fails(self) -> None:
        """Where the undoing fails too, the first error is told, and the second is logged."""
        creating = self.begin()
        self.runtime.fail_next("remove", EngineError("remove", "no"))
        self.runtime.kill(self.runtime.container(NAME).id)
        self.failureResultOf(creating, NodeNotReadyError)
        (logged,) = self.flushLoggedErrors(EngineError)[:1]
        self.assertIn("no", str(logged.value))


class CancelledCreateTests(NodeClientTestCase):
    """A create that is cancelled leaves nothing that it made, whenever that happens."""

    def test_while_waiting(self) -> None:
        """While the node boots."""
        creating = self.begin()
        creating.cancel()
        self.failureResultOf(creating, CancelledError)
        self.assert_nothing_left()

    def test_every_step(self) -> None:
        """While any of the engine's calls is under way, whether or not the engine has done it already."""
        for method in ("ensure_bridge", "create_volume", "create", "start", "inspect"):
            for done in (False, True):
                self.client = self.make_client()
                self.runtime.hold(method, done=done)
                creating = self.client.create_node(make_network(), make_lease())
                self.assertEqual(self.runtime.held(method), 1)
                creating.cancel()
                self.runtime.release(method)
                self.failureResultOf(creating, CancelledError)
                self.assert_nothing_left()

    def test_twice(self) -> None:
        """Whoever cancels twice gets no more than whoever cancels once."""
        self.runtime.hold("create", done=True)
        creating = self.client.create_node(make_network(), make_lease())
        creating.cancel()
        self.runtime.hold("remove")
        self.runtime.release("create")
        creating.cancel()
        self.runtime.release("remove")
        self.failureResultOf(creating, CancelledError)
        self.assert_nothing_left()

    def test_told_when_undone(self) -> None:
        """Who cancelled hears of it when nothing is left, not before."""
        creating = self.begin()
        self.runtime.hold("remove")
        creating.cancel()
        self.assertNoResult(creating)
        self.runtime.release("remove")
        self.failureResultOf(creating, CancelledError)
        self.assert_nothing_left()


class ListNodesTests(NodeClientTestCase):
    """`nodes` and `volumes`."""

    def test_recovered(self) -> None:
        """The next process sees the same nodes, with their leases, from one call, and touches nothing."""
        node = self.create()
        calls = len(self.runtime.calls)
        self.assertEqual(self.successResultOf(self.make_client().nodes()), [node])
        self.assertEqual([call.method for call in self.runtime.calls[calls:]], ["list"])

    def test_dead(self) -> None:
        """A dead node is listed as what it is."""
        node = self.create()
        self.runtime.kill(node.container_id)
        self.assertEqual(self.successResultOf(self.client.nodes()), [replace(node, state=ContainerState.EXITED)])

    def test_other_instances(self) -> None:
        """Another instance's nodes are not seen, even of a network with the same name."""
        self.create()
        other = self.make_client(make_hosting(instance="test2"))
        self.assertEqual(self.successResultOf(other.nodes()), [])
        self.assertEqual(self.successResultOf(other.volumes()), [])

    def test_not_a_node(self) -> None:
        """Something with this instance's label that is no node is told of once, and left alone."""
        node = self.create()
        spec: ContainerSpec = self.engine.containers[node.container_id].spec
        strange = replace(spec, name="strange", labels={"nexus.instance": "test1"}, ports=(), address=None)
        self.successResultOf(self.runtime.create(strange))
        self.successResultOf(self.runtime.create_volume("strange", {"nexus.instance": "test1"}))
        for _ in range(2):
            self.assertEqual(self.successResultOf(self.client.nodes()), [node])
            self.assertEqual(self.successResultOf(self.client.volumes()), [DEMO])

    def test_volumes(self) -> None:
        """Data are listed whether their node runs or not."""
        self.create()
        self.assertEqual(self.successResultOf(self.client.volumes()), [DEMO])
        self.successResultOf(self.client.stop_node(DEMO))
        self.assertEqual(self.successResultOf(self.client.volumes()), [DEMO])
        self.successResultOf(self.client.remove_node(DEMO))
        self.assertEqual(self.successResultOf(self.client.volumes()), [])


class EndNodeTests(NodeClientTestCase):
    """`stop_node`, `remove_node` and `remove_everything`."""

    def test_graceful(self) -> None:
        """A node gets its time to end before it is killed."""
        node = self.create()
        self.successResultOf(self.client.stop_node(DEMO))
        (stop,) = (call for call in self.runtime.calls if call.method == "stop")
        self.assertEqual(stop.arguments, (node.container_id, 65))
        self.assertEqual((self.engine.containers, list(self.engine.volumes)), ({}, [NAME]))

    def test_gone(self) -> None:
        """What is gone already is as good as ended."""
        self.successResultOf(self.client.stop_node(DEMO))
        self.successResultOf(self.client.remove_node(DEMO))
        self.successResultOf(self.client.remove_everything())

    def test_neighbours(self) -> None:
        """Other networks, and networks of other instances, stay."""
        self.create()
        lease = make_lease("other", last=41, swarm_port=24001)
        self.successResultOf(self.client.create_node(make_network("other"), lease))
        foreign = self.make_client(
            make_hosting(instance="test2", subnet="10.214.0.0/20", dynamic_range="10.214.0.0/23")
        )
        foreign_lease = replace(make_lease(swarm_port=24002), address="10.214.4.40")
        self.successResultOf(foreign.create_node(make_network(), foreign_lease))
        self.successResultOf(self.client.remove_node(DEMO))
        names = {container.spec.name for container in self.engine.containers.values()}
        self.assertEqual(names, {"nexus-test1-other-0", "nexus-test2-demo-0"})
        self.successResultOf(self.client.remove_everything())
        self.assertEqual([*self.engine.volumes, *self.engine.bridges], ["nexus-test2-demo-0", "nexus-test2"])

    def test_everything(self) -> None:
        """All nodes, data and the bridge go, running or not; the next node makes a bridge again."""
        node = self.create()
        self.runtime.kill(node.container_id)
        self.successResultOf(self.client.remove_everything())
        self.assertEqual((self.engine.containers, self.engine.volumes, self.engine.bridges), ({}, {}, {}))
        self.create()


class UpdateNodeTests(NodeClientTestCase):
    """`update_node`."""

    def test_live(self) -> None:
        """A cap changes in the running container, without a restart."""
        node = self.create()
        network = make_network(resources=Resources(cpus=0.5))
        self.assertEqual(self.successResultOf(self.client.update_node(node, network)), [])
        detail = self.successResultOf(self.runtime.inspect(node.container_id))
        self.assertEqual((detail.caps.nano_cpus, detail.state), (500_000_000, ContainerState.RUNNING))
        self.assertNotIn("restart", [call.method for call in self.runtime.calls])

    def test_no_loop(self) -> None:
        """After it, the node counts as made from the record where nothing waits for a start, though labels are old."""
        node = self.create()
        network = make_network(resources=Resources(cpus=0.5))
        self.successResultOf(self.client.update_node(node, network))
        (listed,) = self.successResultOf(self.client.nodes())
        self.assertEqual(listed.revision, self.client.node_revision(network, node.lease))

    def test_next_start(self) -> None:
        """What waits for a start is named, and its revision tells it; the container has the new settings already."""
        node = self.create()
        network = make_network(resources=Resources(memory_gb=2, disk_gb=20), gateway_subdomains=True)
        self.assertEqual(
            self.successResultOf(self.client.update_node(node, network)),
            ["gateway_subdomains", "resources.memory_gb", "resources.disk_gb"],
        )
        container = self.engine.containers[node.container_id]
        self.assertEqual(container.caps.memory_bytes, 2_000_000_000)
        self.assertIn(b"20000000000B", container.files["/container-init.d/settings.json"].content)
        self.assertNotEqual(node.revision, self.client.node_revision(network, node.lease))

    def test_nothing_changed(self) -> None:
        """Where no cap differs none is set."""
        node = self.create()
        self.successResultOf(self.client.update_node(node, make_network(users=frozenset({"ann"}))))
        self.assertNotIn("update", [call.method for call in self.runtime.calls])

    def test_gone(self) -> None:
        """A node whose container is gone cannot be updated."""
        node = self.create()
        self.successResultOf(self.client.stop_node(DEMO))
        self.failureResultOf(self.client.update_node(node, make_network()), ContainerNotFoundError)


class MeasureNodeTests(NodeClientTestCase):
    """`node_stats`, `identify_node` and `diagnose`."""

    def test_stats(self) -> None:
        """Engine and node together tell what a member and an operator want to know."""
        node = self.create()
        kubo = self.agent.kubo("demo")
        kubo.peers = ["a", "b", "a"]
        kubo.repository_bytes = 123_456
        self.clock.advance(90)
        stats = self.successResultOf(self.client.node_stats(node, make_network()))
        self.assertEqual((stats.node, stats.state, stats.uptime_s), (DEMO, ContainerState.RUNNING, 90.0))
        self.assertEqual((stats.peers_connected, stats.disk_used_bytes), (2, 123_456))
        self.assertEqual((stats.disk_cap_bytes, stats.memory_cap_bytes), (10**10, 10**9))
        self.assertEqual(stats.peer_id, kubo.peer_id)
        self.assertEqual(stats.swarm_multiaddrs, (f"/ip4/198.51.100.9/tcp/24000/p2p/{kubo.peer_id}",))
        self.assertEqual(stats.swarm_key_fingerprint, swarm_key_fingerprint(make_network().swarm_key))
        self.assertEqual(stats.agent_version, "kubo/0.43.0/nexus")

    def test_identity(self) -> None:
        """Who the node is, and the address at which members reach it: the host's, not the container's."""
        node = self.create()
        identity = self.successResultOf(self.client.identify_node(node, make_network()))
        self.assertEqual(identity.peer_id, self.agent.kubo("demo").peer_id)
        self.assertEqual(identity.swarm_multiaddrs, (f"/ip4/198.51.100.9/tcp/24000/p2p/{identity.peer_id}",))

    def test_dead(self) -> None:
        """A dead node, and one whose container is gone, cannot be measured."""
        node = self.create()
        self.runtime.kill(node.container_id)
        for call in (self.client.node_stats, self.client.identify_node):
            self.failureResultOf(call(node, make_network()), NodeNotReadyError)
        self.engine.remove(node.container_id)
        for call in (self.client.node_stats, self.client.identify_node):
            self.failureResultOf(call(node, make_network()), NodeNotReadyError)

    def test_another_bearer(self) -> None:
        """A node that refuses the record's bearer tells nothing."""
        node = self.create()
        network = make_network(rpc_bearers=(Secret("another"),))
        failure = self.failureResultOf(self.client.node_stats(node, network), NodeNotReadyError)
        self.assertNotIn("another\n", str(failure.value))

    def test_diagnosis(self) -> None:
        """Engine and log tell of a dead node what there is to tell."""
        node = self.create()
        self.engine.containers[node.container_id].log += ["Error: the last word"]
        self.runtime.kill(node.container_id, 137)
        diagnosis = self.successResultOf(self.client.diagnose(node))
        self.assertEqual((diagnosis.state, diagnosis.exit_code), (ContainerState.EXITED, 137))
        self.assertEqual(diagnosis.log_lines, ("Error: the last word",))


class AwaitReadyTests(NodeClientTestCase):
    """`await_ready`, for a node that another process made."""

    def test_answers(self) -> None:
        """It fires when the node answers."""
        node = self.create()
        self.agent.booting.add("demo")
        waiting = self.make_client().await_ready(node, make_network())
        self.clock.advance(1)
        self.assertNoResult(waiting)
        self.agent.booting.clear()
        self.clock.advance(1)
        self.successResultOf(waiting)
        self.assertIn(node.container_id, self.engine.containers)

    def test_crashed_before(self) -> None:
        """A node that crashed and was started again some time ago is as good as any."""
        node = self.create()
        self.runtime.crash(node.container_id)
        self.agent.booting.add("demo")
        waiting = self.client.await_ready(node, make_network())
        self.clock.pump([0.5] * 5)
        self.agent.booting.clear()
        self.clock.advance(1)
        self.successResultOf(waiting)

    def test_dead(self) -> None:
        """A node that does not run, or has no container, fails at once, and stays as it is."""
        node = self.create()
        self.runtime.kill(node.container_id)
        self.failureResultOf(self.client.await_ready(node, make_network()), NodeNotReadyError)
        self.assertIn(node.container_id, self.engine.containers)
        self.engine.remove(node.container_id)
        self.failureResultOf(self.client.await_ready(node, make_network()), NodeNotReadyError)


class WatchTests(NodeClientTestCase):
    """`watch`."""

    def test_events(self) -> None:
        """Observers are told what happens to nodes, by node, until they close."""
        observer = RecordingObserver()
        subscription = self.client.watch(observer)
        node = self.create()
        self.runtime.kill(node.container_id)
        self.engine.remove(node.container_id)
        self.assertEqual(
            [(event.node, event.kind) for event in observer.events],
            [(DEMO, NodeEventKind.STARTED), (DEMO, NodeEventKind.DIED), (DEMO, NodeEventKind.REMOVED)],
        )
        subscription.close()
        subscription.close()
        self.create()
        self.assertEqual(len(observer.events), 3)

    def test_one_stream(self) -> None:
        """However many observe, there is one stream, and a closed one's neighbours are told on."""
        first, second = RecordingObserver(), RecordingObserver()
        subscription = self.client.watch(first)
        self.client.watch(second)
        subscription.close()
        node = self.create()
        self.engine.run_out_of_memory(node.container_id)
        self.assertEqual(first.events, [])
        self.assertEqual(
            [event.kind for event in second.events], [NodeEventKind.STARTED, NodeEventKind.OOM, NodeEventKind.DIED]
        )

    def test_restored(self) -> None:
        """Observers are told when events may have been missed."""
        observer = RecordingObserver()
        self.client.watch(observer)
        self.runtime.go_away()
        self.runtime.come_back()
        self.assertEqual(observer.restored, 1)

    def test_not_a_node(self) -> None:
        """What happens to a container that is no node concerns nobody."""
        spec: ContainerSpec = self.engine.containers[self.create().container_id].spec
        strange = replace(spec, name="strange", labels={"nexus.instance": "test1"}, ports=(), address=None)
        observer = RecordingObserver()
        self.client.watch(observer)
        self.successResultOf(self.runtime.start(self.successResultOf(self.runtime.create(strange))))
        self.assertEqual(observer.events, [])

    def test_told_and_closed(self) -> None:
        """An observer that is closed while another is told is not told any more."""
        late = RecordingObserver()

        @implementer(INodeObserver)
        class Closing(RecordingObserver):
            def node_event(self, event: NodeEvent) -> None:
                subscription.close()

        self.client.watch(Closing())
        subscription = self.client.watch(late)
        self.create()
        self.assertEqual(late.events, [])

    def test_check(self) -> None:
        """Engine and image are checked without making anything."""
        self.successResultOf(self.client.check())
        self.engine.images.clear()
        self.failureResultOf(self.client.check(), ImageMissingError)
