"""Bodies of very many, very small chunks: all of each passes, and nobody else waits for all of it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.framing import CHUNKS_PER_TURN_MAX, ChunkedBody
from tests.edge.fakes import OK_EMPTY, RelayTestCase, parse_response
from tests.edge.memory import Peer

COUNT = 3 * CHUNKS_PER_TURN_MAX + 100
PAYLOAD = bytes(range(256)) * (COUNT // 256 + 1)
PAYLOAD = PAYLOAD[:COUNT]
CHUNKS = b"".join(b"1\r\n%c\r\n" % byte for byte in PAYLOAD)
END = b"0\r\n\r\n"


def unchunked(data: bytes) -> bytes:
    """The payload of chunks that are all complete."""
    body = ChunkedBody()
    payload = body.feed(data)
    while body.has_more:
        payload += body.feed(b"")
    return payload


class ReaderTests(SynchronousTestCase):
    """What is read at a time."""

    def test_in_turns(self) -> None:
        """So many chunks at once, and the rest when it is asked for."""
        strange = b"".join(b"0001 ;x\r\n%c\r\n" % byte for byte in PAYLOAD[:600])
        for data in (CHUNKS, strange + CHUNKS[6 * 600 :]):
            body = ChunkedBody()
            pieces = [body.feed(data + END + b"surplus")]
            while body.has_more:
                self.assertFalse(body.done)
                pieces.append(body.feed(b""))
            self.assertEqual([len(piece) for piece in pieces], [CHUNKS_PER_TURN_MAX] * 3 + [100])
            self.assertEqual(b"".join(pieces), PAYLOAD)
            self.assertTrue(body.done)
            self.assertEqual(body.surplus, b"surplus")

    def test_more_comes_meanwhile(self) -> None:
        """What comes before the rest is read stands behind it."""
        body = ChunkedBody()
        payload = body.feed(CHUNKS)
        payload += body.feed(b"3\r\nabc\r\n" + END)
        while body.has_more:
            payload += body.feed(b"")
        self.assertEqual(payload, PAYLOAD + b"abc")
        self.assertTrue(body.done)

    def test_exactly_a_turn(self) -> None:
        """With the last of them there is no more."""
        body = ChunkedBody()
        self.assertEqual(len(body.feed(CHUNKS[: 6 * CHUNKS_PER_TURN_MAX])), CHUNKS_PER_TURN_MAX)
        self.assertFalse(body.has_more)


class RelayTurnTests(RelayTestCase):
    """Such bodies on their way."""

    def send_at_once(self, peer: Peer, data: bytes) -> None:
        """One read's worth, and no turn after it."""
        peer.transport.send(data)

    def test_request(self) -> None:
        """A request's body reaches the node whole, turn by turn; meanwhile no more of it is read."""
        client, node = self.upload()
        self.send_at_once(client, CHUNKS)
        self.send_at_once(client, END)
        self.assertEqual(len(unchunked(node.received)), CHUNKS_PER_TURN_MAX)
        self.assertTrue(client.transport.has_unread)
        client.settle()
        self.assertEqual(unchunked(node.received), PAYLOAD)
        node.send(OK_EMPTY)
        self.assertEqual(parse_response(client.received)[0], 200)
        self.assertTrue(client.is_open)

    def test_response(self) -> None:
        """So does a response's body reach the client, and the node's connection serves again."""
        client, node = self.download()
        self.send_at_once(node, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS + END)
        self.assertFalse(node.transport.is_reading)
        first = len(unchunked(client.received.partition(b"\r\n\r\n")[2]))
        self.assertEqual(first, CHUNKS_PER_TURN_MAX)
        client.settle()
        self.assertEqual(unchunked(client.received.partition(b"\r\n\r\n")[2]), PAYLOAD)
        client.send(self.gateway_request())
        self.assertEqual(len(self.gateway().connections), 1)
        node.send(OK_EMPTY)
        self.assertEqual(self.edge.counters.ended, {"complete": 2})

    def test_others_have_their_turn(self) -> None:
        """A client that comes meanwhile is served before all is read."""
        client, node = self.download()
        self.send_at_once(node, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS + END)
        other = self.client()
        self.send_at_once(other, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(parse_response(other.received)[0], 404)
        self.assertFalse(client.received.endswith(END))
        client.settle()
        self.assertTrue(client.received.endswith(END))

    def test_a_reader_that_stalls(self) -> None:
        """A client that takes nothing is sent no rest either, until it takes something."""
        client, node = self.download()
        node.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.stall()
        self.send_at_once(node, b"10000\r\n" + b"x" * 0x10000 + b"\r\n" + CHUNKS + END)
        client.settle()
        held = len(client.received)
        client.settle()
        self.assertEqual(len(client.received), held)
        self.assertLess(held, 0x10000 + 2 * CHUNKS_PER_TURN_MAX)
        client.unstall()
        client.settle()
        self.assertTrue(client.received.endswith(END))

    def test_a_node_that_stalls(self) -> None:
        """So with a node and an upload."""
        client, node = self.upload()
        node.stall()
        self.send_at_once(client, b"20000\r\n" + b"x" * 0x20000 + b"\r\n" + CHUNKS + END)
        client.settle()
        held = len(node.received)
        client.settle()
        self.assertEqual(len(node.received), held)
        node.unstall()
        client.settle()
        self.assertTrue(node.received.endswith(END))

    def test_ends_meanwhile(self) -> None:
        """Whoever leaves, or is malformed, before the rest is read, ends the exchange once."""
        for end in (
            lambda client, node: client.reset(),
            lambda client, node: node.reset(),
            lambda client, node: self.publish(container_id=str(id(node))),
        ):
            client, node = self.upload()
            self.send_at_once(client, CHUNKS)
            end(client, node)
            client.settle()
            self.assertTrue(node.is_lost)
        client, node = self.upload()
        self.send_at_once(client, CHUNKS + b"nonsense\r\n")
        client.settle()
        self.assertEqual(parse_response(client.received)[0], 400)
        self.assertEqual(self.edge.counters.requests_in_flight, 0)

    def test_a_node_that_is_lost_meanwhile(self) -> None:
        """A response of which not all was read counts as cut."""
        client, node = self.download()
        self.send_at_once(node, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS + END)
        node.lose()
        self.assertTrue(client.is_aborted)

    def test_too_slow(self) -> None:
        """So does the least rate: who is answered in between is read on, and forgotten."""
        client, _ = self.upload()
        self.pass_time(59)
        client.send(CHUNKS[: 6 * CHUNKS_PER_TURN_MAX + 60])
        self.assertEqual(parse_response(client.received)[0], 408)
        self.assertTrue(client.is_half_closed)
        self.assertTrue(client.transport.is_reading)

    def test_too_much(self) -> None:
        """Limits hold in each turn."""
        self.edge = self.make_edge(request_body_bytes_max=2 * CHUNKS_PER_TURN_MAX)
        client, _ = self.upload()
        client.send(CHUNKS)
        self.assertEqual(parse_response(client.received)[0], 413)
        self.assertTrue(client.is_half_closed)
        self.assertTrue(client.transport.is_reading, "what it still sends is read and forgotten")
