"""Heads, read by the edge's grammar and, as an oracle, by llhttp."""

from __future__ import annotations

from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.client_connection import ClientConnection
from nexus.edge.errors import MalformedError
from nexus.edge.fields import Known, Rest, line_name, line_value
from nexus.edge.heads import (
    REPEATED_BYTES_MAX,
    REPEATED_LINES_MAX,
    RequestFields,
    RequestHead,
    ResponseHead,
    read_request_head,
    read_response_head,
)
from nexus.edge.target import origin_form
from tests.edge.fakes import OK_EMPTY, EdgeTestCase, parse_response
from tests.edge.hostile.case import Kind
from tests.edge.hostile.table import REQUESTS
from tests.edge.memory import Peer

NAMES = (
    b"Host",
    b"content-length",
    b"Connection",
    b"TE",
    b"X-Forwarded-For",
    b"Accept",
    b"X_Y",
    b"x-y",
    b"Cookie",
    b"Access-Control-Allow-Origin",
    b"!#$%&'*+.^_`|~0A",
    b"X ",
    b"",
    b" X",
    b"X\x00",
    b"\xe9",
    b":",
)
VALUES = (
    b"",
    b"x",
    b"demo.gateway.localhost",
    b"close, x-y",
    b"\t a\tb \t",
    b"\xe9\xff",
    b"a\x00",
    b"a\rb",
    b"a\nb",
    b"a\x7f",
    b"a\r\n b",
    b"5",
)
REQUEST_LINES = (
    *(b"%b / HTTP/1.1" % method for method in (b"GET", b"POST", b"M-X", b"get", b"", b"G(T", b"OPTIONS", b"QUERY")),
    *(
        b"GET %b HTTP/1.1" % target
        for target in (b"/a?b", b"*", b"/#", b"/\x80", b"/ ", b"/\x7f", b'/"', b"http://a/b")
    ),
    *(b"GET / %b" % version for version in (b"HTTP/1.0", b"HTTP/1.2", b"http/1.1", b"HTTP/1.1 ", b"HTTP/1.1\r", b"")),
)
STATUS_LINES = (
    *(
        b"HTTP/1.1 %b" % rest
        for rest in (b"200 OK", b"200", b"200 ", b"99 x", b"600 x", b"20 x", b"200 \xe9", b"200 a\x00")
    ),
    *(b"%b 204 No Content" % version for version in (b"HTTP/1.0", b"HTTP/1.2", b"ICY", b"HTTP/1.1 ")),
)
LINES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from((b":", b": ", b":\t ", b" :", b"")), st.sampled_from(VALUES)),
    max_size=6,
)


def write(first: bytes, lines: list[tuple[bytes, bytes, bytes]]) -> bytes:
    """A head."""
    return first + b"\r\n" + b"".join(b"%b%b%b\r\n" % line for line in lines) + b"\r\n"


def known_to_llhttp(head: bytes) -> bytes:
    """The same request by a method that llhttp knows: it refuses all that it does not."""
    return b"GET" + head[head.index(b" ") :]


class Oracle:
    """Takes llhttp's calls."""

    def __init__(self) -> None:
        self.target = b""
        self.reason = b""
        self.pairs: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_status(self, status: bytes) -> None:
        self.reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value.rstrip(b" \t")))


