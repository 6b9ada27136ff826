"""What uvloop's transports promise beyond Twisted's. `test_transports` runs these, in a process of its own."""

from __future__ import annotations

import gc
import socket
import weakref
from typing import Any, cast

from twisted.internet import reactor

from nexus.coroutines import returns_deferred
from nexus.reactor import native_loop
from nexus.uvloop_endpoints import LOOK_ACCEPTED
from tests.functional.connections import HalfCloseable, Handing, Recorder, TransportTestCase, pause, threaded
from tests.functional.test_edge_sockets import read_to_end, reset

MIB = 1024 * 1024


class BrokenError(Exception):
    """A protocol's own failure."""


class OwnTests(TransportTestCase):
    """What is unwritten, and what is left."""

    @returns_deferred
    async def test_producer_finishes_first(self) -> None:
        """A connection that is closed while a producer is registered ends when that has finished; meanwhile it reads
        nothing."""
        ours = Recorder()
        peer = await self.accepted(ours)
        ours.transport.registerProducer(ours, True)
        ours.transport.loseConnection()
        ours.transport.loseConnection()
        peer.sendall(b"too late")
        ours.transport.write(b"the ")
        await pause(0.05)
        ours.transport.write(b"rest")
        self.assertEqual(ours.events, ["made"])
        ours.transport.unregisterProducer()
        self.assertEqual((await threaded(lambda: read_to_end(peer)))[0], b"the rest")
        await ours.until_event("lost")
        self.assertEqual(ours.received, b"")
        self.assertEqual(ours.events.count("lost"), 1)

    @returns_deferred
    async def test_reset_before_it_is_taken(self) -> None:
        """A client that has gone before its connection is taken is nobody's failure, and nobody's connection."""
        ours = Recorder()
        number = await self.listen(Handing(ours))
        reset(socket.create_connection((self.host, number), timeout=20))
        await pause(0.05)
        self.assertEqual(self.flushLoggedErrors(), [])
        peer = socket.create_connection((self.host, number), timeout=20)
        self.addCleanup(peer.close)
        await ours.until_event("made")
        ours.transport.abortConnection()
        await ours.until_event("lost")

    @returns_deferred
    async def test_accepted_together(self) -> None:
        """While connections wait they are taken some at a time, not one for each turn of the loop; later one by one
        again."""
        recorders = [Recorder() for _ in range(10 * LOOK_ACCEPTED)]
        number = await self.listen(Handing(*recorders))
        port = cast(Any, self.port)
        made_at: list[int] = []
        turns = 0

        def turn() -> None:
            nonlocal turns
            turns += 1
            if len(made_at) < len(recorders):
                loop.call_soon(turn)

        for recorder in recorders:
            recorder.does["made"] = lambda: made_at.append(turns)
        loop = cast(Any, native_loop(reactor))
        for _ in recorders[: -2 * LOOK_ACCEPTED]:
            peer = socket.create_connection((self.host, number), timeout=20)
            self.addCleanup(peer.close)
        loop.call_soon(turn)
        await recorders[-2 * LOOK_ACCEPTED - 1].until_event("made")
        self.assertLess(len(set(made_at)), 4 * LOOK_ACCEPTED)
        for recorder in recorders[-2 * LOOK_ACCEPTED :]:
            await pause(0.002)
            peer = socket.create_connection((self.host, number), timeout=20)
            self.addCleanup(peer.close)
            await recorder.until_event("made")
        self.assertEqual(len(port._servers), 1)
        for recorder in recorders:
            recorder.transport.abortConnection()
            await recorder.until_event("lost")

    @returns_deferred
    async def test_one_end(self) -> None:
        """Whoever resumes reading behind the peer's end is not told of it again."""
        ours = HalfCloseable()
        peer = await self.accepted(ours)
        peer.shutdown(socket.SHUT_WR)
        await ours.until_event("read lost")
        ours.transport.pauseProducing()
        ours.transport.resumeProducing()
        await pause(0.05)
        self.assertEqual(ours.events, ["made", "read lost"])
        ours.transport.abortConnection()
        await ours.until_event("lost")

    @returns_deferred
    async def test_unwritten(self) -> None:
        """One can see what the peer has not taken."""
        ours = Recorder()
        peer = await self.accepted(ours)
        transport = cast(Any, ours.transport)
        self.assertEqual(transport.unwritten_bytes, 0)
        ours.transport.writeSequence([bytes(8 * MIB), bytes(8 * MIB)])
        unwritten = transport.unwritten_bytes
        self.assertGreater(unwritten, MIB)
        ours.transport.write(b"x")
        self.assertEqual(transport.unwritten_bytes, unwritten + 1)
        reading = threaded(lambda: read_to_end(peer))
        while transport.unwritten_bytes:
            await pause(0.01)
        ours.transport.loseConnection()
        self.assertEqual(len((await reading)[0]), 16 * MIB + 1)
        await ours.until_event("lost")
        self.assertEqual(transport.unwritten_bytes, 0)

    @returns_deferred
    async def test_leaves_no_garbage(self) -> None:
        """A connection that is over is forgotten without the collector's help."""
        ours = Recorder()
        peer = await self.accepted(ours)
        peer.sendall(b"abc")
        await ours.until_event("data")
        peer.close()
        await ours.until_event("lost")
        known = weakref.ref(ours)
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        del ours.transport
        del ours
        await pause(0.05)
        self.assertIsNone(known())


