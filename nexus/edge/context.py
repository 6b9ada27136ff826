"""What every connection and exchange of one edge shares, and what is done the same way by all: dates, local answers,
the record of a request's end."""

from __future__ import annotations

import sys
from email.utils import formatdate
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Final

from nexus.edge.answers import payload_bytes, write_answer
from nexus.edge.limits import ClientTally, NetworkTally
from nexus.edge.refusal import Refusals
from nexus.edge.rewrite import own_request_lines
from nexus.edge.trusted_proxies import AddressSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

    from nexus.config.sections import EdgeConfig
    from nexus.counters import Counters
    from nexus.edge.access_log import AccessLog
    from nexus.edge.admission import Admission, Disposition
    from nexus.edge.answers import Answer
    from nexus.edge.client_connection import ClientConnection
    from nexus.edge.heads import RequestFields, RequestHead
    from nexus.edge.splice import Splicer
    from nexus.edge.upstream import UpstreamPool
    from nexus.interfaces import INetworkStatus

_OWN_LINES_KEPT: Final = 1024


class EdgeContext:
    """Made once, by `Edge`.

    :param pseudonym: this edge's name in Via (RFC 9110 section 7.6.3).
    :param now: the time of day, in seconds since the epoch.
    :param splicer: moves large bodies; None where nothing can.
    :param access_log: told of each request that is over; None where nobody wants to know.
    :ivar splice_bytes_min: what is large.
    :ivar is_draining: no connection is kept alive any more.
    :ivar hosts: the clients' connections, by address; `networks`: by network.
    :ivar last_fields: of the last connection that sent new ones, if they are worth keeping and hold no secret: who
        makes a connection for each request mostly repeats them.
    :ivar own_lines: what requests of the client at an address carry to a node; see `own_request_lines`.
    :ivar trusted_proxies: whose X-Forwarded-* are believed, and `proxy_protocol_from` who begins with a PROXY header.
    :ivar refusals: for connections that are too many.
    :ivar request_body_bytes_max: of the configuration, and inf for no limit.
    :ivar client_closed: called after each client connection that closes.
    """

    def __init__(
        self,
        *,
        config: EdgeConfig,
        pseudonym: bytes,
        clock: IReactorTime,
        now: Callable[[], float],
        admission: Admission,
        pool: UpstreamPool,
        status: INetworkStatus,
        counters: Counters,
        splicer: Splicer | None,
        access_log: AccessLog | None,
        client_closed: Callable[[], None],
    ) -> None:
        self.config = config
        self.pseudonym = pseudonym
        self.clock = clock
        self._now = now
        self.admission = admission
        self.pool = pool
        self.status = status
        self.counters = counters
        self.splicer = splicer
        splices = splicer is not None and config.splice_bytes_min > 0
        self.splice_bytes_min = config.splice_bytes_min if splices else sys.maxsize
        self.clients: set[ClientConnection] = set()
        self.hosts = ClientTally(config.connections_per_client_max)
        self.networks = NetworkTally(config.connections_per_network_max)
        self.last_fields: RequestFields | None = None
        self.own_lines = lru_cache(_OWN_LINES_KEPT)(self._own_lines)
        self.trusted_proxies = AddressSet(config.trusted_proxies)
        self.proxy_protocol_from = AddressSet(config.proxy_protocol_from)
        self.refusals = Refusals(clock, counters)
        self.request_body_bytes_max: float = config.request_body_bytes_max or inf
        self.access_log = access_log
        self.is_draining = False
        self._client_closed = client_closed
        self._date = b""
        self._date_second = -1

    def date(self) -> bytes:
        """The Date field's value now (RFC 9110 section 5.6.7)."""
        second = int(self._now())
        if second != self._date_second:
            self._date_second = second
            self._date = formatdate(second, usegmt=True).encode("ascii")
        return self._date

    def _own_lines(self, host: str) -> bytes:
        return own_request_lines(self.pseudonym, host.encode("ascii", "replace"), b"http")

    def is_trusted(self, host: str) -> bool:
        """Whether the peer at `host` is a trusted proxy."""
        return self.trusted_proxies.holds(host)

    def enter(self, host: str) -> bool:
        """Count a connection for the client at `host`; False where that has too many. A trusted proxy's are not
        counted: they are many clients'."""
        return self.is_trusted(host) or self.hosts.enter(host)

    def client_connected(self, client: ClientConnection) -> None:
        """A client has connected."""
        self.clients.add(client)
        self.counters.client_connections += 1
        self.counters.client_connections_open += 1

    def client_gone(self, client: ClientConnection) -> None:
        """A client's connection is closed."""
        self.clients.discard(client)
        self.networks.leave(client)
        if client.counted_host:
            self.hosts.leave(client.counted_host)
        self.counters.client_connections_open -= 1
        self._client_closed()

    def answer(
        self, answer: Answer, head: RequestHead | None, disposition: Disposition | None, *, close: bool
    ) -> bytes:
        """An answer of the edge's own, written, and counted."""
        answered = self.counters.answers
        answered[answer.status] = answered.get(answer.status, 0) + 1
        return write_answer(
            answer,
            feature=None if disposition is None else disposition.feature,
            accept=None if head is None else head.known.get(b"accept"),
            date=self.date(),
            more=[] if disposition is None else disposition.response_fields,
            head_only=head is not None and head.method == b"HEAD",
            close=close,
        )

    def answer_rejected(self, client: ClientConnection, answer: Answer, ended: str, head: RequestHead | None) -> None:
        """Answer what never became an exchange, and record it."""
        self.counters.requests += 1
        response = self.answer(answer, head, None, close=True)
        client.transport.write(response)
        bytes_out = payload_bytes(response)
        self.count(ended, 0, bytes_out)
        if self.access_log is not None:
            self.access_log.add(client.host, head, None, status=answer.status, ended=ended, bytes_out=bytes_out)

    def count(self, ended: str, bytes_in: int, bytes_out: int) -> None:
        """Count a request that is over."""
        counters = self.counters
        counters.request_bytes += bytes_in
        counters.response_bytes += bytes_out
        counters.ended[ended] = counters.ended.get(ended, 0) + 1
