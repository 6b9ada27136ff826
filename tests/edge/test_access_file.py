"""The access log's file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from nexus.counters import Counters
from nexus.edge.access_file import AccessFile, AccessFileError
from nexus.edge.access_log import AccessLog


class FileTests(SynchronousTestCase):
    """Lines in a file of their own."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()
        self.counters = Counters()

    def make_log(self) -> AccessLog:
        """A log that writes to the file."""
        clock = Clock()
        file = AccessFile(str(self.path))
        self.addCleanup(file.close)
        return AccessLog(clock=clock, now=clock.seconds, counters=self.counters, file=file)

    def add(self, log: AccessLog, status: int) -> None:
        """The end of a request."""
        log.add("192.0.2.7", None, None, status=status, ended="complete")

    def statuses(self, path: Path | None = None) -> list[str]:
        """Of the lines in the file."""
        return [line.split()[6] for line in (path or self.path).read_text().splitlines() if line]

    def replace_descriptor(self, log: AccessLog, descriptor: int) -> None:
        """Let the log write to something else."""
        assert log._file is not None
        os.dup2(descriptor, log._file._descriptor)

    def test_appended(self) -> None:
        """Lines are added to those that are there."""
        for status in (200, 404):
            log = self.make_log()
            self.add(log, status)
            self.add(log, status)
            log.close()
        self.assertEqual(self.statuses(), ["200", "200", "404", "404"])

    def test_mode(self) -> None:
        """It is for owner and group alone, whatever the umask; one that is there keeps its mode."""
        self.addCleanup(os.umask, os.umask(0o077))
        self.make_log()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o640)
        self.path.chmod(0o600)
        self.make_log()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_renamed(self) -> None:
        """Once it is renamed and opened anew, what had happened is in the old file, and what happens in the new one."""
        log = self.make_log()
        old = self.path.with_suffix(".1")
        self.add(log, 200)
        self.path.rename(old)
        self.add(log, 201)
        log.reopen()
        self.add(log, 404)
        log.flush()
        self.assertEqual((self.statuses(old), self.statuses()), (["200", "201"], ["404"]))

    def test_cannot_be_opened_anew(self) -> None:
        """Then the open file is written on, and the log says why."""
        log = self.make_log()
        old = self.path.with_suffix(".1")
        self.path.rename(old)
        self.path.mkdir()
        with capturedLogs() as events:
            log.reopen()
        (event,) = events
        self.assertIn(f"cannot append to {self.path}: Is a directory", str(formatEvent(event)))
        self.add(log, 200)
        log.flush()
        self.assertEqual(self.statuses(old), ["200"])

    def test_cannot_be_opened(self) -> None:
        """The error names path, reason and key."""
        for path, reason in ((self.path / "missing", "No such file or directory"), (Path("/"), "Is a directory")):
            error = self.assertRaises(AccessFileError, AccessFile, str(path))
            self.assertEqual(str(error), f"cannot append to {path}: {reason} (configuration key edge.access_log_file)")
        os.mkfifo(self.path)
        self.assertRaises(AccessFileError, AccessFile, str(self.path))

    def test_full_disk(self) -> None:
        """Lines that cannot be written are counted, which is said once, and once more when they can be again."""
        log = self.make_log()
        with open("/dev/full", "wb", buffering=0) as full:
            self.replace_descriptor(log, full.fileno())
        with capturedLogs() as events:
            for _ in range(2):
                self.add(log, 500)
                self.add(log, 500)
                log.flush()
        (event,) = events
        self.assertEqual(
            formatEvent(event),
            f"lines of the access log are lost, until {self.path} can be written to: No space left on device",
        )
        self.assertEqual(self.counters.access_log_lines_lost, 4)
        with open(self.path, "ab", buffering=0) as file:
            self.replace_descriptor(log, file.fileno())
        self.add(log, 200)
        with capturedLogs() as events:
            log.flush()
        (event,) = events
        self.assertEqual(formatEvent(event), f"{self.path} can be written to again; 4 lines were lost")
        self.assertEqual((self.statuses(), self.counters.access_log_lines_lost), (["200"], 4))

    def test_closed_pipe(self) -> None:
        """A pipe that nobody reads any more harms nobody."""
        log = self.make_log()
        reader, writer = os.pipe()
        self.replace_descriptor(log, writer)
        os.close(writer)
        os.close(reader)
        self.add(log, 200)
        log.flush()
        self.assertEqual(self.counters.access_log_lines_lost, 1)

    def test_cut_line(self) -> None:
        """A line that was cut short does not swallow the next one."""
        os.mkfifo(self.path)
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        log = self.make_log()
        written = 0
        while not self.counters.access_log_lines_lost:
            for _ in range(100):
                self.add(log, 200)
            written += 100
            log.flush()
        written -= self.counters.access_log_lines_lost
        received = os.read(reader, 1 << 20)
        self.assertEqual(received.count(b"\n"), written)
        self.assertFalse(received.endswith(b"\n"))
        self.add(log, 404)
        log.flush()
        received = os.read(reader, 1 << 20)
        self.assertRegex(received, rb"^\n1970-[^\n]* 404 [^\n]*\n$")
