"""`MemoryRuntime`: a container engine in memory, for tests of what is built on `IContainerRuntime`.

By default every answer is there when the call returns, and events are told before it does. What a test needs to make go
wrong, it asks for: `kill`, `crash`, `go_away`, `fail_next`, `hold`, `hold_events`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from nexus.container import (
    BridgeSpec,
    Caps,
    Container,
    ContainerDetail,
    ContainerEvent,
    ContainerSpec,
    ContainerStats,
    ExecutionResult,
    FileAsset,
    Volume,
)
from nexus.errors import EngineError, EngineUnreachableError
from nexus.interfaces import IContainerEventObserver, IContainerRuntime, ISubscription
from nexus.testing.memory_engine import MemoryContainer, MemoryEngine, carries

T = TypeVar("T")

VERSION: Final = "memory"


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _execute_nothing(container: MemoryContainer, command: Sequence[str]) -> ExecutionResult:
    return ExecutionResult(exit_code=0, output=b"")


@dataclass(frozen=True)
class Call:
    """A call that was made: the method's name and its arguments."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(eq=False)
class _Held:
    method: str
    answer: Callable[[], None]


@implementer(ISubscription)
class _Watch:
    def __init__(self, labels: Mapping[str, str], observer: IContainerEventObserver) -> None:
        self.labels = dict(labels)
        self.observer = observer
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


