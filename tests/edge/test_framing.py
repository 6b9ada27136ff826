"""Body framing, by itself."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.framing import ChunkedBody, LengthBody, chunk, last_chunk
from nexus.edge.response_reader import ResponseReader

SURPLUS = b"GET / HTTP/1.1"


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """`data` in pieces of these sizes, and the rest."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


class BodyReaderTests(SynchronousTestCase):
    """However bytes are cut on their way, they mean the same."""

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(0, 30), max_size=12))
    def test_chunked(self, payloads: list[bytes], sizes: list[int]) -> None:
        """Payload, trailers and surplus come out of any cutting."""
        data = b"".join(b"".join(chunk(payload)) for payload in payloads) + last_chunk([(b"A", b"b")]) + SURPLUS
        body = ChunkedBody()
        payload = b""
        surplus = b""
        for piece in cut(data, sizes):
            if body.done:
                surplus += piece
            else:
                payload += body.feed(piece)
        self.assertTrue(body.done)
        self.assertEqual(payload, b"".join(payloads))
        self.assertEqual(body.trailers, [(b"A", b"b")])
        self.assertEqual(body.surplus + surplus, SURPLUS)

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=60), st.lists(st.integers(0, 30), max_size=6))
    def test_length(self, payload: bytes, sizes: list[int]) -> None:
        """So it is with a known length."""
        body = LengthBody(len(payload))
        got = surplus = b""
        for piece in cut(payload + SURPLUS, sizes):
            if body.done:
                surplus += piece
            else:
                got += body.feed(piece)
        self.assertEqual((got, body.surplus + surplus), (payload, SURPLUS))

    @settings(max_examples=200, deadline=None)
    @given(st.binary(min_size=1, max_size=60), st.lists(st.integers(0, 40), max_size=12))
    def test_response(self, payload: bytes, sizes: list[int]) -> None:
        """And with a whole response, interim ones before it included."""
        data = (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(chunk(payload)) + last_chunk([])
        )
        reader = ResponseReader(b"GET", 4096, 100, None)
        got = b"".join(reader.feed(piece) for piece in cut(data, sizes) if not reader.done)
        self.assertEqual(got, payload)
        self.assertEqual([head.status for head in reader.interim], [100, 103])
        self.assertTrue(reader.done)

    def test_large_chunks_are_not_copied(self) -> None:
        """A piece that lies within one chunk is passed on as it is."""
        body = ChunkedBody()
        body.feed(b"FFFFFF\r\n")
        piece = b"x" * 65536
        self.assertIs(body.feed(piece), piece)
