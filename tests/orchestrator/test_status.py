"""Status for the edge, and diagnostics for whoever looks for a fault."""

from __future__ import annotations

from nexus.errors import DatabaseError, EngineUnreachableError, NetworkNotFoundError, NodeNotReadyError
from nexus.messages import NetworkDiagnostics, NetworkName
from nexus.model import AccessRules, ContainerState, NetworkState, NetworkStatus
from tests.orchestrator.setting import TIMINGS, OrchestratorTestCase


class StatusTests(OrchestratorTestCase):
    """What the edge asks at `status` and `swarm`."""

    def setUp(self) -> None:
        """`demo` is online."""
        super().setUp()
        self.online("demo")

    def status(self, name: str = "demo") -> NetworkStatus:
        """The answer, which is there at once."""
        return self.successResultOf(self.orchestrator.network_status(name))

    def test_online(self) -> None:
        """A running network is measured."""
        status = self.status()
        self.assertEqual((status.state, status.peer_id), (NetworkState.ONLINE, "peer-of-demo"))
        self.assertEqual(status.swarm_multiaddrs, ("/ip4/127.0.0.1/tcp/4005/p2p/peer-of-demo",))

    def test_asked_seldom(self) -> None:
        """However often it is asked for, the node is asked every other second, and no database ever."""
        self.networks.failure = DatabaseError("get", "it is away")
        for _ in range(100):
            self.status()
            self.clock.advance(TIMINGS.status_age_s / 100)
        self.assertEqual(self.calls("node_stats"), 1)
        self.status()
        self.assertEqual(self.calls("node_stats"), 2)

    def test_one_at_a_time(self) -> None:
        """A slow node is asked once, for all who wait, however long it takes."""
        self.nodes.hold("node_stats")
        asking = []
        for _ in range(10):
            asking.append(self.orchestrator.network_status("demo"))
            self.clock.advance(TIMINGS.look_up_timeout_s / 20)
        self.assertEqual(self.nodes.held("node_stats"), 1)
        self.nodes.release("node_stats")
        self.assertEqual({self.successResultOf(answer).peer_id for answer in asking}, {"peer-of-demo"})

    def test_impatient_client(self) -> None:
        """A client that goes away takes the answer from nobody."""
        self.nodes.hold("node_stats")
        first, second = self.orchestrator.network_status("demo"), self.orchestrator.network_status("demo")
        first.addErrback(lambda _: None)
        first.cancel()
        self.nodes.release("node_stats")
        self.assertEqual(self.successResultOf(second).peer_id, "peer-of-demo")

    def test_node_does_not_tell(self) -> None:
        """What a node does not tell stays empty."""
        self.nodes.fail_next("node_stats", NodeNotReadyError("demo", "does not answer"))
        self.assertEqual(self.status(), NetworkStatus(network="demo", state=NetworkState.ONLINE))

    def test_node_hangs(self) -> None:
        """So does what it does not tell in time."""
        self.nodes.hold("node_stats")
        asking = self.orchestrator.network_status("demo")
        self.clock.advance(TIMINGS.look_up_timeout_s)
        self.assertEqual(self.successResultOf(asking), NetworkStatus(network="demo", state=NetworkState.ONLINE))

    def test_offline(self) -> None:
        """An offline network is told at once, also right after it was online."""
        self.status()
        self.successResultOf(self.stop())
        self.assertEqual(self.status(), NetworkStatus(network="demo", state=NetworkState.OFFLINE))

    def test_replaced_node(self) -> None:
        """What an older node told is not told of its successor."""
        self.status()
        self.successResultOf(self.stop())
        self.successResultOf(self.start())
        self.status()
        self.assertEqual(self.calls("node_stats"), 2)

    def test_unknown(self) -> None:
        """What is not on record has no status."""
        self.failed(self.orchestrator.network_status("nobody"), NetworkNotFoundError)

    def test_static(self) -> None:
        """Of a static network its state is known."""
        self.registry.publish("static", rules=AccessRules(), state=NetworkState.ONLINE, targets=())
        self.assertEqual(self.status("static"), NetworkStatus(network="static", state=NetworkState.ONLINE))