@implementer(IContainerRuntime)
class MemoryRuntime:
    """See the module.

    :ivar engine: the state: `engine.containers`, `.volumes`, `.bridges`, `.images`, `.occupied` (ports of the host).
    :ivar calls: every call made, in order.
    :ivar on_execute: what a command inside a container answers.
    :param images: the images that the engine has.
    :param engine: the engine of another runtime, to be a second process on its machine (or the next, after a restart).
    :param now: the wall clock.
    :param clock: when given, events are told in a later turn of it, as a real engine's are, rather than at once.
    """

    def __init__(
        self,
        images: Sequence[str] = (),
        *,
        engine: MemoryEngine | None = None,
        now: Callable[[], datetime] = _utc_now,
        clock: IReactorTime | None = None,
    ) -> None:
        self.engine = engine or MemoryEngine(now)
        self.engine.listeners.append(self._emit)
        self.engine.images.update(images)
        self.calls: list[Call] = []
        self.on_execute: Callable[[MemoryContainer, Sequence[str]], ExecutionResult] = _execute_nothing
        self._clock = clock
        self._watches: list[_Watch] = []
        self._failures: dict[str, list[Exception]] = {}
        self._holding: dict[str, bool] = {}
        self._held: list[_Held] = []
        self._held_events: list[ContainerEvent] | None = None
        self._is_away = False
        self._is_closed = False

    # What a test makes happen.

    def container(self, name: str) -> MemoryContainer:
        """The container of that name.

        :raises LookupError: when there is none.
        """
        for found in self.engine.containers.values():
            if found.spec.name == name:
                return found
        raise LookupError(name)

    def kill(self, container_id: str, exit_code: int = 137) -> None:
        """Somebody kills it (`docker kill`): it stays dead, whatever its restart policy."""
        self.engine.running(f"kill container {container_id[:12]}", container_id)
        self.engine.stop(container_id, exit_code)

    def crash(self, container_id: str, exit_code: int = 1) -> None:
        """Its process ends by itself; the engine starts it again where its restart policy says so."""
        self.engine.crash(container_id, exit_code)

    def go_away(self) -> None:
        """The engine stops answering; its containers live on, and nobody is told of what happens to them."""
        self._is_away = True

    def come_back(self) -> None:
        """The engine answers again; observers are told that they have to look."""
        self._is_away = False
        for watch in self._watches:
            self._tell(watch, watch.observer.event_stream_restored)

    def fail_next(self, method: str, error: EngineError) -> None:
        """The next call of `method` fails with `error`, and has done nothing."""
        self._failures.setdefault(method, []).append(error)

    def hold(self, method: str, *, done: bool = False) -> None:
        """Calls of `method` answer no more, until `release`.

        :param done: whether they do their work at once and only the answer waits, rather than both.
        """
        self._holding[method] = done

    def held(self, method: str) -> int:
        """How many calls of `method` wait."""
        return sum(held.method == method for held in self._held)

    def release(self, method: str) -> None:
        """Answer what waits, in order, and hold no more."""
        self._holding.pop(method, None)
        waiting = [held for held in self._held if held.method == method]
        self._held = [held for held in self._held if held.method != method]
        for held in waiting:
            held.answer()

    def hold_events(self) -> None:
        """Events happen, and are told only at `release_events`: a slow stream."""
        self._held_events = self._held_events or []

    def release_events(self) -> None:
        """Tell the events held, in order, and hold no more."""
        waiting, self._held_events = self._held_events or [], None
        for event in waiting:
            self._emit(event)

    # IContainerRuntime.

    def check(self) -> Deferred[str]:
        return self._answer("check", (), lambda: VERSION)

    def check_image(self, image: str) -> Deferred[None]:
        return self._answer("check_image", (image,), lambda: self.engine.check_image(image))

    def ensure_bridge(self, bridge: BridgeSpec) -> Deferred[None]:
        return self._answer("ensure_bridge", (bridge,), lambda: self.engine.ensure_bridge(bridge))

    def remove_bridge(self, name: str) -> Deferred[None]:
        return self._answer("remove_bridge", (name,), lambda: self.engine.remove_bridge(name))

    def list(self, labels: Mapping[str, str]) -> Deferred[Sequence[Container]]:
        return self._answer("list", (labels,), lambda: self.engine.list(labels))

    def inspect(self, container_id: str) -> Deferred[ContainerDetail]:
        return self._answer("inspect", (container_id,), lambda: self.engine.inspect(container_id))

    def create(self, spec: ContainerSpec) -> Deferred[str]:
        return self._answer("create", (spec,), lambda: self.engine.create(spec), undo=self.engine.remove)

    def start(self, container_id: str) -> Deferred[None]:
        return self._answer("start", (container_id,), lambda: self.engine.start(container_id))

    def stop(self, container_id: str, grace_s: int) -> Deferred[None]:
        return self._answer("stop", (container_id, grace_s), lambda: self.engine.stop(container_id))

    def restart(self, container_id: str, grace_s: int) -> Deferred[None]:
        def restart() -> None:
            self.engine.find(f"restart container {container_id[:12]}", container_id)
            self.engine.stop(container_id)
            self.engine.start(container_id)

        return self._answer("restart", (container_id, grace_s), restart)

    def update(self, container_id: str, caps: Caps) -> Deferred[None]:
        return self._answer("update", (container_id, caps), lambda: self.engine.update(container_id, caps))

    def remove(self, container_id: str) -> Deferred[None]:
        return self._answer("remove", (container_id,), lambda: self.engine.remove(container_id))

    def put_files(self, container_id: str, files: Sequence[FileAsset]) -> Deferred[None]:
        return self._answer("put_files", (container_id, files), lambda: self.engine.put_files(container_id, files))

    def execute(self, container_id: str, command: Sequence[str]) -> Deferred[ExecutionResult]:
        def execute() -> ExecutionResult:
            operation = f"execute in container {container_id[:12]}"
            return self.on_execute(self.engine.running(operation, container_id), command)

        return self._answer("execute", (container_id, command), execute)

    def logs(self, container_id: str, lines: int) -> Deferred[Sequence[str]]:
        def logs() -> Sequence[str]:
            log = self.engine.find(f"read the log of container {container_id[:12]}", container_id).log
            return log[-lines:] if lines > 0 else []

        return self._answer("logs", (container_id, lines), logs)

    def stats(self, container_id: str) -> Deferred[ContainerStats]:
        return self._answer("stats", (container_id,), lambda: self.engine.stats(container_id))

    def create_volume(self, name: str, labels: Mapping[str, str]) -> Deferred[bool]:
        return self._answer("create_volume", (name, labels), lambda: self.engine.create_volume(name, labels))

    def list_volumes(self, labels: Mapping[str, str]) -> Deferred[Sequence[Volume]]:
        def volumes() -> Sequence[Volume]:
            return [volume for volume in self.engine.volumes.values() if carries(volume.labels, labels)]

        return self._answer("list_volumes", (labels,), volumes)

    def remove_volume(self, name: str) -> Deferred[None]:
        return self._answer("remove_volume", (name,), lambda: self.engine.remove_volume(name))

    def watch(self, labels: Mapping[str, str], observer: IContainerEventObserver) -> ISubscription:
        watch = _Watch(labels, observer)
        self._watches.append(watch)
        return watch

    def close(self) -> Deferred[None]:
        if not self._is_closed:
            self._is_closed = True
            self.engine.listeners.remove(self._emit)
        for watch in self._watches:
            watch.close()
        return succeed(None)

    # How answers and events come.

    def _answer(
        self,
        method: str,
        arguments: tuple[Any, ...],
        work: Callable[[], T],
        undo: Callable[[T], None] | None = None,
    ) -> Deferred[T]:
        if self._is_closed:
            return fail(EngineError(method, "the container runtime is closed"))
        self.calls.append(Call(method, arguments))
        if method not in self._holding:
            return self._outcome(method, work)
        outcome = self._outcome(method, work) if self._holding[method] else None

        def abandon(_: Deferred[T]) -> None:
            self._held.remove(held)
            if outcome is not None and undo is not None:
                outcome.addCallbacks(undo, lambda failure: None)

        def answer() -> None:
            (outcome or self._outcome(method, work)).chainDeferred(result)

        result: Deferred[T] = Deferred(abandon)
        held = _Held(method, answer)
        self._held.append(held)
        return result

    def _outcome(self, method: str, work: Callable[[], T]) -> Deferred[T]:
        if self._is_away:
            return fail(EngineUnreachableError(method, "the engine is away"))
        failures = self._failures.get(method)
        if failures:
            return fail(failures.pop(0))
        try:
            return succeed(work())
        except EngineError as error:
            return fail(error)

    def _emit(self, event: ContainerEvent) -> None:
        if self._is_away:
            return
        if self._held_events is not None:
            self._held_events.append(event)
            return
        for watch in tuple(self._watches):
            if carries(event.labels, watch.labels):
                self._tell(watch, partial(watch.observer.container_event, event))

    def _tell(self, watch: _Watch, what: Callable[[], None]) -> None:
        def tell() -> None:
            if watch.is_open:
                what()

        if self._clock is None:
            tell()
        else:
            self._clock.callLater(0, tell)
