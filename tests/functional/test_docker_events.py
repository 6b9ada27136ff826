"""DockerRuntime when things do not go by the book: lost streams, silent engines, slow containers, sudden ends."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, gatherResults
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.interfaces import IReactorTime, IReactorUNIX
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import LoopingCall

from nexus.container import ContainerEventKind, FileAsset
from nexus.containers import feed, threads
from nexus.containers.runtime import DockerRuntime
from nexus.errors import EngineError, EngineUnreachableError
from nexus.model import ContainerState
from tests.contracts.container_runtime import NOBODY, RecordingObserver
from tests.functional.docker import SOCKET, DockerTestCase
from tests.functional.engine_relay import EngineRelay

DEAF = ("/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done")
"""A command that does not end when it is asked to."""

START, DIE, DESTROY = ContainerEventKind.START, ContainerEventKind.DIE, ContainerEventKind.DESTROY


def our_threads() -> set[threading.Thread]:
    """The threads of all runtimes in this process."""
    return {thread for thread in threading.enumerate() if "nexus-docker" in thread.name}


class DockerEventTests(DockerTestCase):
    """An event stream over an engine that comes and goes."""

    async def make_relay(self) -> EngineRelay:
        """A relay that works, until the test ends."""
        relay = EngineRelay()
        self.addCleanup(relay.close)
        await relay.start()
        return relay

    async def test_stream_comes_back(self) -> None:
        """After a loss the observer is told to look, hears what it missed, and hears nothing twice."""
        relay = await self.make_relay()
        direct, observer = self.make_runtime(), RecordingObserver()
        self.make_runtime(f"unix://{relay.path}").watch(self.labels, observer)
        container_id = await self.make_running(direct)
        await self.eventually(lambda: observer.kinds == [START], "the start")
        await relay.stop()
        await direct.stop(container_id, 5)
        await self.pause(0.5)
        self.assertEqual((observer.kinds, observer.restored), ([START], 0))
        await relay.start()
        await self.eventually(lambda: observer.kinds == [START, DIE], "the death that was missed")
        self.assertEqual(observer.restored, 1)
        await direct.remove(container_id)
        await self.eventually(lambda: observer.kinds == [START, DIE, DESTROY], "the removal")
        self.assertEqual(observer.restored, 1)

    async def test_watch_before_the_engine_is_there(self) -> None:
        """A watch that began while there was no engine tells what happened since, and to look."""
        relay = await self.make_relay()
        await relay.stop()
        observer = RecordingObserver()
        self.make_runtime(f"unix://{relay.path}").watch(self.labels, observer)
        await self.make_running(self.make_runtime())
        await relay.start()
        await self.eventually(lambda: observer.kinds == [START], "the start")
        self.assertEqual(observer.restored, 1)

    async def test_nothing_between_watch_and_list(self) -> None:
        """What happens right after the watch began is told, however long the stream took to open."""
        direct, observer = self.make_runtime(), RecordingObserver()
        container_id = await direct.create(self.make_spec())
        self.make_runtime().watch(self.labels, observer)
        self.world.client.start(container_id)
        await self.eventually(lambda: observer.kinds == [START], "the start")
        self.assertEqual(observer.restored, 0)

    async def test_quiet_stream(self) -> None:
        """A quiet stream is opened anew without a word; nothing is lost or told twice."""
        self.patch(feed, "QUIET_S", 0.3)
        relay = await self.make_relay()
        direct, observer = self.make_runtime(), RecordingObserver()
        self.make_runtime(f"unix://{relay.path}").watch(self.labels, observer)
        container_id = await self.make_running(direct)
        await self.eventually(lambda: observer.kinds == [START], "the start")
        opened = len(relay.connections)
        await self.eventually(lambda: len(relay.connections) > opened + 2, "new connections")
        await direct.remove(container_id)
        await self.eventually(lambda: observer.kinds == [START, DIE, DESTROY], "the removal")
        self.assertEqual(observer.restored, 0)

    async def test_stream_that_died_in_silence(self) -> None:
        """A stream on which nothing comes any more, though it looks open, is found out, and what it missed is told."""
        self.patch(feed, "QUIET_S", 1.0)
        relay = await self.make_relay()
        direct, observer = self.make_runtime(), RecordingObserver()
        self.make_runtime(f"unix://{relay.path}").watch(self.labels, observer)
        container_id = await self.make_running(direct)
        await self.eventually(lambda: observer.kinds == [START], "the start")
        relay.fall_silent()
        await direct.remove(container_id)
        await self.eventually(lambda: observer.kinds == [START, DIE, DESTROY], "the removal")

    async def test_threads_end(self) -> None:
        """A closed subscription ends its thread, a closed runtime all of them, at once, though nothing is said."""
        before = our_threads()
        runtime = self.make_runtime()
        subscription = runtime.watch(self.labels, RecordingObserver())
        observer = RecordingObserver()
        runtime.watch(self.labels, observer)
        await self.make_running(runtime)
        await self.eventually(lambda: observer.kinds == [START], "the start")
        self.assertGreaterEqual(len(our_threads() - before), 3)
        streams = {thread for thread in our_threads() - before if "events" in thread.name}
        subscription.close()
        await self.eventually(lambda: sum(thread.is_alive() for thread in streams) == 1, "the end of one stream")
        closing = runtime.close()
        began_s = self.seconds()
        await closing
        self.assertLess(self.seconds() - began_s, 1)
        self.assertEqual(our_threads() - before, set())

    def seconds(self) -> float:
        """The reactor's time."""
        return IReactorTime(reactor).seconds()


