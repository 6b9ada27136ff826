"""The edge's figures for the control API: all of `Counters`, whatever is counted there, and a few that are read now."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from nexus.interfaces import IEdgeStats
from nexus.messages import EdgeStats, LoopLag, MeasuredEdge

if TYPE_CHECKING:
    from datetime import datetime

    from nexus.edge.edge import Edge
    from nexus.loop_watch import LoopWatch
    from nexus.registry import Registry


@implementer(IEdgeStats)
class EdgeMeter:
    """See the module.

    :param started_at: when `edge` began to count, aware and in UTC.
    """

    def __init__(self, edge: Edge, registry: Registry, loop_watch: LoopWatch, started_at: datetime) -> None:
        self._edge = edge
        self._registry = registry
        self._loop_watch = loop_watch
        self._started_at = started_at

    def edge_stats(self, request: EdgeStats) -> Deferred[MeasuredEdge]:
        """See `IEdgeStats.edge_stats`."""
        watch = self._loop_watch
        return succeed(
            MeasuredEdge(
                started_at=self._started_at,
                networks=self._registry.size,
                upstreams=self._edge.upstreams,
                loop_lag=LoopLag(last_s=watch.lag_last_s, p99_s=watch.lag_p99_s, max_s=watch.lag_max_s),
                counters=deepcopy(self._edge.counters),
            )
        )
