"""StopNetwork, RemoveNetwork, DeleteNetwork, and the stop of Nexus itself."""

from __future__ import annotations

from nexus.errors import (
    ConflictError,
    DatabaseError,
    EngineUnreachableError,
    NetworkNotFoundError,
)
from nexus.messages import CreateNetwork
from nexus.model import ContainerState, DesiredState, NetworkState, NodeId
from tests.orchestrator.setting import TIMINGS, OrchestratorTestCase

UNREACHABLE = EngineUnreachableError("stop", "no engine")


class StopTests(OrchestratorTestCase):
    """StopNetwork and RemoveNetwork."""

    def setUp(self) -> None:
        """`demo` is online."""
        super().setUp()
        self.online("demo")

    def test_stop(self) -> None:
        """Container, lease and targets are gone; data stay; the record says why and when."""
        self.clock.advance(5)
        answer = self.successResultOf(self.stop())
        self.assertEqual(answer.state, NetworkState.OFFLINE)
        self.assert_offline(data=True)
        self.assertEqual(self.record().deactivation_reason, "StopNetwork")
        self.assertEqual(self.record().deactivated_at, self.now())

    def test_remove(self) -> None:
        """The data go, too; the record stays."""
        self.successResultOf(self.remove())
        self.assert_offline(data=False)
        self.assertEqual(self.record().deactivation_reason, "RemoveNetwork")

    def test_edge_first(self) -> None:
        """The record says offline and the edge has let go before the container is touched."""
        self.nodes.hold("stop_node")
        self.stop()
        self.assertEqual((self.route().state, self.route().targets), (NetworkState.STOPPING, ()))
        self.assertEqual(self.record().desired_state, DesiredState.OFFLINE)
        self.assertIsNotNone(self.leases.get(NodeId("demo")))

    def test_stopped_already(self) -> None:
        """Stopping what is stopped succeeds, and the record keeps when it was."""
        self.successResultOf(self.stop())
        before = self.record()
        self.clock.advance(5)
        self.successResultOf(self.stop())
        self.assert_offline(data=True)
        self.assertEqual(self.record(), before)

    def test_remove_after_stop(self) -> None:
        """The data of a stopped network can be removed."""
        self.successResultOf(self.stop())
        self.successResultOf(self.remove())
        self.assert_offline(data=False)

    def test_stays_offline(self) -> None:
        """It does not come back by itself, nor with Nexus."""
        self.successResultOf(self.stop())
        self.clock.advance(600)
        self.assert_offline(data=True)
        self.restart()
        self.clock.advance(600)
        self.assert_offline(data=True)

    def test_engine_away(self) -> None:
        """When the engine cannot stop it, the route is gone, the lease is kept, and the stop can be said again."""
        self.nodes.fail_next("stop_node", UNREACHABLE)
        self.failed(self.stop(), EngineUnreachableError)
        self.assertEqual((self.route().state, self.route().targets), (NetworkState.FAILED, ()))
        self.assertEqual(self.record().desired_state, DesiredState.OFFLINE)
        self.assertIsNotNone(self.leases.get(NodeId("demo")))
        self.clock.advance(600)
        self.assertEqual(self.route().state, NetworkState.FAILED)
        self.successResultOf(self.stop())
        self.assert_offline(data=True)

    def test_database_away(self) -> None:
        """Without the database nothing is stopped: the record would bring it back."""
        self.networks.failure = DatabaseError("get", "it is away")
        self.failed(self.stop(), DatabaseError)
        self.networks.failure = None
        self.assert_online()

    def test_unknown_network(self) -> None:
        """What is not on record cannot be stopped or removed."""
        self.failed(self.stop("nobody"), NetworkNotFoundError)
        self.failed(self.remove("nobody"), NetworkNotFoundError)

    def test_address_rests(self) -> None:
        """A stopped network's address is not given to the next one."""
        address = self.nodes.node("demo").lease.address
        self.successResultOf(self.stop())
        self.online("other")
        self.assertNotEqual(self.nodes.node("other").lease.address, address)


