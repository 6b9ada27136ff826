"""The access log: one line for each request, written many at a time.

The end of a request leaves a record, no more. Lines are made and written once the records have waited for a moment, or
are many: formatting one by one through a logger took more of the processor than the rest of a small request did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from nexus.edge.access_lines import json_lines, text_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from nexus.counters import Counters
    from nexus.edge.access_file import AccessFile
    from nexus.edge.access_lines import Record
    from nexus.edge.admission import Disposition
    from nexus.edge.heads import RequestHead

_log = Logger(namespace="nexus.edge.access")

RECORDS_MAX: Final = 250
"""How many records wait at most. To write so many takes 1 ms, in which the loop serves nobody."""

WAIT_S: Final = 0.25
"""How long a record waits at most."""

_TARGET_BYTES_MAX: Final = 2048
"""What is remembered of a target, so that those of waiting records do not fill the memory."""


class AccessLog:
    """Writes to `file`, or else to the process's log: there a batch is one event in the namespace `nexus.edge.access`,
    whose text is the lines.

    :param now: the time of day, in seconds since the epoch.
    :param is_json: whether lines are JSON objects.
    :param file: closed with the log.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        now: Callable[[], float],
        counters: Counters,
        is_json: bool = False,
        file: AccessFile | None = None,
    ) -> None:
        self._clock = clock
        self._now = now
        self._counters = counters
        self._lines_of = json_lines if is_json else text_lines
        self._file = file
        self._records: list[Record] = []
        self._flushing: IDelayedCall | None = None

    def add(
        self,
        client: str,
        head: RequestHead | None,
        disposition: Disposition | None,
        *,
        status: int,
        ended: str,
        bytes_in: int = 0,
        bytes_out: int = 0,
        started_at: float | None = None,
        first_byte_at: float | None = None,
    ) -> None:
        """Remember a request that is over. Times are of the clock.

        :param head: None where there was none that could be read, and `disposition` where nothing was decided.
        :param started_at: None for just now.
        """
        end = self._clock.seconds()
        start = end if started_at is None else started_at
        self._records.append(
            (
                self._now(),
                client,
                None if disposition is None else disposition.user,
                b"-" if head is None else head.method,
                "" if disposition is None else disposition.network,
                None if disposition is None else disposition.feature,
                b"-" if head is None else head.target[:_TARGET_BYTES_MAX],
                status,
                bytes_in,
                bytes_out,
                None if first_byte_at is None else first_byte_at - start,
                end - start,
                ended,
            )
        )
        if len(self._records) >= RECORDS_MAX:
            self.flush()
        elif self._flushing is None:
            self._flushing = self._clock.callLater(WAIT_S, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        flushing, self._flushing = self._flushing, None
        if flushing is not None and flushing.active():
            flushing.cancel()
        records, self._records = self._records, []
        if not records:
            return
        lines = self._lines_of(records)
        if self._file is None:
            _log.info("{lines}", lines="\n".join(lines))
        else:
            self._counters.access_log_lines_lost += self._file.append(lines)

    def reopen(self) -> None:
        """Go on in a new file, where the present one was renamed."""
        if self._file is not None:
            self.flush()
            self._file.reopen()

    def close(self) -> None:
        """Write what waits, for the last time."""
        self.flush()
        if self._file is not None:
            self._file.close()
