"""The edge's figures for the control API: all of `Counters`, whatever is counted there, and a few that are read now."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from nexus.interfaces import IEdgeStats
from nexus.messages import EdgeStats, MeasuredEdge

if TYPE_CHECKING:
    from datetime import datetime

    from nexus.edge.edge import Edge
    from nexus.registry import Registry


@implementer(IEdgeStats)
class EdgeMeter:
    """See the module.

    :param started_at: when `edge` began to count, aware and in UTC.
    """

    def __init__(self, edge: Edge, registry: Registry, started_at: datetime) -> None:
        self._edge = edge
        self._registry = registry
        self._started_at = started_at

    def edge_stats(self, request: EdgeStats) -> Deferred[MeasuredEdge]:
        """See `IEdgeStats.edge_stats`."""
        return succeed(
            MeasuredEdge(
                started_at=self._started_at,
                networks=self._registry.size,
                upstreams=self._edge.upstreams,
                counters=deepcopy(self._edge.counters),
            )
        )
