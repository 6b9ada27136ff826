"""The access log of a running Nexus."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.nexus_process import NexusProcess, wait_for


class AccessLogTests(SynchronousTestCase):
    """A Nexus that routes nothing: all that is asked of it is 404, and logged."""

    def start(self, **edge: Any) -> None:
        """Start one with more keys for `edge`."""
        settings = {f"edge.{name}": value for name, value in edge.items()}
        self.nexus = NexusProcess({"containers.socket": "unix:///nonexistent/docker.sock", **settings})
        self.addCleanup(shutil.rmtree, self.nexus.directory)
        self.addCleanup(self.nexus.kill)
        self.nexus.start()

    def make_path(self) -> Path:
        """Where a log may be made."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        return directory / "access.log"

    def ask(self, path: str) -> None:
        """One request."""
        self.nexus.request("GET", "localhost", path)

    def test_process_log(self) -> None:
        """Without a file, what was asked until the end is in the log before it says that Nexus has stopped."""
        self.start()
        for number in range(20):
            self.ask(f"/asked-{number}?query")
        self.nexus.stop()
        log = self.nexus.log_path.read_text()
        places = [log.index(f" GET -/- /asked-{number} 404 ") for number in range(20)]
        self.assertEqual(sorted(places), places)
        self.assertLess(places[-1], log.index("nexus has stopped"))
        self.assertNotIn("query", log)

    def test_rotation(self) -> None:
        """A renamed file is left at SIGHUP, and not a line is lost, nor one that is written last."""
        path = self.make_path()
        old = path.with_suffix(".1")
        self.start(access_log_file=str(path), access_log_format="json")
        self.ask("/1")
        path.rename(old)
        self.ask("/2")
        self.nexus.hang_up()
        wait_for("the new file", path.exists)
        self.ask("/3")
        self.ask("/4")
        self.nexus.stop()
        told = [[json.loads(line)["path"] for line in file.read_text().splitlines()] for file in (old, path)]
        self.assertEqual(told, [["/1", "/2"], ["/3", "/4"]])
        self.assertNotIn("GET", self.nexus.log_path.read_text())

    def test_full_disk(self) -> None:
        """Where nothing can be written everybody is served; the log says so once, and EdgeStats counts."""
        self.start(access_log_file="/dev/full")
        for number in range(2):
            self.ask("/")
            wait_for("the count", lambda number=number: self.lost() == number + 1)
        self.assertEqual(self.nexus.log_path.read_text().count("No space left on device"), 1)

    def lost(self) -> int:
        """How many lines were lost."""
        counted: int = self.nexus.rpc("EdgeStats")["counters"]["access_log_lines_lost"]
        return counted

    def test_cannot_be_opened(self) -> None:
        """A file that cannot be opened is one line on the terminal, and nothing starts."""
        path = self.make_path() / "missing"
        error = self.assertRaises(AssertionError, self.start, access_log_file=str(path))
        told = f"nexus: cannot append to {path}: No such file or directory (configuration key edge.access_log_file)"
        self.assertIn(told, str(error))
        self.assertNotIn("Traceback", str(error))

    def test_off(self) -> None:
        """Where there is no access log, its file is not made either."""
        path = self.make_path()
        self.start(access_log=False, access_log_file=str(path))
        self.ask("/")
        self.nexus.stop()
        self.assertFalse(path.exists())