class DockerPatienceTests(DockerTestCase):
    """Calls that last, and that are given up."""

    def make_socket(self) -> socket.socket:
        """A unix socket at a path that is gone when the test ends."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(str(Path(directory.name, "engine.sock")))
        return listening

    async def refusal_of(self, runtime: DockerRuntime) -> EngineError:
        """The error of a call."""
        with self.assertRaises(EngineError) as caught:
            await runtime.check()
        error: EngineError = caught.exception
        return error

    async def test_engine_that_is_not_there(self) -> None:
        """No socket, or nobody behind it, is told with the remedy; once somebody is there, the same runtime works."""
        nowhere = await self.refusal_of(self.make_runtime("unix:///nowhere/engine.sock"))
        self.assertIsInstance(nowhere, EngineUnreachableError)
        self.assertIn("there is no socket at /nowhere/engine.sock", str(nowhere))
        remote = await self.refusal_of(self.make_runtime("tcp://192.0.2.1:2375"))
        self.assertIsInstance(remote, EngineUnreachableError)
        self.assertIn("tcp://192.0.2.1:2375 is not a unix socket", str(remote))
        path = self.make_socket().getsockname()
        runtime = self.make_runtime(f"unix://{path}")
        refused = await self.refusal_of(runtime)
        self.assertIsInstance(refused, EngineUnreachableError)
        self.assertIn(f"nothing listens at {path}", str(refused))
        Path(path).unlink()
        Path(path).symlink_to(SOCKET.removeprefix("unix://"))
        self.assertNotEqual(await runtime.check(), "")

    async def answer_with(self, body: bytes) -> str:
        """The URL of a socket behind which everything is answered with `body`."""

        class Answering(Protocol):
            def dataReceived(self, data: bytes) -> None:
                assert self.transport is not None
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

        path = self.make_socket().getsockname()
        Path(path).unlink()
        port = await UNIXServerEndpoint(IReactorUNIX(reactor), path).listen(Factory.forProtocol(Answering))
        self.addCleanup(port.stopListening)
        return f"unix://{path}"

    async def test_engine_that_is_too_old(self) -> None:
        """An engine without what is needed is told as that."""
        error = await self.refusal_of(self.make_runtime(await self.answer_with(b'{"ApiVersion": "1.40"}')))
        self.assertIn("it speaks API 1.40, and 1.41 (Docker 20.10) is needed", str(error))

    async def test_engine_that_makes_no_sense(self) -> None:
        """What is no answer of an engine is an error, logged with its place; a watch goes on trying."""
        nonsense = b'{"ApiVersion": "1.41", "Type": "container", "Action": "die"}\n'
        runtime = self.make_runtime(await self.answer_with(nonsense))
        error = await self.refusal_of(runtime)
        self.assertIn("the engine's answer was not understood (KeyError): see the log", str(error))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        observer = RecordingObserver()
        runtime.watch(self.labels, observer)
        await self.eventually(lambda: observer.restored > 1, "reopened streams")
        await runtime.close()
        self.assertGreater(len(self.flushLoggedErrors(KeyError)), 1)

    async def test_engine_that_does_not_answer(self) -> None:
        """An engine that takes a call and says nothing is given up after the time that it has."""
        listening = self.make_socket()
        listening.listen()
        error = await self.refusal_of(self.make_runtime(f"unix://{listening.getsockname()}", timeout_s=1))
        self.assertEqual(str(error), "reach the engine: the engine did not answer within 1 s")

    async def test_command_that_does_not_end(self) -> None:
        """A command inside that says nothing is given up after the time that the engine has."""
        container_id = await self.make_running(self.make_runtime())
        with self.assertRaises(EngineError) as caught:
            await self.make_runtime(timeout_s=1).execute(container_id, ["/bin/sleep", "30"])
        self.assertIn("did not answer within 1 s", str(caught.exception))

    async def test_grace(self) -> None:
        """A container that does not want to end is killed when its grace is over, which may be longer than a timeout;
        the reactor goes on meanwhile."""
        container_id = await self.make_running(self.make_runtime(), command=DEAF)
        runtime = self.make_runtime(timeout_s=1)
        ticks: list[None] = []
        ticking = LoopingCall(ticks.append, None)
        ticking.start(0.05)
        self.addCleanup(ticking.stop)
        await runtime.stop(container_id, 2)
        self.assertGreater(len(ticks), 20)
        detail = await runtime.inspect(container_id)
        self.assertEqual((detail.state, detail.exit_code), (ContainerState.EXITED, 137))

    async def test_slow_stops_leave_room(self) -> None:
        """While as many containers as there are threads take their time to stop, the others can be looked at."""
        runtime = self.make_runtime(threads=2)
        deaf = [await self.make_running(runtime, name, command=DEAF) for name in "ab"]
        stops = [runtime.stop(container_id, 2) for container_id in deaf]
        self.assertEqual(len(await runtime.list(self.labels)), 2)
        self.assertFalse(any(stop.called for stop in stops))
        await gatherResults(stops)

    async def test_close_in_the_middle(self) -> None:
        """Closing does not wait for what takes long: that fails, and the thread ends."""
        self.patch(threads, "DRAIN_S", 0.3)
        before = our_threads()
        runtime = self.make_runtime(threads=2)
        container_id = await self.make_running(runtime, command=DEAF)
        stopping, waiting = runtime.stop(container_id, 30), runtime.stop(NOBODY, 30)
        await runtime.close()
        for call in (stopping, waiting):
            with self.assertRaises(EngineError):
                await call
        self.assertEqual(our_threads() - before, set())

    async def test_cancelled_at_any_moment(self) -> None:
        """Whenever a create is cancelled, no container is left of it, unless it was done already."""
        runtime = self.make_runtime(threads=3)
        files = (FileAsset(path="/new/file", content=b"1"),)
        creating = []
        for number, delay_s in enumerate((0, 0.001, 0.003, 0.006, 0.01, 0.02, 0.03, 0.05, 0.08)):
            creating.append(runtime.create(self.make_spec(str(number), files=files)))
            await self.pause(delay_s)
            creating[-1].cancel()
        done = set()
        for call in creating:
            with contextlib.suppress(CancelledError):
                done.add(await call)
        self.assertLess(len(done), len(creating))
        await runtime.close()
        left = await self.make_runtime().list(self.labels)
        self.assertEqual({container.id for container in left}, done)

    async def test_cancelled_while_it_waits(self) -> None:
        """A slow call that is cancelled before its turn is never made, and gives its turn away."""
        runtime = self.make_runtime(threads=2)
        deaf = await self.make_running(runtime, command=DEAF)
        other = await self.make_running(runtime, "b")
        first, second, third = (runtime.stop(each, 1) for each in (deaf, other, NOBODY))
        second.cancel()
        with self.assertRaises(CancelledError):
            await second
        await gatherResults([first, third])
        self.assertIs((await runtime.inspect(other)).state, ContainerState.RUNNING)
