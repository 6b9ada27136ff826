"""Keeps log events below the configured level from wherever twistd was told to log."""

from __future__ import annotations

from twisted.application.service import Service
from twisted.logger import FilteringLogObserver, LogLevel, LogLevelFilterPredicate, LogPublisher, globalLogPublisher


class LogLevelService(Service):
    """Filters the process's log from its start on.

    twistd offers no place for a filter, and makes its observers after it has made the service; so they are wrapped when
    the service starts.

    :param level: `debug`, `info`, `warn` or `error`.
    """

    def __init__(self, level: str, publisher: LogPublisher = globalLogPublisher) -> None:
        self._level = LogLevel.levelWithName(level)
        self._publisher = publisher

    def privilegedStartService(self) -> None:
        """Put the filter before every observer that there is."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        for observer in tuple(self._publisher._observers):
            predicate = LogLevelFilterPredicate(defaultLogLevel=self._level)
            self._publisher.addObserver(FilteringLogObserver(observer, [predicate]))
            self._publisher.removeObserver(observer)
