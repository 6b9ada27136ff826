"""Hostile bytes from either side, case by case (see `hostile`)."""

from __future__ import annotations

from tests.edge import hostile
from tests.edge.fakes import CHUNKED_HEAD, OK_EMPTY, EdgeTestCase, parse_response


class HostileRequestTests(EdgeTestCase):
    """What a client may not send."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def test_requests(self) -> None:
        """Each is answered at once with its status, and nothing of it reaches a node; the connection ends."""
        for case in hostile.HOSTILE_REQUESTS:
            with self.subTest(case.name):
                client = self.client()
                client.send(case.data)
                status, fields, _ = parse_response(client.received or b"HTTP/1.1 000 silence\r\n\r\n")
                self.assertEqual(status, case.status, f"{case.name} ({case.source})")
                self.assertEqual(self.gateway().connections, [])
                self.assertIn(b"date", fields)
                if case.status in (400, 414, 421, 431, 501, 505):
                    self.assertEqual(fields[b"connection"], [b"close"])
                    self.assertTrue(client.is_half_closed)
                self.assertEqual(client.received.count(b"\r\nDate: "), 1, "nothing behind it is taken for a request")

    def test_requests_bytewise(self) -> None:
        """However they are cut, the answer is the same."""
        for case in hostile.HOSTILE_REQUESTS:
            if len(case.data) < 2000:
                client = self.client()
                client.send_bytewise(case.data)
                status, _, _ = parse_response(client.received or b"HTTP/1.1 000 silence\r\n\r\n")
                self.assertEqual(status, case.status, f"{case.name} ({case.source})")
        self.assertEqual(self.gateway().connections, [])

    def test_chunked_bodies(self) -> None:
        """A body that breaks chunked framing is answered 400 (431 where it is too much), and the node's request
        reset."""
        for name, source, body in hostile.HOSTILE_CHUNKS:
            with self.subTest(name):
                client = self.client()
                client.send(hostile.CHUNKED + body)
                node = self.gateway().last
                status, _, _ = parse_response(client.received or b"HTTP/1.1 000 silence\r\n\r\n")
                self.assertIn(status, (400, 431), f"{name} ({source})")
                self.assertTrue(node.is_aborted, name)
                self.assertNotIn(b"0\r\n\r\n", node.received, "the node must not take it for a whole body")

    def test_accepted(self) -> None:
        """What is odd and legitimate passes."""
        for name, lines, expected in (
            ("tabs around a value", b"X:\t y\t\r\n", b"X: y\r\n"),
            ("empty value", b"X:\r\n", b"X: \r\n"),
            ("latin-1 in a value", b"X: \xe9\r\n", b"X: \xe9\r\n"),
            ("repeated field", b"X: 1\r\nX: 2\r\n", b"X: 1\r\nX: 2\r\n"),
            ("all token characters", b"!#$%&'*+.^`|~0A: b\r\n", b"!#$%&'*+.^`|~0A: b\r\n"),
            ("leading zeros in a length", b"Content-Length: 000\r\n", b"Content-Length: 0\r\n"),
        ):
            client = self.ask(hostile.GET + lines + b"\r\n")
            node = self.gateway().last
            self.assertIn(b"\r\n" + expected, node.take(), name)
            node.send(OK_EMPTY)
            self.assertEqual(parse_response(client.received)[0], 200)


class HostileResponseTests(EdgeTestCase):
    """What a node may not send: it is a tenant's."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def test_responses(self) -> None:
        """Each is a 502 at once, and the node's connection reset; the client's goes on."""
        for case in hostile.HOSTILE_RESPONSES:
            with self.subTest(case.name):
                client = self.ask(self.gateway_request(method=case.method))
                node = self.gateway().last
                node.send(case.data)
                final = client.received
                while final.startswith(b"HTTP/1.1 1"):
                    final = final.partition(b"\r\n\r\n")[2]
                self.assertTrue(final.startswith(b"HTTP/1.1 502 "), f"{case.name} ({case.source}): {final[:60]!r}")
                self.assertTrue(node.is_aborted)
                self.assertTrue(client.is_open)
                self.assertEqual(self.ended(), "bad_response")

    def test_chunked_bodies(self) -> None:
        """A chunked response that breaks its framing: reset, once its head is out; 502 where it came with the
        head."""
        for name, source, body in hostile.HOSTILE_CHUNKS:
            with self.subTest(name):
                client = self.ask(self.gateway_request())
                node = self.gateway().last
                node.send(CHUNKED_HEAD + b"\r\n", body)
                self.assertTrue(client.is_aborted, f"{name} ({source})")
                self.assertFalse(client.received.endswith(b"0\r\n\r\n"))
                self.assertTrue(node.is_aborted)
                client = self.ask(self.gateway_request())
                self.gateway().last.send(CHUNKED_HEAD + b"\r\n" + body)
                self.assertTrue(client.received.startswith(b"HTTP/1.1 502 "), name)
                self.assertTrue(client.is_open)

    def test_accepted(self) -> None:
        """What is odd and legitimate passes."""
        for head in (
            b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 599 What \xff\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 103 x\r\n\r\n" * 8 + OK_EMPTY,
        ):
            client = self.ask(self.gateway_request())
            self.gateway().last.send(head)
            self.assertEqual(self.ended(), "complete")
            self.assertTrue(client.is_open)
