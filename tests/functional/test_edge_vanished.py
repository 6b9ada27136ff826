"""Peers that vanish, and peers that only stall: the kernel tells them apart as the edge expects it to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import cast

from twisted.internet.threads import deferToThread
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from nexus import socket_options
from nexus.coroutines import returns_deferred
from nexus.edge import access_log, client_stream
from tests.functional.remote_host import EDGE_ADDRESS, RemoteHost
from tests.functional.test_edge_sockets import BLOCK, EdgeSocketsTestCase, read_head, read_to_end
from tests.on_uvloop import on_uvloop

SUBSCRIBE = """
    import socket, sys
    client = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    client.sendall(sys.argv[3].encode("latin-1"))
    print(client.recv(65536)[:12].decode(), flush=True)
    sys.stdin.read()
"""
"""A client that sends its request, says when the answer has begun, and keeps the connection open."""


class TimedSocketsTestCase(EdgeSocketsTestCase):
    """An edge that is quick to lose patience."""

    def setUp(self) -> None:
        self.patch(socket_options, "KEEP_ALIVE_IDLE_S", 1)
        self.patch(socket_options, "KEEP_ALIVE_INTERVAL_S", 1)
        self.patch(socket_options, "KEEP_ALIVE_PROBES", 2)
        self.patch(client_stream, "LOOK_S", 0.2)
        self.patch(access_log, "RECORDS_MAX", 1)
        self.ended: list[str] = []
        observer = cast(ILogObserver, self._observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def _observe(self, event: LogEvent) -> None:
        if event.get("log_namespace") == "nexus.edge.access":
            self.ended.append(event["lines"].split()[-1])

    async def listen_at(self, host: str) -> None:
        """Accept clients, with the user timeout that the configuration gives them."""
        await self.listen(host, client_stream.client_user_timeout_s(self.edge._config))


class VanishedClientTests(TimedSocketsTestCase):
    """Clients from which nothing comes any more: no FIN, no RST, no acknowledgement."""

    async def vanish(self, then: Callable[[socket.socket], None]) -> None:
        """A subscriber vanishes; `then` is what the node does after it."""
        remote = RemoteHost(self)
        ends: list[str] = []
        vanished, gone = threading.Event(), threading.Event()

        def serve(node: socket.socket) -> None:
            read_head(node)
            node.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            vanished.wait(20)
            then(node)
            ends.append(read_to_end(node)[1])
            gone.set()

        def live() -> None:
            request = self.add_request(b"Content-Length: 0").replace(b"/add", b"/pubsub/sub")
            client = remote.run(SUBSCRIBE, EDGE_ADDRESS, str(self.port), request.decode())
            assert client.stdout is not None
            self.assertEqual(client.stdout.readline(), b"HTTP/1.1 200\n")
            remote.vanish()
            vanished.set()
            self.assertTrue(gone.wait(20), "the node still serves a client that is no more")

        self.start(serve, send_timeout_s=2.0)
        await self.listen_at(EDGE_ADDRESS)
        await deferToThread(live)
        self.assertEqual(ends, ["rst"])
        self.assertEqual(self.ended, ["client_gone"])

    @returns_deferred
    async def test_silent_stream(self) -> None:
        """One that listens to a silent `pubsub/sub` is found by keep-alive probes, and the node is told."""
        await self.vanish(lambda node: None)

    @returns_deferred
    async def test_unacknowledged(self) -> None:
        """One that owes an acknowledgement, to which no probes are sent, is found by the user timeout."""
        await self.vanish(lambda node: node.sendall(b"1\r\nx\r\n"))


class StalledPeerTests(TimedSocketsTestCase):
    """Peers that are there, and take nothing."""

    @returns_deferred
    async def test_silent_client(self) -> None:
        """A client that is there is never taken for one that vanished, however silent its stream is."""

        def serve(node: socket.socket) -> None:
            read_head(node)
            node.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
            time.sleep(5)  # silence is what is tested
            node.sendall(b"b")

        def read() -> tuple[bytes, str]:
            client = self.connect()
            client.sendall(self.add_request(b"Content-Length: 0", b"Connection: close"))
            return read_to_end(client)

        self.start(serve, send_timeout_s=2.0)
        await self.listen_at("127.0.0.1")
        data, end = await deferToThread(read)
        self.assertEqual((data[-2:], end, self.ended), (b"ab", "fin", ["complete"]))

    @returns_deferred
    async def test_node_that_stalls(self) -> None:
        """A node that takes nothing of an upload for a while gets all of it in the end: it may be at work."""
        size = 128 * len(BLOCK)
        taken: list[int] = []

        def serve(node: socket.socket) -> None:
            _, rest = read_head(node)
            time.sleep(6)  # longer than any time that clients are given here
            count = len(rest)
            while count < size:
                count += len(node.recv(len(BLOCK)))
            taken.append(count)
            node.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        def upload() -> bytes:
            client = self.connect()
            client.sendall(self.add_request(b"Content-Length: %d" % size, b"Connection: close"))
            for _ in range(128):
                client.sendall(BLOCK)
            return read_to_end(client)[0]

        self.start(serve, send_timeout_s=2.0, body_idle_timeout_s=1.0)
        await self.listen_at("127.0.0.1")
        self.assertTrue((await deferToThread(upload)).startswith(b"HTTP/1.1 200 "))
        self.assertEqual(taken, [size])

    @returns_deferred
    async def test_client_that_takes_nothing(self) -> None:
        """A client that takes nothing of its answer for `send_timeout_s` is reset, and the log says why."""
        ends: list[str] = []

        def serve(node: socket.socket) -> None:
            read_head(node)
            try:
                node.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    node.sendall(BLOCK)
            except OSError:
                ends.append("cut")

        def stall() -> str:
            client = self.connect()
            client.sendall(self.gateway_request())
            while not ends:
                time.sleep(0.05)  # a client that reads nothing has no event to wait for
            return read_to_end(client)[1]

        self.start(serve, send_timeout_s=2.0)
        await self.listen_at("127.0.0.1")
        self.assertEqual(await deferToThread(stall), "rst")
        self.assertEqual((ends, self.ended), (["cut"], ["send_timeout"]))

    @returns_deferred
    async def test_client_that_is_slow(self) -> None:
        """One that takes a little now and then gets all of it, although that takes longer."""
        size = 24 * 1024 * 1024

        def serve(node: socket.socket) -> None:
            read_head(node)
            node.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // len(BLOCK)):
                node.sendall(BLOCK)

        def read() -> int:
            client = self.connect()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
            client.sendall(self.gateway_request())
            _, rest = read_head(client)
            count = len(rest)
            for _ in range(6):
                time.sleep(0.8)  # slow is what is tested
                piece = client.recv(512 * 1024)
                count += len(piece)
            while count < size:
                count += len(client.recv(512 * 1024))
            return count

        self.start(serve, send_timeout_s=2.0)
        await self.listen_at("127.0.0.1")
        self.assertEqual(await deferToThread(read), size)


VanishedClientTestsOnUvloop = on_uvloop(VanishedClientTests, __name__)
StalledPeerTestsOnUvloop = on_uvloop(StalledPeerTests, __name__)
