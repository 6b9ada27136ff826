"""Between commands: events are missed, the edge cannot dial, records change by hand, Nexus itself is at fault."""

from __future__ import annotations

from twisted.internet.defer import fail

from nexus.errors import DatabaseError, DeadlineError, EngineUnreachableError, NodeNotReadyError
from nexus.model import (
    ContainerState,
    DesiredState,
    NetworkChanges,
    NetworkState,
)
from tests.orchestrator.setting import TIMINGS, SettledTestCase


class MissedEventTests(SettledTestCase):
    """The event stream was lost."""

    def test_restored(self) -> None:
        """A death that nobody told of is found when the stream is back."""
        self.nodes.change(self.nodes.node("demo"), ContainerState.EXITED)
        self.nodes.restore_events()
        self.clock.advance(0)
        self.assert_online()

    def test_few_list_calls(self) -> None:
        """However many networks there are, they share the list calls of that look."""
        self.online(*(f"network-{number}" for number in range(9)))
        self.clock.advance(0)
        self.clock.advance(TIMINGS.grace_s)
        self.nodes.calls.clear()
        self.nodes.restore_events()
        self.nodes.hold("nodes")
        self.clock.advance(0)
        self.nodes.release("nodes")
        self.assertLessEqual(self.calls("nodes"), 3)

    def test_engine_away(self) -> None:
        """While the engine does not answer the route stays: proxying goes on."""
        route = self.route()
        self.nodes.go_away()
        self.nodes.restore_events()
        self.clock.advance(600)
        self.assertIs(self.route(), route)
        self.nodes.come_back()
        self.clock.advance(TIMINGS.retry_max_s)
        self.clock.advance(0)
        self.assert_online()
        self.assertIs(self.route(), route)

    def test_engine_away_twice(self) -> None:
        """Once the engine has answered, it is asked soon again the next time that it does not."""
        self.nodes.go_away()
        self.nodes.restore_events()
        for _ in range(600):
            self.clock.advance(1)
        self.nodes.come_back()
        self.clock.advance(TIMINGS.retry_max_s)
        self.clock.advance(0)
        self.nodes.go_away()
        self.nodes.restore_events()
        self.nodes.calls.clear()
        self.clock.advance(TIMINGS.retry_first_s)
        self.assertEqual(self.calls("nodes"), 1)


class SuspicionTests(SettledTestCase):
    """The edge could not dial the node."""

    def test_looked_at(self) -> None:
        """The node is looked at at once; where it is ready, its route is untouched."""
        route = self.route()
        self.orchestrator.target_unreachable("demo", route.generation)
        self.clock.advance(0)
        self.assertEqual([call[0] for call in self.nodes.calls], ["nodes", "await_ready"])
        self.assertIs(self.route(), route)

    def test_not_too_often(self) -> None:
        """A thousand failed dials are one look."""
        for _ in range(1000):
            self.orchestrator.target_unreachable("demo", self.route().generation)
            self.clock.advance(0.001)
        self.assertEqual(self.calls("await_ready"), 1)
        self.clock.advance(TIMINGS.suspicion_interval_s)
        self.orchestrator.target_unreachable("demo", self.route().generation)
        self.clock.advance(0)
        self.assertEqual(self.calls("await_ready"), 2)

    def test_older_generation(self) -> None:
        """A dial to where the route does not lead any more says nothing."""
        self.orchestrator.target_unreachable("demo", self.route().generation - 1)
        self.orchestrator.target_unreachable("nobody", 1)
        self.clock.advance(0)
        self.assertEqual(self.nodes.calls, [])

    def test_death_unseen(self) -> None:
        """A dead node whose death nobody told of is brought back."""
        self.nodes.change(self.nodes.node("demo"), ContainerState.EXITED)
        self.orchestrator.target_unreachable("demo", self.route().generation)
        self.clock.advance(0)
        self.assert_online()
        self.assertEqual(self.calls("create_node"), 1)

    def test_does_not_answer(self) -> None:
        """A node that runs and does not answer is unrouted, left running, and asked again until it does."""
        node = self.nodes.node("demo")
        self.nodes.fail_next("await_ready", DeadlineError("ready", 60))
        self.orchestrator.target_unreachable("demo", self.route().generation)
        self.clock.advance(0)
        self.assertEqual((self.route().state, self.route().targets), (NetworkState.FAILED, ()))
        self.assertEqual(self.nodes.present(), [node])
        self.clock.advance(TIMINGS.retry_first_s)
        self.assert_online()
        self.assertEqual(self.nodes.present(), [node])


