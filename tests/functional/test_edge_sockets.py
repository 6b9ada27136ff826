"""The edge on real sockets: large bodies at flat memory, and ends that cannot be mistaken.

Client and backend are blocking sockets in threads; the edge runs in the test's reactor.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from twisted.internet import defer, reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from nexus.config.sections import EdgeConfig, JWTConfig, TCPListen
from nexus.coroutines import returns_deferred
from nexus.dialling import dialling_endpoint
from nexus.edge.edge import Edge
from nexus.edge.splice import kernel_splicer
from nexus.interfaces import INetworkStatus
from nexus.listening import bind
from nexus.model import AccessRules, Address, NetworkState, NetworkStatus, RouteTarget
from nexus.registry import Registry
from nexus.secrets import Secret
from nexus.tokens import TokenVerifier, issue_token
from tests.on_uvloop import on_uvloop

T = TypeVar("T")

MIB = 1024 * 1024
BODY_MIB = 128
GROWTH_MAX = 24 * MIB
"""How much the process may grow while a body passes: socket and transport buffers, and what the allocator keeps."""

SECRET = Secret("s" * 32)
BLOCK = bytes(range(256)) * 256
"""64 KiB."""


@implementer(INetworkStatus)
class NoStatus:
    """Nobody asks."""

    def network_status(self, network: str) -> defer.Deferred[NetworkStatus]:
        """See `INetworkStatus.network_status`."""
        return defer.succeed(NetworkStatus(network=network, state=NetworkState.ONLINE))

    def target_unreachable(self, network: str, generation: int) -> None:
        """See `INetworkStatus.target_unreachable`."""


class Backend:
    """A node: one thread that accepts, and one for each connection, which runs `serve`."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self.serve = serve
        self.failures: list[BaseException] = []
        self.accepted = 0
        self._connections: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop accepting, end what is open, and wait for the threads to end."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            connection.settimeout(30)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        self._connections.add(connection)
        with connection:
            try:
                self.serve(connection)
            except BaseException as error:  # a thread's border: the test looks at it
                self.failures.append(error)
            self._connections.discard(connection)


def read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """A head, and what came behind it; both empty at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b"", b""
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def read_to_end(connection: socket.socket) -> tuple[bytes, str]:
    """All that comes, and whether a `fin` or an `rst` ended it."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        return data, "rst"
    return data, "fin"


def reset(connection: socket.socket) -> None:
    """Close with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def resident_bytes() -> int:
    """This process's memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def send_blocks(connection: socket.socket) -> None:
    """Send the whole body."""
    for _ in range(BODY_MIB * 16):
        connection.sendall(BLOCK)


class Unchunk:
    """Counts and digests the payload of a chunked body, piece by piece."""

    def __init__(self) -> None:
        self.digest = hashlib.blake2b()
        self.length = 0
        self.done = False
        self._pending = b""

    def feed(self, data: bytes) -> None:
        """Take some more."""
        data = self._pending + data
        while not self.done:
            line, mark, rest = data.partition(b"\r\n")
            size = int(line, 16) if mark else 0
            if not mark or len(rest) < size + 2:
                break
            self.digest.update(rest[:size])
            self.length += size
            self.done = size == 0
            data = rest[size + 2 :]
        self._pending = data


