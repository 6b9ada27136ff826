"""What modules may not import, where import-linter cannot tell."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import nexus

PACKAGE = Path(nexus.__file__).parent


class ImportTests(SynchronousTestCase):
    """Rules that keep the program's shape."""

    def test_edge_has_no_web_framework(self) -> None:
        """The data path is our own protocols: nothing of twisted.web, which buffers, is in it."""
        for path in (PACKAGE / "edge").glob("*.py"):
            for name in imports_of(path):
                self.assertFalse(f"{name}.".startswith("twisted.web."), f"{path.name} imports {name}")

    def test_only_borders_know_the_reactor(self) -> None:
        """The reactor is passed in; only what twistd and the command line start imports it."""
        for path in PACKAGE.rglob("*.py"):
            if path.relative_to(PACKAGE).as_posix() not in ("tap.py", "cli.py"):
                self.assertNotIn("twisted.internet.reactor", imports_of(path), path.name)

    def test_options_install_no_reactor(self) -> None:
        """twistd's options are read before a reactor is installed, so that --reactor keeps its meaning."""
        self.assertNotIn("twisted.internet.reactor", modules_after("import nexus.tap"))

    def test_command_is_light(self) -> None:
        """`nexus version` waits for no framework."""
        loaded = modules_after("import nexus.cli")
        for name in ("twisted", "treq", "docker", "cryptography", "msgspec"):
            self.assertNotIn(name, loaded)


def imports_of(path: Path) -> set[str]:
    """The names that a module's source imports, anywhere in it."""
    return set(_imports(ast.parse(path.read_text())))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after `statement`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())
