"""What start-up costs."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

SCRIPT = """
import sys, threading
from twisted.internet.task import Clock
from nexus.containers.runtime import DockerRuntime
DockerRuntime(Clock(), "unix:///nowhere", 4)
print([name for name in ("docker", "requests", "urllib3") if name in sys.modules], threading.active_count())
"""


class ImportTests(SynchronousTestCase):
    """A process that starts."""

    def test_nothing_before_the_first_call(self) -> None:
        """A runtime is made without importing the SDK (a tenth of a second), connecting, or starting a thread."""
        result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
        self.assertEqual((result.stdout, result.stderr), ("[] 1\n", ""))
