"""A client's connection as a stream of bytes: whether they are taken or left with the client, whether it takes ours,
what it is given time for, and the ways in which it closes. What the bytes mean is `client_connection`'s."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from nexus.edge.timeouts import Phase, PhaseTimer
from nexus.edge.transport import StreamTransport, bytes_acknowledged, is_connected, is_reset, may_have_unwritten

if TYPE_CHECKING:
    from nexus.config.sections import EdgeConfig
    from nexus.edge.context import EdgeContext
    from nexus.edge.exchange import Exchange

BUFFERED_BYTES_MAX: Final = 16 * 1024
"""What is read ahead of a client that pipelines, or whose body cannot be forwarded yet."""

LINGER_S: Final = 5.0
"""How long a client may go on sending what nobody reads, so that it gets to read its answer."""

LOOK_S: Final = 5.0
"""How often we look after a client that we do not read, or that does not read us: nothing else would tell."""


def client_user_timeout_s(config: EdgeConfig) -> float:
    """The user timeout of clients' connections (see `nexus.socket_options`): longer than the edge itself lets them
    stall."""
    return config.send_timeout_s + 2 * LOOK_S


class State(Enum):
    """What the connection takes bytes for."""

    PROXY = auto()
    """A PROXY header, which says who the client is."""

    HEAD = auto()
    """The next request's head."""

    BODY = auto()
    """The body of the exchange under way."""

    TUNNEL = auto()
    """No HTTP any more: the exchange takes all bytes, until the end."""

    BUSY = auto()
    """Later requests: this one has arrived, and its response is going out."""

    LINGERING = auto()
    """Nothing: they are read and forgotten until the client closes."""

    CLOSED = auto()
    """Nothing any more."""


# By these names where requests pass: an Enum's own attributes take 80 ns each.
PROXY: Final = State.PROXY
HEAD: Final = State.HEAD
BODY: Final = State.BODY
TUNNEL: Final = State.TUNNEL
BUSY: Final = State.BUSY
LINGERING: Final = State.LINGERING
CLOSED: Final = State.CLOSED


class ClientStream:
    """The part of `ClientConnection` that knows no HTTP.

    :ivar timer: one phase at a time. Of what could be timed at once, a body that is awaited goes before a client that
        we only look after: it tells as well that the client is gone.
    :ivar write_blocked: whether the client takes bytes slower than we have them.
    """

    __slots__ = (
        "_acknowledged",
        "_buffer",
        "_context",
        "_exchange",
        "_is_held",
        "_is_reading",
        "_is_yielding",
        "_stalled_s",
        "_state",
        "timer",
        "transport",
        "write_blocked",
    )

    transport: StreamTransport

    def __init__(self, context: EdgeContext) -> None:
        self._context = context
        self.timer = PhaseTimer(context.clock, self._timed_out)
        self.write_blocked = False
        self._state = HEAD
        self._buffer = b""
        self._exchange: Exchange | None = None
        self._is_held = False
        self._is_reading = True
        self._is_yielding = False
        self._acknowledged = 0
        self._stalled_s = 0.0

    # Reading.

    def hold_body(self, held: bool) -> None:
        """Leave the body's next bytes with the client, since the node takes no more; or take them again."""
        self._is_held = held
        self._update_reading()

    def _update_reading(self) -> None:
        state = self._state
        waits = state is BODY or state is BUSY or self.write_blocked or self._is_yielding
        reading = not (self._is_held or (waits and len(self._buffer) >= BUFFERED_BYTES_MAX))
        if reading is not self._is_reading and state is not CLOSED:
            self._is_reading = reading
            if reading:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()
                if self._exchange is not None:
                    self._look_after()

    # Time.

    def time_body(self, is_awaited: bool) -> None:
        """Give the body's next bytes their time, while it is the client that they are awaited from."""
        if is_awaited:
            self.timer.start(Phase.BODY, self._context.config.body_idle_timeout_s)
        elif self._is_reading and not self.write_blocked:
            self.timer.stop()
        else:
            self._look_after()

    def _look_after(self) -> None:
        """Look, from now on, whether the client is there and takes what is sent; see `_look`."""
        if not self.timer.is_timing(Phase.LOOK):
            self._begin_look(Phase.LOOK)

    def _begin_look(self, phase: Phase) -> None:
        self._has_taken()
        self.timer.start(phase, self._look_interval_s)

    @property
    def _look_interval_s(self) -> float:
        return min(LOOK_S, self._context.config.send_timeout_s)

    def _timed_out(self, phase: Phase) -> None:
        if phase is Phase.LOOK:
            self._look()
        elif phase is Phase.CLOSE and not self._has_stalled():
            self.timer.start(phase, self._look_interval_s)
        elif phase is Phase.LINGER and self._has_taken():
            self.timer.start(phase, LINGER_S)
        else:
            self.abort()

    def _look(self) -> None:
        """See whether a client that we do not read is still there, and whether one that does not keep up takes
        anything at all.

        One that has left must not keep a node waiting for the rest of an upload: Kubo's `add` then holds up every
        later write. What this cannot see is an end behind more bytes than the kernel takes for us. That is read as
        soon as the node takes bytes again, and a node that takes none is not waiting for this client.
        """
        exchange = self._exchange
        if exchange is None or (self._is_reading and not self.write_blocked):
            return
        # The end of one direction of a tunnel is no end of the other.
        is_tunnel = self._state is TUNNEL
        if is_reset(self.transport) if is_tunnel else not is_connected(self.transport):
            exchange.cut("client_gone")
        elif self.write_blocked and self._has_stalled():
            exchange.cut(Phase.SEND.value)
        else:
            self.timer.start(Phase.LOOK, self._look_interval_s)

    def _has_stalled(self) -> bool:
        """Whether the client has acknowledged none of our bytes for `send_timeout_s`, as far as looks at
        `_look_interval_s` can tell."""
        self._stalled_s = 0.0 if self._has_taken() else self._stalled_s + self._look_interval_s
        return self._stalled_s >= self._context.config.send_timeout_s

    def _has_taken(self) -> bool:
        """Whether the client has acknowledged any of our bytes since this was asked last."""
        before = self._acknowledged
        self._acknowledged = bytes_acknowledged(self.transport)
        return self._acknowledged != before

    # Ends.

    def end_writing(self) -> None:
        """Close our half, after what was written."""
        self.transport.unregisterProducer()
        self.transport.loseWriteConnection()

    def close(self) -> None:
        """Close it in order, after what was written; reset it where the client takes nothing of that for
        `send_timeout_s`."""
        self._shut()
        if may_have_unwritten(self.transport):
            self._begin_look(Phase.CLOSE)
        else:
            self.timer.stop()
        self.transport.loseConnection()

    def abort(self) -> None:
        """Reset it: what the client has got is not all (RFC 9112 section 8)."""
        self._shut()
        self.timer.stop()
        self.transport.abortConnection()

    def _shut(self) -> None:
        if self._state not in (CLOSED, LINGERING):
            self.transport.unregisterProducer()
        self._state = CLOSED
        self._exchange = None
        self._buffer = b""

    def _linger(self) -> None:
        """Close our half, and read on for a while, where a client may go on sending a body, or pipelined requests:
        closing with unread bytes would reset the connection, and it might lose its answer (RFC 9112 section 9.6)."""
        self._state = LINGERING
        self._buffer = b""
        self._is_held = False
        self._update_reading()
        self.transport.unregisterProducer()
        self._has_taken()
        self.timer.start(Phase.LINGER, LINGER_S)
        self.transport.loseWriteConnection()