class EdgeSocketsTestCase(TestCase):
    """An edge that listens on a free port, before one backend.

    :cvar splice_bytes_min: from where on it splices; 0 never.
    """

    timeout = 120
    splice_bytes_min = 256 * 1024

    def start(self, serve: Callable[[socket.socket], None], **changes: object) -> Backend:
        """A network `demo` whose node is played by `serve`, and an edge with `changes` to its configuration."""
        backend = Backend(serve)
        self.addCleanup(backend.close)
        self.backend = backend
        self.registry = Registry()
        self.publish("c")
        self.splicer = kernel_splicer(reactor)
        self.edge = Edge(
            config=EdgeConfig(
                listen=(),
                drain_timeout_s=1.0,
                splice_bytes_min=self.splice_bytes_min,
                **changes,  # type: ignore[arg-type]
            ),
            instance="sockets",
            clock=reactor,
            registry=self.registry,
            verifier=TokenVerifier(JWTConfig(), SECRET, time.time, "localhost"),
            status=NoStatus(),
            connect=lambda address: dialling_endpoint(reactor, address, 10),
            splicer=self.splicer,
        )
        self.token = issue_token(
            JWTConfig(), SECRET, user="alice", lifetime_s=600, default_audience="localhost", now=time.time()
        )
        return backend

    def publish(self, container_id: str) -> None:
        """The route to the backend, of a new generation for each container."""
        address = self.backend.address
        self.registry.publish(
            "demo",
            rules=AccessRules(users=frozenset({"alice"}), gateway_public=True),
            state=NetworkState.ONLINE,
            targets=(RouteTarget(index=0, api=address, gateway=address, rpc_bearer=None, container_id=container_id),),
        )

    async def listen(self, host: str = "127.0.0.1", user_timeout_s: float = 0.0) -> None:
        """Accept clients from now on."""
        edge = self.edge
        bound = bind("edge.listen", TCPListen(host, 0), user_timeout_s)
        self.port = bound.port
        port = await bound.accept_streams(reactor, edge.factory)  # type: ignore[arg-type]

        @returns_deferred
        async def stop() -> None:
            await defer.maybeDeferred(port.stopListening)
            await edge.drain()

        self.addCleanup(stop)

    def connect(self) -> socket.socket:
        """A client's connection."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        self.addCleanup(client.close)
        return client

    def gateway_request(self, version: bytes = b"1.1") -> bytes:
        """A request to the gateway."""
        return b"GET /x HTTP/%b\r\nHost: demo.gateway.localhost\r\n\r\n" % version

    def add_request(self, *lines: bytes) -> bytes:
        """A member's upload, without its body."""
        return b"".join(
            line + b"\r\n"
            for line in (
                b"POST /api/v0/add HTTP/1.1",
                b"Host: demo.api.localhost",
                b"Authorization: Bearer " + self.token.encode(),
                *lines,
                b"",
            )
        )

    async def run_flat(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread, and fail if the process has grown by more than buffers meanwhile."""
        gc.collect()
        peak = before = resident_bytes()
        working: defer.Deferred[T] = deferToThread(work)
        while not working.called:
            await deferLater(reactor, 0.05)
            peak = max(peak, resident_bytes())
        self.assertLess(peak - before, GROWTH_MAX)
        return await working


class FlatMemoryTests(EdgeSocketsTestCase):
    """Bodies of any size pass at the same memory."""

    @returns_deferred
    async def test_down(self) -> None:
        """Down, of known length and chunked, every byte right."""
        for chunked in (False, True):

            def serve(node: socket.socket, chunked: bool = chunked) -> None:
                read_head(node)
                framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (BODY_MIB * MIB)
                node.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
                for _ in range(BODY_MIB * 16):
                    node.sendall(b"10000\r\n" + BLOCK + b"\r\n" if chunked else BLOCK)
                node.sendall(b"0\r\n\r\n" if chunked else b"")

            def read() -> str:
                client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                client.request("GET", "/x", headers={"Host": "demo.gateway.localhost"})
                digest = hashlib.blake2b()
                response = client.getresponse()
                while piece := response.read(65536):
                    digest.update(piece)
                client.close()
                return digest.hexdigest()

            self.start(serve)
            await self.listen()
            self.assertEqual(await self.run_flat(read), self.expected())

    @returns_deferred
    async def test_up(self) -> None:
        """Up, of known length and chunked, every byte right."""
        for chunked in (False, True):
            received = Unchunk()

            def serve(node: socket.socket, received: Unchunk = received, chunked: bool = chunked) -> None:
                _, data = read_head(node)
                while received.length < BODY_MIB * MIB or (chunked and not received.done):
                    if chunked:
                        received.feed(data)
                    else:
                        received.digest.update(data)
                        received.length += len(data)
                    if received.length < BODY_MIB * MIB or (chunked and not received.done):
                        data = node.recv(262144)
                node.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

            def send(chunked: bool = chunked) -> bytes:
                client = self.connect()
                framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (BODY_MIB * MIB)
                client.sendall(self.add_request(framing))
                for _ in range(BODY_MIB * 16):
                    client.sendall(b"10000\r\n" + BLOCK + b"\r\n" if chunked else BLOCK)
                client.sendall(b"0\r\n\r\n" if chunked else b"")
                return read_head(client)[0]

            backend = self.start(serve)
            await self.listen()
            answer = await self.run_flat(send)
            self.assertEqual(backend.failures, [])
            self.assertTrue(answer.startswith(b"HTTP/1.1 200"))
            self.assertEqual(received.digest.hexdigest(), self.expected())

    @returns_deferred
    async def test_both_at_once(self) -> None:
        """Up and down in one exchange: what comes in goes back out while it is still coming."""

        def serve(node: socket.socket) -> None:
            _, data = read_head(node)
            node.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (BODY_MIB * MIB))
            left = BODY_MIB * MIB
            while left:
                node.sendall(data)
                left -= len(data)
                data = node.recv(262144) if left else b""

        def echo() -> str:
            client = self.connect()
            client.sendall(self.add_request(b"Content-Length: %d" % (BODY_MIB * MIB)))
            sender = threading.Thread(target=send_blocks, args=(client,), daemon=True)
            sender.start()
            digest = hashlib.blake2b()
            _, data = read_head(client)
            left = BODY_MIB * MIB
            while left:
                digest.update(data)
                left -= len(data)
                data = client.recv(262144) if left else b""
            sender.join(10)
            return digest.hexdigest()

        self.start(serve)
        await self.listen()
        self.assertEqual(await self.run_flat(echo), self.expected())

    @returns_deferred
    async def test_stalled_reader(self) -> None:
        """A client that does not read stops the node's sending, at no more than what sockets hold."""
        sent = [0]
        stalled = threading.Event()

        def serve(node: socket.socket) -> None:
            read_head(node)
            node.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_MIB * MIB))
            node.settimeout(1.5)
            try:
                for _ in range(BODY_MIB * 16):
                    node.sendall(BLOCK)
                    sent[0] += len(BLOCK)
            except TimeoutError:
                stalled.set()

        def stall() -> bool:
            client = self.connect()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.sendall(self.gateway_request())
            return stalled.wait(20)

        self.start(serve)
        await self.listen()
        self.assertTrue(await self.run_flat(stall), "the node could send all of it")
        self.assertLess(sent[0], 32 * MIB)

    def expected(self) -> str:
        """The digest of the whole body."""
        digest = hashlib.blake2b()
        for _ in range(BODY_MIB * 16):
            digest.update(BLOCK)
        return digest.hexdigest()