class OracleTests(SynchronousTestCase):
    """Whatever the edge takes for a head, llhttp does too, and finds the same in it."""

    @settings(max_examples=600, deadline=None)
    @given(st.sampled_from(REQUEST_LINES), LINES)
    def test_requests(self, line: bytes, lines: list[tuple[bytes, bytes, bytes]]) -> None:
        """Method, target, version and fields."""
        head = write(line, [(b"Host", b": ", b"a"), *lines])
        try:
            found = read_request_head(head, 0, len(head), 100, None)
            assert found is not None
            request, end = found
            request.fields.interpret()
        except MalformedError:
            return
        oracle = Oracle()
        parser = HttpRequestParser(oracle)
        self.feed(parser, known_to_llhttp(head[:end]))
        self.assertEqual((request.method, request.target), (line.split(b" ")[0], oracle.target))
        self.assertEqual(f"1.{request.minor}", parser.get_http_version())
        self.compare(oracle.pairs, request.known, request.rest)

    @settings(max_examples=600, deadline=None)
    @given(st.sampled_from(STATUS_LINES), LINES)
    def test_responses(self, line: bytes, lines: list[tuple[bytes, bytes, bytes]]) -> None:
        """Status, reason, version and fields."""
        head = write(line, lines)
        try:
            found = read_response_head(head, 0, len(head), 100, None)
            assert found is not None
            response, end = found
            response.framing(b"GET")
        except MalformedError:
            return
        oracle = Oracle()
        parser = HttpResponseParser(oracle)
        self.feed(parser, head[:end])
        self.assertEqual(response.status, parser.get_status_code())
        self.assertEqual(response.line, b"HTTP/1.1 %d %b\r\n" % (response.status, oracle.reason))
        self.assertEqual(f"1.{response.minor}", parser.get_http_version())
        self.compare(oracle.pairs, response.known, response.rest)

    def test_hostile(self) -> None:
        """No hostile request gets past the edge's reading that llhttp refuses."""
        for case in REQUESTS:
            if case.kind is Kind.PASSED:
                continue
            try:
                found = read_request_head(case.data, 0, 32 * 1024, 100, None)
                if found is None:
                    continue
                request, end = found
                request.fields.interpret()
                origin_form(request.target, b"demo.gateway.localhost")
            except MalformedError:
                continue
            self.feed(HttpRequestParser(Oracle()), known_to_llhttp(case.data[:end]))

    def feed(self, parser: HttpRequestParser | HttpResponseParser, head: bytes) -> None:
        """Let llhttp read a head that the edge has taken."""
        try:
            parser.feed_data(head)
        except HttpParserUpgrade:
            pass
        except HttpParserError:
            self.fail(f"llhttp refuses {head!r}")

    def compare(self, pairs: list[tuple[bytes, bytes]], known: Known, rest: Rest) -> None:
        """See that the fields are llhttp's: the known ones' values, and the rest in its order."""
        for name, values in known.items():
            if not name.startswith(b":"):
                self.assertEqual(values, tuple(value for other, value in pairs if other.lower() == name))
        passing = iter(pairs)
        for line in rest:
            self.assertIn((line_name(line), line_value(line)), ((name.lower(), value) for name, value in passing))