class FailureTests(TransportTestCase):
    """Protocols with mistakes: one is logged, and costs one connection."""

    def broken(self) -> None:
        """Fail."""
        raise BrokenError

    @returns_deferred
    async def test_each_callback(self) -> None:
        """Whatever fails, the peer sees a reset, the log has it once, and the next connection is served."""
        for event in ("made", "data", "read lost", "paused"):
            ours = HalfCloseable()
            ours.does[event] = self.broken
            peer = await self.accepted(ours)
            ours.transport.registerProducer(ours, True)
            if event == "data":
                peer.sendall(b"x")
            elif event == "read lost":
                peer.shutdown(socket.SHUT_WR)
            elif event == "paused":
                ours.transport.write(bytes(16 * MIB))
            with self.assertNoLogs("asyncio"):
                end = (await threaded(lambda peer=peer: read_to_end(peer)))[1]  # type: ignore[misc]
                self.assertEqual(end, "rst", event)
                await ours.until_event("lost")
            self.assertEqual(len(self.flushLoggedErrors(BrokenError)), 1, event)

    @returns_deferred
    async def test_elsewhere(self) -> None:
        """What fails on the loop and is no connection's is logged, in the same place."""
        loop = native_loop(reactor)
        assert loop is not None
        with self.assertNoLogs("asyncio"):
            loop.call_soon(self.broken)
            loop.call_exception_handler({"message": "something is odd"})
            await pause(0.02)
        self.assertEqual(len(self.flushLoggedErrors(BrokenError)), 1)

    @returns_deferred
    async def test_after_a_pause_from_the_beginning(self) -> None:
        """So it is where the bytes were kept for a while."""
        ours = Recorder()
        ours.does = {"made": ours.pause, "data": self.broken}
        peer = await self.accepted(ours)
        peer.sendall(b"x")
        await pause(0.05)
        ours.transport.resumeProducing()
        self.assertEqual((await threaded(lambda: read_to_end(peer)))[1], "rst")
        self.assertEqual(len(self.flushLoggedErrors(BrokenError)), 1)

    @returns_deferred
    async def test_system_error(self) -> None:
        """A system error that a protocol raises is not taken for the connection's own."""
        ours = Recorder()

        def fail() -> None:
            raise ConnectionResetError(104, "of something else")

        ours.does["data"] = fail
        peer = await self.accepted(ours)
        peer.sendall(b"x")
        self.assertEqual((await threaded(lambda: read_to_end(peer)))[1], "rst")
        self.assertEqual(len(self.flushLoggedErrors(ConnectionResetError)), 1)

    @returns_deferred
    async def test_at_the_end(self) -> None:
        """A protocol that cannot bear its end is logged, too."""
        ours = Recorder()
        ours.does["lost"] = self.broken
        peer = await self.accepted(ours)
        peer.close()
        await ours.until_event("lost")
        await pause(0)
        self.assertEqual(len(self.flushLoggedErrors(BrokenError)), 1)

    @returns_deferred
    async def test_factory(self) -> None:
        """A factory that fails costs one connection."""
        ours = Recorder()
        factory = Handing(ours)
        number = await self.listen(factory)
        self.patch(factory, "buildProtocol", lambda _: self.broken())
        peer = socket.create_connection((self.host, number), timeout=20)
        self.addCleanup(peer.close)
        await threaded(lambda: read_to_end(peer))
        self.assertEqual(len(self.flushLoggedErrors(BrokenError)), 1)
        del factory.buildProtocol
        again = socket.create_connection((self.host, number), timeout=20)
        self.addCleanup(again.close)
        await ours.until_event("made")
