"""Bodies and tunnels that pass inside the kernel: the right bytes or an abort, and nothing left behind.

Client and backend are blocking sockets in threads; the edge runs in the test's reactor, and splices from 64 KiB on.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from nexus.coroutines import returns_deferred
from nexus.edge.pipes import PIPES_MAX
from tests.functional.test_edge_sockets import EdgeSocketsTestCase, read_head, reset
from tests.on_uvloop import on_uvloop

KIB = 1024
MIB = 1024 * KIB
ROUNDS = 60
BYTES = random.Random(4).randbytes(8 * MIB)  # noqa: S311
"""Bodies are its beginnings: a byte at a wrong place shows."""

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: demo.gateway.localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Side:
    """What one end of an exchange does, and what became of it.

    :ivar sends: how much it sends, and then `leaves`, if it does.
    :ivar leaves: how it ends its connection then: `fin`, `rst`, or not.
    :ivar expects: how much it waits for; None: until the end.
    :ivar leaves_at: how much it takes before it leaves instead.
    :ivar received: what it got, `end` how that ended: `whole`, `left`, `fin`, `rst` or
        `never began`.
    """

    sends: int = 0
    leaves: str | None = None
    expects: int | None = 0
    leaves_at: int | None = None
    pause_s: float = 0.0
    piece_bytes: int = 256 * KIB
    received: bytearray = field(default_factory=bytearray)
    end: str = "never began"
    has_begun: bool = False

    def run(self, connection: socket.socket, early: bytes = b"") -> None:
        """Send and receive at once."""
        self.has_begun = True
        self.received += early
        connection.setblocking(False)
        try:
            self.end = self._talk(connection)
        except OSError:
            self.end = "rst"
        if connection.fileno() != -1:
            connection.settimeout(30)

    def _talk(self, connection: socket.socket) -> str:
        sent = 0
        end = ""
        has_left = self.leaves is None or self.leaves_at is not None
        while True:
            if self.leaves_at is not None and len(self.received) >= self.leaves_at:
                self._leave(connection)
                return "left"
            if not end and self.expects is not None and len(self.received) >= self.expects:
                end = "whole"
            if sent == self.sends and not has_left:
                has_left = True
                if self._leave(connection) == "rst":
                    return "left"
            if sent == self.sends and end:
                return end
            readable, writable, _ = select.select(
                [] if end else [connection], [connection] if sent < self.sends else [], [], 30
            )
            if not (readable or writable):
                return "timeout"
            if writable:
                sent += connection.send(BYTES[sent : min(self.sends, sent + self.piece_bytes)])
            if readable:
                left = self.piece_bytes if self.expects is None else self.expects - len(self.received)
                data = connection.recv(min(self.piece_bytes, left))
                end = "" if data else "fin"
                self.received += data
            time.sleep(self.pause_s)

    def _leave(self, connection: socket.socket) -> str:
        if self.leaves == "fin":
            connection.shutdown(socket.SHUT_WR)
            return "left"
        reset(connection)
        return "rst"


class SpliceTestCase(EdgeSocketsTestCase):
    """An edge that splices early, and clients and nodes that send and receive as they are told."""

    splice_bytes_min = 64 * KIB

    generation = 0

    def renew(self, serve: Callable[[socket.socket, bytes], None]) -> None:
        """Let `serve` have connections to the node from now on, and what came behind the first head, and nobody a kept
        one. A request of before that the backend only sees now is nobody's."""
        self.generation += 1
        mark = self.mark

        def serve_ours(connection: socket.socket) -> None:
            head, early = read_head(connection)
            if mark in head:
                serve(connection, early)

        self.backend.serve = serve_ours
        self.publish(f"c{self.generation}")

    @property
    def mark(self) -> bytes:
        """What is in each request of this generation."""
        return b"X-Generation: %d\r\n" % self.generation

    def get(self) -> bytes:
        """A request to the gateway."""
        return self.gateway_request()[:-2] + self.mark + b"\r\n"

    def put(self, size: int) -> bytes:
        """An upload, without its body."""
        return self.add_request(b"Content-Length: %d" % size)[:-2] + self.mark + b"\r\n"

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until `condition` is true."""
        for _ in range(1000):
            if condition():
                return
            await deferLater(reactor, 0.01)
        self.fail(f"never: {what}")

    async def settled(self, *sides: Side) -> None:
        """Wait until the exchange is over for all."""
        await self.until(lambda: self.edge.counters.requests_in_flight == 0, "the exchange over")
        for side in sides:
            await self.until(lambda side=side: side.end != "never began" or not side.has_begun, "a side done")  # type: ignore[misc]

    async def check_nothing_is_left(self) -> None:
        """No splice, and no pipe with bytes in it."""
        splicer = self.splicer
        assert splicer is not None
        await self.until(lambda: splicer.open_count == 0, "no splice left")
        idle = splicer.pipes.idle
        self.assertEqual(splicer.pipes.open_count, len(idle))
        self.assertEqual(select.select([pipe.reader for pipe in idle], [], [], 0)[0], [], "bytes in an idle pipe")

    async def download(self, node: Side, client: Side, size: int, *, again: bool = True) -> None:
        """One response of `size` bytes, and another request behind it."""

        def serve(connection: socket.socket, _: bytes) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            node.run(connection)
            while read_head(connection)[0]:
                connection.sendall(OK)

        self.renew(serve)

        def read() -> None:
            connection = self.connect()
            connection.sendall(self.get())
            self.run_client(client, connection, b"HTTP/1.1 200 ")
            if again:
                self.ask_again(connection, self.get())
            connection.close()

        await deferToThread(read)

    async def upload(self, client: Side, node: Side, size: int, *, again: bool = True) -> None:
        """One request of `size` bytes, and another behind it."""

        def serve(connection: socket.socket, early: bytes) -> None:
            node.run(connection, early)
            if node.end == "whole":
                connection.sendall(OK.replace(b"Length: 2", b"Length: 0")[:-2])
                while read_head(connection)[0]:
                    connection.sendall(OK)

        self.renew(serve)

        def send() -> None:
            connection = self.connect()
            connection.sendall(self.put(size))
            client.run(connection)
            if again:
                self.assertTrue(read_head(connection)[0].startswith(b"HTTP/1.1 200"))
                self.ask_again(connection, self.put(0))
            connection.close()

        await deferToThread(send)

    def run_client(self, client: Side, connection: socket.socket, begins: bytes) -> None:
        """Let the client do what it does, where the answer is the node's."""
        with contextlib.suppress(ConnectionResetError):
            head, early = read_head(connection)
            if head.startswith(begins):
                client.run(connection, early)

    def ask_again(self, connection: socket.socket, request: bytes) -> None:
        """The connection goes on behind what it was used for."""
        connection.sendall(request)
        _, early = read_head(connection)
        while len(early) < 2:
            early += connection.recv(2)
        assert early == b"ok"

    async def tunnel(self, client: Side, node: Side) -> None:
        """One websocket."""
        node_is_done = threading.Event()

        def serve(connection: socket.socket, early: bytes) -> None:
            connection.sendall(SWITCH)
            node.run(connection, early)
            node_is_done.set()

        self.renew(serve)

        def talk() -> None:
            connection = self.connect()
            connection.sendall(UPGRADE[:-2] + self.mark + b"\r\n")
            self.run_client(client, connection, b"HTTP/1.1 101 ")
            self.assertTrue(not node.has_begun or node_is_done.wait(30))
            connection.close()

        await deferToThread(talk)

    def check_received(self, side: Side, size: int, what: str = "") -> None:
        """All of it, or a beginning of it that cannot be taken for all."""
        self.assertTrue(bytes(side.received) == BYTES[: len(side.received)], f"wrong bytes: {what}")
        if side.end == "whole":
            self.assertEqual(len(side.received), size, what)
        else:
            self.assertIn(side.end, ("left", "rst", "never began"), f"{len(side.received)} of {size}: {what}")


