"""The loop's lag."""

from __future__ import annotations

import time

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nexus.loop_watch import INTERVAL_S, LoopWatch


class GaugeTests(SynchronousTestCase):
    """The figures."""

    def setUp(self) -> None:
        self.now = 1000.0
        self.patch(time, "monotonic", lambda: self.now)
        self.clock = Clock()
        self.watch = LoopWatch(self.clock, blocked_s=60)
        self.watch.startService()
        self.addCleanup(self.stop)
        self.clock.advance(0)

    def stop(self) -> None:
        """Stop, and leave nothing behind."""
        if self.watch.running:
            self.watch.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def turn(self, late_s: float) -> None:
        """Let the next call come late."""
        self.now += INTERVAL_S + late_s
        self.clock.advance(INTERVAL_S)

    def test_before_the_first(self) -> None:
        """A loop that has not turned yet is not late."""
        self.assertEqual((self.watch.lag_last_s, self.watch.lag_max_s, self.watch.lag_p99_s), (0, 0, 0))

    def test_lag(self) -> None:
        """The last, the worst, and what one in a hundred exceeds."""
        for _ in range(197):
            self.turn(0.001)
        for late_s in (0.02, 0.03, 0.002):
            self.turn(late_s)
        self.assertAlmostEqual(self.watch.lag_last_s, 0.002)
        self.assertAlmostEqual(self.watch.lag_max_s, 0.03)
        self.assertAlmostEqual(self.watch.lag_p99_s, 0.02)

    def test_forgets(self) -> None:
        """What was more than a minute ago does not count."""
        self.turn(5)
        for _ in range(600):
            self.turn(0)
        self.assertAlmostEqual(self.watch.lag_max_s, 0)
