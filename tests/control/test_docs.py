"""docs/control-api.md tells what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from nexus.control.faults import ERROR_CODES
from nexus.control.methods import METHODS
from nexus.control.wire import names_of
from nexus.counters import Counters

REFERENCE = Path(__file__).parents[2] / "docs" / "control-api.md"


class ReferenceTests(SynchronousTestCase):
    """The reference is complete."""

    def setUp(self) -> None:
        self.text = REFERENCE.read_text("utf-8")

    def test_methods(self) -> None:
        """Each method has a section that names its parameters and the fields of its answer; there are no others."""
        sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", self.text, re.MULTILINE | re.DOTALL))
        self.assertEqual(sorted(sections), sorted(METHODS))
        for method in METHODS.values():
            counters = names_of(Counters) if "counters" in names_of(method.answer) else []
            for name in {*names_of(method.request), *names_of(method.answer), *counters}:
                self.assertRegex(sections[method.name], rf'[`"]{name}[`"]', f"{method.name}: {name}")

    def test_errors(self) -> None:
        """Each row of the table of errors is there, with its code and what its data carry."""
        rows = [line for line in self.text.splitlines() if line.startswith("| -32")]
        for row in ERROR_CODES:
            (line,) = [line for line in rows if f"`{row.kind.__name__}`" in line]
            self.assertTrue(line.startswith(f"| {row.code} |"), line)
            for name in row.attributes:
                self.assertIn(f"`{name}`", line)
