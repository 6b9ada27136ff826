"""How late the reactor's loop is, and what blocks it.

One process serves every network: whatever keeps its loop from turning keeps everybody waiting. A call that should come
every 100 ms tells how late the loop is; a thread that looks on logs where the loop stands when it does not turn at all.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, Final

from twisted.application.service import Service
from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

log = Logger()

INTERVAL_S: Final = 0.1
"""How often the loop is measured."""

WINDOW_S: Final = 60
"""How far back `lag_max_s` and `lag_p99_s` look."""

STACK_FRAMES_MAX: Final = 30
"""How much of a blocked loop's stack is logged: its innermost calls."""


class LoopWatch(Service):
    """Measures the loop of `reactor` while it runs.

    :param blocked_s: a loop that stands still for longer is logged, with its stack, once, and again when it turns.
    :ivar lag_last_s: how much later than asked for the last call came, in seconds.
    """

    def __init__(self, reactor: IReactorTime, *, blocked_s: float) -> None:
        self.lag_last_s = 0.0
        self._reactor = reactor
        self._blocked_s = blocked_s
        self._lags_s: deque[float] = deque(maxlen=round(WINDOW_S / INTERVAL_S))
        self._call: IDelayedCall | None = None
        self._turned_at = 0.0
        self._loop_thread = 0
        self._ended = threading.Event()
        self._watchdog: threading.Thread | None = None

    @property
    def lag_max_s(self) -> float:
        """The most in the last minute."""
        return max(self._lags_s, default=0.0)

    @property
    def lag_p99_s(self) -> float:
        """What one call in a hundred of the last minute exceeded."""
        lags = sorted(self._lags_s)
        return lags[len(lags) * 99 // 100] if lags else 0.0

    def startService(self) -> None:
        """See `IService.startService`. Measuring begins when the loop does."""
        super().startService()  # type: ignore[no-untyped-call]
        self._call = self._reactor.callLater(0, self._begin)

    def stopService(self) -> None:
        """See `IService.stopService`."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._ended.set()
        if self._watchdog is not None:
            self._watchdog.join()

    def _begin(self) -> None:
        self._loop_thread = threading.get_ident()
        self._turned_at = time.monotonic()
        self._call = self._reactor.callLater(INTERVAL_S, self._turn)
        self._watchdog = threading.Thread(target=self._look_on, name="loop watch", daemon=True)
        self._watchdog.start()

    def _turn(self) -> None:
        now = time.monotonic()
        late_s = max(0.0, now - self._turned_at - INTERVAL_S)
        self._turned_at = now
        self.lag_last_s = late_s
        self._lags_s.append(late_s)
        self._call = self._reactor.callLater(INTERVAL_S, self._turn)
        if late_s > self._blocked_s:
            log.warn("the loop turns again, after {blocked_s:.3f} s", blocked_s=late_s)

    def _look_on(self) -> None:
        """In a thread of its own; it logs from there, since the loop is blocked."""
        told_of = 0.0
        while not self._ended.wait(min(INTERVAL_S, self._blocked_s / 2)):
            turned_at = self._turned_at
            blocked_s = time.monotonic() - turned_at - INTERVAL_S
            if blocked_s <= self._blocked_s or turned_at == told_of:
                continue
            told_of = turned_at
            frame = sys._current_frames().get(self._loop_thread)
            stack = traceback.format_stack(frame)[-STACK_FRAMES_MAX:] if frame is not None else []
            del frame  # it would keep all that its function's names stand for
            log.warn(
                "the loop has not turned for {blocked_s:.3f} s: everybody waits for what it does now\n{stack}",
                blocked_s=blocked_s,
                stack="".join(stack).rstrip(),
            )
