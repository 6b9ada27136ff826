"""Expectations (RFC 9110 section 10.1.1)."""

from __future__ import annotations

from tests.edge.fakes import OK_EMPTY, RelayTestCase, parse_response
from tests.edge.memory import Peer


class ContinueTests(RelayTestCase):
    """Expect: 100-continue (RFC 9110 section 10.1.1)."""

    def expecting(self, *lines: bytes) -> Peer:
        """A client that waits to be told to go on."""
        return self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 3", b"Expect: 100-continue", *lines))

    def test_continue_is_the_nodes(self) -> None:
        """The expectation is the node's to meet: its 100 reaches the client, then the body the node."""
        client = self.expecting()
        node = self.rpc().last
        self.assertIn(b"Expect: 100-continue\r\n", node.take())
        self.assertEqual(client.received, b"")
        node.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(client.take(), b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(b"abc")
        self.assertEqual(node.take(), b"abc")
        node.send(OK_EMPTY)
        self.assertTrue(client.is_open)

    def test_refused_before_the_body(self) -> None:
        """A node that answers instead of 100 is done; the body, which may never come, is not waited for."""
        client = self.expecting()
        node = self.rpc().last
        node.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        status, fields, _ = parse_response(client.received)
        self.assertEqual((status, fields[b"connection"]), (403, [b"close"]))
        self.assertTrue(client.is_half_closed)
        self.assertTrue(node.is_aborted, "it waits for a body that will not come")
        self.assertEqual(self.ended(), "complete")

    def test_authorised_first(self) -> None:
        """Without a token the answer comes at once, and no 100."""
        client = self.ask(
            b"POST /api/v0/add HTTP/1.1\r\nHost: demo.api.localhost\r\nContent-Length: 3\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        self.assertEqual(parse_response(client.received)[0], 401)
        self.assertEqual(self.rpc().connections, [])

    def test_body_without_waiting(self) -> None:
        """A client that does not wait is served too."""
        client = self.expecting()
        node = self.rpc().last
        node.take()
        client.send(b"abc")
        self.assertEqual(node.take(), b"abc")
        node.send(OK_EMPTY)
        self.assertEqual(parse_response(client.received)[0], 200)
        self.assertTrue(client.is_open)

    def test_http_1_0_has_no_expectations(self) -> None:
        """An HTTP/1.0 client's Expect is not passed on."""
        self.ask(
            b"POST /api/v0/add HTTP/1.0\r\nHost: demo.api.localhost\r\nAuthorization: Bearer %b\r\n"
            b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc" % self.token()
        )
        self.assertNotIn(b"Expect", self.rpc().last.received)

    def test_without_a_body(self) -> None:
        """Nor that of a request without a body, for which nobody waits."""
        self.ask(self.api_request(b"/api/v0/id", b"Content-Length: 0", b"Expect: 100-continue"))
        self.assertNotIn(b"Expect", self.rpc().last.received)

    def test_unknown_expectation(self) -> None:
        """417 for any other."""
        client = self.ask(self.api_request(b"/api/v0/id", b"Expect: a-miracle"))
        self.assertEqual(parse_response(client.received)[0], 417)
