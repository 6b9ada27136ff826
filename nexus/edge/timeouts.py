"""Timeouts, one per phase, none of them a total. The names are what the access log's `ended` says."""

from __future__ import annotations

from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Phase(StrEnum):
    """What a connection is given time for."""

    KEEP_ALIVE = "keep_alive_timeout"
    """The client's next request to begin."""

    HEAD = "head_timeout"
    """A request's head, from its first byte to its last: absolute, so that dripping does not extend it."""

    BODY = "body_timeout"
    """The next bytes of a request's body, while it is the client that we wait for."""

    BODY_RATE = "body_rate"
    """A window's share of a request's body; see `BodyRate`, which needs no timer."""

    LOOK = "look"
    """A client that is not read for now, or does not read, before we look after it. Ends nothing by itself."""

    SEND = "send_timeout"
    """A client to take anything of what we have for it. Looks measure it."""

    LINGER = "linger_timeout"
    """The client to close, after an answer that left part of its request unread (RFC 9112 section 9.6)."""

    CLOSE = "close_timeout"
    """The peer, client or node, to take the last bytes of a connection that we close."""

    REST = "request_rest_timeout"
    """A node that has answered already to take more of the request."""

    TUNNEL = "tunnel_idle_timeout"
    """The next byte of a tunnel, in either direction."""

    UPSTREAM_QUEUE = "upstream_queue_timeout"
    """One of a node's connections to be free, where it has as many as it may."""

    CONNECT = "connect_timeout"
    """A node to accept a connection."""

    FIRST_BYTE = "first_byte_timeout"
    """A node's response head, after the request."""

    NODE_IDLE = "idle_timeout"
    """The next bytes of a node's response, while it is the node that we wait for."""


def _ignore(phase: Phase) -> None:
    """What a closed timer would tell."""


class PhaseTimer:
    """One deadline that moves, cheaply: moving it later only writes a number, and the one delayed call under it looks
    at that number when it comes.

    :param expired: called with the phase whose time is over.
    """

    __slots__ = ("_call", "_call_due", "_clock", "_deadline", "_expired", "_phase", "_seconds")

    def __init__(self, clock: IReactorTime, expired: Callable[[Phase], None]) -> None:
        self._clock = clock
        self._expired = expired
        self._call: IDelayedCall | None = None
        self._call_due = 0.0
        self._deadline = inf
        self._phase = Phase.KEEP_ALIVE
        self._seconds = 0.0

    def start(self, phase: Phase, seconds: float) -> None:
        """Give `phase` that long from now, in place of what was timed before."""
        self._phase = phase
        self._seconds = seconds
        deadline = self._deadline = self._clock.seconds() + seconds
        if self._call is None:
            self._call_due = deadline
            self._call = self._clock.callLater(seconds, self._look)
        elif deadline < self._call_due:
            self._call_due = deadline
            self._call.reset(seconds)

    def is_timing(self, phase: Phase) -> bool:
        """Whether it is `phase` that has time now."""
        return self._phase is phase and self._deadline != inf

    def touch(self) -> float:
        """Something happened: begin the phase's time again, if one is being timed. The time of the clock."""
        now = self._clock.seconds()
        if self._deadline != inf:
            self._deadline = now + self._seconds
        return now

    def stop(self) -> None:
        """Time nothing until the next `start`."""
        self._deadline = inf

    def close(self) -> None:
        """Stop for good, and leave no delayed call behind, nor a way back to whose timer this is: a cycle would have
        to wait for the garbage collector."""
        self._deadline = inf
        self._expired = _ignore
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        self._call = None
        if self._deadline == inf:
            return
        left = self._deadline - self._clock.seconds()
        if left > 0:
            self._call_due = self._deadline
            self._call = self._clock.callLater(left, self._look)
        else:
            self._deadline = inf
            self._expired(self._phase)
