"""The threads that wait for the engine in the reactor's stead, and how their results come back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, fail
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from nexus.containers.wires import Wires
from nexus.errors import EngineError, EngineUnreachableError, NexusError

if TYPE_CHECKING:
    from nexus.containers.engine import Engine

T = TypeVar("T")

DRAIN_S: Final = 5.0
"""What calls under way are given at the end; then their connections are cut."""

_log = Logger()


@dataclass(eq=False, kw_only=True)
class _Call(Generic[T]):
    """One call on its way through a thread. `abandoned` is set in the reactor's thread, and only read in others."""

    operation: str
    work: Callable[[Engine], T]
    undo: Callable[[Engine, T], None] | None
    timeout_s: float
    is_slow: bool
    result: Deferred[T]
    abandoned: bool = False


class EngineThreads:
    """A pool of threads on which the engine's blocking calls run.

    Calls that last as long as a container likes (`slow`) get all threads but one, so that a network that takes a
    minute to stop does not keep the others from being listed.

    :param threads: how many there are at most.
    :param timeout_s: how long the engine may take to answer a call.
    """

    def __init__(self, reactor: IReactorFromThreads, socket: str, threads: int, timeout_s: int) -> None:
        self._reactor = reactor
        self._socket = socket
        self._threads = threads
        self._timeout_s = timeout_s
        self._wires = Wires()
        self._lock = Lock()
        self._engine: Engine | None = None
        self._slow = DeferredSemaphore(max(1, threads - 1))
        self._queue: dict[_Call[Any], Deferred[Any]] = {}
        self._under_way = 0
        self._closing: list[Deferred[None]] | None = None
        self._others: tuple[Thread, ...] = ()
        self._cut: IDelayedCall | None = None
        self._ended = False
        self._pool = ThreadPool(minthreads=0, maxthreads=threads, name="nexus-docker")
        # Daemons: a process that ends without `close` must not wait for them.
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
        self._pool.start()

    def call(
        self,
        operation: str,
        work: Callable[[Engine], T],
        *,
        undo: Callable[[Engine, T], None] | None = None,
        extra_time_s: float = 0,
        slow: bool = False,
    ) -> Deferred[T]:
        """Do `work` in a thread. Cancelling drops its result, and undoes it once it is there.

        :param operation: what errors call it.
        :param extra_time_s: how much longer than usual the engine may take.
        """
        if self._closing is not None:
            return fail(_closed(operation))
        call: _Call[T]

        def abandon(_: Deferred[T]) -> None:
            call.abandoned = True
            self._leave_queue(call)

        call = _Call(
            operation=operation,
            work=work,
            undo=undo,
            timeout_s=self._timeout_s + extra_time_s,
            is_slow=slow,
            result=Deferred(abandon),
        )
        if slow:
            self._queue[call] = turn = self._slow.acquire()
            turn.addCallbacks(lambda _: self._begin(call), lambda failure: failure.trap(CancelledError))
        else:
            self._begin(call)
        return call.result

    def close(self, others: Iterable[Thread]) -> Deferred[None]:
        """End the pool once its calls have, and wait for `others`. Fires when no thread is left."""
        waiting: Deferred[None] = Deferred()
        if self._ended:
            waiting.callback(None)
        elif self._closing is not None:
            self._closing.append(waiting)
        else:
            self._closing = [waiting]
            self._others = tuple(others)
            for call in tuple(self._queue):
                self._leave_queue(call)
                call.result.errback(_closed(call.operation))
            self._cut = IReactorTime(self._reactor).callLater(DRAIN_S, self._wires.cut)
            self._join_if_idle()
        return waiting

    def _join_if_idle(self) -> None:
        """Once it is closing, and the last call has been answered or undone: wait for the threads, in one more."""
        if self._closing is None or self._under_way:
            return

        def join() -> None:
            self._pool.stop()
            for thread in self._others:
                thread.join()
            self._reactor.callFromThread(joined)

        def joined() -> None:
            closer.join()
            if self._cut is not None and self._cut.active():
                self._cut.cancel()
            self._wires.cut()
            self._ended = True
            for waiting in self._closing or ():
                waiting.callback(None)

        closer = Thread(target=join, name="nexus-docker-close", daemon=True)
        closer.start()

    def _begin(self, call: _Call[Any]) -> None:
        self._queue.pop(call, None)
        self._under_way += 1
        self._pool.callInThread(self._run, call)

    def _leave_queue(self, call: _Call[Any]) -> None:
        turn = self._queue.pop(call, None)
        if turn is not None:
            turn.cancel()

    def _run(self, call: _Call[Any]) -> None:
        """In a pool thread."""
        if call.abandoned:
            self._reactor.callFromThread(self._let_go, call)
            return
        try:
            result = self._attempt(call, call.work)
        except NexusError as error:
            self._reactor.callFromThread(self._fail, call, error)
            return
        taken_back = call.abandoned
        if taken_back:
            self._take_back(call, result)
        self._reactor.callFromThread(self._succeed, call, result, taken_back)

    def _attempt(self, call: _Call[Any], work: Callable[[Engine], T]) -> T:
        """Do `work` for `call`. In a pool thread.

        :raises NexusError: and nothing else.
        """
        from nexus.containers.translation import ENGINE_FAILURES, translate  # noqa: PLC0415

        engine = self._load_engine()
        try:
            return work(engine)
        except NexusError:
            raise
        except ENGINE_FAILURES as error:
            meaning = translate(call.operation, error, socket=self._socket, timeout_s=call.timeout_s)
            if isinstance(meaning, EngineUnreachableError):
                engine.disconnect()
            raise meaning from None
        except Exception as error:
            _log.failure("{operation}: the engine's answer was not understood", operation=call.operation)
            problem = f"the engine's answer was not understood ({type(error).__name__}): see the log"
            raise EngineError(call.operation, problem) from None

    def _load_engine(self) -> Engine:
        with self._lock:
            if self._engine is None:
                from nexus.containers.engine import Engine  # noqa: PLC0415

                self._engine = Engine(self._socket, self._wires, timeout_s=self._timeout_s, connections=self._threads)
            return self._engine

    def _take_back(self, call: _Call[Any], result: object) -> None:
        """Undo what nobody waits for any more. In a pool thread."""
        undo = call.undo
        if undo is None:
            return
        try:
            self._attempt(call, lambda engine: undo(engine, result))
        except NexusError as error:
            _log.error("{operation}: cancelled, but not undone: {error}", operation=call.operation, error=error)

    def _take_back_late(self, call: _Call[Any], result: object) -> None:
        """The same for a call that was cancelled after its thread had looked. In a pool thread."""
        self._take_back(call, result)
        self._reactor.callFromThread(self._let_go, call)

    def _succeed(self, call: _Call[T], result: T, taken_back: bool) -> None:
        if call.abandoned and not taken_back:
            self._pool.callInThread(self._take_back_late, call, result)
            return
        self._let_go(call)
        if not call.abandoned:
            call.result.callback(result)

    def _fail(self, call: _Call[Any], error: NexusError) -> None:
        self._let_go(call)
        if not call.abandoned:
            call.result.errback(error)

    def _let_go(self, call: _Call[Any]) -> None:
        """`call` has come to its end, whatever that is."""
        if call.is_slow:
            self._slow.release()
        self._under_way -= 1
        self._join_if_idle()


def _closed(operation: str) -> EngineError:
    return EngineError(operation, "the container runtime is closed")
