"""What the control API is told of the edge."""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import UTC, datetime

from zope.interface.verify import verifyObject

from nexus.counters import Counters
from nexus.edge.meter import EdgeMeter
from nexus.interfaces import IEdgeStats
from nexus.loop_watch import LoopWatch
from nexus.messages import EdgeStats, LoopLag, MeasuredEdge
from tests.edge.fakes import OK_EMPTY, RelayTestCase

STARTED_AT = datetime(2026, 1, 2, tzinfo=UTC)


class MeterTests(RelayTestCase):
    """EdgeStats."""

    def setUp(self) -> None:
        super().setUp()
        self.meter = EdgeMeter(self.edge, self.registry, LoopWatch(self.clock, blocked_s=1), STARTED_AT)

    def measure(self) -> MeasuredEdge:
        """The answer, which is there at once."""
        return self.successResultOf(self.meter.edge_stats(EdgeStats()))

    def test_interface(self) -> None:
        """It provides the interface."""
        verifyObject(IEdgeStats, self.meter)

    def test_figures(self) -> None:
        """Requests under way and over, networks and upstreams are told."""
        self.publish("other")
        client, node = self.download()
        now = self.measure()
        self.assertEqual((now.started_at, now.networks, now.upstreams), (STARTED_AT, 2, 1))
        self.assertEqual(now.loop_lag, LoopLag(last_s=0, p99_s=0, max_s=0))
        self.assertEqual((now.counters.requests, now.counters.requests_in_flight, now.counters.dials), (1, 1, 1))
        node.send(OK_EMPTY)
        client.send(b"GET / HTTP/1.1\r\nHost: nobody.gateway.localhost\r\n\r\n")
        then = self.measure().counters
        self.assertEqual((then.requests, then.requests_in_flight, then.answers), (2, 0, {404: 1}))
        self.assertEqual(then.ended, {"complete": 2})
        self.assertEqual((now.counters.answers, now.counters.ended), ({}, {}))

    def test_everything_that_is_counted(self) -> None:
        """Whatever the edge counts is told."""
        for place, item in enumerate(fields(Counters)):
            value = place if item.default_factory is MISSING else {place: place}
            setattr(self.edge.counters, item.name, value)
        self.assertEqual(self.measure().counters, self.edge.counters)
