"""Work that can be ended from outside, and undone.

Bringing a node up takes seconds, and a StopNetwork must not wait for it. So such work runs as an `Attempt`: it can be
ended between its steps and within its long ones, never within a step that writes the database or within its undoing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

T = TypeVar("T")

log = Logger()


class Ended(Exception):
    """The attempt was ended from outside; the message says why."""


class Attempt:
    """One try, with the steps that would undo what it has done so far."""

    def __init__(self, network: str) -> None:
        self._network = network
        self._why: str | None = None
        self._cancel: Callable[[], None] | None = None
        self._undoing: list[tuple[str, Callable[[], Awaitable[object]]]] = []

    @property
    def ended(self) -> bool:
        """Whether it was ended from outside."""
        return self._why is not None

    def end(self, why: str) -> None:
        """Go no further. The long step under way, if any, is cancelled. Only the first reason counts."""
        if self._why is None:
            self._why = why
            if self._cancel is not None:
                self._cancel()

    def check(self) -> None:
        """Between two steps: go on?

        :raises Ended: if it was ended.
        """
        if self._why is not None:
            raise Ended(self._why)

    async def during(self, begin: Callable[[], Deferred[T]]) -> T:
        """Do the long step that `begin` begins, which `end` cancels.

        :raises Ended: if it was ended before or meanwhile, whatever came of the step.
        """
        self.check()
        step = begin()
        self._cancel = step.cancel
        try:
            outcome = await step
        finally:
            self._cancel = None
            self.check()
        return outcome

    def on_undo(self, what: str, undo: Callable[[], Awaitable[object]]) -> None:
        """Remember how to undo a step. `undo` must be idempotent: what is gone already is done."""
        self._undoing.append((what, undo))

    async def undo(self) -> None:
        """Undo the steps so far, the last one first. What fails is logged, and keeps neither the others from being
        undone nor the error that led here from being told."""
        while self._undoing:
            what, undo = self._undoing.pop()
            try:
                await undo()
            except Exception:  # the border: an undo's error must not mask the first one
                log.failure("could not undo {what} of {network}", what=what, network=self._network)
