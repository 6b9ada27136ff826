"""The test runner, which must never call a failure a success."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.checkout import ROOT, clean_environment

SUITE = """
from twisted.internet.defer import Deferred
from twisted.python import log
from twisted.trial.unittest import SynchronousTestCase, TestCase


class GoodTests(SynchronousTestCase):
    def test_passes(self):
        pass

    def test_known_to_fail(self):
        self.fail("known")
    test_known_to_fail.todo = "a later issue"

    def test_left_out(self):
        pass
    test_left_out.skip = "not here"


class BadTests(TestCase):
    timeout = 1

    def test_fails(self):
        self.fail("wrong")

    def test_raises(self):
        raise ValueError("broken")

    def test_passes_unexpectedly(self):
        pass
    test_passes_unexpectedly.todo = "was thought to fail"

    def test_logs_an_error(self):
        log.err(ValueError("unseen"))

    def test_never_ends(self):
        return Deferred()

    def test_fails_twice(self):
        self.addCleanup(self.fail, "in the cleanup too")
        self.fail("wrong")


class BrokenSetUpTests(SynchronousTestCase):
    def setUp(self):
        raise ValueError("no set-up")

    def test_cannot_start(self):
        pass
"""


class RunnerTests(SynchronousTestCase):
    """What its last line and its exit status say."""

    def run_suite(self, name: str, source: str) -> tuple[int, str, str]:
        """Run a module of tests: exit status, last line, all lines."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        (directory / f"{name}.py").write_text(source)
        done = subprocess.run(
            [sys.executable, str(ROOT / "tools" / "run_tests.py"), "--no-coverage", name],
            cwd=directory,
            env={**clean_environment(), "PYTHONPATH": str(directory), "TMPDIR": str(directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.splitlines()[-1], done.stdout

    def test_counts(self) -> None:
        """Each test counts once; errors, hangs and unexpected successes are failures, expected failures are not."""
        status, last, told = self.run_suite("sample_mixed", SUITE)
        self.assertEqual((status, last), (1, "2 passed, 7 failed, 1 skipped"), told)
        self.assertIn("not here", told)

    def test_all_well(self) -> None:
        """Without failures the exit status is 0."""
        status, last, told = self.run_suite("sample_good", SUITE.partition("class BadTests")[0])
        self.assertEqual((status, last), (0, "2 passed, 0 failed, 1 skipped"), told)

    def test_broken_module(self) -> None:
        """A module that cannot be imported is a failure."""
        status, last, told = self.run_suite("sample_broken", "import nothing_of_that_name\n")
        self.assertEqual((status, last), (1, "0 passed, 1 failed, 0 skipped"), told)

    def test_nothing_ran(self) -> None:
        """No tests at all are no success."""
        status, last, told = self.run_suite("sample_empty", "")
        self.assertEqual((status, last), (1, "0 passed, 0 failed, 0 skipped"), told)
