"""Start-up, and what comes up from the engine: who is to be looked at, and when.

Start-up is the common path, once for all networks: subscribe, then list, then plan, then apply. What runs and should
is routed again at once from that one list call, and no container is touched; the rest is left to each network's upkeep.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from nexus.errors import ConflictError, EngineError, NexusError
from nexus.interfaces import INodeObserver, ISubscription
from nexus.orchestrator.turns import Shared

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from nexus.model import Node, NodeEvent
    from nexus.orchestrator.lifecycles import Lifecycles
    from nexus.orchestrator.parts import Parts

log = Logger()


@implementer(INodeObserver)
class Convergence:
    """See the module."""

    def __init__(self, parts: Parts, lifecycles: Lifecycles) -> None:
        self._parts = parts
        self._lifecycles = lifecycles
        self._subscription: ISubscription | None = None
        self._retry: IDelayedCall | None = None
        self._failures = 0
        self._look: Shared[None] | None = None
        self._stopped = False

    async def start(self) -> None:
        """Take over what is there. Where the engine does not answer, the networks are known to the edge all the same,
        and the engine is asked again until it does.

        :raises DatabaseError: when the records cannot be read; nothing is left subscribed then.
        :raises ConflictError: when a record has the name of a network that is routed already (a static one).
        """
        self._subscription = self._parts.nodes.watch(self)
        try:
            records = await self._parts.networks.list()
            for record in records:
                if self._lifecycles.static_route(record.name) is not None:
                    raise ConflictError(record.name, "it is on record, and a static network has its name; rename one")
        except NexusError:
            self._subscription.close()
            raise
        for record in records:
            self._lifecycles.take(record.name).hosted.know(record)
        try:
            nodes = await self._parts.listing.nodes()
        except EngineError as error:
            for lifecycle in self._lifecycles:
                lifecycle.hosted.failed(error)
            self._look_later(error)
            return
        self._adopt(nodes)

    async def stop(self) -> None:
        """Hear nothing more of nodes, and let every network's work end (see `Lifecycle.close`)."""
        self._stopped = True
        if self._subscription is not None:
            self._subscription.close()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._look is not None:
            await self._look.wait()
        for closing in [Deferred.fromCoroutine(lifecycle.close()) for lifecycle in self._lifecycles]:
            await closing

    def node_event(self, event: NodeEvent) -> None:
        """See `INodeObserver.node_event`."""
        self._lifecycles.take(event.node.network).upkeep.node_event(event)

    def node_events_restored(self) -> None:
        """See `INodeObserver.node_events_restored`."""
        if self._look is None or self._look.done:
            self._look = Shared(Deferred.fromCoroutine(self._look_at_all()))

    def _adopt(self, nodes: Sequence[Node]) -> None:
        by_network: dict[str, list[Node]] = defaultdict(list)
        for node in nodes:
            by_network[node.id.network].append(node)
        for lifecycle in self._lifecycles:
            lifecycle.upkeep.adopt(by_network.pop(lifecycle.hosted.name, []))
        for strays in by_network.values():
            for node in strays:
                log.warn(
                    "container {container} is {state}, but no record names its network {network}; it is left as it is",
                    container=node.container_name,
                    state=node.state,
                    network=node.id.network,
                )

    async def _look_at_all(self) -> None:
        try:
            nodes = await self._parts.listing.nodes()
        except EngineError as error:
            self._look_later(error)
            return
        if self._failures:
            log.info("the engine answers")
        self._failures = 0
        for name in {node.id.network for node in nodes} | {lifecycle.hosted.name for lifecycle in self._lifecycles}:
            self._lifecycles.take(name).upkeep.wake()

    def _look_later(self, error: EngineError) -> None:
        self._failures += 1
        delay_s = self._parts.timings.retry_delay_s(self._failures)
        if self._failures == 1:
            log.warn(
                "the engine does not answer, and is asked again until it does; what is routed is served: {error}",
                error=error,
            )
        if not self._stopped and self._retry is None:
            self._retry = self._parts.clock.callLater(delay_s, self._look_again)

    def _look_again(self) -> None:
        self._retry = None
        self.node_events_restored()
