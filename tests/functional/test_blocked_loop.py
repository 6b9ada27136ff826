"""A loop that is blocked for real, and what the log says of it."""

from __future__ import annotations

import time
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from nexus.coroutines import returns_deferred
from nexus.loop_watch import LoopWatch
from tests.on_uvloop import on_uvloop


def hog_the_loop(seconds: float) -> None:
    """What no code of Nexus may do."""
    time.sleep(seconds)


class BlockedLoopTests(TestCase):
    """A loop that is blocked for real."""

    def setUp(self) -> None:
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.watch = LoopWatch(cast(IReactorTime, reactor), blocked_s=0.15)
        self.watch.startService()
        self.addCleanup(self.watch.stopService)

    def logged(self, field: str) -> list[Any]:
        """That field of all of its events."""
        return [event[field] for event in self.events if event.get("log_namespace") == "nexus.loop_watch"]

    @returns_deferred
    async def test_names_what_blocks(self) -> None:
        """The log names the function that blocks the loop while it does, once, and how long it took, each time."""
        for times in (1, 2):
            await deferLater(reactor, 0.2)
            hog_the_loop(0.6)
            while len(self.logged("blocked_s")) < 2 * times:
                await deferLater(reactor, 0.01)
            await deferLater(reactor, 0.2)
            stacks = [event["stack"] for event in self.events if "stack" in event]
            self.assertEqual(len(stacks), times)
            self.assertIn("hog_the_loop", stacks[-1])
            self.assertGreater(self.logged("blocked_s")[-1], 0.4)
            self.assertLess(self.logged("blocked_s")[-2], 0.5)
        self.assertGreater(self.watch.lag_max_s, 0.4)
        self.assertEqual(len(self.logged("blocked_s")), 4)

    @returns_deferred
    async def test_quiet(self) -> None:
        """A loop that turns is not spoken of."""
        await deferLater(reactor, 0.5)
        self.assertEqual(self.logged("log_level"), [])


BlockedLoopTestsOnUvloop = on_uvloop(BlockedLoopTests, __name__)