class WholeTests(SpliceTestCase):
    """Nothing interrupts."""

    @returns_deferred
    async def test_sizes(self) -> None:
        """Bodies of every size around what matters are whole, both ways, and the connections go on behind them."""
        self.start(lambda connection: None)
        await self.listen()
        for size in (64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB, 300_001, MIB, MIB + 1, 3 * MIB + 7, 8 * MIB):
            client = Side(expects=size)
            await self.download(Side(sends=size), client, size)
            self.assertEqual(client.end, "whole", size)
            self.check_received(client, size)
            node = Side(expects=size)
            await self.upload(Side(sends=size), node, size)
            self.assertEqual(node.end, "whole", size)
            self.check_received(node, size)
            await self.check_nothing_is_left()

    @returns_deferred
    async def test_slow_sides(self) -> None:
        """A slow reader, or a slow sender, changes nothing."""
        self.start(lambda connection: None)
        await self.listen()
        for slow in (0, 1):
            sides = [Side(sends=6 * MIB, piece_bytes=MIB), Side(expects=6 * MIB)]
            sides[slow].pause_s = 0.002
            sides[slow].piece_bytes = 50_000
            await self.download(sides[0], sides[1], 6 * MIB)
            self.assertEqual(sides[1].end, "whole")
            self.check_received(sides[1], 6 * MIB)
            await self.check_nothing_is_left()

    @returns_deferred
    async def test_late_reader(self) -> None:
        """Nothing overtakes what the edge itself has still to send to a client that takes little at first."""
        self.start(lambda connection: None)
        await self.listen()
        size = 3 * MIB

        def serve(connection: socket.socket, _: bytes) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + BYTES[:size])

        def read() -> bytes:
            connection = socket.socket()
            with connection:
                connection.settimeout(30)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.connect(("127.0.0.1", self.port))
                connection.sendall(self.get())
                time.sleep(0.3)
                _, data = read_head(connection)
                while len(data) < size:
                    data += connection.recv(MIB)
            return data

        self.renew(serve)
        self.assertTrue(await deferToThread(read) == BYTES[:size])
        await self.check_nothing_is_left()

    @returns_deferred
    async def test_is_used(self) -> None:
        """Large bodies really pass inside the kernel: Python sees only their beginnings."""
        self.start(lambda connection: None)
        await self.listen()
        splicer = self.splicer
        assert splicer is not None
        splices: list[int | None] = []
        splice = splicer.splice

        def noting(*arguments: object) -> object:
            splices.append(arguments[2])  # type: ignore[arg-type]
            return splice(*arguments)  # type: ignore[arg-type]

        self.patch(splicer, "splice", noting)
        await self.download(Side(sends=4 * MIB), Side(expects=4 * MIB), 4 * MIB)
        await self.upload(Side(sends=4 * MIB), Side(expects=4 * MIB), 4 * MIB)
        self.assertEqual(len(splices), 2)
        for left in splices:
            self.assertGreater(left or 0, 3 * MIB)

    @returns_deferred
    async def test_both_ways(self) -> None:
        """An exchange whose both bodies are large splices both at once."""
        self.start(lambda connection: None)
        await self.listen()
        size = 6 * MIB
        node, client = Side(sends=size, expects=size), Side(sends=size, expects=size)

        def serve(connection: socket.socket, early: bytes) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
            node.run(connection, early)

        self.renew(serve)

        def talk() -> None:
            connection = self.connect()
            connection.sendall(self.put(size))
            _, early = read_head(connection)
            client.run(connection, early)

        await deferToThread(talk)
        await self.settled(node, client)
        for side in (node, client):
            self.assertEqual(side.end, "whole")
            self.check_received(side, size)
        await self.check_nothing_is_left()

    @returns_deferred
    async def test_pipelined(self) -> None:
        """The request behind a large body, sent with it, is answered behind the first."""
        self.start(lambda connection: None)
        await self.listen()
        size = 2 * MIB
        node = Side(expects=size)

        def serve(connection: socket.socket, early: bytes) -> None:
            node.run(connection, early)
            connection.sendall(OK)
            while read_head(connection)[0]:
                connection.sendall(OK.replace(b"ok", b"no"))

        self.renew(serve)

        def talk() -> bytes:
            connection = self.connect()
            request = self.put(size)
            connection.sendall(request + BYTES[:size] + self.put(0))
            data = b""
            while data.count(b"\r\n\r\n") < 2 or not data.endswith(b"no"):
                data += connection.recv(1000)
            return data

        data = await deferToThread(talk)
        self.assertLess(data.index(b"ok"), data.index(b"no"))
        self.check_received(node, size)

    @returns_deferred
    async def test_response_behind_a_spliced_one(self) -> None:
        """Surplus behind a spliced body reaches nobody."""
        self.start(lambda connection: None)
        await self.listen()
        size = 2 * MIB

        def serve(connection: socket.socket, _: bytes) -> None:
            self.backend.serve = serve_on
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            connection.sendall(BYTES[:size] + OK.replace(b"ok", b"evil"))
            read_head(connection)

        def serve_on(connection: socket.socket) -> None:
            while read_head(connection)[0]:
                connection.sendall(OK)

        self.renew(serve)

        def talk() -> bytes:
            connection = self.connect()
            connection.sendall(self.get())
            _, data = read_head(connection)
            while len(data) < size:
                data += connection.recv(MIB)
            self.ask_again(connection, self.get())
            return data

        self.assertEqual(await deferToThread(talk), BYTES[:size])

    @returns_deferred
    async def test_no_pipes(self) -> None:
        """Where the kernel allows no pipe, or all are in use, bodies are copied."""
        self.start(lambda connection: None)
        await self.listen()
        splicer = self.splicer
        assert splicer is not None
        splicer.pipes.open_count = PIPES_MAX
        client, node = Side(expects=4 * MIB), Side(expects=4 * MIB)
        await self.download(Side(sends=4 * MIB), client, 4 * MIB)
        await self.upload(Side(sends=4 * MIB), node, 4 * MIB)
        self.check_received(client, 4 * MIB)
        self.check_received(node, 4 * MIB)
        self.assertEqual((client.end, node.end), ("whole", "whole"))
        self.assertEqual(splicer.open_count, 0)
        splicer.pipes.open_count = 0

    @returns_deferred
    async def test_tunnel(self) -> None:
        """A tunnel's bytes pass both ways at once, and each end is told behind the last of them."""
        self.start(lambda connection: None)
        await self.listen()
        client = Side(sends=6 * MIB, leaves="fin", expects=None)
        node = Side(sends=5 * MIB, leaves="fin", expects=None)
        await self.tunnel(client, node)
        self.assertEqual((client.end, node.end), ("fin", "fin"))
        self.assertEqual((bytes(client.received), bytes(node.received)), (BYTES[: 5 * MIB], BYTES[: 6 * MIB]))
        await self.until(lambda: self.edge.counters.tunnels_open == 0, "the tunnel over")
        self.assertEqual(self.edge.counters.ended, {"complete": 1})
        self.assertEqual((self.edge.counters.request_bytes, self.edge.counters.response_bytes), (6 * MIB, 5 * MIB))
        await self.check_nothing_is_left()


