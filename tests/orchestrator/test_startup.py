"""Start-up: what runs is taken over, what should run is started, nothing else is touched."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent
from zope.interface.verify import verifyObject

from nexus.errors import ConflictError, DatabaseError, EngineUnreachableError, NodeNotReadyError
from nexus.interfaces import INodeObserver
from nexus.model import AccessRules, ContainerState, Lease, NetworkState, NodeEvent, NodeEventKind, NodeId
from tests.orchestrator.setting import TIMINGS, OrchestratorTestCase


class AdoptionTests(OrchestratorTestCase):
    """Nexus is killed and starts again."""

    def test_interface(self) -> None:
        """What listens to nodes is an observer of nodes."""
        verifyObject(INodeObserver, self.orchestrator._convergence)

    def test_running_network(self) -> None:
        """A running network is routed again from one list call, and its container is not touched."""
        self.online("demo")
        self.nodes.calls.clear()
        self.restart()
        self.assert_online()
        self.assertEqual(self.nodes.calls, [("watch", ""), ("nodes", "")])
        self.clock.advance(600)
        self.assertEqual(self.nodes.calls, [("watch", ""), ("nodes", "")])

    def test_many_running_networks(self) -> None:
        """However many there are, it is one list call."""
        names = [f"network-{number}" for number in range(10)]
        self.online(*names)
        self.nodes.calls.clear()
        self.restart()
        for name in names:
            self.assert_online(name)
        self.assertEqual(self.nodes.calls, [("watch", ""), ("nodes", "")])

    def test_subscribes_before_it_lists(self) -> None:
        """Nothing that happens after the list can be missed."""
        self.restart()
        self.assertEqual(self.nodes.calls[-2:], [("watch", ""), ("nodes", "")])

    def test_leases_come_back(self) -> None:
        """What running containers hold is not leased to others."""
        self.online("demo")
        held = self.leases.held()
        self.restart()
        self.assertEqual(self.leases.held(), held)
        self.online("other")
        self.assertNotEqual(self.nodes.node("other").lease.address, self.nodes.node("demo").lease.address)

    def test_known_but_offline(self) -> None:
        """An offline network is known to the edge, and stays offline."""
        self.create("demo")
        self.restart()
        self.clock.advance(600)
        self.assert_offline(data=False)
        self.assertEqual(self.calls("create_node"), 0)

    def test_rules_come_back(self) -> None:
        """The edge decides by the records' rules."""
        self.create("demo", users=["alice"], gateway_public=True, api_allowed_origins=["https://app.example"])
        self.restart()
        rules = AccessRules(
            users=frozenset({"alice"}), gateway_public=True, api_allowed_origins=frozenset({"https://app.example"})
        )
        self.assertEqual(self.route().rules, rules)

    def test_wanted_but_dead(self) -> None:
        """What should be online and is not is started, with the lease that it had."""
        self.online("demo")
        lease = self.nodes.node("demo").lease
        self.nodes.change(self.nodes.node("demo"), ContainerState.EXITED)
        self.restart()
        self.clock.advance(0)
        self.assert_online()
        self.assertEqual(self.nodes.node("demo").lease, lease)
        self.assertIn(NodeId("demo"), self.nodes.data)

    def test_wanted_but_gone(self) -> None:
        """So is what has no container at all."""
        self.create("demo")
        self.successResultOf(self.networks.record_activation("demo", self.now(), "by hand"))
        self.restart()
        self.assertEqual(self.route().targets, ())
        self.clock.advance(0)
        self.assert_online()

    def test_few_at_once(self) -> None:
        """Many that have to be started are started a few at a time; a command is not kept waiting by them."""
        names = [f"network-{number}" for number in range(8)]
        self.create(*names, "hurried")
        for name in names:
            self.successResultOf(self.networks.record_activation(name, self.now(), "by hand"))
        self.nodes.hold("create_node")
        self.restart()
        self.clock.advance(0)
        self.assertEqual(self.nodes.held("create_node"), TIMINGS.concurrent_starts)
        hurried = self.start("hurried")
        self.assertEqual(self.nodes.held("create_node"), TIMINGS.concurrent_starts + 1)
        self.nodes.release("create_node")
        self.successResultOf(hurried)
        for name in [*names, "hurried"]:
            self.assert_online(name)

    def test_waiting_one_can_be_stopped(self) -> None:
        """One that waits for its place among them is stopped at once."""
        names = [f"network-{number}" for number in range(8)]
        self.create(*names)
        for name in names:
            self.successResultOf(self.networks.record_activation(name, self.now(), "by hand"))
        self.nodes.hold("create_node")
        self.restart()
        self.clock.advance(0)
        for name in names:
            self.successResultOf(self.stop(name))
        self.assertEqual(self.nodes.held("create_node"), 0)
        self.nodes.release("create_node")
        self.online("another")
        for name in names:
            self.assert_offline(name, data=False)

    def test_runs_but_unwanted(self) -> None:
        """A container that runs though its network should be offline is left as it is, unrouted, its lease kept."""
        self.create("demo")
        lease = self.leases.lease(NodeId("demo"))
        node = self.nodes.put(self.record(), lease)
        self.restart()
        self.clock.advance(600)
        self.assertEqual(self.nodes.present(), [node])
        self.assertEqual((self.route().state, self.route().targets), (NetworkState.OFFLINE, ()))
        self.assertEqual(self.leases.get(NodeId("demo")), lease)

    def test_orphan(self) -> None:
        """A container of no network on record is left as it is, unrouted, told of, its lease kept."""
        self.online("demo")
        node = self.nodes.node("demo")
        self.successResultOf(self.networks.delete("demo"))
        with capturedLogs() as events:
            self.restart()
        self.assertEqual(self.nodes.present(), [node])
        self.assertIsNone(self.registry.route("demo"))
        self.assertEqual(self.leases.held(), [node.lease])
        told = [event for event in events if event.get("container") == node.container_name]
        self.assertEqual([event["log_level"] for event in told], [LogLevel.warn])

    def test_orphan_gives_its_lease_back(self) -> None:
        """When somebody removes an orphan its lease is free again."""
        self.online("demo")
        self.successResultOf(self.networks.delete("demo"))
        self.restart()
        self.nodes.discard("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.assertEqual(self.leases.held(), [])
        self.assertIsNone(self.orchestrator._lifecycles.get("demo"))

    def test_two_containers_one_address(self) -> None:
        """Of two containers that claim one address, the second is not routed, and the first is unharmed."""
        self.online("demo", "other")
        other = self.nodes.node("other")
        stolen = self.nodes.node("demo").lease.address
        self.nodes._nodes.remove(other)
        self.nodes.put(self.record("other"), Lease(node=NodeId("other"), swarm_port=4009, address=stolen))
        self.restart()
        self.flushLoggedErrors()
        self.assert_online("demo")
        self.assertEqual((self.route("other").state, self.route("other").targets), (NetworkState.FAILED, ()))

    def test_death_between_list_and_route(self) -> None:
        """A node that dies while the list is on its way is not routed."""
        self.online("demo")
        self.restart()
        node = self.nodes.node("demo")
        self.nodes.hold("nodes")
        orchestrator = self.orchestrator = self.make_orchestrator()
        self.registry.remove("demo")
        starting: Deferred[None] = orchestrator.start()
        self.nodes.tell(NodeEvent(node=node.id, kind=NodeEventKind.DIED, container_id=node.container_id))
        self.nodes.release("nodes")
        self.successResultOf(starting)
        self.assertEqual(self.route().targets, ())


class StartUpFaultTests(OrchestratorTestCase):
    """Start-up when something is away."""

    def test_engine_away(self) -> None:
        """Without the engine Nexus comes up: networks are known, those that should be online have failed."""
        self.online("demo")
        self.create("other")
        self.nodes.go_away()
        self.restart()
        self.assertEqual((self.route().state, self.route().targets), (NetworkState.FAILED, ()))
        self.assertEqual(self.route("other").state, NetworkState.OFFLINE)

    def test_engine_comes_back(self) -> None:
        """When the engine answers again what runs is taken over, and not made anew."""
        self.online("demo")
        self.nodes.go_away()
        self.restart()
        made = self.calls("create_node")
        self.clock.advance(TIMINGS.retry_first_s)
        self.nodes.come_back()
        for _ in range(3):
            self.clock.advance(TIMINGS.retry_first_s)
        self.assert_online()
        self.assertEqual(self.calls("create_node"), made)

    def test_asked_seldom(self) -> None:
        """An engine that stays away is asked at growing intervals, up to the ceiling."""
        self.online("demo")
        self.nodes.go_away()
        self.restart()
        self.nodes.calls.clear()
        for _ in range(3600):
            self.clock.advance(1)
        self.assertLess(self.calls("nodes"), 10 + 3600 / TIMINGS.retry_max_s)
        self.assertGreater(self.calls("nodes"), 3600 / TIMINGS.retry_max_s - 5)

    def test_told_once(self) -> None:
        """That the engine is away is logged once, and that it is back."""
        self.nodes.go_away()
        with capturedLogs() as events:
            self.restart()
            for _ in range(600):
                self.clock.advance(1)
            away = [formatEvent(event) for event in events]
            self.nodes.come_back()
            for _ in range(120):
                self.clock.advance(1)
        self.assertEqual(len(away), 1, away)
        self.assertIn("the engine does not answer", str(away[0]))
        self.assertEqual([formatEvent(event) for event in events[1:]], ["the engine answers"])

    def test_leases_before_commands(self) -> None:
        """A start that comes before the engine was ever listed does not take what a running container holds."""
        self.online("demo")
        self.create("other")
        self.nodes.go_away()
        self.restart()
        self.failed(self.start("other"), EngineUnreachableError)
        self.nodes.come_back()
        self.successResultOf(self.start("other"))
        self.assertNotEqual(self.nodes.node("other").lease.address, self.nodes.node("demo").lease.address)

    def test_database_away(self) -> None:
        """Without the database start-up fails, clearly, and nothing stays subscribed."""
        self.successResultOf(self.orchestrator.stop())
        self.networks.failure = DatabaseError("list", "it is away")
        orchestrator = self.make_orchestrator()
        self.failed(orchestrator.start(), DatabaseError)
        self.assertFalse(self.nodes.watched)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_static_network_of_that_name(self) -> None:
        """A record and a static network of one name: Nexus does not choose."""
        self.create("demo")
        orchestrator = self.make_orchestrator()
        error = self.failed(orchestrator.start(), ConflictError)
        self.assertIn("static", str(error))

    def test_one_that_does_not_come_up(self) -> None:
        """A network that cannot be started keeps no other from it, and is tried again."""
        self.create("broken", "sound")
        for name in ("broken", "sound"):
            self.successResultOf(self.networks.record_activation(name, self.now(), "by hand"))
        self.nodes.fail_next("create_node", NodeNotReadyError("broken", "died"))
        self.restart()
        self.clock.advance(0)
        self.assert_online("sound")
        self.assertEqual(self.route("broken").state, NetworkState.FAILED)
        self.assert_nothing_left("broken")
        self.clock.advance(TIMINGS.retry_first_s)
        self.assert_online("broken")
