"""Several requests on one connection."""

from __future__ import annotations

from nexus.edge.client_connection import REQUESTS_PER_TURN_MAX
from nexus.edge.client_stream import BUFFERED_BYTES_MAX
from tests.edge.fakes import OK_EMPTY, RelayTestCase, parse_response


class PipelineTests(RelayTestCase):
    """Requests of one connection are served in order (RFC 9112 section 9.3.2)."""

    def test_in_order(self) -> None:
        """The second request goes out when the first one's response is complete."""
        client = self.ask(self.gateway_request(b"/1") + self.gateway_request(b"/2"))
        node = self.gateway().last
        self.assertNotIn(b"/2", node.take())
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
        self.assertIn(b"GET /2 ", node.take())
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2")
        first, second = client.received.split(b"HTTP/1.1 200 OK\r\n")[1:]
        self.assertTrue(first.endswith(b"1"))
        self.assertTrue(second.endswith(b"2"))

    def test_behind_a_body(self) -> None:
        """What follows a body is the next request."""
        client = self.ask(self.api_request(body=b"abc") + self.api_request(b"/api/v0/version"))
        node = self.rpc().last
        self.assertTrue(node.take().endswith(b"abc"))
        node.send(OK_EMPTY)
        self.assertIn(b"/api/v0/version", node.take())
        self.assertTrue(client.is_open)

    def test_local_answers_in_order(self) -> None:
        """Hundreds of pipelined requests that the edge answers itself are all answered."""
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client = self.ask(request * 2000)
        self.assertEqual(client.received.count(b"HTTP/1.1 404"), 2000)

    def test_in_turns(self) -> None:
        """They are answered a few at a time, so that other clients need not wait for all of them; meanwhile no more is
        read than a bound."""
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client = self.client()
        client.transport.send(request * 2000)
        self.assertEqual(client.received.count(b"HTTP/1.1 404"), REQUESTS_PER_TURN_MAX)
        self.assertFalse(client.transport.is_reading)
        client.settle()
        self.assertEqual(client.received.count(b"HTTP/1.1 404"), 2000)
        self.assertTrue(client.transport.is_reading)

    def test_client_leaves_between_turns(self) -> None:
        """What is left of its requests is forgotten."""
        client = self.client()
        client.transport.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        client.reset()
        self.assertEqual(client.received.count(b"HTTP/1.1 404"), REQUESTS_PER_TURN_MAX)

    def test_reading_ahead_is_bounded(self) -> None:
        """A client that pipelines beyond a bound waits, and is read again when its turn comes."""
        client = self.ask(self.gateway_request(b"/1"))
        node = self.gateway().last
        client.send(*[self.gateway_request(b"/" + b"x" * 1000)] * 30)
        self.assertFalse(client.transport.is_reading)
        for _ in range(31):
            node.send(OK_EMPTY)
        self.assertTrue(client.transport.is_reading)
        self.assertEqual(client.received.count(b"HTTP/1.1 200"), 31)
        self.assertLess(BUFFERED_BYTES_MAX, 30_000)

    def test_close_ends_the_pipeline(self) -> None:
        """After a request with `Connection: close` nothing more is served."""
        client = self.ask(self.gateway_request(b"/1", b"Connection: x, Close") + self.gateway_request(b"/2"))
        node = self.gateway().last
        node.send(OK_EMPTY)
        self.assertEqual(parse_response(client.received)[1][b"connection"], [b"close"])
        self.assertTrue(client.is_half_closed, "closing on a client that sends on could cost it the answer")
        self.assertNotIn(b"/2", node.received)
        client.send(self.gateway_request(b"/3"))
        client.close()
        self.assertTrue(client.is_lost)
        self.assertFalse(client.is_aborted)

    def test_empty_lines_between_requests(self) -> None:
        """Up to two empty lines before a request line are overlooked (RFC 9112 section 2.2)."""
        client = self.ask(b"\r\n\r\n" + self.gateway_request())
        self.gateway().last.send(OK_EMPTY)
        client.take()
        client.send_bytewise(b"\r\n\r\n\r\n")
        self.assertEqual(parse_response(client.received)[0], 400)
