"""Requests and responses, relayed both ways."""

from __future__ import annotations

from tests.edge.fakes import EdgeTestCase, parse_request, parse_response

OK_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class RelayTests(EdgeTestCase):
    """What passes between a client and a node."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def test_small_get(self) -> None:
        """A gateway request reaches the node, and its response the client; both connections stay."""
        client = self.ask(self.gateway_request(b"/ipfs/cid?x=1"))
        node = self.gateway().last
        line, fields, rest = parse_request(node.received)
        self.assertEqual(line, b"GET /ipfs/cid?x=1 HTTP/1.1")
        self.assertEqual(fields[b"host"], [b"demo.gateway.localhost"])
        self.assertEqual(rest, b"")
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\nhello")
        status, fields, body = parse_response(client.received)
        self.assertEqual((status, body), (200, b"hello"))
        self.assertEqual(fields[b"etag"], [b'"x"'])
        self.assertTrue(client.is_open)
        self.assertTrue(node.is_open)
        self.assertEqual(self.ended(), "complete")
