"""The control API's client: `INetworkControl` across the wire, on treq. `nexus ctl` and scripts use it.

Errors come back as the classes that the server raised (`nexus.control.faults`); what goes wrong on the way is a
`ControlUnreachableError` or a `ControlRefusedError`.
"""
# Twisted's endpoints and agents are not annotated.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from itertools import count
from typing import Any, Final, TypeVar

from treq.client import HTTPClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IConsumer, IReactorTime, IStreamClientEndpoint
from twisted.web.client import URI, Agent, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from nexus.control import jsonrpc, wire
from nexus.control.faults import error_of
from nexus.control.jsonrpc import Fault
from nexus.control.methods import METHODS
from nexus.coroutines import returns_deferred
from nexus.errors import DeadlineError, InvalidError, NexusError
from nexus.interfaces import IEdgeStats, INetworkControl
from nexus.messages import (
    CreatedNetwork,
    CreateNetwork,
    DeletedNetwork,
    DeleteNetwork,
    EdgeStats,
    GetNetwork,
    ListedNetworks,
    ListNetworks,
    MeasuredEdge,
    MeasuredNetwork,
    NetworkDetails,
    NetworkDiagnostics,
    NetworkName,
    Ping,
    Pong,
    RemovedNetwork,
    StartedNetwork,
    StoppedNetwork,
    UpdatedNetwork,
    UpdateNetwork,
)
from nexus.secrets import Secret

T = TypeVar("T")
_CONNECT_TIMEOUT_S: Final = 5.0


class ControlUnreachableError(NexusError):
    """No Nexus answered."""

    field = "control"


class ControlRefusedError(NexusError):
    """Nexus, or something else that listens there, refused the request before it was a call.

    :ivar status: the HTTP status.
    """

    field = "control"

    def __init__(self, where: str, status: int, text: str) -> None:
        super().__init__(f"{where} refused the request: {text.strip() or status}")
        self.status = status


@implementer(IAgentEndpointFactory)
class _UnixEndpoints:
    def __init__(self, reactor: Any, path: str) -> None:
        self._reactor = reactor
        self._path = path

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = UNIXClientEndpoint(self._reactor, self._path, timeout=_CONNECT_TIMEOUT_S)
        return endpoint


