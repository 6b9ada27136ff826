"""Both ways of an exchange, and tunnels, on real sockets: each with its own end, and ends that mean what they say."""

from __future__ import annotations

import contextlib
import socket
import threading

from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from nexus.coroutines import returns_deferred
from tests.functional.test_edge_sockets import BLOCK, EdgeSocketsTestCase, read_head, read_to_end, reset
from tests.functional.test_splice import SWITCH, UPGRADE
from tests.on_uvloop import on_uvloop


def read_until(connection: socket.socket, mark: bytes, data: bytes = b"") -> bytes:
    """All that comes up to `mark`, behind `data`."""
    while mark not in data:
        piece = connection.recv(65536)
        if not piece:
            raise EOFError(data)
        data += piece
    return data


class UploadTests(EdgeSocketsTestCase):
    """Answers that do not wait for their requests."""

    @returns_deferred
    async def test_progress(self) -> None:
        """`Connection: close` in an answer that begins in mid-upload cuts neither of them, and trailers pass both
        ways."""
        taken: list[bytes] = []

        def serve(node: socket.socket) -> None:
            _, data = read_head(node)
            data = read_until(node, b"one", data)
            node.sendall(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Stream-Error\r\n\r\n"
                b"2\r\n10\r\n"
            )
            data = read_until(node, b"\r\n\r\n", data)
            taken.append(data)
            node.sendall(b"2\r\n20\r\n0\r\nX-Stream-Error: late\r\n\r\n")

        def upload() -> bytes:
            client = self.connect()
            client.sendall(self.add_request(b"Transfer-Encoding: chunked", b"Trailer: X-Sum") + b"3\r\none\r\n")
            data = read_until(client, b"2\r\n10\r\n")
            client.sendall(b"3\r\ntwo\r\n0\r\nX-Sum: 1\r\n\r\n")
            return read_until(client, b"X-Stream-Error: late\r\n\r\n", data)

        self.start(serve)
        await self.listen()
        data = await deferToThread(upload)
        self.assertNotIn(b"Connection: close", data)
        self.assertEqual(taken, [b"3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 1\r\n\r\n"])
        self.assertEqual(self.edge.counters.ended, {"complete": 1})

    @returns_deferred
    async def test_answer_that_ends_with_the_nodes_half(self) -> None:
        """An answer of HTTP/1.0 in mid-upload is complete with the node's half, and the node gets the rest."""
        taken: list[bytes] = []

        def serve(node: socket.socket) -> None:
            _, data = read_head(node)
            data = read_until(node, b"one", data)
            node.sendall(b"HTTP/1.0 200 OK\r\n\r\nhash")
            node.shutdown(socket.SHUT_WR)
            taken.append(read_until(node, b"two", data))

        def upload() -> bytes:
            client = self.connect()
            client.sendall(self.add_request(b"Content-Length: 6") + b"one")
            data = read_until(client, b"4\r\nhash\r\n0\r\n\r\n")
            client.sendall(b"two" + self.add_request(b"Content-Length: 3") + b"one")
            return read_until(client, b"hash", data[-1:])

        self.start(serve)
        await self.listen()
        await deferToThread(upload)
        self.assertEqual(taken[0], b"onetwo")

    @returns_deferred
    async def test_refused_and_closed(self) -> None:
        """A node that refuses an upload and closes, as Go's servers do: the client gets to read the refusal, however
        much it sends."""
        read = threading.Event()

        def serve(node: socket.socket) -> None:
            read_head(node)
            node.sendall(b"HTTP/1.1 413 Too Big\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
            node.shutdown(socket.SHUT_WR)
            read.wait(10)

        def upload() -> tuple[bytes, str]:
            client = self.connect()
            client.sendall(self.add_request(b"Content-Length: 1000000000"))
            for _ in range(64):
                client.sendall(BLOCK)
            data = read_to_end(client)
            read.set()
            return data

        self.start(serve)
        await self.listen()
        data, end = await deferToThread(upload)
        self.assertTrue(data.startswith(b"HTTP/1.1 413 "))
        self.assertTrue(data.endswith(b"no"))
        self.assertEqual(end, "fin")

    @returns_deferred
    async def test_stolen_answer(self) -> None:
        """What a node sends on a kept connection, just before somebody's POST goes out on it, is nobody's answer."""
        connections: list[socket.socket] = []

        def serve(node: socket.socket) -> None:
            node.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connections.append(node)
            while read_head(node)[0]:
                node.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")

        def ask(client: socket.socket) -> bytes:
            client.sendall(request)
            return read_until(client, b"good")

        self.start(serve)
        await self.listen()
        request = self.add_request(b"Content-Length: 0")
        for _ in range(20):
            client = self.connect()
            self.assertTrue((await deferToThread(ask, client)).endswith(b"good"))
            # In this turn of the reactor, so that nobody has told of it when the next request comes.
            connections[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            client.sendall(request)
            data = await deferToThread(read_until, client, b"\r\n\r\n")
            while not data.endswith(b"d") and not data.endswith(b"l"):
                data += await deferToThread(client.recv, 10)
            self.assertTrue(data.endswith(b"good"), data)
            client.close()


class TunnelTests(EdgeSocketsTestCase):
    """Websockets."""

    @returns_deferred
    async def test_early_bytes(self) -> None:
        """What either side sends before it knows that the tunnel is there arrives, in order."""
        taken: list[bytes] = []

        def serve(node: socket.socket) -> None:
            _, data = read_head(node)
            node.sendall(SWITCH + b"welcome")
            taken.append(read_until(node, b"early, late", data))
            node.sendall(b"bye")

        def talk() -> tuple[bytes, str]:
            client = self.connect()
            client.sendall(UPGRADE + b"early, ")
            data = read_until(client, b"welcome")
            client.sendall(b"late")
            rest, end = read_to_end(client)
            return data + rest, end

        self.start(serve)
        await self.listen()
        data, end = await deferToThread(talk)
        self.assertTrue(data.startswith(b"HTTP/1.1 101 Switching Protocols\r\n"))
        self.assertTrue(data.endswith(b"\r\n\r\nwelcomebye"))
        self.assertEqual((taken, end), ([b"early, late"], "fin"))

    @returns_deferred
    async def test_half_close(self) -> None:
        """Each side may end first, and gets what the other still sends."""
        for first in ("client", "node"):
            ends: list[tuple[bytes, str]] = []
            over = threading.Event()

            def lead(connection: socket.socket) -> tuple[bytes, str]:
                connection.sendall(b"done")
                connection.shutdown(socket.SHUT_WR)
                return read_to_end(connection)

            def follow(connection: socket.socket) -> tuple[bytes, str]:
                taken = read_to_end(connection)
                connection.sendall(b"as well")
                connection.shutdown(socket.SHUT_WR)
                return taken

            def serve(
                node: socket.socket,
                first: str = first,
                ends: list[tuple[bytes, str]] = ends,
                over: threading.Event = over,
            ) -> None:
                read_head(node)
                node.sendall(SWITCH)
                ends.append((lead if first == "node" else follow)(node))
                over.set()

            def talk(first: str = first) -> tuple[bytes, str]:
                client = self.connect()
                client.sendall(UPGRADE)
                _, early = read_head(client)
                data, end = (lead if first == "client" else follow)(client)
                return early + data, end

            self.start(serve)
            await self.listen()
            ends.append(await deferToThread(talk))
            await deferToThread(over.wait, 10)
            self.assertEqual(sorted(ends), [(b"as well", "fin"), (b"done", "fin")])
            self.assertEqual(self.edge.counters.ended, {"complete": 1})
            self.assertEqual(self.edge.counters.tunnels_open, 0)

    @returns_deferred
    async def test_resets(self) -> None:
        """A reset of either side, or a changed route, resets the other."""
        for event in ("client", "node", "route"):
            ends: list[str] = []
            there, over = threading.Event(), threading.Event()

            def serve(
                node: socket.socket,
                event: str = event,
                ends: list[str] = ends,
                there: threading.Event = there,
                over: threading.Event = over,
            ) -> None:
                read_head(node)
                node.sendall(SWITCH)
                there.wait(10)
                if event == "node":
                    reset(node)
                else:
                    ends.append(read_to_end(node)[1])
                over.set()

            def talk(event: str = event, ends: list[str] = ends, there: threading.Event = there) -> None:
                client = self.connect()
                client.sendall(UPGRADE)
                read_head(client)
                there.set()
                if event == "client":
                    reset(client)
                    return
                if event == "route":
                    reactor.callFromThread(self.publish, "other")  # type: ignore[attr-defined]
                ends.append(read_to_end(client)[1])

            self.start(serve)
            await self.listen()
            await deferToThread(talk)
            await deferToThread(over.wait, 10)
            self.assertEqual(ends, ["rst"] * (2 if event == "route" else 1), event)

    @returns_deferred
    async def test_other_protocols(self) -> None:
        """h2c, and a 101 to somebody who did not ask, come to nothing (CVE-2026-88008)."""
        heads: list[bytes] = []

        def serve(node: socket.socket) -> None:
            head, _ = read_head(node)
            heads.append(head.lower())
            node.sendall(SWITCH)
            with contextlib.suppress(ConnectionResetError):
                node.recv(1)

        def ask() -> bytes:
            client = self.connect()
            client.sendall(
                b"GET / HTTP/1.1\r\nHost: demo.gateway.localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
            )
            return read_head(client)[0]

        self.start(serve)
        await self.listen()
        self.assertTrue((await deferToThread(ask)).startswith(b"HTTP/1.1 502 "))
        self.assertEqual(len(heads), 1)
        self.assertNotIn(b"upgrade", heads[0])
        self.assertNotIn(b"http2-settings", heads[0])


UploadTestsOnUvloop = on_uvloop(UploadTests, __name__)
TunnelTestsOnUvloop = on_uvloop(TunnelTests, __name__)
