"""docs/architecture.md and .importlinter, beside the code that they tell of."""

from __future__ import annotations

import ast
import re
from configparser import ConfigParser
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parent.parent


def modules(package: Path) -> set[str]:
    """The modules of `package`, packages in it included."""
    inner = {path.parent.name for path in package.glob("*/__init__.py")}
    return inner | {path.stem for path in package.glob("*.py") if path.stem != "__init__"}


class ArchitectureTests(SynchronousTestCase):
    """Whoever reads the map finds the code as it says."""

    def setUp(self) -> None:
        self.page = (ROOT / "docs" / "architecture.md").read_text()

    def section(self, title: str) -> str:
        """What stands below a heading, up to the next one."""
        return re.split(r"(?m)^#+ ", self.page.split(f"# {title}\n")[1])[0]

    def test_layers(self) -> None:
        """Each module of the top level is in the picture of the layers."""
        picture = self.section("Modules and their order").split("```")[1]
        told = {name for line in picture.splitlines() for name in re.split(r"\s{3,}", line)[0].split()}
        self.assertEqual(told, modules(ROOT / "nexus") - {"testing"})

    def test_edge(self) -> None:
        """Each module of the edge has a row, and only one, that says what its idea is."""
        rows = re.findall(r"(?m)^\| `(\w+)` \| .+ \|$", self.section("The edge's modules"))
        self.assertEqual(sorted(rows), sorted(modules(ROOT / "nexus" / "edge")))

    def test_pure(self) -> None:
        """Modules of the edge that call themselves pure are held to it."""
        contracts = ConfigParser()
        contracts.read(ROOT / ".importlinter")
        held = contracts["importlinter:contract:pure"]["source_modules"].split()
        pure = {
            f"nexus.edge.{path.stem}"
            for path in (ROOT / "nexus" / "edge").glob("*.py")
            if re.search(r"\bPure\.", ast.get_docstring(ast.parse(path.read_text())) or "")
        }
        self.assertEqual(sorted(held), sorted(pure))
