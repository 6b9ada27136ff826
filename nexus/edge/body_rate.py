"""The least rate at which a client may send a request's body. Pure.

Each byte renews the time that the next one is given, so that a client could make a small body last for weeks, and hold
up a node's writes as long (slowloris; CVE-2007-6750 is the same with heads). So whoever has been waited for through a
whole window must have sent a window's share of bytes in it.
"""

from __future__ import annotations

from math import inf


class BodyRate:
    """Measures one body.

    Only the time counts in which it is the client that is waited for, and a window is looked at when bytes come after
    its end: silence has a timeout of its own, and a body that is complete is never too slow.

    :param bytes_per_s_min: the least rate.
    :param window_s: over how long it is measured, in seconds. A body that takes less is never too slow.
    """

    __slots__ = ("_bytes", "_bytes_per_s_min", "_since", "_waited_s", "_window_s")

    def __init__(self, bytes_per_s_min: float, window_s: float) -> None:
        self._bytes_per_s_min = bytes_per_s_min
        self._window_s = window_s
        self._bytes = 0
        self._waited_s = 0.0
        self._since = inf

    def wait(self, now: float) -> None:
        """From `now` on it is the client that is waited for, if it was not already. Times in seconds."""
        if self._since == inf:
            self._since = now

    def hold(self, now: float) -> None:
        """From `now` on it is not."""
        if self._since != inf:
            self._waited_s += now - self._since
            self._since = inf

    def is_too_slow(self, count: int, now: float) -> bool:
        """Whether `count` bytes, which have just come, end a window that had too few."""
        self._bytes += count
        waited_s = self._waited_s
        if self._since != inf:
            waited_s += now - self._since
            self._since = now
        if waited_s < self._window_s:
            self._waited_s = waited_s
            return False
        too_slow = self._bytes < waited_s * self._bytes_per_s_min
        self._bytes = 0
        self._waited_s = 0.0
        return too_slow