class CopiedFlatMemoryTests(FlatMemoryTests):
    """Likewise where nothing is spliced."""

    splice_bytes_min = 0


class AbortTests(EdgeSocketsTestCase):
    """A cut message ends by RST, in whatever framing."""

    @returns_deferred
    async def test_node_cuts(self) -> None:
        """The client sees a reset: length, chunked, close-delimited; for clients of HTTP/1.1 and 1.0."""
        for framing, leaves in (
            (b"Content-Length: 100\r\n\r\nabc", (reset, socket.socket.close)),
            (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", (reset, socket.socket.close)),
            (b"\r\nabc", (reset,)),
        ):
            for leave in leaves:
                for version in (b"1.1", b"1.0"):
                    seen = threading.Event()

                    def serve(
                        node: socket.socket,
                        framing: bytes = framing,
                        leave: Callable[[socket.socket], None] = leave,
                        seen: threading.Event = seen,
                    ) -> None:
                        read_head(node)
                        node.sendall(b"HTTP/1.1 200 OK\r\n" + framing)
                        seen.wait(10)
                        leave(node)

                    def read(version: bytes = version, seen: threading.Event = seen) -> tuple[bytes, str]:
                        client = self.connect()
                        client.sendall(self.gateway_request(version))
                        head, rest = read_head(client)
                        while b"abc" not in rest:
                            rest += client.recv(100)
                        seen.set()
                        more, end = read_to_end(client)
                        return head + rest + more, end

                    self.start(serve)
                    await self.listen()
                    data, end = await deferToThread(read)
                    self.assertEqual(end, "rst", f"{framing!r} {version!r}")
                    self.assertFalse(data.endswith(b"0\r\n\r\n"))

    @returns_deferred
    async def test_whole_close_delimited(self) -> None:
        """An end that is one is told as one."""

        def serve(node: socket.socket) -> None:
            read_head(node)
            node.sendall(b"HTTP/1.1 200 OK\r\n\r\nabc")

        def read(version: bytes) -> tuple[bytes, str]:
            client = self.connect()
            client.sendall(self.gateway_request(version).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            data, end = read_to_end(client)
            return data.partition(b"\r\n\r\n")[2], end

        self.start(serve)
        await self.listen()
        self.assertEqual(await deferToThread(read, b"1.0"), (b"abc", "fin"))
        self.assertEqual(await deferToThread(read, b"1.1"), (b"3\r\nabc\r\n0\r\n\r\n", "fin"))

    @returns_deferred
    async def test_client_leaves(self) -> None:
        """The node sees a reset within a moment of the client's leaving, in mid-upload and while it waits."""
        for body, leave in ((b"abc", socket.socket.close), (b"abc", reset), (b"", socket.socket.close)):
            ends: list[str] = []
            begun, gone = threading.Event(), threading.Event()

            def serve(
                node: socket.socket,
                ends: list[str] = ends,
                begun: threading.Event = begun,
                gone: threading.Event = gone,
            ) -> None:
                read_head(node)
                begun.set()
                ends.append(read_to_end(node)[1])
                gone.set()

            def start_and_leave(
                body: bytes = body,
                leave: Callable[[socket.socket], None] = leave,
                begun: threading.Event = begun,
                gone: threading.Event = gone,
            ) -> float:
                client = self.connect()
                client.sendall(self.add_request(b"Content-Length: 10") + body if body else self.gateway_request())
                begun.wait(10)
                left_at = time.monotonic()
                leave(client)
                gone.wait(10)
                return time.monotonic() - left_at

            self.start(serve)
            await self.listen()
            self.assertLess(await deferToThread(start_and_leave), 1.0)
            self.assertEqual(ends, ["rst"])


class ConnectionTests(EdgeSocketsTestCase):
    """Connections that are kept, and such as end."""

    @returns_deferred
    async def test_keep_alive(self) -> None:
        """Many requests of one client go over one connection on either side, RPC calls included."""

        def serve(node: socket.socket) -> None:
            while read_head(node)[0]:
                node.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        def call() -> list[bytes]:
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            bodies = []
            for _ in range(20):
                headers = {"Host": "demo.api.localhost", "Authorization": f"Bearer {self.token}"}
                client.request("POST", "/api/v0/id", headers=headers)
                bodies.append(client.getresponse().read())
            client.close()
            return bodies

        backend = self.start(serve)
        await self.listen()
        self.assertEqual(await deferToThread(call), [b"ok"] * 20)
        self.assertEqual(backend.accepted, 1)
        self.assertEqual(self.edge.counters.client_connections, 1)

    @returns_deferred
    async def test_node_closes_idle_connections(self) -> None:
        """A node that closes each connection behind its answer, without saying so, costs no POST."""

        def serve(node: socket.socket) -> None:
            read_head(node)
            node.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        def call() -> list[int]:
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            statuses = []
            for _ in range(50):
                headers = {"Host": "demo.api.localhost", "Authorization": f"Bearer {self.token}"}
                client.request("POST", "/api/v0/id", headers=headers)
                response = client.getresponse()
                response.read()
                statuses.append(response.status)
                time.sleep(0.002)
            client.close()
            return statuses

        self.start(serve)
        await self.listen()
        self.assertEqual(await deferToThread(call), [200] * 50)

    @returns_deferred
    async def test_answer_in_mid_upload(self) -> None:
        """A client that sends its whole body before it reads gets to read the answer that came long before."""

        def upload() -> bytes:
            client = self.connect()
            client.sendall(
                b"POST /api/v0/add HTTP/1.1\r\nHost: demo.api.localhost\r\nContent-Length: %d\r\n\r\n" % (16 * MIB)
            )
            time.sleep(0.2)
            for _ in range(16 * 16):
                client.sendall(BLOCK)
            return read_to_end(client)[0]

        self.start(lambda node: None)
        await self.listen()
        self.assertTrue((await deferToThread(upload)).startswith(b"HTTP/1.1 401 "))


FlatMemoryTestsOnUvloop = on_uvloop(FlatMemoryTests, __name__)
CopiedFlatMemoryTestsOnUvloop = on_uvloop(CopiedFlatMemoryTests, __name__)
AbortTestsOnUvloop = on_uvloop(AbortTests, __name__)
ConnectionTestsOnUvloop = on_uvloop(ConnectionTests, __name__)
