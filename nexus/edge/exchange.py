"""One request of a client connection and what answers it: what the two kinds have in common, and the kind that the
edge answers by itself. `relay` is the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from twisted.logger import Logger

from nexus.access import Decision, decide
from nexus.edge import answers
from nexus.edge.admission import REFUSALS
from nexus.edge.answers import payload_bytes
from nexus.edge.status_page import Document, member_document, write_page
from nexus.errors import NetworkNotFoundError

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from nexus.edge.admission import Disposition
    from nexus.edge.answers import Answer
    from nexus.edge.client_connection import ClientConnection
    from nexus.edge.context import EdgeContext
    from nexus.edge.heads import RequestHead
    from nexus.edge.limits import NetworkUse
    from nexus.edge.timeouts import Phase
    from nexus.model import NetworkStatus, Route

log = Logger()


class Exchange(ABC):
    """Serves one request.

    :param use: of the network whose node serves it, if one does.
    :ivar takes_body: whether the request's body may be handed over now.
    """

    __slots__ = (
        "_bytes_in",
        "_bytes_out",
        "_client",
        "_context",
        "_disposition",
        "_first_byte_at",
        "_head",
        "_is_head_sent",
        "_is_over",
        "_is_request_done",
        "_keep_alive",
        "_started_at",
        "_status",
        "_use",
        "takes_body",
    )

    def __init__(
        self,
        context: EdgeContext,
        client: ClientConnection,
        head: RequestHead,
        disposition: Disposition,
        use: NetworkUse | None = None,
    ) -> None:
        self._context = context
        self._client = client
        self._head = head
        self._disposition = disposition
        self._keep_alive = head.fields.keeps_alive
        self._is_request_done = head.fields.framing == 0
        self._is_head_sent = False
        self._is_over = False
        self._status = 0
        self._bytes_in = 0
        self._bytes_out = 0
        self._started_at = context.clock.seconds() if context.access_log is not None else 0.0
        self._first_byte_at: float | None = None
        self._use = use
        self.takes_body = False
        counters = context.counters
        counters.requests += 1
        counters.requests_in_flight += 1
        if use is not None:
            use.requests += 1

    @property
    def network(self) -> str:
        """As the request asked for it; empty where it asked for none."""
        return self._disposition.network

    def succeed(self, other: Exchange) -> None:
        """Go on in place of `other`: the request is the same, and is recorded once."""
        for name in Exchange.__slots__:
            setattr(self, name, getattr(other, name))
        other._is_over = True

    def begin(self) -> None:
        """Do what was decided. It may be over when this returns."""

    def request_received(self, data: bytes) -> None:
        """The client sent `data` of the body; only called while `takes_body`."""

    def client_blocked(self) -> None:
        """The client takes no more for now."""

    def client_unblocked(self) -> None:
        """The client takes bytes again."""

    def client_ended(self) -> None:
        """The client has closed its half.

        One that does so while a request of it is under way has left: nobody can tell it from one that is gone, and a
        node must not go on working for nobody. It is reset, since what it got is not all.
        """
        self.cut("client_gone")

    def client_lost(self) -> None:
        """The client has left."""
        self._record("client_gone")
        self._release()

    def timed_out(self, phase: Phase) -> None:
        """Client or node was given its time."""

    def reconsider(self, route: Route) -> None:
        """End the exchange where `route`, whose rules have changed, no longer allows it."""
        disposition = self._disposition
        if disposition.feature is None:
            return
        decision = decide(disposition.feature, route, disposition.user)
        if decision not in (Decision.ALLOW, Decision.ALLOW_PUBLIC, Decision.UNAVAILABLE):
            self._revoke(REFUSALS[decision])

    def _revoke(self, answer: Answer) -> None:
        """The network is no longer for this client, which would now be told `answer`."""
        self.cut("access_revoked")

    def cut(self, ended: str) -> None:
        """Reset both sides."""
        self._record(ended)
        self._release()
        self._client.abort()

    @abstractmethod
    def _release(self) -> None:
        """Let go of what the exchange holds or waits for."""

    def _answer(self, answer: Answer, ended: str) -> None:
        """Send an answer of the edge's own."""
        if answer.closes or not self._is_request_done or self._context.is_draining:
            self._keep_alive = False
        response = self._context.answer(answer, self._head, self._disposition, close=not self._keep_alive)
        self._reply(answer.status, response, ended)

    def _reply(self, status: int, response: bytes, ended: str) -> None:
        self._status = status
        self._bytes_out = payload_bytes(response)
        self._is_head_sent = True
        self._first_byte_at = self._context.clock.seconds()
        self._client.transport.write(response)
        self._finish(ended)

    def _finish(self, ended: str) -> None:
        """The response is out as a whole: the client connection goes on."""
        self._record(ended)
        self._client.exchange_finished(self._is_request_done, self._keep_alive)

    def _record(self, ended: str) -> None:
        self._is_over = True
        self.takes_body = False
        context = self._context
        context.counters.requests_in_flight -= 1
        if self._use is not None:
            self._use.requests -= 1
        context.count(ended, self._bytes_in, self._bytes_out)
        if context.access_log is not None:
            context.access_log.add(
                self._client.host,
                self._head,
                self._disposition,
                status=self._status,
                ended=ended,
                bytes_in=self._bytes_in,
                bytes_out=self._bytes_out,
                started_at=self._started_at,
                first_byte_at=self._first_byte_at,
            )


class LocalExchange(Exchange):
    """A request that the edge answers by itself: at once, or when it knows how the network is."""

    __slots__ = ("_question",)

    _question: Deferred[NetworkStatus] | None

    def refuse(self, answer: Answer, ended: str) -> None:
        """Let no node answer, although one could: a limit is met."""
        self._question = None
        self._answer(answer, ended)

    def begin(self) -> None:
        """See `Exchange.begin`."""
        self._question = None
        disposition = self._disposition
        if disposition.answer is not None:
            self._answer(disposition.answer, "complete")
            return
        if disposition.document is not None:
            self._tell(disposition.document)
            return
        question = self._question = self._context.status.network_status(disposition.network)
        question.addCallbacks(self._learn, self._fail_to_tell)
        question.addErrback(lambda failure: log.failure("a status answer failed", failure))

    def _release(self) -> None:
        question, self._question = self._question, None
        if question is not None:
            question.cancel()

    def _learn(self, status: NetworkStatus) -> None:
        self._question = None
        if not self._is_over:
            self._tell(member_document(status))

    def _tell(self, document: Document) -> None:
        if not self._is_request_done or self._context.is_draining:
            self._keep_alive = False
        response = write_page(
            document,
            feature=self._disposition.feature,
            accept=self._head.known.get(b"accept"),
            date=self._context.date(),
            head_only=self._head.method == b"HEAD",
            close=not self._keep_alive,
        )
        self._reply(200, response, "complete")

    def _fail_to_tell(self, failure: Failure) -> None:
        self._question = None
        if self._is_over:
            return
        if not isinstance(failure.value, NetworkNotFoundError):
            log.failure("the status of {network} could not be had", failure, network=self._disposition.network)
            self._answer(answers.UNAVAILABLE, "status_failed")
        else:
            self._answer(answers.NOT_FOUND, "complete")
