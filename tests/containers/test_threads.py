"""Calls on their way through threads: what comes of those that nobody waits for any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from nexus.containers.threads import EngineThreads
from nexus.errors import EngineError

WAIT_S = 10
"""How long a thread is waited for before the test fails."""


@implementer(IReactorFromThreads, IReactorTime)
class ObservedReactor:
    """The reactor, which tells when a thread has handed something over.

    :ivar handed_over: set when that has happened.
    """

    def __init__(self) -> None:
        self.handed_over = threading.Event()

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:
        """Hand over."""
        IReactorFromThreads(reactor).callFromThread(callable, *args, **kwargs)
        self.handed_over.set()

    def callInThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:
        """The reactor's own threads are not for this."""
        raise NotImplementedError

    def suggestThreadPoolSize(self, size: int) -> None:
        """Nor is their number."""
        raise NotImplementedError

    def seconds(self) -> float:
        """The reactor's time."""
        return IReactorTime(reactor).seconds()

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> IDelayedCall:
        """The reactor's."""
        return IReactorTime(reactor).callLater(delay, callable, *args, **kwargs)

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """The reactor's."""
        return list(IReactorTime(reactor).getDelayedCalls())


class EngineThreadsTests(TestCase):
    """Work that touches no engine."""

    def setUp(self) -> None:
        self.reactor = ObservedReactor()
        self.threads = EngineThreads(self.reactor, "unix:///nowhere", 2, 1)
        self.addCleanup(self.threads.close, ())
        self.undone: list[str] = []

    def make(self, work: Callable[[], str]) -> Deferred[str]:
        """A call that can be undone."""
        return self.threads.call("make", lambda engine: work(), undo=lambda engine, made: self.undone.append(made))

    async def assert_cancelled(self, call: Deferred[str]) -> None:
        """The call's Deferred says so."""
        with self.assertRaises(CancelledError):
            await call

    async def test_result(self) -> None:
        """A result and an error come back, and nothing is undone."""

        def refuse() -> str:
            raise EngineError("make", "no")

        self.assertEqual(await self.make(lambda: "a"), "a")
        with self.assertRaises(EngineError):
            await self.make(refuse)
        self.assertEqual(self.undone, [])

    async def test_cancelled_in_the_middle(self) -> None:
        """What is made after the call was cancelled is undone before the threads have ended."""
        begun, go_on = threading.Event(), threading.Event()

        def work() -> str:
            begun.set()
            go_on.wait(WAIT_S)
            return "a"

        call = self.make(work)
        self.assertTrue(begun.wait(WAIT_S))
        call.cancel()
        go_on.set()
        await self.assert_cancelled(call)
        await self.threads.close(())
        self.assertEqual(self.undone, ["a"])

    async def test_cancelled_at_the_last_moment(self) -> None:
        """What was made before the call was cancelled, and not told yet, is undone too, though all ends at once."""
        call = self.make(lambda: "a")
        self.assertTrue(self.reactor.handed_over.wait(WAIT_S))
        call.cancel()
        await self.threads.close(())
        await self.assert_cancelled(call)
        self.assertEqual(self.undone, ["a"])

    async def test_cancelled_before_it_began(self) -> None:
        """What no thread has begun is not begun any more."""
        go_on = threading.Event()
        busy = [self.make(lambda: str(go_on.wait(WAIT_S))) for _ in range(2)]
        call = self.make(lambda: "a")
        call.cancel()
        go_on.set()
        await gatherResults(busy)
        await self.assert_cancelled(call)
        await self.threads.close(())
        self.assertEqual(self.undone, [])

    async def test_failed_undoing(self) -> None:
        """What can't be undone is in the log, since nobody waits for it."""
        begun, go_on = threading.Event(), threading.Event()

        def work(engine: object) -> str:
            begun.set()
            go_on.wait(WAIT_S)
            return "a"

        def undo(engine: object, made: str) -> None:
            raise KeyError(made)

        call = self.threads.call("make", work, undo=undo)
        self.assertTrue(begun.wait(WAIT_S))
        call.cancel()
        go_on.set()
        await self.assert_cancelled(call)
        await self.threads.close(())
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    async def test_queue_at_the_end(self) -> None:
        """However many slow calls wait for their turn when all is closed, each is told, and none is begun."""
        go_on = threading.Event()
        begun: list[None] = []
        first = self.threads.call("slow", lambda engine: go_on.wait(WAIT_S), slow=True)
        waiting = [self.threads.call("slow", lambda engine: begun.append(None), slow=True) for _ in range(2000)]
        closing = self.threads.close(())
        for call in waiting:
            with self.assertRaises(EngineError):
                await call
        go_on.set()
        self.assertTrue(await first)
        await closing
        self.assertEqual(begun, [])
        with self.assertRaises(EngineError):
            await self.make(lambda: "a")
