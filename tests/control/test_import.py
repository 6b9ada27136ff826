"""What importing the control API brings along."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase


class ImportTests(SynchronousTestCase):
    """Imports have no side effects and take no more than they need."""

    def modules_after(self, module: str) -> set[str]:
        """What is loaded after `module` was imported in a fresh process."""
        program = f"import sys, {module}; print('\\n'.join(sys.modules))"
        listed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
        return set(listed.stdout.split())

    def test_server(self) -> None:
        """The server's side needs no HTTP client, and chooses no reactor."""
        self.assertEqual(self.modules_after("nexus.control.resource") & {"treq", "twisted.internet.reactor"}, set())

    def test_client(self) -> None:
        """The client's side chooses no reactor."""
        self.assertNotIn("twisted.internet.reactor", self.modules_after("nexus.control.client"))
