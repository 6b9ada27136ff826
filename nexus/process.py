"""What Nexus sets for its whole process, and only as a daemon."""

from __future__ import annotations

import resource
import sys
from typing import Final

from twisted.application.service import Service
from twisted.logger import Logger

log = Logger()

SWITCH_INTERVAL_S: Final = 0.0005
"""How long a thread may run Python before it lets another one. Whenever the loop wakes up while threads decode what the
engine said, it waits that long for each: with Python's own 5 ms, four busy threads made it 135 ms late in one of 100
wake-ups; with 0.5 ms, 22 ms. The price, more switches, is only paid while threads are busy."""


class ProcessSettings(Service):
    """Sets them while it runs."""

    def __init__(self) -> None:
        self._switch_interval_s = 0.0

    def startService(self) -> None:
        """See `IService.startService`."""
        super().startService()  # type: ignore[no-untyped-call]
        self._switch_interval_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        log.info("{descriptors} files and sockets may be open at once", descriptors=raise_descriptor_limit())

    def stopService(self) -> None:
        """See `IService.stopService`."""
        super().stopService()  # type: ignore[no-untyped-call]
        sys.setswitchinterval(self._switch_interval_s)


def raise_descriptor_limit() -> int:
    """Let the process have as many descriptors as it is allowed (setrlimit(2)); how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return soft  # macOS allows less than it says
    return hard