class DeleteTests(OrchestratorTestCase):
    """DeleteNetwork."""

    def assert_gone(self) -> None:
        """Nothing is left."""
        self.failed(self.networks.get("demo"), NetworkNotFoundError)
        self.assertIsNone(self.registry.route("demo"))
        self.assert_nothing_left()
        self.assertIsNone(self.orchestrator._lifecycles.get("demo"))

    def assert_refused(self) -> None:
        """It is refused, saying what to do, and nothing changed."""
        route = self.route()
        error = self.failed(self.delete(), ConflictError)
        self.assertEqual(error.field, "remove")
        self.assertIn("remove=true", str(error))
        self.assertIs(self.route(), route)

    def test_never_started(self) -> None:
        """A network without node and data is deleted."""
        self.create("demo")
        self.successResultOf(self.delete())
        self.assert_gone()

    def test_online(self) -> None:
        """Not while it is online."""
        self.online("demo")
        self.assert_refused()
        self.assert_online()

    def test_node_left(self) -> None:
        """Not while a container is left, though the record says offline."""
        self.create("demo")
        self.nodes.put(self.record(), self.leases.lease(NodeId("demo")), ContainerState.EXITED)
        self.nodes.data.clear()
        self.assert_refused()

    def test_data_left(self) -> None:
        """Not while data are left."""
        self.online("demo")
        self.successResultOf(self.stop())
        self.assert_refused()
        self.assert_offline(data=True)

    def test_remove(self) -> None:
        """With `remove` node and data go first."""
        self.online("demo")
        self.successResultOf(self.delete(remove=True))
        self.assert_gone()

    def test_removing_fails(self) -> None:
        """Where node and data cannot be removed the record stays."""
        self.online("demo")
        self.nodes.fail_next("remove_node", UNREACHABLE)
        self.failed(self.delete(remove=True), EngineUnreachableError)
        self.assertEqual(self.record().desired_state, DesiredState.OFFLINE)
        self.successResultOf(self.delete(remove=True))
        self.assert_gone()

    def test_engine_away(self) -> None:
        """Nobody knows whether data are left: refused."""
        self.create("demo")
        self.nodes.fail_next("volumes", UNREACHABLE)
        self.failed(self.delete(), EngineUnreachableError)
        self.assert_offline(data=False)

    def test_name_is_free_again(self) -> None:
        """A network of that name can be created anew, with keys of its own."""
        self.create("demo")
        bearers = self.record().rpc_bearers
        self.successResultOf(self.delete())
        self.create("demo")
        self.assertNotEqual(self.record().rpc_bearers, bearers)
        self.successResultOf(self.start())
        self.assert_online()

    def test_unknown_network(self) -> None:
        """What is not on record cannot be deleted."""
        self.failed(self.delete("nobody"), NetworkNotFoundError)
        self.failed(self.delete("nobody", remove=True), NetworkNotFoundError)


class ShutdownTests(OrchestratorTestCase):
    """Nexus stops."""

    def test_running_nodes_untouched(self) -> None:
        """Running nodes run on; nothing is left scheduled or subscribed."""
        self.online("demo")
        self.clock.advance(TIMINGS.grace_s)
        node = self.nodes.node("demo")
        self.nodes.calls.clear()
        self.successResultOf(self.orchestrator.stop())
        self.assertEqual(self.nodes.calls, [])
        self.assertEqual(self.nodes.present(), [node])
        self.assertFalse(self.nodes.watched)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.nodes.kill("demo")
        self.clock.advance(600)
        self.assertEqual(self.nodes.calls, [])

    def test_start_under_way(self) -> None:
        """A start under way is ended and undone before Nexus has stopped."""
        self.create("demo")
        self.nodes.hold("create_node")
        self.nodes.hold("remove_node")
        starting = self.start()
        stopping = self.orchestrator.stop()
        self.assertNoResult(stopping)
        self.nodes.release("remove_node")
        self.successResultOf(stopping)
        self.assertIn("shutting down", str(self.failed(starting, ConflictError)))
        self.assert_offline(data=False)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_under_way(self) -> None:
        """A stop under way is waited for."""
        self.online("demo")
        self.nodes.hold("stop_node")
        command = self.stop()
        stopping = self.orchestrator.stop()
        self.assertNoResult(stopping)
        self.nodes.release("stop_node")
        self.successResultOf(command)
        self.successResultOf(stopping)
        self.assert_offline(data=True)

    def test_recovery_under_way(self) -> None:
        """A node that is being brought back is left to the next Nexus: the record still wants it."""
        self.online("demo")
        self.nodes.hold("create_node")
        self.nodes.discard("demo")
        self.clock.advance(TIMINGS.retry_first_s)
        self.clock.advance(TIMINGS.retry_first_s)
        self.assertEqual(self.nodes.held("create_node"), 1)
        self.successResultOf(self.orchestrator.stop())
        self.assertEqual(self.record().desired_state, DesiredState.ONLINE)
        self.assertEqual(self.nodes.present(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.nodes.release("create_node")
        self.restart()
        self.clock.advance(0)
        self.assert_online()

    def test_death_just_before(self) -> None:
        """A death that was not looked at yet is left to the next Nexus."""
        self.online("demo")
        self.nodes.kill("demo")
        self.successResultOf(self.orchestrator.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.restart()
        self.clock.advance(0)
        self.assert_online()

    def test_look_under_way(self) -> None:
        """A list call under way is waited for; that it fails starts nothing."""
        self.nodes.hold("nodes")
        self.nodes.restore_events()
        stopping = self.orchestrator.stop()
        self.assertNoResult(stopping)
        self.nodes.go_away()
        self.nodes.release("nodes")
        self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_waiting_for_the_engine(self) -> None:
        """Nexus stops also while it waits for the engine."""
        self.online("demo")
        self.nodes.go_away()
        self.restart()
        self.successResultOf(self.orchestrator.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_commands_refused(self) -> None:
        """Commands that come too late are refused."""
        self.create("demo")
        self.successResultOf(self.orchestrator.stop())
        self.assertIn("shutting down", str(self.failed(self.start(), ConflictError)))
        late = self.orchestrator.create_network(CreateNetwork(network="late"))
        self.assertIn("shutting down", str(self.failed(late, ConflictError)))
