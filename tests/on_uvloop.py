"""The tests of a class once more, in a process whose reactor runs on uvloop: a process has one reactor.

`FooOnUvloop = on_uvloop(Foo, __name__)` makes a class with a test for each of `Foo`'s. The first of them runs them all,
in one subprocess; each then tells how its own ended there, with all that the subprocess said.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

ROOT = Path(__file__).resolve().parent.parent
TIME_LIMIT_S = 600


@dataclass
class Run:
    """How the tests of a class ended in the subprocess, by name, and what it printed."""

    outcomes: dict[str, str]
    output: str


def on_uvloop(case: type[TestCase], module: str) -> type[SynchronousTestCase]:
    """Tests as `case` has, on uvloop, for `module`."""
    runs: list[Run] = []

    def run() -> Run:
        if not runs:
            runs.append(_run(f"{case.__module__}.{case.__qualname__}"))
        return runs[0]

    names = [name for name in dir(case) if name.startswith("test")]
    members: dict[str, Any] = {name: _test(name, getattr(case, name).__doc__, run) for name in names}
    members["__doc__"] = f"{case.__doc__} On uvloop."
    members["__module__"] = module
    return type(f"{case.__name__}OnUvloop", (SynchronousTestCase,), members)


def _test(name: str, words: str | None, run: Callable[[], Run]) -> Callable[[SynchronousTestCase], None]:
    def test(self: SynchronousTestCase) -> None:
        done = run()
        outcome = done.outcomes.get(name, "not run")
        if outcome == "skipped":
            raise SkipTest(done.output)
        self.assertEqual(outcome, "passed", f"on uvloop:\n{done.output}")

    test.__name__ = name
    test.__doc__ = words
    return test


def _run(name: str) -> Run:
    done = subprocess.run(
        [sys.executable, "-m", "tests.on_uvloop", name],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )
    *lines, last = done.stdout.splitlines() or [""]
    try:
        outcomes = json.loads(last)
    except ValueError:  # it ended before its time
        return Run({}, f"{done.stdout}\nexit status {done.returncode}")
    return Run(outcomes, "\n".join(lines))


def main(name: str) -> None:
    """Run the tests of `name` on uvloop; the last line tells how each ended."""
    from nexus.reactor import install  # noqa: PLC0415

    install()
    from tools.run_tests import run  # noqa: PLC0415

    reporter = run([name])
    outcomes = {test.rpartition(".")[2]: outcome for test, outcome in reporter.outcomes.items()}
    sys.stdout.write(f"\n{json.dumps(outcomes)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
