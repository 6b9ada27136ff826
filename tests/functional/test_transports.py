"""What a transport promises the edge, on real sockets: Twisted's transports under the reactor of this process, and
uvloop's in a process of their own. The peer of each connection is a plain socket."""

from __future__ import annotations

import contextlib
import gc
import select
import socket
import threading
from typing import Any, cast

from twisted.internet import defer, reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost, ConnectionRefusedError

from nexus.config.sections import TCPListen
from nexus.coroutines import returns_deferred
from nexus.edge.transport import is_connected, is_silent, pauses_until_written, prepare
from nexus.listening import bind
from nexus.reactor import native_loop
from tests.functional import uvloop_only
from tests.functional.connections import (
    HalfCloseable,
    Handing,
    Recorder,
    TransportTestCase,
    pause,
    send_and_end,
    send_reset_after,
    threaded,
)
from tests.functional.test_edge_sockets import read_to_end, reset
from tests.on_uvloop import on_uvloop

KIB = 1024
MIB = 1024 * KIB
WRITTEN_AHEAD_MAX = 128 * KIB
"""What a transport may hold of what was written before it tells the producer to pause: the high-water mark, and what
was written at once."""

ON_UVLOOP = native_loop(reactor) is not None


class AcceptedTests(TransportTestCase):
    """Connections that were accepted."""

    async def connect(self, protocol: Recorder) -> socket.socket:
        """A connection of `protocol`; its peer."""
        return await self.accepted(protocol)

    # Bytes.

    @returns_deferred
    async def test_both_ways(self) -> None:
        """What one end writes the other gets, in the order of the writes."""
        ours = Recorder()
        peer = await self.connect(ours)
        peer.sendall(b"hello")
        await ours.until(lambda: ours.received == b"hello")
        ours.transport.write(b"1")
        ours.transport.writeSequence([b"2", b"3"])
        ours.transport.write(b"")
        ours.transport.writeSequence([])
        ours.transport.write(b"4")
        ours.transport.loseConnection()
        self.assertEqual(await threaded(lambda: read_to_end(peer)), (b"1234", "fin"))

    @returns_deferred
    async def test_close_flushes(self) -> None:
        """A connection that is closed ends behind all that was written, whatever the peer's pace."""
        ours = Recorder()
        peer = await self.connect(ours)
        written = [bytes([index]) * MIB for index in range(8)]
        for piece in written[:4]:
            ours.transport.write(piece)
        ours.transport.writeSequence(written[4:])
        ours.transport.loseConnection()
        await pause(0.1)
        self.assertEqual(await threaded(lambda: read_to_end(peer)), (b"".join(written), "fin"))
        await ours.until_event("lost")
        self.assertIsInstance(ours.reason, ConnectionDone)
        self.assertEqual(ours.events, ["made", "lost"])

    # Backpressure.

    async def stall(self, ours: Recorder) -> int:
        """Write to a peer that does not read until it stays so; how many bytes that took."""
        written = 0
        while not ours.is_paused:
            while not ours.is_paused:
                ours.transport.write(bytes(16 * KIB))
                written += 16 * KIB
                self.assertLess(written, 64 * MIB)
            await pause(0.05)
        return written

    @returns_deferred
    async def test_stalled_peer(self) -> None:
        """A producer is paused when its peer takes nothing, and resumed when all is gone; little is kept meanwhile."""
        ours = Recorder()
        peer = await self.connect(ours)
        ours.transport.registerProducer(ours, True)
        written = await self.stall(ours)
        handle: socket.socket = cast(Any, ours.transport).getHandle()
        buffers = peer.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        buffers += handle.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        self.assertLess(written, buffers + WRITTEN_AHEAD_MAX)
        ours.does["resumed"] = ours.finish
        data, end = await threaded(lambda: read_to_end(peer))
        self.assertEqual((len(data), end), (written, "fin"))

    @returns_deferred
    async def test_no_producer_no_pause(self) -> None:
        """A producer that was unregistered is left alone, and one that is registered late is told at once, or as it
        writes."""
        ours = Recorder()
        await self.connect(ours)
        ours.transport.registerProducer(ours, True)
        ours.transport.unregisterProducer()
        for _ in range(1024):
            ours.transport.write(bytes(16 * KIB))
        self.assertNotIn("paused", ours.events)
        ours.transport.registerProducer(ours, True)
        ours.transport.write(b"x")
        self.assertIn("paused", ours.events)
        ours.transport.unregisterProducer()
        ours.transport.abortConnection()
        await ours.until_event("lost")

    @returns_deferred
    async def test_until_written(self) -> None:
        """A producer can be paused until the last byte is gone, however few they are; never where none is left."""
        ours = Recorder()
        peer = await self.connect(ours)
        ours.transport.registerProducer(ours, True)
        self.assertFalse(pauses_until_written(ours.transport))
        written = 0
        while not pauses_until_written(ours.transport):
            ours.transport.write(bytes(16 * KIB))
            written += 16 * KIB
            self.assertLess(written, 64 * MIB)
        self.assertTrue(ours.is_paused)
        self.assertTrue(pauses_until_written(ours.transport))
        self.assertEqual(ours.events.count("paused"), 1)

        def read() -> int:
            taken = 0
            while taken < written:
                taken += len(peer.recv(64 * KIB))
            return taken

        reading = threaded(read)
        await ours.until_event("resumed")
        self.assertFalse(pauses_until_written(ours.transport))
        self.assertFalse(ours.is_paused)
        self.assertEqual(await reading, written)
        await self.stall(ours)
        if ON_UVLOOP:
            kept = cast(Any, ours.transport).unwritten_bytes
            self.assertGreater(kept, 32 * KIB, "it is paused as late as ever again")
        ours.transport.unregisterProducer()
        ours.transport.abortConnection()
        await ours.until_event("lost")

    @returns_deferred
    async def test_one_producer(self) -> None:
        """A second producer is a mistake."""
        ours = Recorder()
        await self.connect(ours)
        ours.transport.registerProducer(ours, True)
        self.assertRaises(RuntimeError, ours.transport.registerProducer, ours, True)
        ours.transport.abortConnection()
        await ours.until_event("lost")
        self.assertEqual(ours.events, ["made", "stopped", "lost"])

    @returns_deferred
    async def test_pause_reading(self) -> None:
        """From `pauseProducing` on nothing is delivered, also not of what came together; `resumeProducing` brings it
        all, and the end behind it."""
        ours = Recorder()
        peer = await self.connect(ours)
        ours.does["data"] = ours.pause
        sending = threaded(lambda: send_and_end(peer, bytes(4 * MIB)))
        await ours.until_event("data")
        got = len(ours.received)
        await pause(0.2)
        self.assertEqual(len(ours.received), got)
        self.assertEqual(ours.events, ["made", "data"])
        del ours.does["data"]
        ours.transport.resumeProducing()
        await sending
        await ours.until_event("lost")
        self.assertEqual(len(ours.received), 4 * MIB)
        self.assertIsInstance(ours.reason, ConnectionDone)

    @returns_deferred
    async def test_pause_from_the_beginning(self) -> None:
        """A protocol may pause before anything was read, and gets all when it resumes."""
        ours = Recorder()
        ours.does["made"] = ours.pause
        peer = await self.connect(ours)
        peer.sendall(b"early")
        await pause(0.2)
        self.assertEqual(ours.events, ["made"])
        ours.transport.resumeProducing()
        ours.transport.pauseProducing()
        ours.transport.resumeProducing()
        ours.transport.resumeProducing()
        await ours.until(lambda: ours.received == b"early")
        peer.sendall(b", late")
        await ours.until(lambda: ours.received == b"early, late")

    @returns_deferred
    async def test_pause_and_resume_from_the_beginning(self) -> None:
        """Nothing is lost of what came while a protocol paused and resumed at once, several times."""
        ours = Recorder()

        def hesitate() -> None:
            for _ in range(3):
                ours.transport.pauseProducing()
                ours.transport.resumeProducing()

        ours.does["made"] = hesitate
        peer = await self.connect(ours)
        peer.sendall(b"one")
        await ours.until(lambda: ours.received == b"one")
        ours.transport.pauseProducing()
        ours.transport.pauseProducing()
        peer.sendall(b"two")
        await pause(0.05)
        ours.transport.resumeProducing()
        ours.transport.resumeProducing()
        await ours.until(lambda: ours.received == b"onetwo")

    # Ends in order.

    @returns_deferred
    async def test_half_close(self) -> None:
        """Our half is closed behind all that was written, and reading goes on."""
        ours = HalfCloseable()
        peer = await self.connect(ours)
        ours.transport.write(bytes(4 * MIB))
        ours.transport.loseWriteConnection()
        ours.transport.loseWriteConnection()
        data, end = await threaded(lambda: read_to_end(peer))
        self.assertEqual((len(data), end), (4 * MIB, "fin"))
        peer.sendall(b"still there")
        await ours.until(lambda: ours.received == b"still there")
        peer.close()
        await ours.until_event("read lost")
        ours.transport.loseConnection()
        await ours.until_event("lost")
        self.assertIsInstance(ours.reason, ConnectionDone)

    @returns_deferred
    async def test_peers_half_close(self) -> None:
        """A protocol that can is told once of the peer's end, and may go on writing, and pausing."""
        ours = HalfCloseable()
        peer = await self.connect(ours)
        peer.sendall(b"that was all")
        peer.shutdown(socket.SHUT_WR)
        await ours.until_event("read lost")
        self.assertEqual(ours.received, b"that was all")
        ours.transport.write(bytes(MIB))
        ours.transport.pauseProducing()
        await pause(0.05)
        self.assertEqual(ours.events, ["made", "data", "read lost"])
        ours.transport.write(bytes(MIB))
        ours.transport.loseConnection()
        data, end = await threaded(lambda: read_to_end(peer))
        self.assertEqual((len(data), end), (2 * MIB, "fin"))
        await ours.until_event("lost")
        self.assertIsInstance(ours.reason, ConnectionDone)

    @returns_deferred
    async def test_close_at_the_peers_end(self) -> None:
        """A protocol may answer the peer's end by closing, after what it wrote."""
        ours = HalfCloseable()
        peer = await self.connect(ours)
        ours.does["read lost"] = ours.write_and_close
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(await threaded(lambda: read_to_end(peer)), (b"bye", "fin"))
        await ours.until_event("lost")
        self.assertIsInstance(ours.reason, ConnectionDone)

    @returns_deferred
    async def test_peers_end(self) -> None:
        """Any other protocol loses its connection with it, at once, though something is unwritten."""
        ours = Recorder()
        peer = await self.connect(ours)
        ours.transport.registerProducer(ours, True)
        await self.stall(ours)
        peer.shutdown(socket.SHUT_WR)
        await ours.until_event("lost")
        self.assertIsInstance(ours.reason, ConnectionDone)
        self.assertEqual(ours.events[-3:], ["paused", "stopped", "lost"])

    # Ends in disorder.

    @returns_deferred
    async def test_peer_resets(self) -> None:
        """A reset is never a clean end."""
        for protocol in (Recorder(), HalfCloseable()):
            peer = await self.connect(protocol)
            send_reset_after(peer, b"abc")
            await protocol.until_event("lost")
            self.assertIsInstance(protocol.reason, ConnectionLost)
            self.assertNotIsInstance(protocol.reason, ConnectionDone)
            self.assertNotIn("read lost", protocol.events)
            self.assertEqual(protocol.events.count("lost"), 1)

    @returns_deferred
    async def test_reset_found_by_writing(self) -> None:
        """What came before a reset is delivered, also where it is writing that finds the reset out: a node may refuse
        an upload, and not read the rest of it (RFC 9112 section 9.6)."""
        ours = HalfCloseable()
        peer = await self.connect(ours)
        ours.transport.write(b"never read")
        await threaded(lambda: select.select([peer], [], [], 20))
        peer.sendall(b"no more, please")
        peer.close()
        ours.transport.write(b"more")
        await ours.until_event("lost")
        self.assertEqual((bytes(ours.received), ours.events), (b"no more, please", ["made", "data", "lost"]))
        self.assertNotIsInstance(ours.reason, ConnectionDone)

    @returns_deferred
    async def test_peer_resets_while_paused(self) -> None:
        """What came before the reset is delivered, and the reset stays one."""
        for size in (3, 64 * KIB):
            ours = HalfCloseable()
            peer = await self.connect(ours)
            ours.transport.pauseProducing()
            send_reset_after(peer, bytes(size))
            await pause(0.05)
            ours.transport.resumeProducing()
            await ours.until_event("lost")
            self.assertEqual(len(ours.received), size)
            self.assertIsInstance(ours.reason, ConnectionLost)
            self.assertNotIn("read lost", ours.events)

    @returns_deferred
    async def test_write_to_a_peer_that_is_gone(self) -> None:
        """Writing finds out a peer that has reset, also behind its end, and does not raise."""
        ours = HalfCloseable()
        peer = await self.connect(ours)
        peer.shutdown(socket.SHUT_WR)
        await ours.until_event("read lost")
        reset(peer)
        while "lost" not in ours.events:
            ours.transport.write(b"anybody?")
            await pause(0.01)
        self.assertIsInstance(ours.reason, ConnectionLost)

    @returns_deferred
    async def test_abort(self) -> None:
        """An aborted connection is reset, behind what was written before or without it; the protocol hears of it once,
        and of nothing else."""
        for blocked in (False, True):
            ours = HalfCloseable()
            peer = await self.connect(ours)
            ours.transport.write(bytes(16 * MIB if blocked else 16))
            peer.sendall(b"unread")
            ours.transport.abortConnection()
            ours.transport.abortConnection()
            ours.transport.write(b"ignored")
            ours.transport.writeSequence([b"ignored"])
            ours.transport.loseConnection()
            self.assertEqual((await threaded(lambda peer=peer: read_to_end(peer)))[1], "rst")  # type: ignore[misc]
            await ours.until_event("lost")
            await pause(0.02)
            self.assertEqual(ours.events, ["made", "lost"])
            self.assertIsInstance(ours.reason, ConnectionAborted)

    @returns_deferred
    async def test_abort_silent_peer(self) -> None:
        """It is reset also where nothing was unread or unwritten."""
        ours = Recorder()
        peer = await self.connect(ours)
        ours.transport.write(b"abc")
        self.assertEqual(await threaded(lambda: peer.recv(3, socket.MSG_WAITALL)), b"abc")
        ours.transport.abortConnection()
        self.assertEqual(await threaded(lambda: read_to_end(peer)), (b"", "rst"))

    @returns_deferred
    async def test_abort_in_callbacks(self) -> None:
        """A protocol may abort from whatever it is told."""
        for event in ("made", "data", "paused", "read lost"):
            ours = HalfCloseable()
            ours.does[event] = ours.abort
            peer = await self.connect(ours)
            ours.transport.registerProducer(ours, True)
            if event == "data":
                peer.sendall(b"x")
            elif event == "paused":
                await self.stall(ours)
            elif event == "read lost":
                peer.shutdown(socket.SHUT_WR)
            self.assertEqual((await threaded(lambda peer=peer: read_to_end(peer)))[1], "rst", event)  # type: ignore[misc]
            await ours.until_event("lost")
            self.assertIsInstance(ours.reason, ConnectionAborted)
            self.assertEqual(ours.events.count("lost"), 1)

    def send_and_ignore(self, peer: socket.socket) -> None:
        """Send a lot to somebody who may be gone."""
        with contextlib.suppress(OSError):
            peer.sendall(bytes(8 * MIB))

    @returns_deferred
    async def test_abort_while_closing(self) -> None:
        """A connection that cannot be closed, since its peer takes nothing, can be aborted."""
        for half in (False, True):
            ours = HalfCloseable()
            peer = await self.connect(ours)
            ours.transport.write(bytes(16 * MIB))
            if half:
                ours.transport.loseWriteConnection()
            else:
                ours.transport.loseConnection()
            await pause(0.05)
            self.assertEqual(ours.events, ["made"])
            ours.transport.abortConnection()
            await ours.until_event("lost")
            self.assertIsInstance(ours.reason, ConnectionAborted)
            self.assertEqual((await threaded(lambda peer=peer: read_to_end(peer)))[1], "rst")  # type: ignore[misc]

    @returns_deferred
    async def test_nothing_after_close(self) -> None:
        """From `loseConnection` on nothing is delivered, though it has arrived."""
        ours = Recorder()
        ours.does["data"] = ours.close
        peer = await self.connect(ours)
        await threaded(lambda: self.send_and_ignore(peer))
        await ours.until_event("lost")
        self.assertLess(len(ours.received), MIB)
        self.assertEqual(ours.events, ["made", "data", "lost"])

    @returns_deferred
    async def test_calls_after_the_end(self) -> None:
        """Whatever is called when all is over does nothing."""
        ours = HalfCloseable()
        peer = await self.connect(ours)
        peer.close()
        await ours.until_event("read lost")
        ours.transport.loseConnection()
        await ours.until_event("lost")
        transport = ours.transport
        transport.write(b"x")
        transport.writeSequence([b"x"])
        transport.pauseProducing()
        transport.resumeProducing()
        transport.loseConnection()
        transport.abortConnection()
        transport.unregisterProducer()
        transport.registerProducer(ours, True)
        await pause(0.02)
        self.assertEqual(ours.events, ["made", "read lost", "lost", "stopped"])
        if ON_UVLOOP:
            self.assertFalse(is_silent(transport))
            self.assertFalse(is_connected(transport))

    # What the kernel knows.

    @returns_deferred
    async def test_addresses(self) -> None:
        """Both ends' addresses are told."""
        ours = Recorder()
        peer = await self.connect(ours)
        address: Any = IPv6Address if self.family == socket.AF_INET6 else IPv4Address
        transport = cast(Any, ours.transport)
        self.assertEqual(transport.getPeer(), address("TCP", *peer.getsockname()))
        self.assertEqual(transport.getHost(), address("TCP", *peer.getpeername()))

    @returns_deferred
    async def test_socket_options(self) -> None:
        """Small writes are sent at once, and peers that vanish are found."""
        ours = Recorder()
        await self.connect(ours)
        prepare(ours.transport)
        handle: socket.socket = cast(Any, ours.transport).getHandle()
        self.assertTrue(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        self.assertTrue(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 60)
        transport = cast(Any, ours.transport)
        for setting in (False, True):
            transport.setTcpNoDelay(setting)
            transport.setTcpKeepAlive(setting)
            self.assertEqual((transport.getTcpNoDelay(), transport.getTcpKeepAlive()), (setting, setting))

    @returns_deferred
    async def test_looks_at_the_kernel(self) -> None:
        """One can see whether bytes or an end have arrived that the reactor has not told of."""
        ours = HalfCloseable()
        peer = await self.connect(ours)
        ours.transport.pauseProducing()
        self.assertTrue(is_silent(ours.transport))
        self.assertTrue(is_connected(ours.transport))
        peer.sendall(b"x")
        self.assertFalse(is_silent(ours.transport))
        self.assertTrue(is_connected(ours.transport))
        peer.close()
        self.assertFalse(is_connected(ours.transport))
        ours.transport.resumeProducing()
        await ours.until_event("read lost")
        self.assertEqual(ours.received, b"x")

    @returns_deferred
    async def test_leaves_no_descriptor(self) -> None:
        """Whatever was done with it, a connection's descriptor is closed once, and nobody else's with it."""
        for _ in range(3):
            ours = HalfCloseable()
            peer = await self.connect(ours)
            handle = cast(Any, ours.transport).getHandle()
            number = handle.fileno()
            ours.transport.abortConnection()
            await ours.until_event("lost")
            await pause(0)
            with socket.socket() as other:
                taken = other.fileno() == number
                del handle
                gc.collect()
                await pause(0)
                other.getsockname()
            self.assertTrue(taken or number != other.fileno())
            peer.close()


class DialledTests(AcceptedTests):
    """Connections that were dialled."""

    async def connect(self, protocol: Recorder) -> socket.socket:
        """A connection of `protocol`; its peer."""
        return await self.dialled(protocol)


class SixTests(TransportTestCase):
    """IPv6."""

    host = "::1"

    @returns_deferred
    async def test_both(self) -> None:
        """Accepting and dialling, with both ends' addresses told."""
        for connect in (self.accepted, self.dialled):
            ours = Recorder()
            peer = await connect(ours)
            transport = cast(Any, ours.transport)
            self.assertEqual(transport.getPeer(), IPv6Address("TCP", *peer.getsockname()))
            self.assertEqual(transport.getHost(), IPv6Address("TCP", *peer.getpeername()))
            peer.sendall(b"hello")
            await ours.until(lambda ours=ours: ours.received == b"hello")  # type: ignore[misc]


class ListeningTests(TransportTestCase):
    """Ports that are listened on."""

    @returns_deferred
    async def test_not_wanted(self) -> None:
        """A connection for which there is no protocol is closed, and the next one is served."""
        ours = Recorder()
        number = await self.listen(Handing(None, ours))
        unwanted = socket.create_connection((self.host, number), timeout=20)
        self.addCleanup(unwanted.close)
        self.assertEqual((await threaded(lambda: read_to_end(unwanted)))[0], b"")
        wanted = socket.create_connection((self.host, number), timeout=20)
        self.addCleanup(wanted.close)
        await ours.until_event("made")

    @returns_deferred
    async def test_protocol_is_told_of_its_peer(self) -> None:
        """The factory learns the peer's address before it makes a protocol."""
        ours = Recorder()
        factory = Handing(ours)
        number = await self.listen(factory)
        self.assertEqual(cast(Any, self.port.getHost()).port, number)
        peer = socket.create_connection((self.host, number), timeout=20)
        self.addCleanup(peer.close)
        await ours.until_event("made")
        self.assertEqual(factory.peers, [IPv4Address("TCP", *peer.getsockname())])

    @returns_deferred
    async def test_socket_options(self) -> None:
        """What is accepted has the options of the socket that it was accepted at, whenever it came."""
        bound = bind("edge.listen", TCPListen(self.host, 0), 7.5)
        ours = [Recorder(), Recorder()]
        early = socket.create_connection((self.host, bound.port), timeout=20)
        self.addCleanup(early.close)
        number = bound.port
        port = await bound.accept_streams(reactor, cast(Any, Handing(*ours)))  # type: ignore[arg-type]
        self.addCleanup(port.stopListening)
        late = socket.create_connection((self.host, number), timeout=20)
        self.addCleanup(late.close)
        for each in ours:
            await each.until_event("made")
            handle: socket.socket = cast(Any, each.transport).getHandle()
            self.assertTrue(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            self.assertTrue(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
            self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 60)
            self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), 7500)

    @returns_deferred
    async def test_stop(self) -> None:
        """Who stops listening refuses new connections, and keeps those that are there."""
        ours = Recorder()
        peer = await self.accepted(ours)
        number = cast(Any, self.port.getHost()).port
        await defer.maybeDeferred(self.port.stopListening)
        self.assertRaises(OSError, socket.create_connection, (self.host, number), 1)
        peer.sendall(b"still served")
        await ours.until(lambda: ours.received == b"still served")

    @returns_deferred
    async def test_backlog(self) -> None:
        """Hundreds that come at once are all accepted."""
        ours = [Recorder() for _ in range(300)]
        number = await self.listen(Handing(*ours))
        peers = [socket.create_connection((self.host, number), timeout=5) for _ in ours]
        for peer in peers:
            self.addCleanup(peer.close)
        for each in ours:
            await each.until_event("made")


