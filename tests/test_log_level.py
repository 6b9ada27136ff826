"""The log's level."""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent, Logger, LogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from nexus.log_level import LogLevelService


class LogLevelTests(SynchronousTestCase):
    """What an operator finds in the log."""

    def logged_at(self, level: str) -> list[str]:
        """The events that come through at `level`, of one of each."""
        seen: list[LogEvent] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            seen.append(event)

        publisher = LogPublisher(observe)
        LogLevelService(level, publisher).privilegedStartService()
        log = Logger(namespace="nexus", observer=publisher)
        for name in ("debug", "info", "warn", "error", "critical"):
            getattr(log, name)("x")
        return [event["log_level"].name for event in seen]

    def test_level(self) -> None:
        """Events of the level and above are logged, once each."""
        self.assertEqual(self.logged_at("debug"), ["debug", "info", "warn", "error", "critical"])
        self.assertEqual(self.logged_at("info"), ["info", "warn", "error", "critical"])
        self.assertEqual(self.logged_at("error"), ["error", "critical"])