class DiagnosticsTests(OrchestratorTestCase):
    """NetworkDiagnostics."""

    def setUp(self) -> None:
        """`demo` is online."""
        super().setUp()
        self.online("demo")

    def diagnostics(self) -> NetworkDiagnostics:
        """The answer, which is there at once."""
        return self.successResultOf(self.orchestrator.network_diagnostics(NetworkName(network="demo")))

    def test_well(self) -> None:
        """Of a network that is well: everything, and nothing that differs."""
        told = self.diagnostics()
        self.assertEqual((told.state, told.record.network), (NetworkState.ONLINE, "demo"))
        assert told.route is not None
        self.assertEqual(told.route.generation, self.route().generation)
        self.assertEqual(told.route.targets, ["api 10.0.0.32:5001, gateway 10.0.0.32:8080"])
        self.assertEqual([(lease.swarm_port, lease.address) for lease in told.leases], [(4005, "10.0.0.32")])
        self.assertEqual([(one.state, one.log_lines) for one in told.containers], [("running", ["Daemon is ready"])])
        self.assertIs(told.data_volume, True)
        self.assertEqual((told.differences, told.problems, told.last_error), ([], [], None))

    def test_secrets(self) -> None:
        """Neither swarm key nor bearer is in it."""
        told = repr(self.diagnostics())
        self.assertNotIn(self.record().swarm_key.reveal(), told)
        self.assertNotIn(self.record().rpc_bearers[0].reveal(), told)
        self.assertIsNone(self.diagnostics().record.swarm_key)

    def test_offline(self) -> None:
        """Of an offline network: that nothing is there, and nothing differs."""
        self.successResultOf(self.remove())
        told = self.diagnostics()
        self.assertEqual((told.leases, told.containers, told.data_volume), ([], [], False))
        self.assertEqual((told.differences, told.problems), ([], []))

    def test_differences(self) -> None:
        """What differs from what is wanted is told in sentences."""
        self.nodes.change(self.nodes.node("demo"), ContainerState.EXITED)
        self.assertEqual(self.diagnostics().differences, ["it should be online, but container memory-demo-0 is exited"])

    def test_last_error(self) -> None:
        """The last failed command is told, with its time."""
        self.successResultOf(self.stop())
        self.clock.advance(7)
        self.nodes.fail_next("create_node", NodeNotReadyError("demo", "died", ["out of space"]))
        self.failed(self.start(), NodeNotReadyError)
        told = self.diagnostics()
        self.assertIn("out of space", told.last_error or "")
        self.assertEqual(told.last_error_at, self.now())

    def test_engine_away(self) -> None:
        """Without the engine: all the rest, and that the engine was not to be asked."""
        self.nodes.go_away()
        told = self.diagnostics()
        self.assertEqual((told.containers, told.data_volume, told.differences), ([], None, []))
        self.assertEqual(len(told.problems), 2)
        self.assertIn("the engine is away", told.problems[0])
        self.assertEqual(len(told.leases), 1)

    def test_engine_hangs(self) -> None:
        """With an engine that hangs the answer comes, later."""
        for method in ("nodes", "volumes"):
            self.nodes.hold(method)
        asking = self.orchestrator.network_diagnostics(NetworkName(network="demo"))
        self.clock.advance(TIMINGS.look_up_timeout_s)
        told = self.successResultOf(asking)
        self.assertEqual(len(told.problems), 2)
        self.assertIn("no answer in time", told.problems[0])

    def test_container_cannot_be_inspected(self) -> None:
        """Without one container's details: all the rest."""
        self.nodes.fail_next("diagnose", EngineUnreachableError("inspect", "it hung up"))
        told = self.diagnostics()
        self.assertEqual(told.containers, [])
        self.assertIn("container memory-demo-0 could not be found out", told.problems[0])
        self.assertIs(told.data_volume, True)

    def test_database_away(self) -> None:
        """Without the database: the record as it was last read, and that it is."""
        self.networks.failure = DatabaseError("get", "it is away")
        told = self.diagnostics()
        self.assertEqual(told.record.network, "demo")
        self.assertIn("last read", told.problems[0])

    def test_unknown(self) -> None:
        """What is not on record has no diagnostics."""
        asking = self.orchestrator.network_diagnostics(NetworkName(network="nobody"))
        self.failed(asking, NetworkNotFoundError)
