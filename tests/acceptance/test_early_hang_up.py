"""SIGHUP while Nexus is still starting: logrotate does not know when that is."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.acceptance.nexus_process import NexusProcess


class EarlyHangUpTests(TestCase):
    """An engine that takes connections and says nothing keeps the start waiting."""

    def test_survived(self) -> None:
        """The start goes on, and Nexus serves."""
        directory = tempfile.TemporaryDirectory(prefix="nexus-")
        self.addCleanup(directory.cleanup)
        path = Path(directory.name) / "engine.sock"
        with socket.socket(socket.AF_UNIX) as engine:
            engine.bind(str(path))
            engine.listen()
            nexus = NexusProcess({"containers.socket": f"unix://{path}"})
            self.addCleanup(nexus.clean)
            nexus.start(wait=False)
            connection, _ = engine.accept()
            with connection:
                nexus.hang_up()
        nexus.wait_until_up()
