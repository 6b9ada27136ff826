"""The engine in memory: the contract that Docker passes too, and what a test can make go wrong with it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from nexus.container import ContainerEventKind, ContainerStats, ExecutionResult, FileAsset
from nexus.errors import EngineUnreachableError, NoSpaceError
from nexus.interfaces import IContainerRuntime
from nexus.model import ContainerState
from nexus.testing.runtime import Call, MemoryRuntime
from tests.contracts.container_runtime import ContainerMaking, ContainerRuntimeTests, RecordingObserver

IMAGE = "test-image:1"
START, DIE, DESTROY = ContainerEventKind.START, ContainerEventKind.DIE, ContainerEventKind.DESTROY


class MemoryRuntimeContractTests(ContainerRuntimeTests, TestCase):
    """The shared contract, in memory."""

    image = IMAGE
    prefix = "test"
    subnet = "10.9.8.0/24"
    interface = "test0"

    def setUp(self) -> None:
        self.labels = {"run": "memory"}
        self.runtime = MemoryRuntime([IMAGE])
        self.ports = iter(range(20000, 20100))

    def make_runtime(self) -> IContainerRuntime:
        return MemoryRuntime(engine=self.runtime.engine)

    def free_port(self) -> int:
        return next(self.ports)

    def occupy_port(self) -> int:
        port = self.free_port()
        self.runtime.engine.occupied.add(("127.0.0.1", port))
        return port

    async def kill(self, container_id: str) -> None:
        self.runtime.kill(container_id)

    async def read_file(self, container_id: str, path: str) -> FileAsset:
        return self.runtime.engine.containers[container_id].files[path]

    async def make_printing(self, lines: list[str]) -> str:
        container_id = await self.make_running(self.runtime)
        self.runtime.engine.containers[container_id].log = lines
        self.runtime.kill(container_id, 0)
        return container_id

    async def eventually(self, holds: Callable[[], bool], what: str) -> None:
        self.assertTrue(holds(), what)


class MemoryRuntimeTests(ContainerMaking, TestCase):
    """What a test can make happen."""

    image = IMAGE
    prefix = "test"
    subnet = "10.9.8.0/24"
    interface = "test0"

    def setUp(self) -> None:
        self.labels = {"run": "memory"}
        self.runtime = MemoryRuntime([IMAGE])
        self.observer = RecordingObserver()
        self.runtime.watch(self.labels, self.observer)

    def state(self, container_id: str) -> ContainerState:
        """The container's state."""
        return self.runtime.engine.containers[container_id].state

    async def test_calls_are_recorded(self) -> None:
        """A test sees what was asked for, in order."""
        await self.runtime.check()
        await self.runtime.list(self.labels)
        self.assertEqual(self.runtime.calls, [Call("check", ()), Call("list", (self.labels,))])

    async def test_container_by_name(self) -> None:
        """A container is found by its name, with its files and everything else that it was made from."""
        file = FileAsset(path="/key", content=b"key")
        container_id = await self.runtime.create(self.make_spec(files=(file,)))
        container = self.runtime.container("test-a")
        self.assertEqual((container.id, container.files), (container_id, {"/key": file}))
        self.assertRaises(LookupError, self.runtime.container, "test-b")

    async def test_crash(self) -> None:
        """A process that ends by itself is started again where the policy says so, as Docker does."""
        for policy, exit_code, state in (
            ("unless-stopped", 0, ContainerState.RUNNING),
            ("always", 1, ContainerState.RUNNING),
            ("on-failure", 1, ContainerState.RUNNING),
            ("on-failure", 0, ContainerState.EXITED),
            ("no", 1, ContainerState.EXITED),
        ):
            container_id = await self.make_running(self.runtime, restart_policy=policy)
            self.observer.events.clear()
            self.runtime.crash(container_id, exit_code)
            self.assertIs(self.state(container_id), state)
            restarted = state is ContainerState.RUNNING
            self.assertEqual(self.observer.kinds, [DIE, START] if restarted else [DIE])
            self.assertEqual((await self.runtime.inspect(container_id)).restart_count, int(restarted))
            await self.runtime.remove(container_id)

    async def test_out_of_memory(self) -> None:
        """A container that the kernel kills is told of as such."""
        container_id = await self.make_running(self.runtime)
        self.runtime.engine.run_out_of_memory(container_id)
        self.assertEqual(self.observer.kinds, [START, ContainerEventKind.OOM, DIE])
        detail = await self.runtime.inspect(container_id)
        self.assertEqual((detail.oom_killed, detail.exit_code), (True, 137))

    async def test_engine_away(self) -> None:
        """Every call fails while the engine is away; what happens then is not told, but that one has to look is."""
        container_id = await self.make_running(self.runtime)
        self.runtime.go_away()
        await self.assert_refuses(EngineUnreachableError, self.runtime.check(), self.runtime.stop(container_id, 1))
        self.runtime.kill(container_id)
        self.assertEqual((self.observer.kinds, self.observer.restored), ([START], 0))
        self.runtime.come_back()
        self.assertEqual((self.observer.kinds, self.observer.restored), ([START], 1))
        self.assertIs((await self.runtime.inspect(container_id)).state, ContainerState.EXITED)

    async def test_fail_next(self) -> None:
        """A call fails once, as asked for, and has done nothing."""
        self.runtime.fail_next("create", NoSpaceError("create", "full"))
        await self.assert_refuses(NoSpaceError, self.runtime.create(self.make_spec()))
        self.assertEqual(list(await self.runtime.list({})), [])
        await self.runtime.create(self.make_spec())

    async def test_hold(self) -> None:
        """Held calls do nothing until they are released, then all of it, in order."""
        self.runtime.hold("create")
        creating = [self.runtime.create(self.make_spec(name)) for name in "ab"]
        self.assertEqual((self.runtime.held("create"), list(await self.runtime.list({}))), (2, []))
        self.runtime.release("create")
        made = [await call for call in creating]
        self.assertEqual([container.id for container in await self.runtime.list({})], made)
        await self.runtime.create(self.make_spec("c"))

    async def test_hold_the_answer(self) -> None:
        """A call's work can be done while its answer waits: its event comes first."""
        container_id = await self.make_running(self.runtime)
        self.runtime.hold("stop", done=True)
        stopping = self.runtime.stop(container_id, 1)
        self.assertEqual((self.observer.kinds, stopping.called), ([START, DIE], False))
        self.runtime.release("stop")
        await stopping
        self.assertEqual(self.observer.kinds, [START, DIE])

    async def test_cancel_a_held_create(self) -> None:
        """A create that is cancelled leaves no container, whether it was done or not."""
        for done in (False, True):
            self.runtime.hold("create", done=done)
            creating = self.runtime.create(self.make_spec())
            creating.cancel()
            with self.assertRaises(CancelledError):
                await creating
            self.runtime.release("create")
            self.assertEqual(list(await self.runtime.list({})), [])

    async def test_hold_events(self) -> None:
        """A slow stream tells what happened later, in order."""
        self.runtime.hold_events()
        container_id = await self.make_running(self.runtime)
        await self.runtime.remove(container_id)
        self.assertEqual(self.observer.kinds, [])
        self.runtime.release_events()
        self.assertEqual(self.observer.kinds, [START, DIE, DESTROY])

    async def test_events_in_a_later_turn(self) -> None:
        """With a clock, events come after the call that caused them has returned, as a real engine's do."""
        clock = Clock()
        runtime = MemoryRuntime(engine=self.runtime.engine, clock=clock)
        observer = RecordingObserver()
        subscription = runtime.watch(self.labels, observer)
        await self.make_running(runtime)
        self.assertEqual(observer.kinds, [])
        clock.advance(0)
        self.assertEqual(observer.kinds, [START])
        self.runtime.kill(self.runtime.container("test-a").id)
        subscription.close()
        clock.advance(0)
        self.assertEqual(observer.kinds, [START])

    async def test_answers_of_a_test(self) -> None:
        """Use and the answers of commands are what the test says."""
        container_id = await self.make_running(self.runtime)
        stats = ContainerStats(
            cpu_percent=12.5,
            memory_used_bytes=1,
            memory_cap_bytes=2,
            network_received_bytes=3,
            network_sent_bytes=4,
            pids=5,
        )
        self.runtime.container("test-a").stats = stats
        self.assertEqual(await self.runtime.stats(container_id), stats)
        self.runtime.on_execute = lambda container, command: ExecutionResult(
            exit_code=len(command), output=container.spec.name.encode()
        )
        result = await self.runtime.execute(container_id, ["a", "b"])
        self.assertEqual(result, ExecutionResult(exit_code=2, output=b"test-a"))
