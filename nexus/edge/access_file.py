"""The file of the access log: appended to, and opened anew once it was renamed (logrotate(8))."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from nexus.errors import NexusError

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY: Final = "edge.access_log_file"
# Where it is a pipe, nobody waits for its reader.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

log = Logger()


class AccessFileError(NexusError):
    """The file cannot be opened."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"cannot append to {path}: {problem} (configuration key {_KEY})")
        self.field = _KEY


class AccessFile:
    """Made with mode 0640 where there is none yet.

    :raises AccessFileError: where it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = _open(path)
        self._is_failing = False
        self._is_line_open = False
        self._lost = 0

    def append(self, lines: Sequence[str]) -> int:
        """Write `lines`; how many of them could not be written. The first failure is logged, and the end of failing; no
        line is tried twice."""
        # A line that was cut short, by a full disk, must not swallow the next one.
        data = b"\n" * self._is_line_open + "".join([f"{line}\n" for line in lines]).encode("ascii")
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:] if written else data)
        except OSError as error:
            self._fail(error)
        if written:
            self._is_line_open = data[written - 1] != 0x0A
        lost = min(len(lines), data.count(b"\n", written))
        self._lost += lost
        if not lost and self._is_failing:
            self._recover()
        return lost

    def reopen(self) -> None:
        """Open the path anew. Where that fails, which is logged, go on with the file that is open."""
        try:
            descriptor = _open(self._path)
        except AccessFileError as error:
            log.error("the access log goes on in the file that is open: {error}", error=error)
            return
        self.close()
        self._descriptor = descriptor
        self._is_line_open = False

    def close(self) -> None:
        """Write no more."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _fail(self, error: OSError) -> None:
        if not self._is_failing:
            self._is_failing = True
            log.error(
                "lines of the access log are lost, until {path} can be written to: {problem}",
                path=self._path,
                problem=error.strerror,
            )

    def _recover(self) -> None:
        log.warn("{path} can be written to again; {lost} lines were lost", path=self._path, lost=self._lost)
        self._is_failing = False
        self._lost = 0


def _open(path: str) -> int:
    previous = os.umask(0o027)
    try:
        return os.open(path, _FLAGS, 0o640)
    except OSError as error:
        raise AccessFileError(path, error.strerror or str(error)) from None
    finally:
        os.umask(previous)
