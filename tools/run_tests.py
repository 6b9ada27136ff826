"""Runs tests with trial, under coverage, telling how it goes class by class; the last line counts.

Usage: python -m tools.run_tests [--no-coverage] [NAME...]   (names as trial takes them; default: tests)

The last line is `N passed, N failed, N skipped`; errors count as failed, and so does a module that cannot be imported
and a test that passed though it was expected to fail. Exits with 1 when anything failed, or nothing ran.
"""

from __future__ import annotations

import faulthandler
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import coverage
from twisted.trial.reporter import Reporter
from twisted.trial.runner import TestLoader, TrialRunner

ROOT = Path(__file__).resolve().parent.parent  # nothing of Nexus is imported before its coverage is measured
TEST_TIME_LIMIT_S = 900.0
_RANK = {"passed": 0, "skipped": 1, "failed": 2}


class ProgressReporter(Reporter):
    """Writes one line for each test class, and what went wrong as soon as it does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self.outcomes: dict[str, str] = {}
        self._class = ""
        self._class_began = 0.0

    def startTest(self, test: Any) -> None:
        """Note the test; a hung one ends the run with every thread's stack."""
        super().startTest(test)  # type: ignore[no-untyped-call]
        faulthandler.dump_traceback_later(TEST_TIME_LIMIT_S, exit=True)
        name = test.id().rpartition(".")[0]
        if name != self._class:
            self.finish_class()
            self._class, self._class_began = name, time.monotonic()

    def finish_class(self) -> None:
        """Write the line of the class that has ended."""
        if not self._class:
            return
        counts = Counter(outcome for name, outcome in self.outcomes.items() if name.rpartition(".")[0] == self._class)
        told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in _RANK if counts[outcome])
        print(f"{time.monotonic() - self._class_began:7.1f} s  {self._class}: {told}", flush=True)

    def addSuccess(self, test: Any) -> None:
        """A test passed."""
        super().addSuccess(test)  # type: ignore[no-untyped-call]
        self._note(test, "passed")

    def addExpectedFailure(self, test: Any, error: Any, todo: Any = None) -> None:
        """A test failed as it was expected to."""
        super().addExpectedFailure(test, error, todo)  # type: ignore[no-untyped-call]
        self._note(test, "passed")

    def addSkip(self, test: Any, reason: Any) -> None:
        """A test was left out."""
        super().addSkip(test, reason)  # type: ignore[no-untyped-call]
        self._note(test, "skipped", str(reason))

    def addFailure(self, test: Any, fail: Any) -> None:
        """An assertion did not hold."""
        super().addFailure(test, fail)  # type: ignore[no-untyped-call]
        self._note(test, "failed", _traceback(self.failures[-1][1]))

    def addError(self, test: Any, error: Any) -> None:
        """Something else went wrong, in a test or around it."""
        super().addError(test, error)  # type: ignore[no-untyped-call]
        self._note(test, "failed", _traceback(self.errors[-1][1]))

    def addUnexpectedSuccess(self, test: Any, todo: Any = None) -> None:
        """A test passed that was expected to fail."""
        super().addUnexpectedSuccess(test, todo)  # type: ignore[no-untyped-call]
        self._note(test, "failed", "passed, though it was expected to fail")

    def done(self) -> None:
        """Everything has run; the totals are the runner's to print."""
        faulthandler.cancel_dump_traceback_later()
        self.finish_class()

    def _note(self, test: Any, outcome: str, words: str = "") -> None:
        known = self.outcomes.get(test.id(), "passed")
        self.outcomes[test.id()] = max(known, outcome, key=_RANK.__getitem__)
        if words:
            print(f"{outcome.upper()} {test.id()}\n{words.rstrip()}", flush=True)

    def total(self, outcome: str) -> int:
        """How many tests ended so."""
        return sum(1 for each in self.outcomes.values() if each == outcome)


def _traceback(failure: Any) -> str:
    return str(failure.getTraceback())


def run(names: list[str]) -> ProgressReporter:
    """Run the tests of `names`, in a working directory of their own that is kept where one failed."""
    suite = TestLoader().loadByNames(names, recurse=True)
    # Not in the checkout: a socket's path has 107 bytes at most, and a checkout may be deep already.
    directory = Path(tempfile.mkdtemp(prefix="nx-"))
    reporter = cast(ProgressReporter, TrialRunner(ProgressReporter, workingDirectory=str(directory / "t")).run(suite))
    if reporter.total("failed"):
        print(f"the tests' files and log are in {directory}")
    else:
        shutil.rmtree(directory)
    return reporter


def measure(names: list[str]) -> ProgressReporter:
    """Run the tests of `names`, and report how much of Nexus they ran in this process. The daemons that they start, and
    often kill, are not measured."""
    measured = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"), data_file=None)
    measured.start()
    reporter = run(names)
    measured.stop()
    print()
    measured.report(file=sys.stdout)
    return reporter


def main(arguments: list[str]) -> int:
    """Run, report, and give the exit status."""
    wants_coverage = "--no-coverage" not in arguments
    names = [name for name in arguments if name != "--no-coverage"] or ["tests"]
    reporter = measure(names) if wants_coverage else run(names)
    passed, failed, skipped = (reporter.total(outcome) for outcome in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 0 if failed == 0 and passed + skipped > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
