"""The few calls that Nexus itself makes of a node's RPC, by treq (Kubo's docs: *RPC API v0*; every command is a POST).

A node is a tenant's: what it answers is bounded in size and in time, and read field by field.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    _HTTP11ClientFactory,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from nexus.model import Address
from nexus.secrets import Secret

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTCP, IReactorTime, IStreamClientEndpoint, ITransport
    from twisted.web.client import URI
    from twisted.web.iweb import IAgent, IResponse

T = TypeVar("T")

_ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
_CONNECT_TIMEOUT_S: Final = 0.25
_CALL_TIMEOUT_S: Final = 5.0
_FAILURES: Final = (ConnectError, ConnectionClosed, RequestTransmissionFailed, ResponseFailed)


class RPCError(Exception):
    """A node's RPC did not answer, or not as it should; the message is one that people can read."""


class RPCRefusedError(RPCError):
    """It refuses the bearer: what listens there is not the node that was asked for."""


@dataclass(frozen=True, slots=True)
class KuboIdentity:
    """Who a node is, by its own account."""

    peer_id: str
    agent_version: str


@implementer(IAgentEndpointFactory)
class _AddressEndpoints:
    """Dials IPv4 literals as they are. Twisted's own endpoint is for names: it tells that a port is closed only 0.3 s
    later, when the next of a name's addresses would have its turn, and that is half of a node's start."""

    def __init__(self, reactor: IReactorTCP, connect_timeout_s: float) -> None:
        self._reactor = reactor
        self._connect_timeout_s = connect_timeout_s

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        host = uri.host.decode("ascii")
        return TCP4ClientEndpoint(self._reactor, host, uri.port, timeout=self._connect_timeout_s)


class _QuietFactory(_HTTP11ClientFactory):
    noisy = False


class _Pool(HTTPConnectionPool):
    """Keeps no connection, since its node may be gone and the address another tenant's, and no diary either."""

    _factory = _QuietFactory


def kubo_agent(reactor: IReactorTCP) -> IAgent:
    """The agent that `KuboRPC` wants: straight to an address, a connection a call."""
    endpoints = _AddressEndpoints(reactor, _CONNECT_TIMEOUT_S)
    pool = _Pool(reactor, persistent=False)  # type: ignore[no-untyped-call]
    agent: IAgent = Agent.usingEndpointFactory(reactor, endpoints, pool)  # type: ignore[no-untyped-call]
    return agent


class KuboRPC:
    """Calls to nodes, each with the node's bearer.

    :param agent: makes the requests (see `kubo_agent`).
    """

    def __init__(self, clock: IReactorTime, agent: IAgent) -> None:
        self._clock = clock
        self._http = HTTPClient(agent)

    async def is_ready(self, address: Address, bearer: Secret) -> bool:
        """Whether the node answers and finds itself well. False is "not yet".

        :raises RPCRefusedError: if something listens that refuses the bearer.
        """
        try:
            status, _ = await self._post(address, bearer, "diag/healthy")
            if status == 404:  # Kubo before 0.42
                status, _ = await self._post(address, bearer, "id")
        except RPCRefusedError:
            raise
        except RPCError:
            return False
        return status == 200

    async def identity(self, address: Address, bearer: Secret) -> KuboIdentity:
        """:raises RPCError: if the node does not tell."""
        answer = await self._ask(address, bearer, "id")
        return KuboIdentity(peer_id=str(answer.get("ID", "")), agent_version=str(answer.get("AgentVersion", "")))

    async def connected_peers(self, address: Address, bearer: Secret) -> int:
        """How many peers the node is connected to.

        :raises RPCError: if the node does not tell.
        """
        peers = (await self._ask(address, bearer, "swarm/peers")).get("Peers") or []
        if not isinstance(peers, list):
            raise RPCError("the node's list of peers is none")
        return len({peer.get("Peer") for peer in peers if isinstance(peer, dict)})

    async def repository_bytes(self, address: Address, bearer: Secret) -> int:
        """The size of the node's repository, from its own bookkeeping: a full `repo/stat` would walk every block.

        :raises RPCError: if the node does not tell.
        """
        size = (await self._ask(address, bearer, "repo/stat?size-only=true")).get("RepoSize")
        if not isinstance(size, int) or isinstance(size, bool):
            raise RPCError("the node does not tell the size of its repository")
        return size

    async def _ask(self, address: Address, bearer: Secret, command: str) -> dict[str, Any]:
        status, body = await self._post(address, bearer, command)
        if status != 200:
            raise RPCError(f"{command} was answered {status}")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RPCError(f"{command} was not answered with JSON") from error
        if not isinstance(answer, dict):
            raise RPCError(f"{command} was not answered with a JSON object")
        return answer

    async def _post(self, address: Address, bearer: Secret, command: str) -> tuple[int, bytes]:
        call = Deferred.fromCoroutine(self._exchange(f"http://{address}/api/v0/{command}", bearer))
        try:
            status, body = await call.addTimeout(_CALL_TIMEOUT_S, self._clock)
        except DeferredTimeoutError as error:
            raise RPCError(f"{command} was not answered within {_CALL_TIMEOUT_S:g} s") from error
        except _FAILURES as error:
            raise RPCError(f"{command} was not answered: {error or type(error).__name__}") from error
        if status == 403:
            raise RPCRefusedError(f"{command} was refused: the node at {address} has another bearer")
        return status, body

    async def _exchange(self, url: str, bearer: Secret) -> tuple[int, bytes]:
        headers = Headers({"Authorization": [f"Bearer {bearer.reveal()}"]})
        response = await _cancelled_as_such(self._http.post(url, headers=headers, allow_redirects=False))
        return response.code, await _cancelled_as_such(_BoundedBody.of(response))


def _cancelled_as_such(request: Deferred[T]) -> Deferred[T]:
    """`request`, which fails with `CancelledError` when it is cancelled.

    An agent's fails with this or that, by how far it had come, and a call that somebody gave up would pass for one that
    the node did not answer.
    """
    cancelled = False

    def cancel(_: Deferred[T]) -> None:
        nonlocal cancelled
        cancelled = True
        request.cancel()

    def tell(result: T | Failure) -> None:
        if not cancelled:
            outcome.callback(result)

    outcome: Deferred[T] = Deferred(cancel)
    request.addBoth(tell)
    return outcome


class _BoundedBody(Protocol):
    """Collects a response's body, up to a limit."""

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._hang_up())
        self._received: list[bytes] = []
        self._size = 0

    @classmethod
    def of(cls, response: IResponse) -> Deferred[bytes]:
        """The body of `response`, whole. Fails with `RPCError` when it is too long."""
        body = cls()
        response.deliverBody(body)  # type: ignore[no-untyped-call]
        return body.done

    def dataReceived(self, data: bytes) -> None:
        self._received.append(data)
        self._size += len(data)
        if self._size > _ANSWER_BYTES_MAX and not self.done.called:
            self.done.errback(RPCError(f"the node's answer is longer than {_ANSWER_BYTES_MAX} bytes"))
            self._hang_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if isinstance(reason.value, ResponseDone | PotentialDataLoss):
            self.done.callback(b"".join(self._received))
        else:
            self.done.errback(reason)

    def _hang_up(self) -> None:
        cast("ITransport", self.transport).loseConnection()
