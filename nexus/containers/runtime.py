"""`DockerRuntime`: Docker (or what speaks its API) as an `IContainerRuntime`.

The walk of a call: a method here -> a thread of `threads` -> `engine`, blocking -> `translation` of what failed -> back
to the reactor. Events come up through `events`, on a thread for each watch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from nexus.container import (
    BridgeSpec,
    Caps,
    Container,
    ContainerDetail,
    ContainerSpec,
    ContainerStats,
    ExecutionResult,
    FileAsset,
    Volume,
)
from nexus.containers.events import EventStream, Feed
from nexus.containers.threads import EngineThreads
from nexus.coroutines import returns_deferred
from nexus.errors import ContainerConflictError, EngineError
from nexus.interfaces import IContainerEventObserver, IContainerRuntime, ISubscription

_BRIDGE_ATTEMPTS: Final = 20
_BRIDGE_PAUSE_S: Final = 0.1
"""Making a bridge takes the engine some 0.1 s, in which another process that wants the same one has to wait."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@implementer(IContainerRuntime)
class DockerRuntime:
    """A local Docker engine. Connects when it is first asked something, with no work done before.

    :param reactor: gives time, and takes calls from threads.
    :param socket: `unix:///var/run/docker.sock`.
    :param threads: how many calls are under way at once, at most.
    :param timeout_s: how long the engine may take for a call; a stop gets its grace on top.
    :param now: the wall clock; the engine is on this machine and has the same.
    """

    def __init__(
        self,
        reactor: IReactorFromThreads,
        socket: str,
        threads: int,
        *,
        timeout_s: int = 60,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._reactor = reactor
        self._socket = socket
        self._timeout_s = timeout_s
        self._now = now
        self._threads = EngineThreads(reactor, socket, threads, timeout_s)
        self._call = self._threads.call
        self._streams: list[EventStream] = []

    def check(self) -> Deferred[str]:
        return self._call("reach the engine", lambda engine: engine.version())

    def check_image(self, image: str) -> Deferred[None]:
        return self._call(f"check image {image}", lambda engine: engine.check_image(image))

    @returns_deferred
    async def ensure_bridge(self, bridge: BridgeSpec) -> None:
        operation = f"make bridge {bridge.name}"
        for _ in range(_BRIDGE_ATTEMPTS):
            if await self._call(operation, lambda engine: engine.ensure_bridge(bridge, operation)):
                return
            await deferLater(IReactorTime(self._reactor), _BRIDGE_PAUSE_S)
        problem = f"its subnet {bridge.subnet} is held by a network that the engine does not list"
        raise EngineError(operation, f"{problem}: configure another subnet")

    def remove_bridge(self, name: str) -> Deferred[None]:
        return self._call(f"remove bridge {name}", lambda engine: engine.remove_bridge(name))

    def list(self, labels: Mapping[str, str]) -> Deferred[Sequence[Container]]:
        return self._call("list containers", lambda engine: engine.list(labels))

    def inspect(self, container_id: str) -> Deferred[ContainerDetail]:
        return self._call(_on("inspect", container_id), lambda engine: engine.inspect(container_id))

    def create(self, spec: ContainerSpec) -> Deferred[str]:
        return self._call(
            f"create container {spec.name}",
            lambda engine: engine.create(spec),
            undo=lambda engine, container_id: engine.remove(container_id),
        )

    def start(self, container_id: str) -> Deferred[None]:
        return self._call(_on("start", container_id), lambda engine: engine.start(container_id))

    def stop(self, container_id: str, grace_s: int) -> Deferred[None]:
        return self._call(
            _on("stop", container_id),
            lambda engine: engine.stop(container_id, grace_s),
            extra_time_s=grace_s,
            slow=True,
        )

    def restart(self, container_id: str, grace_s: int) -> Deferred[None]:
        return self._call(
            _on("restart", container_id),
            lambda engine: engine.restart(container_id, grace_s),
            extra_time_s=grace_s,
            slow=True,
        )

    def update(self, container_id: str, caps: Caps) -> Deferred[None]:
        return self._call(_on("update", container_id), lambda engine: engine.update(container_id, caps))

    def remove(self, container_id: str) -> Deferred[None]:
        return self._call(_on("remove", container_id), lambda engine: engine.remove(container_id))

    def put_files(self, container_id: str, files: Sequence[FileAsset]) -> Deferred[None]:
        operation = _on("put files into", container_id)
        return self._call(operation, lambda engine: engine.put_files(container_id, files))

    def execute(self, container_id: str, command: Sequence[str]) -> Deferred[ExecutionResult]:
        operation = _on("execute in", container_id)
        return self._call(operation, lambda engine: engine.execute(container_id, command, operation), slow=True)

    def logs(self, container_id: str, lines: int) -> Deferred[Sequence[str]]:
        return self._call(_on("read the log of", container_id), lambda engine: engine.logs(container_id, lines))

    @returns_deferred
    async def stats(self, container_id: str) -> ContainerStats:
        operation = _on("measure", container_id)
        sample = await self._call(operation, lambda engine: engine.stats(container_id), slow=True)
        if sample is None:
            raise ContainerConflictError(operation, "the container is not running")
        return sample

    def create_volume(self, name: str, labels: Mapping[str, str]) -> Deferred[bool]:
        operation = f"create volume {name}"
        return self._call(operation, lambda engine: engine.create_volume(name, labels, operation))

    def list_volumes(self, labels: Mapping[str, str]) -> Deferred[Sequence[Volume]]:
        return self._call("list volumes", lambda engine: engine.list_volumes(labels))

    def remove_volume(self, name: str) -> Deferred[None]:
        return self._call(f"remove volume {name}", lambda engine: engine.remove_volume(name))

    def watch(self, labels: Mapping[str, str], observer: IContainerEventObserver) -> ISubscription:
        self._streams = [stream for stream in self._streams if stream.thread.is_alive()]
        stream = EventStream(self._reactor, self._follow, labels, observer, self._now())
        self._streams.append(stream)
        return stream

    def close(self) -> Deferred[None]:
        for stream in self._streams:
            stream.close()
        return self._threads.close([stream.thread for stream in self._streams])

    def _follow(self, feed: Feed) -> None:
        """In the stream's thread, where it does no harm that the SDK takes a tenth of a second to import."""
        from nexus.containers.feed import follow  # noqa: PLC0415

        follow(self._socket, self._timeout_s, feed)


def _on(verb: str, container_id: str) -> str:
    return f"{verb} container {container_id[:12]}"
