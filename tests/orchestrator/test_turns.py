"""Turns, shared outcomes, attempts, and shared list calls."""

from __future__ import annotations

import contextlib
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from nexus.coroutines import returns_deferred
from nexus.errors import EngineUnreachableError
from nexus.model import NodeId
from nexus.orchestrator.attempt import Attempt, Ended
from nexus.orchestrator.listing import Listing
from nexus.orchestrator.turns import Shared, Turns
from nexus.testing.nodes import MemoryNodes
from tests.orchestrator.setting import OrchestratorTestCase


class SharedTests(SynchronousTestCase):
    """One outcome for several."""

    def test_success(self) -> None:
        """Who waits, and who comes late, get the same."""
        source: Deferred[str] = Deferred()
        shared = Shared(source)
        early = shared.wait()
        self.assertFalse(shared.done)
        source.callback("done")
        self.assertEqual(self.successResultOf(early), "done")
        self.assertEqual(self.successResultOf(shared.wait()), "done")
        self.assertTrue(shared.done)

    def test_failure(self) -> None:
        """A failure is told to each; that nobody asks is no error."""
        shared: Shared[None] = Shared(fail(ValueError("it")))
        self.failureResultOf(shared.wait(), ValueError)
        self.failureResultOf(shared.wait(), ValueError)
        Shared(fail(ValueError("unasked")))

    def test_leaves(self) -> None:
        """Who stops waiting is told nothing more, and the others are."""
        source: Deferred[str] = Deferred()
        shared = Shared(source)
        leaver, stayer = shared.wait(), shared.wait()
        leaver.cancel()
        source.callback("done")
        self.failureResultOf(leaver, CancelledError)
        self.assertEqual(self.successResultOf(stayer), "done")


class TurnsTests(SynchronousTestCase):
    """Work in the order in which it came."""

    def setUp(self) -> None:
        """Turns, and what happened."""
        self.happened: list[str] = []
        self.turns = Turns(lambda: self.happened.append("idle"))

    def work(self, name: str, until: Deferred[None] | None = None) -> Shared[str]:
        """A piece of work that says when it begins, and ends when told."""

        async def run() -> str:
            self.happened.append(name)
            if until is not None:
                await until
            return name

        return self.turns.take(run)

    def test_one_after_the_other(self) -> None:
        """The second begins when the first has ended, and when who waits for the first has heard of it."""
        hold: Deferred[None] = Deferred()
        first = self.work("first", hold)
        first.wait().addCallback(lambda _: self.happened.append("heard"))
        self.work("second")
        self.assertEqual(self.happened, ["first"])
        self.assertTrue(self.turns.busy)
        hold.callback(None)
        self.assertEqual(self.happened, ["first", "heard", "second", "idle", "idle"])
        self.assertFalse(self.turns.busy)

    def test_failure_ends_a_turn(self) -> None:
        """A piece of work that fails keeps nobody from the next turn."""
        hold: Deferred[None] = Deferred()
        first, second = self.work("first", hold), self.work("second")
        hold.errback(ValueError("it"))
        self.failureResultOf(first.wait(), ValueError)
        self.assertEqual(self.successResultOf(second.wait()), "second")


class AttemptTests(SynchronousTestCase):
    """Work that is ended."""

    def setUp(self) -> None:
        """An attempt."""
        self.attempt = Attempt("demo")

    @returns_deferred
    async def step(self, step: Deferred[str]) -> str:
        """A long step of it."""
        return await self.attempt.during(lambda: step)

    def test_not_ended(self) -> None:
        """A long step ends as it ends."""
        hold: Deferred[str] = Deferred()
        step = self.step(hold)
        hold.callback("done")
        self.assertEqual(self.successResultOf(step), "done")
        self.failureResultOf(self.step(fail(ValueError("it"))), ValueError)

    def test_cancels(self) -> None:
        """Ending it cancels the long step, and says why; only the first reason counts."""
        cancelled: list[object] = []
        step = self.step(Deferred(cancelled.append))
        self.attempt.end("it was stopped")
        self.attempt.end("it was removed")
        self.assertEqual(len(cancelled), 1)
        self.assertEqual(str(self.failureResultOf(step, Ended).value), "it was stopped")

    def test_no_further_step(self) -> None:
        """What has been ended begins nothing more."""
        begun: list[str] = []

        def begin() -> Deferred[str]:
            begun.append("begun")
            return Deferred()

        self.attempt.end("it was stopped")
        self.failureResultOf(Deferred.fromCoroutine(self.attempt.during(begin)), Ended)
        self.assertEqual(begun, [])
        self.assertRaises(Ended, self.attempt.check)

    def test_deaf_step(self) -> None:
        """A step that succeeds in spite of being cancelled does not let the attempt go on."""

        @returns_deferred
        async def deaf() -> str:
            with contextlib.suppress(CancelledError):
                await Deferred[None]()
            return "done all the same"

        step = self.step(deaf())
        self.attempt.end("it was stopped")
        self.failureResultOf(step, Ended)

    def test_undo(self) -> None:
        """Steps are undone last first, once; what fails is logged and stops nothing."""
        undone: list[str] = []

        def undo(what: str, error: Exception | None = None) -> Any:
            async def run() -> None:
                undone.append(what)
                if error is not None:
                    raise error

            return run

        self.attempt.on_undo("first", undo("first"))
        self.attempt.on_undo("second", undo("second", ValueError("it")))
        self.attempt.on_undo("third", undo("third"))
        self.successResultOf(Deferred.fromCoroutine(self.attempt.undo()))
        self.successResultOf(Deferred.fromCoroutine(self.attempt.undo()))
        self.assertEqual(undone, ["third", "second", "first"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class ListingTests(OrchestratorTestCase):
    """List calls that several share."""

    def setUp(self) -> None:
        """A listing, nothing asked of it yet."""
        super().setUp()
        self.nodes = MemoryNodes()
        self.listing = Listing(self.nodes, self.make_leases())

    def test_shared(self) -> None:
        """Who asks while a call is under way gets the next one, together with all who do."""
        self.nodes.hold("nodes")
        first = self.listing.nodes()
        later = [self.listing.nodes() for _ in range(9)]
        self.assertEqual(self.calls("nodes"), 1)
        self.nodes.release("nodes")
        self.successResultOf(first)
        for answer in later:
            self.successResultOf(answer)
        self.assertEqual(self.calls("nodes"), 2)

    def test_never_stale(self) -> None:
        """What one is told was read after one asked."""
        self.create("demo")
        self.nodes.hold("nodes")
        first = self.listing.nodes()
        second = self.listing.nodes()
        self.nodes._held[0].answer()
        self.nodes._held.pop(0)
        self.assertEqual(len(self.successResultOf(first)), 0)
        node = self.nodes.put(self.record(), self.leases.lease(NodeId("demo")))
        self.nodes.release("nodes")
        self.successResultOf(second.addCallback(lambda nodes: self.assertEqual(list(nodes), [node])))

    def test_failure(self) -> None:
        """A call that fails fails those that it was made for, and no others."""
        self.nodes.fail_next("nodes", EngineUnreachableError("list", "no engine"))
        self.nodes.hold("nodes")
        first, second = self.listing.nodes(), self.listing.nodes()
        self.nodes.release("nodes")
        self.failed(first, EngineUnreachableError)
        self.successResultOf(second)
        self.successResultOf(self.listing.nodes())
