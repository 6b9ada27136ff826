"""Connections that meet a limit as they come: answered and closed, at as little cost as can be.

Nothing is read of them. Their answer could be lost if they were closed with bytes unread (RFC 9112 section 9.6), so a
few of them get a second in which to go by themselves; whoever comes beyond those is closed at once, since a flood must
not be helped to grow.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.logger import Logger
from zope.interface import implementer

from nexus.edge.answers import Answer, write_answer
from nexus.edge.transport import StreamTransport

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITransport
    from twisted.python.failure import Failure

    from nexus.counters import Counters

log = Logger()

LINGERING_MAX: Final = 256
"""How many refused connections are given time at once."""

LINGER_S: Final = 1.0

REPORT_S: Final = 60.0
"""How often the log says, at most, that a limit refuses connections."""

ANSWERS: Final = {
    "client_connections_max": Answer(
        503, "This server has as many connections as it may.", ((b"Retry-After", b"5"),), closes=True
    ),
    "connections_per_client_max": Answer(
        429, "There are too many connections from your address.", ((b"Retry-After", b"5"),), closes=True
    ),
}
"""By the limit, as the configuration names it."""


class Refusals:
    """Refuses connections, counts them, and gives some of them time."""

    def __init__(self, clock: IReactorTime, counters: Counters) -> None:
        self._clock = clock
        self._counters = counters
        self._responses: dict[str, tuple[bytes, bytes]] = {}
        self._lingering: OrderedDict[RefusedConnection, float] = OrderedDict()
        self._sweep: IDelayedCall | None = None
        self._reported: dict[str, float] = {}

    def refuse(self, limit: str, date: bytes) -> RefusedConnection:
        """What serves a connection that met `limit`.

        :param date: the Date field's value.
        """
        return RefusedConnection(self, self.answer(limit, date))

    def answer(self, limit: str, date: bytes) -> bytes:
        """What is written to a connection that met `limit`, and counted."""
        refused = self._counters.connections_refused
        refused[limit] = refused.get(limit, 0) + 1
        now = self._clock.seconds()
        if now - self._reported.get(limit, -REPORT_S) >= REPORT_S:
            self._reported[limit] = now
            log.warn("connections are refused: {limit} is met ({count} so far)", limit=limit, count=refused[limit])
        written = self._responses.get(limit)
        if written is None or written[0] != date:
            response = write_answer(
                ANSWERS[limit], feature=None, accept=None, date=date, more=[], head_only=False, close=True
            )
            written = self._responses[limit] = date, response
        return written[1]

    def linger(self, connection: RefusedConnection) -> bool:
        """Give `connection` time; False where too many have been given it."""
        if len(self._lingering) >= LINGERING_MAX:
            return False
        self._lingering[connection] = self._clock.seconds() + LINGER_S
        if self._sweep is None:
            self._sweep = self._clock.callLater(LINGER_S, self._abort_expired)
        return True

    def gone(self, connection: RefusedConnection) -> None:
        """`connection` needs no more time."""
        self._lingering.pop(connection, None)

    def close(self) -> None:
        """End them all."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in list(self._lingering):
            connection.transport.abortConnection()
        self._lingering.clear()

    def _abort_expired(self) -> None:
        self._sweep = None
        now = self._clock.seconds()
        while self._lingering:
            connection, until = next(iter(self._lingering.items()))
            if until > now:
                self._sweep = self._clock.callLater(until - now, self._abort_expired)
                return
            del self._lingering[connection]
            connection.transport.abortConnection()


@implementer(IProtocol, IHalfCloseableProtocol)
class RefusedConnection:
    """Writes its answer and goes."""

    __slots__ = ("_refusals", "_response", "transport")

    transport: StreamTransport

    def __init__(self, refusals: Refusals, response: bytes) -> None:
        self._refusals = refusals
        self._response = response

    def makeConnection(self, transport: ITransport) -> None:
        """See `IProtocol.makeConnection`."""
        self.transport = cast(StreamTransport, transport)
        self.connectionMade()

    def connectionMade(self) -> None:
        """See `IProtocol.connectionMade`."""
        self.transport.write(self._response)
        if self._refusals.linger(self):
            self.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """See `IProtocol.dataReceived`. It is forgotten."""

    def readConnectionLost(self) -> None:
        """See `IHalfCloseableProtocol.readConnectionLost`."""
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """See `IHalfCloseableProtocol.writeConnectionLost`. It was us."""

    def connectionLost(self, reason: Failure) -> None:
        """See `IProtocol.connectionLost`."""
        self._refusals.gone(self)
