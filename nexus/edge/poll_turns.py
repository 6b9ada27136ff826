"""Which turn of the reactor it is: what tells a node's answer from what it sent unasked.

A reactor learns in one look (epoll_wait) of all that has arrived, and then acts on it. What a connection delivers in
the turn in which a request was written to it had arrived before the request was sent, and is no answer to it.
"""

from __future__ import annotations

from collections.abc import Callable


class PollTurns:
    """Counts the reactor's turns, as far as somebody asks.

    :param soon: calls something when all that the reactor knows of has been acted on, before it looks again.
    :ivar number: of the present turn, where `current` was called in it.
    """

    __slots__ = ("_is_counting", "_soon", "number")

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        self._soon = soon
        self._is_counting = False
        self.number = 0

    def current(self) -> int:
        """The present turn's number; another from the next turn on."""
        if not self._is_counting:
            self._is_counting = True
            self._soon(self._end)
        return self.number

    def _end(self) -> None:
        self._is_counting = False
        self.number += 1
