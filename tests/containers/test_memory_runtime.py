"""The engine in memory: the contract that Docker passes too, and what a test can make go wrong with it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import TestCase

from nexus.container import FileAsset
from nexus.interfaces import IContainerRuntime
from nexus.testing.runtime import MemoryRuntime
from tests.contracts.container_runtime import ContainerRuntimeTests

IMAGE = "test-image:1"


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


class MemoryRuntimeTests(TestCase):
    """What a test can make happen."""

    make_spec = MemoryRuntimeContractTests.make_spec
    make_running = MemoryRuntimeContractTests.make_running
