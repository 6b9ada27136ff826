"""Fast sides and slow ones."""

from __future__ import annotations

from tests.edge.fakes import CHUNKED_HEAD, RelayTestCase, parse_response


class BackpressureTests(RelayTestCase):
    """A fast side waits for a slow one."""

    def test_slow_reader(self) -> None:
        """A client that does not read stops the node being read, until it reads again; nothing is lost."""
        client, node = self.download()
        client.stall()
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n")
        node.send(*[b"x" * 10000] * 20)
        self.assertFalse(node.transport.is_reading)
        self.assertLess(len(client.received), 100_000)
        client.unstall()
        self.assertTrue(node.transport.is_reading)
        self.assertEqual(len(parse_response(client.received)[2]), 200_000)

    def test_slow_node(self) -> None:
        """A node that does not read stops the client being read, until it reads again; nothing is lost."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 200000"))
        node = self.rpc().last
        node.take()
        node.stall()
        client.send(*[b"x" * 10000] * 20)
        self.assertFalse(client.transport.is_reading)
        self.assertLess(len(node.received), 100_000)
        node.unstall()
        self.assertTrue(client.transport.is_reading)
        self.assertEqual(len(node.received), 200_000)

    def test_each_direction_alone(self) -> None:
        """A stalled upload does not hold back the response, nor the other way round."""
        client, node = self.upload()
        node.stall()
        client.send(*[b"4000\r\n" + b"x" * 0x4000 + b"\r\n"] * 10)
        self.assertFalse(client.transport.is_reading)
        node.send(CHUNKED_HEAD + b"\r\n2\r\nhi\r\n")
        self.assertTrue(client.received.endswith(b"2\r\nhi\r\n"))
        self.assertTrue(node.transport.is_reading)

    def test_pipelined_behind_a_stalled_response(self) -> None:
        """The next request is not begun before the client has taken the response to the last one."""
        client, node = self.download()
        client.stall()
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
        client.send(self.gateway_request(b"/ipfs/second"))
        self.assertNotIn(b"/ipfs/second", node.received)
        client.unstall()
        self.assertIn(b"/ipfs/second", node.received)

    def test_answers_that_nobody_reads(self) -> None:
        """A client that pipelines and never reads is not read either, and its answers do not pile up."""
        client = self.client()
        client.stall()
        client.send(*[b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100] * 100)
        self.assertFalse(client.transport.is_reading)
        self.assertLess(len(client.received), 100_000)
        client.unstall()
        client.unstall()
        self.assertGreater(client.received.count(b" 404 "), 300)

    def test_given_back_while_paused(self) -> None:
        """A node connection that was held back is read again when it is idle, so that its end is noticed."""
        client, node = self.download()
        client.stall()
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
        self.assertEqual(self.ended(), "complete")
        self.assertTrue(node.transport.is_reading)
        node.close()
        client.unstall()
        client.send(self.gateway_request())
        self.assertEqual(len(self.gateway().connections), 2)
