"""What the edge answers by itself: one table, and how a row of it is written (RFC 9110 section 15).

Bodies are short: text for `api` (the ipfs CLI prints it), a small page for a browser on the other features, JSON in
Kubo's error form where `Accept` asks for it. Nothing in them comes from the request.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from nexus.edge.fields import Pairs, list_members
from nexus.model import Feature

if TYPE_CHECKING:
    from nexus.edge.errors import MalformedError

_JSON: Final = b"application/json"
_HTML: Final = b"text/html"
_TEXT: Final = b"text/plain"


@dataclass(frozen=True, slots=True)
class Answer:
    """One row.

    :ivar text: what people read; empty for an answer without a body.
    :ivar fields: header fields of its own.
    :ivar closes: whether the connection cannot go on behind it.
    """

    status: int
    text: str = ""
    fields: tuple[tuple[bytes, bytes], ...] = ()
    closes: bool = False


UNAUTHENTICATED: Final = Answer(
    401,
    "A valid access token is needed (Authorization: Bearer TOKEN).",
    ((b"WWW-Authenticate", b'Bearer realm="nexus"'),),
)
FORBIDDEN: Final = Answer(403, "This token gives no access to that network.")
COMMAND_REFUSED: Final = Answer(403, "This command is not offered here.")
ORIGIN_REFUSED: Final = Answer(403, "This origin may not use that network.")
PATH_MALFORMED: Final = Answer(400, "The path is malformed: no empty, dot or encoded-slash segments.")
NOT_FOUND: Final = Answer(404, "There is nothing here.")
METHOD_REFUSED: Final = Answer(405, "This method is not offered here.", ((b"Allow", b"GET, HEAD"),))
UNAVAILABLE: Final = Answer(503, "The network is not running now.", ((b"Retry-After", b"5"),))
ROUTE_CHANGED: Final = Answer(503, "The network's node has just been replaced or stopped.", ((b"Retry-After", b"1"),))
DIAL_REFUSED: Final = Answer(502, "The network's node could not be reached.")
NODE_GONE: Final = Answer(502, "The network's node closed the connection without an answer.")
BAD_RESPONSE: Final = Answer(502, "The network's node gave an answer that is not valid HTTP.")
DIAL_TIMEOUT: Final = Answer(504, "The network's node did not accept a connection in time.")
NODE_TIMEOUT: Final = Answer(504, "The network's node did not answer in time.")
HEAD_TIMEOUT: Final = Answer(408, "The request's head did not arrive in time.", closes=True)
BODY_TIMEOUT: Final = Answer(408, "The request's body did not arrive in time.", closes=True)
BODY_TOO_SLOW: Final = Answer(408, "The request's body arrives too slowly.", closes=True)
BODY_TOO_LARGE: Final = Answer(413, "The request's body is larger than is taken here.", closes=True)
TOO_MANY_CONNECTIONS: Final = Answer(
    429, "The network has as many connections as it may.", ((b"Retry-After", b"5"),), closes=True
)
TOO_MANY_REQUESTS: Final = Answer(429, "The network has as many requests as it may.", ((b"Retry-After", b"1"),))
QUEUE_FULL: Final = Answer(503, "Too many requests wait for the network's node.", ((b"Retry-After", b"1"),))
QUEUE_TIMEOUT: Final = Answer(503, "The network's node was busy for too long.", ((b"Retry-After", b"1"),))
DRAINING: Final = Answer(503, "This server is stopping.", ((b"Retry-After", b"5"),), closes=True)
EXPECTATION_FAILED: Final = Answer(417, "The only expectation known here is 100-continue.")
LOOP_DETECTED: Final = Answer(508, "The request has been here before.")
TUNNEL_REFUSED: Final = Answer(
    405, "CONNECT is not offered here.", ((b"Allow", b"GET, HEAD, POST, OPTIONS"),), closes=True
)
TRACE_REFUSED: Final = Answer(405, "TRACE is not offered here.", ((b"Allow", b"GET, HEAD, POST, OPTIONS"),))
OPTIONS_ANSWERED: Final = Answer(204, fields=((b"Allow", b"GET, HEAD, POST, OPTIONS"),))


def malformed(error: MalformedError) -> Answer:
    """The answer to a head or body that is not HTTP as we accept it: nobody knows where the next message begins."""
    return Answer(error.status, f"The request was refused: {error.problem}.", closes=True)


def redirect(location: bytes) -> Answer:
    """307: the same method again at `location` (RFC 9110 section 15.4.8)."""
    return Answer(307, "The gateway has a host name of its own.", ((b"Location", location),))


def preferred_type(accept: tuple[bytes, ...] | None, feature: Feature | None) -> bytes:
    """The type an answer's body is written in: the first that `Accept` names of those that the feature has (a coarse
    reading of RFC 9110 section 12.5.1; weights do not reorder)."""
    for member in list_members(accept or ()):
        media_type = member.partition(b";")[0].rstrip()
        if media_type == _JSON or (media_type == _HTML and feature is not Feature.API):
            return media_type
    return _TEXT


def write_answer(
    answer: Answer,
    *,
    feature: Feature | None,
    accept: tuple[bytes, ...] | None,
    date: bytes,
    more: Pairs,
    head_only: bool,
    close: bool,
) -> bytes:
    """The whole response.

    :param date: the Date field's value.
    :param more: fields besides the answer's own.
    :param head_only: the request was HEAD.
    :param close: whether it says that the connection closes behind it.
    """
    media_type = preferred_type(accept, feature)
    if not answer.text:
        return write_response(answer.status, [*answer.fields, *more], None, date=date, head_only=head_only, close=close)
    phrase = HTTPStatus(answer.status).phrase
    if media_type == _JSON:
        body = json.dumps({"Message": answer.text, "Code": 0, "Type": "error"}).encode() + b"\n"
    elif media_type == _HTML:
        body = html_page(f"{answer.status} {phrase}", [answer.text])
    else:
        body = answer.text.encode() + b"\n"
    fields = [*answer.fields, *more, (b"Content-Type", media_type + b"; charset=utf-8")]
    return write_response(answer.status, fields, body, date=date, head_only=head_only, close=close)


def write_response(
    status: int, fields: Pairs, body: bytes | None, *, date: bytes, head_only: bool, close: bool
) -> bytes:
    """A response of the edge's own, with the fields that each of them has. `body` None: there is none, as with
    204."""
    lines = [b"HTTP/1.1 %d %b\r\nDate: %b\r\n" % (status, HTTPStatus(status).phrase.encode(), date)]
    lines.extend(b"%b: %b\r\n" % field for field in fields)
    if body is not None:
        lines.append(b"X-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n" % len(body))
    lines.append(
        b"Cache-Control: no-store\r\nConnection: close\r\n\r\n" if close else b"Cache-Control: no-store\r\n\r\n"
    )
    if body is not None and not head_only:
        lines.append(body)
    return b"".join(lines)


def payload_bytes(response: bytes) -> int:
    """How much of a whole response is body."""
    return len(response) - response.index(b"\r\n\r\n") - 4


def html_page(title: str, paragraphs: list[str]) -> bytes:
    """A small plain page, escaped."""
    text = "".join(f"<p>{html.escape(paragraph)}</p>\n" for paragraph in paragraphs)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"<h1>{html.escape(title)}</h1>\n{text}</html>\n"
    ).encode()
