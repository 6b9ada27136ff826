"""Field lines, one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.errors import MalformedError
from nexus.edge.field_lines import (
    LINE_BYTES_REMEMBERED_MAX,
    LINES_REMEMBERED_MAX,
    NAMES_REMEMBERED_MAX,
    Field,
    FieldLines,
    FieldReader,
    split_line,
)


class SplitTests(SynchronousTestCase):
    """RFC 9112 section 5."""

    def test_whitespace(self) -> None:
        """Tabs and spaces around a value do not count, inside it they do."""
        self.assertEqual(split_line(b"A:\t b \tc \t"), (b"A", b"b \tc"))
        self.assertEqual(split_line(b"A:"), (b"A", b""))
        self.assertEqual(split_line(b"A: :b:"), (b"A", b":b:"))

    def test_malformed(self) -> None:
        """No other byte out of place is overlooked."""
        for line in (
            b"",
            b":",
            b": b",
            b"A",
            b"A : b",
            b" A: b",
            b"A\t: b",
            b"\xe9: b",
            b"A: b\r",
            b"A: b\n",
            b"A: \x00",
        ):
            with self.assertRaises(MalformedError):
                split_line(line)


class MemoryTests(SynchronousTestCase):
    """What is remembered of lines."""

    def setUp(self) -> None:
        self.read: list[bytes] = []
        self.lines = FieldLines(self.take)

    def take(self, name: bytes) -> FieldReader:
        """What a line says here."""

        def read(value: bytes) -> Field:
            self.read.append(name)
            return b"%b=%b" % (name.lower(), value)

        return read

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.integers(0, LINES_REMEMBERED_MAX * 3), max_size=200))
    def test_always_the_same(self, numbers: list[int]) -> None:
        """A line says the same, remembered or not."""
        for number in numbers:
            self.assertEqual(self.lines[b"A: %d" % number], b"a=%d" % number)

    def test_read_once(self) -> None:
        """It is read until it is remembered: when it comes for the second time."""
        self.assertEqual([self.lines[b"A: b"] for _ in range(5)], [b"a=b"] * 5)
        self.assertEqual(self.read, [b"A"] * 2)

    def test_new_lines_push_nothing_out(self) -> None:
        """Lines that come once are not remembered."""
        for _ in range(2):
            self.lines[b"Used: x"]
        for number in range(LINES_REMEMBERED_MAX * 3):
            self.lines[b"N: %d" % number]
        self.lines[b"Used: x"]
        self.assertEqual(self.read.count(b"Used"), 2)
        self.assertLess(len(self.lines), 10)

    def test_bounded(self) -> None:
        """However many there are, the memory is bounded, and what is in use stays in it."""
        for number in range(10 * LINES_REMEMBERED_MAX):
            self.lines[b"N: %d" % number]
            self.lines[b"N: %d" % number]
            self.lines[b"Used: x"]
        self.assertGreater(len(self.lines._older), 0)
        self.assertLessEqual(len(self.lines) + len(self.lines._older), 2 * LINES_REMEMBERED_MAX)
        self.assertLess(self.read.count(b"Used"), 4)

    def test_names_are_bounded(self) -> None:
        """Nor do ever new names fill it."""
        for number in range(3 * NAMES_REMEMBERED_MAX):
            self.assertEqual(self.lines[b"N%d: x" % number], b"n%d=x" % number)
            self.lines[b"N%d%b: x" % (number, b"n" * 100)]
        self.assertLessEqual(len(self.lines._readers), NAMES_REMEMBERED_MAX)

    def test_not_remembered(self) -> None:
        """Neither secrets nor long lines stay."""
        for name in (b"Authorization", b"COOKIE", b"Set-Cookie", b"proxy-authorization"):
            for _ in range(3):
                self.lines[name + b": secret"]
                self.lines[b"A: " + b"x" * LINE_BYTES_REMEMBERED_MAX]
        self.assertEqual(len(self.lines), 0)

    def test_malformed(self) -> None:
        """What is no line is none the next time either."""
        for _ in range(2):
            with self.assertRaises(MalformedError):
                self.lines[b"A : b"]
        self.assertEqual(len(self.lines), 0)
