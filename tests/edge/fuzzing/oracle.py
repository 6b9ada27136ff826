"""What must hold at the end of every life, as h11, which shares no code with the edge, reads what came out of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import h11
from twisted.logger import LogEvent

from tests.edge.fuzzing import marks
from tests.edge.memory import Peer

_BYTES_MAX = 1024 * 1024


class ViolationError(AssertionError):
    """Something that must hold does not."""


@dataclass(slots=True)
class Heard:
    """One message as a peer of the edge heard it.

    :ivar is_whole: whether its end came, too.
    """

    method: bytes = b""
    target: bytes = b""
    status: int = 0
    is_whole: bool = False
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)


def hear_requests(data: bytes) -> list[Heard]:
    """The requests in what a node got on one connection, up to one that asks for another protocol.

    :raises ViolationError: where they break a rule.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_BYTES_MAX)
    connection.receive_data(data)
    heard: list[Heard] = []
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                heard.append(Heard(method=event.method, target=event.target, fields=list(event.headers)))
            elif isinstance(event, h11.EndOfMessage):
                heard[-1].is_whole = True
                if any(name == b"upgrade" for name, _ in heard[-1].fields):
                    return heard
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
            elif not isinstance(event, h11.Data):
                return heard
    except h11.ProtocolError as error:
        raise ViolationError(f"a node got what is no request: {error}: {data[-600:]!r}") from error


def hear_responses(data: bytes, methods: list[bytes], *, ended: bool) -> list[Heard]:
    """The final responses in what a client got that asked by `methods`, up to a 101.

    :param ended: whether its connection ended in order.
    :raises ViolationError: where they break a rule, or are more than it asked for.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_BYTES_MAX)
    if data:
        connection.receive_data(data)
    if ended:
        connection.receive_data(b"")
    heard: list[Heard] = []
    try:
        for method in methods:
            if not connection.trailing_data[0]:
                return heard  # the last of them have no response
            connection.send(h11.Request(method=method, target=b"/", headers=[("Host", "x")]))
            connection.send(h11.EndOfMessage())
            answer = _hear_response(connection, method)
            if answer is not None:
                heard.append(answer)
            if answer is None or not answer.is_whole:
                return heard
            if connection.our_state is h11.MUST_CLOSE or connection.their_state is h11.CLOSED:
                break
            connection.start_next_cycle()
        left = connection.trailing_data[0]
    except h11.ProtocolError as error:
        raise ViolationError(f"a client got what is no response: {error}: {data[-600:]!r}") from error
    if left:
        raise ViolationError(f"a client got more than it had asked for: {left[:300]!r}")
    return heard


def _hear_response(connection: h11.Connection, method: bytes) -> Heard | None:
    heard: Heard | None = None
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            heard = Heard(method=method, status=event.status_code, fields=list(event.headers))
        elif isinstance(event, h11.EndOfMessage) and heard is not None:
            heard.is_whole = True
            return heard
        elif not isinstance(event, h11.Data | h11.InformationalResponse):
            return heard


def check_node(peer: Peer) -> list[Heard]:
    """What one connection of a node got: strictly valid requests, the last of which is whole or was seen to be cut.

    :raises ViolationError: otherwise.
    """
    heard = hear_requests(peer.received)
    was_cut = peer.is_aborted or peer.has_ended or peer.is_lost
    if heard and not heard[-1].is_whole and not was_cut:
        raise ViolationError(f"a node waits for the rest of {peer.received[-600:]!r}")
    if heard and not heard[-1].is_whole and peer.is_closed and not peer.has_ended:
        raise ViolationError(f"a node may take a cut request for a whole one: {peer.received[-600:]!r}")
    return heard


def check_client(peer: Peer, events: list[LogEvent]) -> None:
    """What one client got: a response for each request that the access log tells of, in their order, of their node, and
    whole where the log says so.

    :raises ViolationError: otherwise.
    """
    data, ended = peer.received, peer.is_closed or peer.is_half_closed
    methods = [b"GET" if event["method"] == "-" else str(event["method"]).encode("latin-1") for event in events]
    for number, event in enumerate(events):
        if event["status"] == 101:  # what is behind its head is no HTTP
            events = events[:number]
            data, ended = data.partition(b"HTTP/1.1 101 ")[0], False
            break
    answered = [event for event in events if event["status"]]
    heard = hear_responses(data, methods, ended=ended)
    if [each.status for each in heard] != [event["status"] for event in answered[: len(heard)]]:
        raise ViolationError(f"a client got {[each.status for each in heard]}, and the log says {answered}")
    for each, event in zip(heard, answered, strict=False):
        told = [marks.marked(value) for name, value in each.fields if name == marks.FIELD.lower()]
        asked = marks.number_of(str(event["path"]).encode("latin-1"))
        if any(mark is not None and mark != asked for mark in told):
            raise ViolationError(f"a client got the response to {told}, having asked for {event['path']}")
        if each.is_whole or event["ended"] != "complete":
            continue
        if not (peer.has_ended or peer.is_lost or peer.is_aborted):
            raise ViolationError(f"a client waits for the rest of its response: {event}")
    if len(heard) < len(answered) and not (peer.has_ended or peer.is_lost or peer.is_aborted):
        raise ViolationError(f"a client got {len(heard)} of {len(answered)} responses: {answered}")
    if heard and not heard[-1].is_whole and (peer.is_closed or peer.is_half_closed) and not peer.has_ended:
        raise ViolationError(f"a client may take a cut response for a whole one: {answered[-1]}, {data[-300:]!r}")


def check_forwarded(heard: list[Heard], events: list[LogEvent], retries: int) -> None:
    """Nodes got no other requests than those that the access log tells of, and none twice, but those sent again.

    :raises ViolationError: otherwise.
    """
    logged = Counter(
        (str(event["method"]).encode("latin-1"), number)
        for event in events
        if (number := marks.number_of(str(event["path"]).encode("latin-1"))) is not None
    )
    sent = Counter(
        (each.method, number)
        for each in heard
        if (number := marks.number_of(each.target.partition(b"?")[0])) is not None
    )
    more = sent - logged
    if more.total() > retries:
        raise ViolationError(f"nodes got requests that nobody sent: {more}, {retries} were sent again")
    if any(method == b"POST" for method, _ in more):
        raise ViolationError(f"a POST was sent twice: {more}")