class InterruptedTests(SpliceTestCase):
    """Anything interrupts, anywhere: the right bytes, or an abort."""

    @returns_deferred
    async def test_bodies(self) -> None:
        """Random sizes, paces and interruptions: what arrives is right, and what is short was cut by RST."""
        self.start(lambda connection: None)
        await self.listen()
        for seed in range(ROUNDS):
            await self._interrupt_body(seed)

    async def _interrupt_body(self, seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311
        size = rng.choice((70_000, 200_000, 1_000_000, 3_000_000, 8_000_000))
        sender = Side(sends=size, piece_bytes=rng.choice((60_000, MIB)))
        taker = Side(expects=size, piece_bytes=rng.choice((60_000, MIB)))
        rng.choice((sender, taker)).pause_s = rng.choice((0.0, 0.0, 0.0005))
        event = rng.choice(("nothing", "sender fin", "sender rst", "taker fin", "taker rst", "route change"))
        who, _, leaves = event.partition(" ")
        if who == "sender":
            sender.sends, sender.leaves = rng.randrange(size), leaves
        elif who == "taker":
            taker.leaves, taker.leaves_at = leaves, rng.randrange(size)
        elif who == "route":
            change = reactor.callLater(rng.random() * 0.02, self.publish, "other")
        relay = rng.choice((self.upload, self.download))
        try:
            await relay(sender, taker, size, again=event == "nothing")
        finally:
            if who == "route" and change.active():
                change.cancel()
        await self.settled(taker)
        what = f"seed {seed}: {event} in a {relay.__name__}"
        self.check_received(taker, size, what)
        if event == "nothing":
            self.assertEqual(taker.end, "whole", what)
        await self.check_nothing_is_left()

    @returns_deferred
    async def test_tunnels(self) -> None:
        """Likewise tunnels: an end comes only behind all that was sent."""
        self.start(lambda connection: None)
        await self.listen()
        for seed in range(ROUNDS):
            await self._interrupt_tunnel(seed)

    async def _interrupt_tunnel(self, seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311
        sides = [
            Side(
                sends=rng.choice((10, 200_000, 5_000_000)),
                leaves="fin",
                expects=None,
                piece_bytes=rng.choice((60_000, MIB)),
            )
            for _ in range(2)
        ]
        rng.choice(sides).pause_s = rng.choice((0.0, 0.0, 0.0005))
        event = rng.choice(("nothing", "rst", "rst behind", "route change"))
        leaver, other = rng.sample(sides, 2)
        if event == "rst":
            leaver.leaves, leaver.leaves_at = "rst", rng.randrange(other.sends)
        elif event == "rst behind":
            leaver.leaves = "rst"
        elif event == "route change":
            change = reactor.callLater(rng.random() * 0.02, self.publish, "other")
        try:
            await self.tunnel(*sides)
        finally:
            if event == "route change" and change.active():
                change.cancel()
        await self.settled(*sides)
        for side, peer in (sides, sides[::-1]):
            what = f"seed {seed}: {event}"
            self.assertEqual(bytes(side.received), BYTES[: len(side.received)], what)
            if side.end == "fin":
                self.assertEqual((len(side.received), peer.leaves), (peer.sends, "fin"), what)
            else:
                self.assertIn(side.end, ("left", "rst", "never began"), what)
                self.assertNotEqual(event, "nothing", f"{what}")
        await self.check_nothing_is_left()

    @returns_deferred
    async def test_leaks_nothing(self) -> None:
        """Behind interruptions of every kind as many descriptors are open as before."""
        self.start(lambda connection: None)
        await self.listen()
        await self._interrupt_body(0)
        counters = self.edge.counters
        await self.until(lambda: counters.client_connections_open == 0, "no client")
        before = len(os.listdir("/proc/self/fd"))
        for seed in range(12):
            await self._interrupt_body(seed)
        await self.until(lambda: counters.client_connections_open == 0, "no client")
        await self.until(lambda: len(os.listdir("/proc/self/fd")) <= before + 32, "descriptors as before")

    @returns_deferred
    async def test_drain(self) -> None:
        """A body that is not through when the drain time is over is cut on both sides."""
        self.start(lambda connection: None)
        await self.listen()
        node = Side(sends=8 * MIB, piece_bytes=64 * KIB, pause_s=0.05)
        client = Side(expects=8 * MIB)
        reactor.callLater(0.2, self.edge.drain)
        await self.download(node, client, 8 * MIB, again=False)
        self.assertEqual(client.end, "rst")
        self.check_received(client, 8 * MIB, "drained")
        self.assertEqual(self.edge.counters.ended, {"drain_timeout": 1})


WholeTestsOnUvloop = on_uvloop(WholeTests, __name__)
InterruptedTestsOnUvloop = on_uvloop(InterruptedTests, __name__)
