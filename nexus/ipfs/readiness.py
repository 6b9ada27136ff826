"""Waiting until a node answers, or until it is clear that it will not: it died, or took too long.

Asked often, since a node is up half a second after its start, and whoever started a network waits for it. A death ends
the wait at once: by the engine's event, and by a look at the container now and then, since an event may be missed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.task import deferLater
from zope.interface import implementer

from nexus.container import ContainerDetail
from nexus.errors import ContainerNotFoundError, DeadlineError, EngineError, NodeNotReadyError
from nexus.interfaces import IContainerRuntime, INodeObserver
from nexus.ipfs.rpc import KuboRPC, RPCRefusedError
from nexus.model import ContainerState, NodeEvent, NodeEventKind

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from nexus.ipfs.events import NodeEvents
    from nexus.model import Node
    from nexus.secrets import Secret

_FIRST_PAUSE_S: Final = 0.02
_PAUSE_GROWTH: Final = 1.05
_LONGEST_PAUSE_S: Final = 0.1
_LOOK_INTERVAL_S: Final = 1.0
_LOG_LINES: Final = 20


class Readiness:
    """Waits for nodes.

    :param timeout_s: how long a node may take, from the call on.
    """

    def __init__(
        self, clock: IReactorTime, runtime: IContainerRuntime, rpc: KuboRPC, events: NodeEvents, timeout_s: float
    ) -> None:
        self._clock = clock
        self._runtime = runtime
        self._rpc = rpc
        self._events = events
        self._timeout_s = timeout_s

    async def wait(self, node: Node, bearer: Secret, restart_count: int = 0) -> None:
        """Until the node's RPC answers.

        :param restart_count: how often the engine had restarted its container so far; once more, and it has died.
        :raises NodeNotReadyError: when its container does not run any more, or something else answers; with the last
            log lines.
        :raises DeadlineError: when it did not answer in time; with the last log lines.
        """
        polling = Deferred.fromCoroutine(self._poll(node, bearer, restart_count))
        death = _DeathWatch(node.container_id, polling.cancel)
        subscription = self._events.watch(death)
        try:
            await polling.addTimeout(self._timeout_s, self._clock)
        except DeferredTimeoutError:
            lines = await self._last_lines(node)
            raise DeadlineError(f"the start of network {node.id.network!r}", self._timeout_s, lines) from None
        except CancelledError:
            if not death.happened:
                raise
            raise await self._dead(node) from None
        except RPCRefusedError as error:
            raise await self._not_ready(node, f"does not answer as itself: {error}") from error
        finally:
            subscription.close()

    async def _poll(self, node: Node, bearer: Secret, restart_count: int) -> None:
        pause_s = _FIRST_PAUSE_S
        looked_at_s = self._clock.seconds()
        while not await self._rpc.is_ready(node.api_address, bearer):
            if self._clock.seconds() - looked_at_s >= _LOOK_INTERVAL_S:
                looked_at_s = self._clock.seconds()
                await self._look(node, restart_count)
            await deferLater(self._clock, pause_s)
            pause_s = min(pause_s * _PAUSE_GROWTH, _LONGEST_PAUSE_S)

    async def _look(self, node: Node, restart_count: int) -> None:
        try:
            detail = await self._runtime.inspect(node.container_id)
        except ContainerNotFoundError:
            raise await self._dead(node) from None
        if detail.state is not ContainerState.RUNNING or detail.restart_count > restart_count:
            raise await self._dead(node)

    async def _dead(self, node: Node) -> NodeNotReadyError:
        try:
            detail = await self._runtime.inspect(node.container_id)
        except EngineError:
            return NodeNotReadyError(node.id.network, "was removed before it was ready")
        return await self._not_ready(node, f"ended before it was ready{_how(detail)}")

    async def _not_ready(self, node: Node, problem: str) -> NodeNotReadyError:
        return NodeNotReadyError(node.id.network, problem, await self._last_lines(node))

    async def _last_lines(self, node: Node) -> tuple[str, ...]:
        try:
            return tuple(await self._runtime.logs(node.container_id, _LOG_LINES))
        except EngineError:
            return ()


def _how(detail: ContainerDetail) -> str:
    if detail.oom_killed:
        return ", killed for want of memory"
    return "" if detail.exit_code is None else f", with exit status {detail.exit_code}"


@implementer(INodeObserver)
class _DeathWatch:
    """Ends the wait when the container dies."""

    def __init__(self, container_id: str, end: Callable[[], None]) -> None:
        self.happened = False
        self._container_id = container_id
        self._end = end

    def node_event(self, event: NodeEvent) -> None:
        dead = event.kind in (NodeEventKind.DIED, NodeEventKind.REMOVED)
        if dead and event.container_id == self._container_id and not self.happened:
            self.happened = True
            self._end()

    def node_events_restored(self) -> None:
        """What was missed, the next look finds."""
