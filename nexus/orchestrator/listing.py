"""The engine's list of nodes, asked for as seldom as can be.

Events wake many networks at once and each pass re-reads the truth. Those that ask while a list call is under way get
the next one, together: what one is told was always read after one asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from nexus.errors import ConflictError
from nexus.orchestrator.turns import Shared

if TYPE_CHECKING:
    from nexus.interfaces import INodes
    from nexus.leases import Leases
    from nexus.model import Node

log = Logger()


class Listing:
    """Lists nodes. Before its first answer is told to anybody, the leases in it are taken over, so that nothing that a
    running container holds can be leased to another."""

    def __init__(self, nodes: INodes, leases: Leases) -> None:
        self._nodes = nodes
        self._leases = leases
        self._leases_known = False
        self._running: Shared[Sequence[Node]] | None = None
        self._next: Shared[Sequence[Node]] | None = None

    def nodes(self) -> Deferred[Sequence[Node]]:
        """Every node, running or dead. Fails as `INodes.nodes` does."""
        if self._running is None or self._running.done:
            self._running = Shared(Deferred.fromCoroutine(self._list()))
            return self._running.wait()
        if self._next is None:
            self._next = Shared(Deferred.fromCoroutine(self._list_after(self._running)))
        return self._next.wait()

    async def _list_after(self, earlier: Shared[Sequence[Node]]) -> Sequence[Node]:
        # Its own askers are told of its failure; here it only was in the way.
        await earlier.wait().addErrback(lambda _: ())
        self._running, self._next = self._next, None
        return await self._list()

    async def _list(self) -> Sequence[Node]:
        nodes = await self._nodes.nodes()
        if not self._leases_known:
            self._leases_known = True
            for node in nodes:
                self._adopt(node)
        return nodes

    def _adopt(self, node: Node) -> None:
        try:
            self._leases.adopt(node.lease)
        except ConflictError as error:
            log.error(
                "container {container} of node {node} holds what another does: {error}",
                container=node.container_name,
                node=node.id,
                error=error,
            )
