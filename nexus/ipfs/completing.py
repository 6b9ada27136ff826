"""Steps that must not be left half-way: a container that a thread is still making has to be known to be removed."""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


async def completed(step: Deferred[T]) -> tuple[T, bool]:
    """What `step` gave, and whether somebody cancelled meanwhile.

    Cancelling reaches neither the step nor the caller until the step has ended; the caller then takes note of what was
    made, and raises `CancelledError` itself.
    """
    cancelled = False
    while True:
        waiting: Deferred[T] = Deferred()
        step.addBoth(_pass_on, waiting)
        try:
            return await waiting, cancelled
        except CancelledError:
            if step.called:
                raise
            cancelled = True


def _pass_on(result: T | Failure, waiting: Deferred[T]) -> T | Failure | None:
    """A failure goes to whoever waits, and is theirs to tell. One who was cancelled waits no more; another follows."""
    if waiting.called:
        return result
    waiting.callback(result)
    return None if isinstance(result, Failure) else result
