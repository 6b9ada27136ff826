"""How far an event stream was read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from nexus.containers.events import EventCursor
from tests.containers.test_answers import make_event

BEGAN_AT = datetime(2026, 11, 23, 18, 4, 42, 5, tzinfo=UTC)
SECOND = 1795457082 * 10**9
"""The same moment without its microseconds, in nanoseconds."""


class EventCursorTests(SynchronousTestCase):
    """A stream that is opened again."""

    def setUp(self) -> None:
        self.cursor = EventCursor(BEGAN_AT)

    def tell(self, at_ns: int, container_id: str = "a", **fields: Any) -> bool:
        """Whether a message is an event that was not told yet."""
        actor = {"ID": container_id, "Attributes": {}}
        return self.cursor.accept(make_event(timeNano=at_ns, Actor=actor, **fields)) is not None

    def test_begins_with_the_watch(self) -> None:
        """The first opening asks for what happened since the watch began, to the microsecond."""
        self.assertEqual(self.cursor.since, "1795457082.000005000")

    def test_goes_on_where_it_was(self) -> None:
        """The next opening asks for what happened since the last event, that very nanosecond included."""
        self.tell(SECOND + 123)
        self.assertEqual(self.cursor.since, "1795457082.000005000")
        self.tell(SECOND + 7_000_000_008)
        self.assertEqual(self.cursor.since, "1795457089.000000008")

    def test_nothing_twice(self) -> None:
        """What is told again at the reopening is known; what happened at the same nanosecond to others is not."""
        at_ns = SECOND + 10**9
        self.assertTrue(self.tell(at_ns))
        self.assertFalse(self.tell(at_ns))
        self.assertTrue(self.tell(at_ns, "b"))
        self.assertTrue(self.tell(at_ns, Action="destroy"))
        self.assertFalse(self.tell(at_ns, "b"))
        self.assertTrue(self.tell(at_ns + 1))

    def test_out_of_order(self) -> None:
        """An event that comes a little late is told, and does not set the stream back."""
        self.assertTrue(self.tell(SECOND + 2 * 10**9))
        self.assertTrue(self.tell(SECOND + 10**9, "late"))
        self.assertEqual(self.cursor.since, "1795457084.000000000")

    def test_of_no_interest(self) -> None:
        """Other messages are passed over."""
        self.assertFalse(self.tell(SECOND + 10**9, Action="kill"))
        self.assertEqual(self.cursor.since, "1795457082.000005000")
