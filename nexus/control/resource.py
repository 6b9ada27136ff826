"""The control API over HTTP: what may ask, and what is answered before JSON-RPC has a say.

Status 200 carries results and JSON-RPC errors, 204 is for notifications; every other status is about HTTP itself, with
a line of text. A request may come from a browser that a stranger's page steers: so whatever has an `Origin` is refused,
and on TCP a `Host` that is no loopback name or literal (DNS rebinding), and a content type that a form could send.
"""
# twisted.web's requests are not annotated.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from nexus.control.dispatch import answer
from nexus.control.jsonrpc import BODY_BYTES_MAX
from nexus.interfaces import IEdgeStats, INetworkControl
from nexus.secrets import Secret

log = Logger()

DISCARDED_BYTES_MAX: Final = 8 * BODY_BYTES_MAX
"""How much of a refused body is read on, so that its sender sees the answer instead of a reset connection."""

_HOST: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?P<port>:\d{1,5})?\Z")


class ControlRequest(Request):
    """A request whose body is refused as soon as it is known to be too long, and is never parsed as a form.

    :ivar content_types: the Content-Type fields.
    """

    content_types: Sequence[bytes] = ()
    _refused = False
    _received_bytes = 0

    def gotLength(self, length: int | None) -> None:
        """The head is complete."""
        # Taken away, since twisted.web would parse a form before anybody has looked at the key.
        self.content_types = self.requestHeaders.getRawHeaders(b"content-type", [])
        self.requestHeaders.removeHeader(b"content-type")
        too_long = length is not None and length > BODY_BYTES_MAX
        super().gotLength(0 if too_long else length)
        if too_long and self.channel is not None:
            self._refuse(self.channel)

    def handleContentChunk(self, data: bytes) -> None:
        """A part of the body arrived."""
        self._received_bytes += len(data)
        if self.channel is None:
            return
        if not self._refused and self._received_bytes > BODY_BYTES_MAX:
            self._refuse(self.channel)
        if not self._refused:
            super().handleContentChunk(data)
        elif self._received_bytes > DISCARDED_BYTES_MAX:
            self.channel.forceAbortClient()

    def process(self) -> None:
        """The request is complete."""
        if not self._refused:
            super().process()
        elif self.channel is not None:
            self.channel.loseConnection()

    def _refuse(self, channel: HTTPChannel) -> None:
        """Answer at once; what still comes is dropped, and the connection ends with the body."""
        self._refused = True
        self.requestHeaders.removeHeader(b"expect")
        text = f"413: a request's body may have {BODY_BYTES_MAX} bytes\n".encode()
        channel.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
            b"Content-Length: " + str(len(text)).encode() + b"\r\n\r\n" + text
        )


class ControlResource(Resource):
    """The one resource, at `/`; its requests are `ControlRequest`s.

    :param key: the bearer key that TCP clients must have; without one, none of them is let in. Clients on a unix socket
        need none: its mode says who may connect.
    """

    isLeaf = True

    def __init__(self, control: INetworkControl, edge: IEdgeStats, key: Secret | None, clock: IReactorTime) -> None:
        super().__init__()
        self._control = control
        self._edge = edge
        self._key = key
        self._clock = clock

    def render(self, request: ControlRequest) -> bytes | int:
        """Answer, or refuse."""
        refusal = self._refusal(request)
        if refusal is not None:
            status, text = refusal
            request.setResponseCode(status)
            _set_headers(request, b"text/plain; charset=utf-8")
            return f"{status}: {text}\n".encode()
        body = request.content.read() if request.content is not None else b""
        answered = Deferred.fromCoroutine(answer(self._control, self._edge, body, self._clock))
        answered.addCallback(self._respond, request)
        answered.addErrback(lambda failure: log.failure("control: an answer could not be sent", failure))
        return NOT_DONE_YET

    def _respond(self, body: bytes, request: Request) -> None:
        """A client that went away does not end its command; its answer has nowhere to go."""
        if request.channel is None:
            return
        if body:
            _set_headers(request, b"application/json")
            request.setHeader(b"content-length", str(len(body)).encode())
            request.write(body)
        else:
            request.setResponseCode(204)
            _set_headers(request, None)
        request.finish()

    def _refusal(self, request: ControlRequest) -> tuple[int, str] | None:
        """Status and text, if the request is not to be carried out."""
        is_local = isinstance(request.getHost(), UNIXAddress)
        if request.requestHeaders.hasHeader(b"origin"):
            return 403, "requests of web pages (with an Origin) are refused"
        if not is_local and not _is_loopback(request.requestHeaders.getRawHeaders(b"host", [])):
            return 403, "the Host must be localhost or a loopback address"
        if request.method != b"POST":
            request.setHeader(b"allow", b"POST")
            return 405, "JSON-RPC comes by POST"
        if not is_local and not self._has_key(request):
            request.setHeader(b"www-authenticate", b'Bearer realm="nexus control"')
            return 401, "the control key is missing or wrong: Authorization: Bearer KEY"
        if request.path != b"/":
            return 404, "the control API is at /"
        if not _is_json(request):
            return 415, "send Content-Type: application/json, without Content-Encoding"
        return None

    def _has_key(self, request: Request) -> bool:
        values = request.requestHeaders.getRawHeaders(b"authorization", [])
        if self._key is None or len(values) != 1:
            return False
        scheme, _, key = values[0].strip().partition(b" ")
        return scheme.lower() == b"bearer" and self._key.matches(key.strip().decode("latin-1"))


class _ControlSite(Site):
    """A site that leaves logging to `dispatch`, which knows what was asked."""

    displayTracebacks = False
    noisy = False

    def log(self, request: HTTPRequest) -> None:
        """Nothing."""


def control_factory(control: INetworkControl, edge: IEdgeStats, key: Secret | None, reactor: IReactorTime) -> Site:
    """The protocol factory of the control API, for TCP and for unix sockets.

    :param key: see `ControlResource`.
    """
    return _ControlSite(ControlResource(control, edge, key, reactor), requestFactory=ControlRequest, reactor=reactor)


def _set_headers(request: Request, content_type: bytes | None) -> None:
    request.responseHeaders.removeHeader(b"server")
    if content_type is None:
        request.responseHeaders.removeHeader(b"content-type")
    else:
        request.setHeader(b"content-type", content_type)
    request.setHeader(b"cache-control", b"no-store")
    request.setHeader(b"x-content-type-options", b"nosniff")


def _is_loopback(hosts: Sequence[bytes]) -> bool:
    """Whether there is one Host and a page of a stranger cannot have it: the name localhost, or a loopback literal."""
    match = _HOST.match(hosts[0].decode("latin-1")) if len(hosts) == 1 else None
    if match is None:
        return False
    host = match["host"].lower()
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_json(request: ControlRequest) -> bool:
    types = request.content_types
    encodings = request.requestHeaders.getRawHeaders(b"content-encoding", [b"identity"])
    return (
        len(types) == 1
        and types[0].partition(b";")[0].strip().lower() == b"application/json"
        and all(encoding.strip().lower() == b"identity" for encoding in encodings)
    )
