"""Random lives of an edge (see `fuzzing`): whatever comes in whatever order, nothing raises, hangs or leaks, nodes get
what clients sent, and clients what nodes answered to them."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.edge.fuzzing import marks
from tests.edge.fuzzing.life import ODD_REQUESTS, RESPONSES, Life
from tests.edge.fuzzing.mutation import mangle, split
from tests.edge.fuzzing.oracle import ViolationError, hear_requests, hear_responses

SEEDS = 1000


class LifeTests(SynchronousTestCase):
    """The same lives each time; `make fuzz` leads others."""

    def test_seeds(self) -> None:
        """No life breaks a rule."""
        for seed in range(SEEDS):
            try:
                Life(seed).live()
            except Exception as error:  # whatever it is, the seed belongs to it
                raise AssertionError(f"seed {seed}: {error!r}") from error


class OracleTests(SynchronousTestCase):
    """The oracle itself finds what it is for."""

    request = b"GET /ipfs/mark-1 HTTP/1.1\r\nHost: x\r\n\r\n"

    def test_requests(self) -> None:
        """A part of a request is one that is not whole, and what is none is a violation."""
        heard = hear_requests(self.request * 2 + b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        self.assertEqual([each.is_whole for each in heard], [True, True, False])
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", b"\x00\r\n\r\n"):
            self.assertRaises(ViolationError, hear_requests, data)

    def test_responses(self) -> None:
        """One more than was asked for is a violation; a cut one is not whole."""
        response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        (heard,) = hear_responses(response, [b"GET"], ended=False)
        self.assertTrue(heard.is_whole)
        self.assertRaises(ViolationError, hear_responses, response * 2, [b"GET"], ended=False)
        (heard,) = hear_responses(response[:-1], [b"GET"], ended=False)
        self.assertFalse(heard.is_whole)
        self.assertRaises(ViolationError, hear_responses, response[:-1], [b"GET"], ended=True)
        self.assertRaises(ViolationError, hear_responses, response, [b"HEAD"], ended=False)

    def test_marks(self) -> None:
        """A mark that was mangled is none."""
        mark = marks.mark(17)
        self.assertEqual(marks.marked(mark), 17)
        self.assertIsNone(marks.marked(mark.replace(b"17", b"71")))
        self.assertIsNone(marks.marked(marks.mark(None)))
        self.assertEqual(marks.number_of(b"GET " + marks.path(17) + b"?x HTTP/1.1"), 17)
        self.assertIsNone(marks.number_of(b"/mark-1/mark-2"))

    def test_seeded(self) -> None:
        """A seed means the same each time."""
        once, again = (
            [mangle(random, data, RESPONSES) for data in ODD_REQUESTS for random in [Random(number)]]  # noqa: S311
            for number in (5, 5)
        )
        self.assertEqual(once, again)
        self.assertEqual(b"".join(split(Random(1), b"hello" * 10)), b"hello" * 10)  # noqa: S311
        stories = []
        for _ in range(2):
            life = Life(7)
            life.live()
            stories.append(life.story)
        self.assertEqual(*stories)
