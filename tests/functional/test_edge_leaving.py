"""Clients that leave the edge on real sockets, in ways that only a kernel has: half closes, and ends that nobody
reads."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time

from twisted.internet.threads import deferToThread

from nexus.coroutines import returns_deferred
from nexus.edge.client_stream import LOOK_S
from tests.functional.test_edge_sockets import BLOCK, EdgeSocketsTestCase, read_head, read_to_end, reset
from tests.on_uvloop import on_uvloop


class HalfCloseTests(EdgeSocketsTestCase):
    """Clients that close their half, and read on."""

    @returns_deferred
    async def test_in_mid_response(self) -> None:
        """A close-delimited response that was under way is cut by RST, never ended, and the node's request with it."""
        ends: list[str] = []
        begun, gone = threading.Event(), threading.Event()

        def serve(node: socket.socket) -> None:
            read_head(node)
            node.sendall(b"HTTP/1.1 200 OK\r\n\r\nabc")
            ends.append(read_to_end(node)[1])
            gone.set()

        def read() -> str:
            client = self.connect()
            client.sendall(self.gateway_request(b"1.0"))
            _, rest = read_head(client)
            while b"abc" not in rest:
                rest += client.recv(100)
            begun.set()
            client.shutdown(socket.SHUT_WR)
            end = read_to_end(client)[1]
            gone.wait(10)
            return end

        self.start(serve)
        await self.listen()
        self.assertEqual(await deferToThread(read), "rst")
        self.assertEqual(ends, ["rst"])

    @returns_deferred
    async def test_behind_the_answer(self) -> None:
        """What the edge answers by itself is there although the client's end came with its request."""

        def ask(request: bytes) -> tuple[bytes, str]:
            client = self.connect()
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            return read_to_end(client)

        self.start(lambda node: None)
        await self.listen()
        for request, status in (
            (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 404 "),
            (b"nonsense\r\n\r\n", b"HTTP/1.1 400 "),
        ):
            data, end = await deferToThread(ask, request)
            self.assertEqual((data[: len(status)], end), (status, "fin"))


class UnreadTests(EdgeSocketsTestCase):
    """Clients of which nothing is read for now, since the node takes nothing."""

    @returns_deferred
    async def test_stalled_upload(self) -> None:
        """A client that leaves is found out, and the node's request reset, in seconds."""
        reset_at: list[float] = []
        left, gone = threading.Event(), threading.Event()

        def serve(node: socket.socket) -> None:
            read_head(node)
            left.wait(20)
            # Only the kernel is asked, so that the node still takes nothing of the upload.
            poller = select.poll()
            poller.register(node, 0)
            if poller.poll(20_000):
                reset_at.append(time.monotonic())
            gone.set()

        def upload() -> float:
            client = self.connect()
            client.settimeout(1)
            client.sendall(self.add_request(b"Content-Length: 1000000000"))
            with contextlib.suppress(TimeoutError):
                while True:
                    client.sendall(BLOCK)
            left_at = time.monotonic()
            reset(client)
            left.set()
            gone.wait(25)
            return left_at

        self.start(serve)
        await self.listen()
        left_at = await deferToThread(upload)
        self.assertEqual(len(reset_at), 1, "the node was not told")
        self.assertLess(reset_at[0] - left_at, LOOK_S + 3)


HalfCloseTestsOnUvloop = on_uvloop(HalfCloseTests, __name__)
UnreadTestsOnUvloop = on_uvloop(UnreadTests, __name__)
