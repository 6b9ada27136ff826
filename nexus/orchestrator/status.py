"""How networks are, for `status` and `swarm` at the edge: anybody's request, so a cheap answer.

One look-up per network at a time, whoever asks; its answer serves all for a short while. It asks only the node, no
database, and never fails: what a node does not tell stays empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.logger import Logger

from nexus.errors import NexusError
from nexus.orchestrator import views
from nexus.orchestrator.turns import Shared

if TYPE_CHECKING:
    from nexus.model import NetworkStatus
    from nexus.orchestrator.hosted import HostedNetwork
    from nexus.orchestrator.parts import Parts

log = Logger()


class CachedStatus:
    """One network's status, looked up at most every `Timings.status_age_s`, and anew when its route changed."""

    def __init__(self, hosted: HostedNetwork, parts: Parts) -> None:
        self._hosted = hosted
        self._parts = parts
        self._look_up: Shared[NetworkStatus] | None = None
        self._begun_at = 0.0
        self._generation: int | None = None

    def get(self) -> Deferred[NetworkStatus]:
        """The status; a network that is not online is told at once."""
        hosted, clock = self._hosted, self._parts.clock
        if hosted.node is None or hosted.route is None or hosted.record is None:
            return succeed(views.status(hosted.name, hosted.state, None))
        pending = self._look_up is not None and not self._look_up.done
        fresh = pending or clock.seconds() - self._begun_at < self._parts.timings.status_age_s
        if self._look_up is None or not fresh or self._generation != hosted.route.generation:
            self._begun_at = clock.seconds()
            self._generation = hosted.route.generation
            self._look_up = Shared(Deferred.fromCoroutine(self._ask()))
        return self._look_up.wait()

    async def _ask(self) -> NetworkStatus:
        hosted, parts = self._hosted, self._parts
        stats = None
        if hosted.node is not None and hosted.record is not None:
            asking = parts.nodes.node_stats(hosted.node, hosted.record)
            try:
                stats = await asking.addTimeout(parts.timings.look_up_timeout_s, parts.clock)
            except (NexusError, TimeoutError) as error:
                log.info("{network} does not tell its status: {error}", network=hosted.name, error=error)
        return views.status(hosted.name, hosted.state, stats)
