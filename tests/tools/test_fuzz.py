"""`make fuzz`."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

from twisted.trial.unittest import SynchronousTestCase

from tests.edge.fuzzing.life import Life
from tests.edge.fuzzing.oracle import ViolationError
from tools import fuzz


class FuzzTests(SynchronousTestCase):
    """What one sees of it."""

    def run_fuzz(self, *arguments: str) -> tuple[int, str]:
        """Its exit status and what it printed."""
        output = io.StringIO()
        with redirect_stdout(output):
            status = fuzz.main(list(arguments))
        return status, output.getvalue()

    def test_nothing(self) -> None:
        """It says where it began, and how many lives it led."""
        status, output = self.run_fuzz("--seconds", "0.1", "--seed", "3")
        self.assertEqual(status, 0)
        self.assertIn("seeds from 3 on", output)
        self.assertRegex(output, r"[1-9][0-9]* lives, 0 finds\n\Z")

    def test_find(self) -> None:
        """A find is told with its seed, and how to see it again."""

        class Broken(Life):
            def live(self) -> None:
                self.story.append("it was a dark night")
                super().live()
                if self.seed == 5:
                    raise ViolationError("something leaks")

        self.patch(fuzz, "Life", Broken)
        status, output = self.run_fuzz("--seconds", "0.3", "--seed", "4")
        self.assertEqual(status, 1)
        self.assertIn("seed 5: ViolationError: something leaks", output)
        self.assertIn("--once --seed 5", output)
        self.assertIn(", 1 finds", output)
        status, output = self.run_fuzz("--once", "--seed", "5")
        self.assertEqual(status, 1)
        self.assertIn("it was a dark night", output)
        self.assertIn("something leaks", output)
        self.assertEqual(self.run_fuzz("--once", "--seed", "4")[0], 0)