@implementer(IBodyProducer)
class _Body:
    """A request's body, written at once: treq's own needs the global reactor."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """All is written."""

    def resumeProducing(self) -> None:
        """All is written."""

    def stopProducing(self) -> None:
        """All is written."""


@implementer(INetworkControl, IEdgeStats)
class ControlClient:
    """Calls the control API at `url`.

    :param reactor: for time, and for TCP or unix connections.
    :param url: `http://127.0.0.1:PORT` or `unix:/path`.
    :param key: the bearer key that TCP needs.
    :param timeout_s: how long one call may take; starting a network is the longest.
    :param agent: what carries the requests, instead of one on `reactor`.
    :ivar instance: the instance's name, once `ping` was answered.
    :raises InvalidError: for a URL of another form.
    """

    instance = ""

    def __init__(
        self,
        reactor: Any,
        url: str,
        key: Secret | None = None,
        *,
        timeout_s: float = 300.0,
        agent: IAgent | None = None,
    ) -> None:
        self._clock: IReactorTime = reactor
        self._where = url
        self._key = key
        self._timeout_s = timeout_s
        self._ids = count(1)
        if url.startswith("unix:/"):
            self._url = "http://localhost/"
            agent = agent or Agent.usingEndpointFactory(reactor, _UnixEndpoints(reactor, url.removeprefix("unix:")))
        elif url.startswith("http://"):
            self._url = url.rstrip("/") + "/"
            agent = agent or Agent(reactor, connectTimeout=_CONNECT_TIMEOUT_S)
        else:
            raise InvalidError("url", f"{url!r} is not the address of a control API", "http://HOST:PORT or unix:/PATH")
        self._http = HTTPClient(agent, data_to_body_producer=_Body)

    @returns_deferred
    async def ping(self, request: Ping) -> Pong:
        """See `INetworkControl`."""
        pong = await self._call("Ping", request, Pong)
        self.instance = pong.instance
        return pong

    def create_network(self, request: CreateNetwork) -> Deferred[CreatedNetwork]:
        """See `INetworkControl`."""
        return self._call("CreateNetwork", request, CreatedNetwork)

    def get_network(self, request: GetNetwork) -> Deferred[NetworkDetails]:
        """See `INetworkControl`."""
        return self._call("GetNetwork", request, NetworkDetails)

    def list_networks(self, request: ListNetworks) -> Deferred[ListedNetworks]:
        """See `INetworkControl`."""
        return self._call("ListNetworks", request, ListedNetworks)

    def delete_network(self, request: DeleteNetwork) -> Deferred[DeletedNetwork]:
        """See `INetworkControl`."""
        return self._call("DeleteNetwork", request, DeletedNetwork)

    def start_network(self, request: NetworkName) -> Deferred[StartedNetwork]:
        """See `INetworkControl`."""
        return self._call("StartNetwork", request, StartedNetwork)

    def update_network(self, request: UpdateNetwork) -> Deferred[UpdatedNetwork]:
        """See `INetworkControl`."""
        return self._call("UpdateNetwork", request, UpdatedNetwork)

    def stop_network(self, request: NetworkName) -> Deferred[StoppedNetwork]:
        """See `INetworkControl`."""
        return self._call("StopNetwork", request, StoppedNetwork)

    def remove_network(self, request: NetworkName) -> Deferred[RemovedNetwork]:
        """See `INetworkControl`."""
        return self._call("RemoveNetwork", request, RemovedNetwork)

    def network_stats(self, request: NetworkName) -> Deferred[MeasuredNetwork]:
        """See `INetworkControl`."""
        return self._call("NetworkStats", request, MeasuredNetwork)

    def network_diagnostics(self, request: NetworkName) -> Deferred[NetworkDiagnostics]:
        """See `INetworkControl`."""
        return self._call("NetworkDiagnostics", request, NetworkDiagnostics)

    def edge_stats(self, request: EdgeStats) -> Deferred[MeasuredEdge]:
        """See `IEdgeStats`."""
        return self._call("EdgeStats", request, MeasuredEdge)

    def call(self, method: str, request: object) -> Deferred[Any]:
        """Call `method` (a key of `METHODS`) with a message of its request type; fires with one of its answer type."""
        return self._call(method, request, METHODS[method].answer)

    @returns_deferred
    async def _call(self, method: str, request: object, kind: type[T]) -> T:
        exchange = Deferred.fromCoroutine(self._exchange(method, wire.encode(request)))
        exchange.addTimeout(self._timeout_s, self._clock)
        try:
            result = await exchange
        except DeferredTimeoutError:
            raise DeadlineError(f"{method} at {self._where}", self._timeout_s) from None
        if isinstance(result, Fault):
            raise error_of(result)
        return wire.decode(kind, result)

    async def _exchange(self, method: str, params: bytes) -> bytes | Fault:
        call_id = next(self._ids)
        headers = Headers({"Content-Type": ["application/json"]})
        if self._key is not None:
            headers.setRawHeaders("Authorization", [f"Bearer {self._key.reveal()}"])
        try:
            response = await self._http.post(
                self._url, headers=headers, data=jsonrpc.encode_call(method, params, call_id)
            )
            body = await response.content()
        except ConnectError as error:
            raise ControlUnreachableError(f"no Nexus answers at {self._where}: is it running? ({error})") from error
        except ResponseFailed as error:
            reasons = "; ".join(reason.getErrorMessage() for reason in error.reasons)
            raise ControlUnreachableError(
                f"{self._where} ended the connection before it answered {method}, which may have been carried out"
                f" ({reasons})"
            ) from error
        if response.code != 200:
            raise ControlRefusedError(self._where, response.code, body[:500].decode("utf-8", "replace"))
        try:
            return jsonrpc.decode_response(body, call_id)
        except ValueError as error:
            raise ControlRefusedError(self._where, response.code, "it does not speak Nexus's control API") from error