class ChangedByHandTests(SettledTestCase):
    """Somebody changes records without asking Nexus."""

    def test_set_offline(self) -> None:
        """A record set offline by hand is followed when the network is next looked at: unrouted, node left."""
        self.successResultOf(self.networks.update("demo", NetworkChanges(desired_state=DesiredState.OFFLINE)))
        self.nodes.restore_events()
        self.clock.advance(0)
        self.assertEqual((self.route().state, self.route().targets), (NetworkState.OFFLINE, ()))
        self.assertEqual(len(self.nodes.present()), 1)

    def test_set_offline_meanwhile(self) -> None:
        """So it is when that happens while the node is being brought back."""
        self.nodes.hold("create_node")
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.successResultOf(self.networks.update("demo", NetworkChanges(desired_state=DesiredState.OFFLINE)))
        self.nodes.restore_events()
        self.clock.advance(0)
        self.nodes._tell = lambda kind, node: None  # type: ignore[method-assign]  # no event to be looked at for
        self.nodes.release("create_node")
        self.clock.advance(0)
        self.assertEqual((self.route().state, self.route().targets), (NetworkState.OFFLINE, ()))

    def test_deleted(self) -> None:
        """A record deleted by hand: the edge knows the network no more, the node is left."""
        self.successResultOf(self.networks.delete("demo"))
        self.nodes.restore_events()
        self.clock.advance(0)
        self.assertIsNone(self.registry.route("demo"))
        self.assertEqual(len(self.nodes.present()), 1)

    def test_users_changed(self) -> None:
        """Rules changed by hand are followed."""
        self.successResultOf(self.networks.update("demo", NetworkChanges(users=frozenset({"bob"}))))
        self.nodes.restore_events()
        self.clock.advance(0)
        self.assertEqual(self.route().rules.users, frozenset({"bob"}))
        self.assert_online()

    def test_database_away(self) -> None:
        """Without the database a dead node waits, and is brought back when it answers again."""
        self.networks.failure = DatabaseError("get", "it is away")
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.clock.advance(TIMINGS.grace_s)
        self.assertEqual(self.route().targets, ())
        self.networks.failure = None
        self.clock.advance(TIMINGS.retry_max_s)
        self.assert_online()


class UnexpectedErrorTests(SettledTestCase):
    """A fault of Nexus's own."""

    def test_logged_and_retried(self) -> None:
        """It is logged with its traceback, and the network is tried again."""
        broken = self.patch(self.nodes, "create_node", lambda network, lease: fail(RuntimeError("a bug")))
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.route().state, NetworkState.FAILED)
        broken.restore()
        self.clock.advance(TIMINGS.retry_max_s)
        self.assert_online()

    def test_undo_fails(self) -> None:
        """An undo that fails is logged, and does not stop the retrying."""
        self.nodes.fail_next("create_node", NodeNotReadyError("demo", "died"))
        self.nodes.kill("demo")
        self.nodes.hold("stop_node")
        self.clock.advance(TIMINGS.grace_s)
        self.nodes.release("stop_node")
        self.nodes.fail_next("stop_node", EngineUnreachableError("stop", "no engine"))
        self.clock.advance(TIMINGS.retry_max_s)
        self.flushLoggedErrors(EngineUnreachableError)
        self.clock.advance(TIMINGS.retry_max_s)
        self.assert_online()