class DiallingTests(TransportTestCase):
    """Dials, and what becomes of them."""

    @returns_deferred
    async def test_refused(self) -> None:
        """A dial to where nobody listens fails as such."""
        with socket.create_server((self.host, 0)) as listener:
            number = listener.getsockname()[1]
        await self.assertFailure(self.dial(Handing(Recorder()), number), ConnectionRefusedError)

    @returns_deferred
    async def test_no_thread(self) -> None:
        """Dialling starts no thread."""
        before = threading.active_count()
        with socket.create_server((self.host, 0)) as listener:
            ours = Recorder()
            await self.dial(Handing(ours), listener.getsockname()[1])
            self.assertEqual(threading.active_count(), before)
            ours.transport.abortConnection()
            await ours.until_event("lost")

    @returns_deferred
    async def test_cancel(self) -> None:
        """A dial that is given up makes no protocol, and its connection, if there was one, ends."""
        for wait_s in (None, 0.0):
            with socket.create_server((self.host, 0)) as listener:
                listener.settimeout(5)
                ours = Recorder()
                factory = Handing(ours)
                dialling = self.dial(factory, listener.getsockname()[1])
                if wait_s is not None:
                    await pause(wait_s)
                if dialling.called:
                    ours.transport.abortConnection()
                    await ours.until_event("lost")
                    continue
                dialling.cancel()
                await self.assertFailure(dialling, Exception)
                await pause(0.05)
                self.assertEqual(ours.events, [])
                while select.select([listener], [], [], 0)[0]:
                    peer, _ = listener.accept()
                    peer.settimeout(5)
                    self.assertEqual(read_to_end(peer)[0], b"")
                    peer.close()

    @returns_deferred
    async def test_not_wanted(self) -> None:
        """A connection that the factory does not want is closed, and the dial has failed."""
        with socket.create_server((self.host, 0)) as listener:
            dialling = self.dial(Handing(None), listener.getsockname()[1])
            peer, _ = await threaded(listener.accept)
            peer.settimeout(20)
            self.assertEqual((await threaded(lambda: read_to_end(peer)))[0], b"")
            peer.close()
            await self.assertFailure(dialling, Exception)

    @returns_deferred
    async def test_node_speaks_first(self) -> None:
        """Who waits for the dial has the connection before its first bytes."""
        with socket.create_server((self.host, 0)) as listener:
            ours = Recorder()
            dialling = self.dial(Handing(ours), listener.getsockname()[1])
            dialling.addCallback(lambda _: ours.events.append("connected"))
            peer, _ = await threaded(listener.accept)
            self.addCleanup(peer.close)
            peer.sendall(b"hello")
            await ours.until_event("data")
            self.assertEqual(ours.events, ["made", "connected", "data"])


AcceptedTestsOnUvloop = on_uvloop(AcceptedTests, __name__)
DialledTestsOnUvloop = on_uvloop(DialledTests, __name__)
SixTestsOnUvloop = on_uvloop(SixTests, __name__)
ListeningTestsOnUvloop = on_uvloop(ListeningTests, __name__)
DiallingTestsOnUvloop = on_uvloop(DiallingTests, __name__)
OwnTestsOnUvloop = on_uvloop(uvloop_only.OwnTests, __name__)
FailureTestsOnUvloop = on_uvloop(uvloop_only.FailureTests, __name__)