class RepetitionTests(SynchronousTestCase):
    """What was read once is not read otherwise the next time."""

    @settings(max_examples=400, deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(REQUEST_LINES), LINES), min_size=1, max_size=3),
        st.lists(st.integers(0, 2), max_size=6),
        st.sampled_from((b"", b"x", b"\r\n", b"GET / HTTP/1.1\r\n\r\n")),
        st.integers(0, 3),
        st.sampled_from((200, 30)),
    )
    def test_on_one_connection(
        self,
        heads: list[tuple[bytes, list[tuple[bytes, bytes, bytes]]]],
        course: list[int],
        behind: bytes,
        missing: int,
        bytes_max: int,
    ) -> None:
        """Whatever a connection's last request was, a request means what it means by itself: whole or not, and
        whatever comes behind it."""
        last: RequestFields | None = None
        for number in course:
            line, lines = heads[number % len(heads)]
            other = heads[(number + 1) % len(heads)][1]
            buffer = write(line, lines) + behind
            for data in (buffer, buffer[: len(buffer) - missing], write(line, other), buffer + buffer):
                alone = self.outcome(data, bytes_max, None)
                self.assertEqual(self.outcome(data, bytes_max, last), alone)
                if isinstance(alone, tuple):
                    found = read_request_head(data, 0, bytes_max, 5, last)
                    assert found is not None
                    last = found[0].fields

    @settings(max_examples=400, deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(STATUS_LINES), LINES), min_size=1, max_size=3),
        st.lists(st.integers(0, 2), max_size=6),
        st.sampled_from((b"", b"x", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n")),
        st.integers(0, 3),
    )
    def test_of_one_node(
        self,
        heads: list[tuple[bytes, list[tuple[bytes, bytes, bytes]]]],
        course: list[int],
        behind: bytes,
        missing: int,
    ) -> None:
        """So it is with a node's responses, whatever they answer."""
        last: ResponseHead | None = None
        for number in course:
            line, lines = heads[number % len(heads)]
            other = heads[(number + 1) % len(heads)][1]
            buffer = write(line, lines) + behind
            for data in (buffer, buffer[: len(buffer) - missing], write(line, other)):
                for method in (b"GET", b"HEAD", b"POST"):
                    alone = self.response_outcome(data, method, None)
                    self.assertEqual(self.response_outcome(data, method, last), alone)
                if isinstance(alone, tuple):
                    found = read_response_head(data, 0, 200, 5, last)
                    assert found is not None
                    last = found[0]

    def response_outcome(self, data: bytes, method: bytes, last: ResponseHead | None) -> object:
        """All that reading a response's head tells."""
        try:
            found = read_response_head(data, 0, 200, 5, last)
            if found is None:
                return None
            head, end = found
            framing = head.framing(method)
        except MalformedError as error:
            return str(error)
        self.assertEqual(data[:end], head.block)
        return head.status, head.line, head.minor, head.known, head.rest, head.keeps_alive, framing, end

    def outcome(self, data: bytes, bytes_max: int, last: RequestFields | None) -> object:
        """All that reading tells."""
        try:
            found = read_request_head(data, 0, bytes_max, 5, last)
        except MalformedError as error:
            return str(error)
        if found is None:
            return None
        head, end = found
        self.assertEqual(data[:end], b"%b %b%b" % (head.method, head.target, head.fields.block))
        return head.method, head.target, head.minor, head.known, head.rest, end

    def test_recognised(self) -> None:
        """The same bytes are not read again, others are."""
        head = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
        first, _ = self.read(head, None)
        again, end = self.read(head.replace(b"/1 ", b"/22 ") + head, first.fields)
        self.assertIs(again.fields, first.fields)
        self.assertEqual((again.target, end), (b"/22", len(head) + 1))
        self.assertIsNot(self.read(head.replace(b"Host", b"host"), first.fields)[0].fields, first.fields)
        self.assertIsNot(self.read(head.replace(b"a\r", b"a\r\nB: c\r"), first.fields)[0].fields, first.fields)

    def read(self, data: bytes, last: RequestFields | None) -> tuple[RequestHead, int]:
        """A head that is there."""
        found = read_request_head(data, 0, 1000, 100, last)
        assert found is not None
        return found


class KeptTests(EdgeTestCase):
    """What a connection keeps of a request for the next."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def test_expiry(self) -> None:
        """A token is good until its time is over, also on a connection that goes on repeating it."""
        request = b"POST /api/v0/id HTTP/1.1\r\nHost: demo.api.localhost\r\nAuthorization: Bearer %b\r\n\r\n" % (
            self.token(lifetime_s=50)
        )
        client = self.client()
        statuses = []
        for _ in range(3):
            client.take()
            client.send(request)
            for node in self.rpc().connections:
                if node.take():
                    node.send(OK_EMPTY)
            statuses.append(parse_response(client.received)[0])
            self.pass_time(25)
        self.assertEqual(statuses, [200, 200, 401])

    def test_other_token(self) -> None:
        """One token's user is never taken for another's."""
        request = b"POST /api/v0/id HTTP/1.1\r\nHost: demo.api.localhost\r\nAuthorization: Bearer %b\r\n\r\n"
        client = self.client()
        client.send(request % self.token())
        self.rpc().last.send(OK_EMPTY)
        client.take()
        client.send(request % self.token("mallory"))
        self.assertEqual(parse_response(client.received)[0], 403)

    def last_fields(self, client: Peer) -> RequestFields | None:
        """What is kept of the client's last request."""
        return cast(ClientConnection, client.transport.protocol)._last_fields

    def test_other_connection(self) -> None:
        """A new connection that repeats another's fields gets them read already."""
        first, second = (self.ask(self.gateway_request()) for _ in range(2))
        self.assertIsNotNone(self.last_fields(first))
        self.assertIs(self.last_fields(first), self.last_fields(second))

    def test_secrets_of_other_connections(self) -> None:
        """What holds a token, a password or a cookie is not kept beyond its connection."""
        for line in (b"Authorization: Bearer t", b"Proxy-Authorization: Basic dDp0", b"Cookie: a=t"):
            client = self.ask(self.gateway_request(b"/", line))
            self.assertIsNotNone(self.last_fields(client), line)
            self.assertIsNone(self.last_fields(self.client()), line)

    def test_tokens_of_other_connections(self) -> None:
        """Another's token does not let in, nor does one whose time is over meanwhile."""
        request = b"POST /api/v0/id HTTP/1.1\r\nHost: demo.api.localhost\r\nAuthorization: Bearer %b\r\n\r\n"
        good, other = request % self.token(lifetime_s=50), request % self.token("mallory")
        clients = []
        for sent in (good, good, other, good):
            client = self.client()
            client.send(sent)
            for node in self.rpc().connections:
                if node.take():
                    node.send(OK_EMPTY)
            clients.append(client)
        self.assertEqual([parse_response(client.received)[0] for client in clients], [200, 200, 403, 200])
        self.pass_time(51)
        self.assertEqual(parse_response(self.ask(good).received)[0], 401)

    def test_little(self) -> None:
        """Neither long nor many fields are kept for as long as a connection is idle."""
        for line in (
            b"X: " + b"x" * REPEATED_BYTES_MAX,
            b"\r\n".join(b"X%d: y" % n for n in range(REPEATED_LINES_MAX)),
        ):
            client = self.client()
            client.send(self.gateway_request(b"/", line))
            self.gateway().last.send(OK_EMPTY)
            protocol = cast(ClientConnection, client.transport.protocol)
            self.assertIsNone(protocol._last_fields)
            client.send(self.gateway_request())
            self.gateway().last.send(OK_EMPTY)
            self.assertIsNotNone(protocol._last_fields)
