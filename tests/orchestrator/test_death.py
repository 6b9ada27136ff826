"""A node's container dies, crashes, vanishes, or does not stay up."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.logger import capturedLogs
from zope.interface import implementer

from nexus.errors import NodeNotReadyError, PortTakenError
from nexus.interfaces import IRouteObserver
from nexus.model import (
    NetworkState,
    NodeEvent,
    NodeEventKind,
    NodeId,
    Route,
)
from tests.orchestrator.setting import TIMINGS, SettledTestCase


@implementer(IRouteObserver)
class RecordingRoutes:
    """Writes down what it was told of routes."""

    def __init__(self) -> None:
        self.changes: list[tuple[Route, Route]] = []

    def route_added(self, route: Route) -> None:
        """See `IRouteObserver`."""

    def route_changed(self, old: Route, new: Route) -> None:
        """See `IRouteObserver`."""
        self.changes.append((old, new))

    def route_removed(self, route: Route) -> None:
        """See `IRouteObserver`."""


class DeathTests(SettledTestCase):
    """The node's container dies."""

    def test_route_goes_at_once(self) -> None:
        """When the event has been told there is no route to the dead node any more, and the edge knows."""
        routes = RecordingRoutes()
        self.registry.observe(routes)
        before = self.route()
        self.nodes.kill("demo")
        self.assertEqual(self.route().targets, ())
        self.assertGreater(self.route().generation, before.generation)
        self.assertEqual([(old, new.targets) for old, new in routes.changes], [(before, ())])

    def test_killed(self) -> None:
        """A killed node is made anew, with its lease and its data, and routed as a new generation."""
        before, lease = self.route(), self.nodes.node("demo").lease
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.assert_online()
        self.assertEqual(self.nodes.node("demo").lease, lease)
        self.assertGreater(self.route().generation, before.generation)
        self.assertNotEqual(self.route().targets[0].container_id, before.targets[0].container_id)
        self.assertEqual(self.calls("remove_node"), 0)

    def test_not_before_the_grace(self) -> None:
        """The engine is given a moment to restart it itself."""
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s / 2)
        self.assertEqual(self.nodes.calls, [])

    def test_removed(self) -> None:
        """A container removed by force is made anew."""
        self.nodes.discard("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.assert_online()

    def test_restarted_by_the_engine(self) -> None:
        """A crashed node that the engine restarts is routed again when it is ready, and not made anew."""
        container_id = self.nodes.node("demo").container_id
        generation = self.route().generation
        self.nodes.crash("demo")
        self.nodes.hold("await_ready")
        self.nodes.restart("demo")
        self.clock.advance(0)
        self.assertEqual((self.route().state, self.route().targets), (NetworkState.STARTING, ()))
        self.nodes.release("await_ready")
        self.assert_online()
        self.assertEqual(self.nodes.node("demo").container_id, container_id)
        self.assertGreater(self.route().generation, generation)
        self.assertEqual(self.calls("create_node") + self.calls("stop_node"), 0)

    def test_engine_takes_its_time(self) -> None:
        """While the engine is about to restart it Nexus waits, however long that takes, and says so."""
        self.nodes.crash("demo")
        for _ in range(200):
            self.clock.advance(1)
        self.assertEqual(self.calls("create_node") + self.calls("stop_node"), 0)
        self.assertEqual(self.route().state, NetworkState.FAILED)
        self.assertIn("restarting", self.diagnostics().last_error or "")
        self.nodes.restart("demo")
        self.clock.advance(0)
        self.assert_online()

    def test_restart_unseen(self) -> None:
        """A node that died and came back, the latter unseen, is routed again all the same."""
        node = self.nodes.node("demo")
        self.nodes.tell(NodeEvent(node=node.id, kind=NodeEventKind.DIED, container_id=node.container_id))
        self.assertEqual(self.route().targets, ())
        self.clock.advance(TIMINGS.grace_s)
        self.assert_online()
        self.assertEqual(self.calls("create_node"), 0)

    def test_event_of_an_older_container(self) -> None:
        """The death of a container that the route does not lead to changes nothing."""
        route = self.route()
        event = NodeEvent(node=NodeId("demo"), kind=NodeEventKind.DIED, container_id="an-older-one")
        self.nodes.tell(event)
        self.assertIs(self.route(), route)
        self.clock.advance(600)
        self.assertIs(self.route(), route)
        self.assertEqual(self.calls("create_node") + self.calls("stop_node"), 0)

    def test_others_undisturbed(self) -> None:
        """Another network's route does not change."""
        self.online("other")
        route = self.route("other")
        self.nodes.kill("demo")
        self.clock.advance(600)
        self.assertIs(self.route("other"), route)

    def test_out_of_memory_is_told(self) -> None:
        """That a node ran out of memory is in the log."""
        node = self.nodes.node("demo")
        with capturedLogs() as events:
            self.nodes.tell(NodeEvent(node=node.id, kind=NodeEventKind.OOM, container_id=node.container_id))
        self.assertIn("out of memory", str([event["log_format"] for event in events]))

    def test_dies_while_it_is_brought_back(self) -> None:
        """A node that dies again before it is routed is not routed, and tried again."""
        self.nodes.crash("demo")
        self.nodes.restart("demo")
        self.nodes.hold("await_ready")
        self.clock.advance(0)
        self.nodes.kill("demo")
        self.nodes.release("await_ready")
        self.assertEqual(self.route().targets, ())
        self.clock.advance(TIMINGS.retry_first_s)
        self.clock.advance(TIMINGS.retry_first_s)
        self.assert_online()


class KeepsDyingTests(SettledTestCase):
    """The node does not stay up."""

    def run_for(self, duration_s: int) -> None:
        """Time passes, and the node dies as soon as it is online."""
        for _ in range(duration_s * 2):
            self.clock.advance(0.5)
            if self.route().targets:
                self.nodes.kill("demo")

    def test_backoff(self) -> None:
        """It is made anew at growing intervals, up to the ceiling."""
        self.run_for(3600)
        made = self.calls("create_node")
        self.assertLess(made, 10 + 3600 / TIMINGS.retry_max_s)
        self.assertGreater(made, 3600 / TIMINGS.retry_max_s - 5)

    def test_backoff_of_failing_creates(self) -> None:
        """So it is with a node that does not come up, though each try makes events of its own."""

        def never(network: object, lease: object) -> Deferred[None]:
            self.nodes.calls.append(("create_node", "demo"))
            for kind in (NodeEventKind.STARTED, NodeEventKind.DIED, NodeEventKind.REMOVED):
                self.nodes.tell(NodeEvent(node=NodeId("demo"), kind=kind, container_id="failed"))
            return fail(NodeNotReadyError("demo", "died"))

        self.patch(self.nodes, "create_node", never)
        self.nodes.kill("demo")
        self.run_for(3600)
        self.assertLess(self.calls("create_node"), 10 + 3600 / TIMINGS.retry_max_s)

    def test_waiting(self) -> None:
        """While it waits for its next try the network has failed, and diagnostics say why and since when."""
        self.run_for(20)
        self.assertEqual((self.route().state, self.route().targets), (NetworkState.FAILED, ()))
        self.assertIn("died", self.diagnostics().last_error or "")
        self.assertIsNotNone(self.diagnostics().last_error_at)

    def test_settled(self) -> None:
        """Once it has stayed up for a while, the next death is the first again."""
        self.run_for(600)
        self.clock.advance(TIMINGS.retry_max_s)
        self.assert_online()
        self.clock.advance(TIMINGS.settled_after_s)
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.assert_online()

    def test_port_taken_meanwhile(self) -> None:
        """A port that something else took meanwhile is changed for another."""
        self.nodes.fail_next("create_node", PortTakenError("start", "port 4005 is in use"))
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.clock.advance(TIMINGS.retry_first_s)
        self.assert_online()
        self.assertEqual(self.nodes.node("demo").lease.swarm_port, 4006)

    def test_lease_stays(self) -> None:
        """A node that does not come up at once keeps its address and port for the next try."""
        lease = self.nodes.node("demo").lease
        self.nodes.fail_next("create_node", NodeNotReadyError("demo", "died"))
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.assertEqual(self.leases.held(), [lease])
        self.clock.advance(TIMINGS.retry_first_s)
        self.assert_online()
        self.assertEqual(self.nodes.node("demo").lease, lease)

    def test_stop_while_waiting(self) -> None:
        """A stop ends the waiting; nothing is looked at or tried any more."""
        self.run_for(20)
        self.successResultOf(self.stop())
        self.nodes.calls.clear()
        self.clock.advance(600)
        self.assert_offline(data=True)
        self.assertEqual(self.nodes.calls, [])

    def test_stop_forgets(self) -> None:
        """After a stop and a start the failures of before do not count."""
        self.run_for(600)
        self.successResultOf(self.stop())
        self.successResultOf(self.start())
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.clock.advance(TIMINGS.retry_first_s)
        self.assert_online()

    def test_start_while_waiting(self) -> None:
        """A start does not wait for the next try."""
        self.run_for(20)
        self.assertEqual(self.route().targets, ())
        self.successResultOf(self.start())
        self.assert_online()
