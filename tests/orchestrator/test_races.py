"""Every command that comes while another of the same network is under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred

from nexus.errors import ConflictError, NetworkNotFoundError
from nexus.messages import ResourcesChange
from nexus.model import NodeId
from tests.orchestrator.setting import TIMINGS, OrchestratorTestCase


@dataclass(frozen=True)
class First:
    """A command under way: begun by `begin` from online or offline, held in `held`."""

    begin: str
    online: bool
    held: str


FIRSTS: Final = {
    "start": First("start", False, "create_node"),
    "stop": First("stop", True, "stop_node"),
    "remove": First("remove", True, "remove_node"),
    "delete": First("delete", False, "volumes"),
    "delete_and_remove": First("delete_and_remove", True, "remove_node"),
    "update": First("update_disk", True, "update_node"),
    "recovery": First("die", True, "create_node"),
}

ONLINE, OFFLINE, EMPTY, GONE = "online", "offline with data", "offline without data", "gone"
CONFLICT, NOT_FOUND = ConflictError, NetworkNotFoundError

# (first, second): how the first ends, how the second ends (None: well), what is there then.
OUTCOMES: Final[dict[tuple[str, str], tuple[type[Exception] | None, type[Exception] | None, str]]] = {
    ("start", "start"): (None, None, ONLINE),
    ("start", "stop"): (CONFLICT, None, EMPTY),
    ("start", "remove"): (CONFLICT, None, EMPTY),
    ("start", "delete"): (None, CONFLICT, ONLINE),
    ("start", "delete_and_remove"): (CONFLICT, None, GONE),
    ("start", "update_disk"): (None, None, ONLINE),
    ("stop", "start"): (None, None, ONLINE),
    ("stop", "stop"): (None, None, OFFLINE),
    ("stop", "remove"): (None, None, EMPTY),
    ("stop", "delete"): (None, CONFLICT, OFFLINE),
    ("stop", "delete_and_remove"): (None, None, GONE),
    ("stop", "update_disk"): (None, None, OFFLINE),
    ("remove", "start"): (None, None, ONLINE),
    ("remove", "stop"): (None, None, EMPTY),
    ("remove", "remove"): (None, None, EMPTY),
    ("remove", "delete"): (None, None, GONE),
    ("remove", "delete_and_remove"): (None, None, GONE),
    ("remove", "update_disk"): (None, None, EMPTY),
    ("delete", "start"): (None, NOT_FOUND, GONE),
    ("delete", "stop"): (None, NOT_FOUND, GONE),
    ("delete", "remove"): (None, NOT_FOUND, GONE),
    ("delete", "delete"): (None, NOT_FOUND, GONE),
    ("delete", "delete_and_remove"): (None, NOT_FOUND, GONE),
    ("delete", "update_disk"): (None, None, GONE),
    ("delete_and_remove", "start"): (None, NOT_FOUND, GONE),
    ("delete_and_remove", "stop"): (None, NOT_FOUND, GONE),
    ("delete_and_remove", "remove"): (None, NOT_FOUND, GONE),
    ("delete_and_remove", "delete"): (None, NOT_FOUND, GONE),
    ("delete_and_remove", "delete_and_remove"): (None, NOT_FOUND, GONE),
    ("delete_and_remove", "update_disk"): (None, None, GONE),
    ("update", "start"): (None, None, ONLINE),
    ("update", "stop"): (None, None, OFFLINE),
    ("update", "remove"): (None, None, EMPTY),
    ("update", "delete"): (None, CONFLICT, ONLINE),
    ("update", "delete_and_remove"): (None, None, GONE),
    ("update", "update_disk"): (None, None, ONLINE),
    ("recovery", "start"): (None, None, ONLINE),
    ("recovery", "stop"): (None, None, OFFLINE),
    ("recovery", "remove"): (None, None, EMPTY),
    ("recovery", "delete"): (None, CONFLICT, ONLINE),
    ("recovery", "delete_and_remove"): (None, None, GONE),
    ("recovery", "update_disk"): (None, None, ONLINE),
}


class PairTests(OrchestratorTestCase):
    """For each pair: both end as the table says, and record, route, node, lease and data agree."""

    def delete_and_remove(self) -> Deferred[Any]:
        """DeleteNetwork with `remove`."""
        return self.delete(remove=True)

    def update_disk(self) -> Deferred[Any]:
        """UpdateNetwork of something that the node has to know."""
        return self.update(resources=ResourcesChange(disk_gb=20))

    def die(self) -> Deferred[None]:
        """No command: the node dies, and is being brought back."""
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s)
        return Deferred()

    def check(self, first: str, second: str) -> None:
        """Begin the first, hold it, begin the second, let go."""
        way = FIRSTS[first]
        self.create("demo")
        if way.online:
            self.successResultOf(self.start())
            self.clock.advance(TIMINGS.settled_after_s)
        self.nodes.hold(way.held)
        one: Deferred[Any] = getattr(self, way.begin)()
        self.assertEqual(self.nodes.held(way.held), 1)
        two: Deferred[Any] = getattr(self, second)()
        self.nodes.release(way.held)
        first_error, second_error, end = OUTCOMES[first, second]
        if first != "recovery":
            self.assert_ended(one, first_error)
        self.assert_ended(two, second_error)
        self.assert_end(end)
        self.clock.advance(TIMINGS.grace_s)
        self.clock.advance(600)
        self.assert_end(end)
        self.assertEqual(self.orchestrator._lifecycles.get("demo") is None, end is GONE)

    def assert_ended(self, command: Deferred[Any], error: type[Exception] | None) -> None:
        """It has ended, well or so."""
        if error is None:
            self.successResultOf(command)
        else:
            self.failureResultOf(command, error)

    def assert_end(self, end: str) -> None:
        """What is there."""
        if end is ONLINE:
            self.assert_online()
            self.assertEqual(len(self.nodes.present()), 1)
        elif end is GONE:
            self.failureResultOf(self.networks.get("demo"), NetworkNotFoundError)
            self.assertIsNone(self.registry.route("demo"))
            self.assert_nothing_left()
        else:
            self.assert_offline(data=end is OFFLINE)


def _test_of(first: str, second: str) -> Callable[[PairTests], None]:
    def test(self: PairTests) -> None:
        self.check(first, second)

    test.__doc__ = f"{second.replace('_', ' ')} during {first}: the outcome is the table's."
    return test


for pair in OUTCOMES:
    setattr(PairTests, f"test_{pair[1]}_during_{pair[0]}", _test_of(*pair))


class EndedStartTests(OrchestratorTestCase):
    """A stop while a start is under way."""

    def setUp(self) -> None:
        """A network whose node is being made."""
        super().setUp()
        self.create("demo")
        self.nodes.hold("create_node")
        self.starting = self.start()

    def tearDown(self) -> None:
        """The start has failed in each of these tests, whether or not the test asks how."""
        self.starting.addErrback(lambda failure: failure.trap(ConflictError))

    def test_at_once(self) -> None:
        """The stop does not wait for the node to come up."""
        self.successResultOf(self.stop())
        self.assert_offline(data=False)

    def test_told(self) -> None:
        """Who waited for the start is told that it was stopped."""
        self.stop()
        self.assertIn("it was stopped", str(self.failureResultOf(self.starting, ConflictError).value))

    def test_joiners_told(self) -> None:
        """So is who had joined it."""
        joined = self.start()
        self.stop()
        self.failureResultOf(self.starting, ConflictError)
        self.failureResultOf(joined, ConflictError)

    def test_start_again(self) -> None:
        """A start that comes after the stop is a new one, and ends online."""
        self.nodes.hold("stop_node")
        stopping = self.stop()
        again = self.start()
        self.nodes.release("stop_node")
        self.successResultOf(stopping)
        self.nodes.release("create_node")
        self.successResultOf(again)
        self.failureResultOf(self.starting, ConflictError)
        self.assert_online()

    def test_start_again_while_undone(self) -> None:
        """So it is when the ended start is still being undone: nobody joins what has been ended."""
        self.nodes.hold("remove_node")
        stopping = self.stop()
        again = self.start()
        self.nodes.release("create_node")
        self.nodes.release("remove_node")
        self.successResultOf(stopping)
        self.successResultOf(again)
        self.failureResultOf(self.starting, ConflictError)
        self.assert_online()

    def test_stopped_before_its_turn(self) -> None:
        """A start that still waits for its turn is ended, too, and does nothing."""
        self.stop()
        self.nodes.hold("stop_node")
        stopping = self.stop()
        waiting = self.start()
        last = self.stop()
        self.nodes.calls.clear()
        self.nodes.release("stop_node")
        for command in (stopping, last):
            self.successResultOf(command)
        self.failureResultOf(waiting, ConflictError)
        self.failureResultOf(self.starting, ConflictError)
        self.assertNotIn(("create_node", "demo"), self.nodes.calls)

    def test_undoing_is_not_ended(self) -> None:
        """A stop that comes while a failed start is being undone waits for the undoing."""
        self.nodes.hold("remove_node")
        self.stop()
        self.assertEqual(self.nodes.held("remove_node"), 1)
        second = self.stop()
        self.assertEqual(self.nodes.held("remove_node"), 1)
        self.assertNoResult(second)
        self.nodes.release("remove_node")
        self.successResultOf(second)
        self.assert_offline(data=False)

    def test_others_unharmed(self) -> None:
        """Another network's start goes on."""
        self.create("other")
        other = self.start("other")
        self.successResultOf(self.stop())
        self.nodes.release("create_node")
        self.successResultOf(other)
        self.assert_online("other")


