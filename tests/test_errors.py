"""Errors: what they echo."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nexus.errors import quoted


class QuotedTests(SynchronousTestCase):
    """Callers' texts in errors and log lines."""

    def test_short(self) -> None:
        """A short text is told whole, on one line."""
        self.assertEqual(quoted("de\nmo"), "'de\\nmo'")

    def test_long(self) -> None:
        """Of a long one its beginning is told, and that it goes on."""
        self.assertEqual(quoted("x" * 10**6), f"'{'x' * 100}'...")

    def test_no_text(self) -> None:
        """What is no text is told as Python writes it."""
        self.assertEqual((quoted(None), quoted(7)), ("None", "7"))