class DeathDuringCommandTests(OrchestratorTestCase):
    """A node dies while a command has the network's turn."""

    def test_during_update(self) -> None:
        """The route goes at once; the node is brought back after the update."""
        self.online("demo")
        self.clock.advance(TIMINGS.settled_after_s)
        self.nodes.hold("update_node")
        updating = self.update(resources=ResourcesChange(disk_gb=20))
        self.nodes.kill("demo")
        self.assertEqual(self.route().targets, ())
        self.clock.advance(TIMINGS.grace_s)
        self.assertEqual(self.calls("create_node"), 1)
        self.nodes.release("update_node")
        self.successResultOf(updating)
        self.assert_online()
        self.assertEqual(self.calls("create_node"), 2)

    def test_look_that_waits_is_ended(self) -> None:
        """A stop ends also a look at the network that still waits for its turn."""
        self.online("demo")
        self.nodes.hold("update_node")
        self.update(resources=ResourcesChange(disk_gb=20))
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.nodes.calls.clear()
        stopping = self.stop()
        self.nodes.release("update_node")
        self.successResultOf(stopping)
        self.assertEqual(self.nodes.calls, [("stop_node", "demo")])

    def test_during_stop(self) -> None:
        """A node that dies because it is stopped is not brought back."""
        self.online("demo")
        self.nodes.hold("stop_node")
        stopping = self.stop()
        self.nodes.kill("demo")
        self.clock.advance(TIMINGS.grace_s)
        self.nodes.release("stop_node")
        self.successResultOf(stopping)
        self.clock.advance(600)
        self.assert_offline(data=True)
        self.assertEqual(self.calls("create_node"), 1)

    def test_removed_by_hand_during_stop(self) -> None:
        """A stop of what somebody else removes succeeds."""
        self.online("demo")
        self.nodes.hold("stop_node")
        stopping = self.stop()
        self.nodes.discard("demo")
        self.nodes.release("stop_node")
        self.successResultOf(stopping)
        self.assert_offline(data=True)
        self.assertIn(NodeId("demo"), self.nodes.data)
