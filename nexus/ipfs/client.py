"""`NodeClient`: Kubo nodes in containers, the original Nexus's seven calls and a few to look closer.

The walk of a create: `spec` (pure) -> bridge, volume, container, start (the runtime) -> `readiness` (the node's RPC).
Each step that made something says how to undo it, and a failure, or a cancel, undoes them in reverse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults
from twisted.logger import Logger
from zope.interface import implementer

from nexus.container import Container, ContainerDetail, ContainerSpec, Volume
from nexus.coroutines import returns_deferred
from nexus.errors import (
    ContainerConflictError,
    ContainerNotFoundError,
    EngineError,
    NodeNotReadyError,
)
from nexus.interfaces import IContainerRuntime, INodeObserver, INodes, ISubscription
from nexus.ipfs.completing import completed
from nexus.ipfs.events import NodeEvents
from nexus.ipfs.labels import (
    UnreadableLabelsError,
    fields_for_next_start,
    identity_labels,
    instance_labels,
    read_node,
    read_node_id,
    volume_labels,
)
from nexus.ipfs.readiness import Readiness
from nexus.ipfs.rpc import KuboRPC, RPCError
from nexus.ipfs.settings import announced_address
from nexus.ipfs.spec import Hosting, node_caps, node_files, node_revision, node_spec
from nexus.ipfs.swarm_key import swarm_key_fingerprint
from nexus.model import ContainerState, Lease, Network, Node, NodeDiagnosis, NodeId, NodeIdentity, NodeStats

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.web.iweb import IAgent

T = TypeVar("T")
ThingT = TypeVar("ThingT", Container, Volume)

_DIAGNOSIS_LOG_LINES = 50

log = Logger()


@implementer(INodes)
class NodeClient:
    """Nodes of one instance on one engine.

    `Node.resources` are those that its container was made with: labels cannot change on a container that exists, so
    caps that `update_node` changed are told by `node_stats`, and by the record.

    :param clock: the reactor's; gives the time of day, too.
    :param runtime: the engine.
    :param agent: makes the requests to nodes (`rpc.kubo_agent`).
    :param hosting: what all nodes of this host have in common.
    :param ready_timeout_s: how long a node may take from its start until it answers.
    """

    def __init__(
        self,
        clock: IReactorTime,
        runtime: IContainerRuntime,
        agent: IAgent,
        hosting: Hosting,
        *,
        ready_timeout_s: float,
    ) -> None:
        self._clock = clock
        self._runtime = runtime
        self._hosting = hosting
        self._labels = instance_labels(hosting.instance)
        self._rpc = KuboRPC(clock, agent)
        self._events = NodeEvents(runtime, self._labels)
        self._readiness = Readiness(clock, runtime, self._rpc, self._events, ready_timeout_s)
        self._bridge_is_there = False
        self._not_understood: set[str] = set()

    @returns_deferred
    async def check(self) -> str:
        """The engine's version, if it answers and has the image. Fails with an `EngineError` that says what to do."""
        version = await self._runtime.check()
        await self._runtime.check_image(self._hosting.image)
        return version

    @returns_deferred
    async def nodes(self) -> Sequence[Node]:
        containers = await self._runtime.list(self._labels)
        return [node for container in containers if (node := self._read(container, read_node)) is not None]

    @returns_deferred
    async def create_node(self, network: Network, lease: Lease) -> Node:
        spec = node_spec(self._hosting, network, lease)
        async with AsyncExitStack() as undoing:
            node, restart_count = await self._start_container(spec, lease.node, undoing)
            await self._readiness.wait(node, network.rpc_bearer(node.id), restart_count)
            undoing.pop_all()
            return node

    @returns_deferred
    async def update_node(self, node: Node, network: Network) -> Sequence[str]:
        detail = await self._runtime.inspect(node.container_id)
        caps = node_caps(network.resources)
        if detail.caps != caps:
            await self._runtime.update(node.container_id, caps)
        # The engine may restart the container by itself, and then the script asserts what it finds.
        await self._runtime.put_files(node.container_id, node_files(self._hosting, network, node.lease))
        return fields_for_next_start(detail.labels, network)

    @returns_deferred
    async def stop_node(self, node: NodeId) -> None:
        await self._discard_containers(node)

    @returns_deferred
    async def remove_node(self, node: NodeId) -> None:
        await self._discard_containers(node)
        for volume in await self._runtime.list_volumes(identity_labels(self._hosting.instance, node)):
            await self._runtime.remove_volume(volume.name)

    @returns_deferred
    async def node_stats(self, node: Node, network: Network) -> NodeStats:
        bearer = network.rpc_bearer(node.id)
        address = node.api_address
        try:
            detail, sample, identity, peers_connected, disk_used_bytes = await _together(
                self._runtime.inspect(node.container_id),
                self._runtime.stats(node.container_id),
                Deferred.fromCoroutine(self._rpc.identity(address, bearer)),
                Deferred.fromCoroutine(self._rpc.connected_peers(address, bearer)),
                Deferred.fromCoroutine(self._rpc.repository_bytes(address, bearer)),
            )
        except (ContainerNotFoundError, ContainerConflictError) as error:
            raise NodeNotReadyError(network.name, f"does not run: {error.detail}") from error
        except RPCError as error:
            raise NodeNotReadyError(network.name, f"does not answer: {error}") from error
        return NodeStats(
            node=node.id,
            state=detail.state,
            started_at=detail.started_at,
            uptime_s=self._since(detail.started_at),
            cpu_percent=sample.cpu_percent,
            memory_used_bytes=sample.memory_used_bytes,
            memory_cap_bytes=sample.memory_cap_bytes,
            network_received_bytes=sample.network_received_bytes,
            network_sent_bytes=sample.network_sent_bytes,
            pids=sample.pids,
            disk_used_bytes=disk_used_bytes,
            disk_cap_bytes=network.resources.disk_bytes,
            peer_id=identity.peer_id,
            peers_connected=peers_connected,
            swarm_multiaddrs=self._swarm_multiaddrs(node, identity.peer_id),
            swarm_key_fingerprint=swarm_key_fingerprint(network.swarm_key),
            agent_version=identity.agent_version,
        )

    @returns_deferred
    async def identify_node(self, node: Node, network: Network) -> NodeIdentity:
        try:
            peer_id = (await self._rpc.identity(node.api_address, network.rpc_bearer(node.id))).peer_id
        except RPCError as error:
            raise NodeNotReadyError(network.name, f"does not answer: {error}") from error
        return NodeIdentity(peer_id=peer_id, swarm_multiaddrs=self._swarm_multiaddrs(node, peer_id))

    def watch(self, observer: INodeObserver) -> ISubscription:
        return self._events.watch(observer)

    @returns_deferred
    async def await_ready(self, node: Node, network: Network) -> None:
        try:
            detail = await self._runtime.inspect(node.container_id)
        except ContainerNotFoundError as error:
            raise NodeNotReadyError(network.name, "has no container any more") from error
        if detail.state is not ContainerState.RUNNING:
            lines = await self._runtime.logs(node.container_id, _DIAGNOSIS_LOG_LINES)
            raise NodeNotReadyError(network.name, f"does not run: its container is {detail.state}", lines)
        await self._readiness.wait(node, network.rpc_bearer(node.id), detail.restart_count)

    @returns_deferred
    async def diagnose(self, node: Node) -> NodeDiagnosis:
        detail: ContainerDetail = await self._runtime.inspect(node.container_id)
        return NodeDiagnosis(
            node=node.id,
            container_id=detail.id,
            container_name=detail.name,
            image=detail.image,
            state=detail.state,
            started_at=detail.started_at,
            finished_at=detail.finished_at,
            exit_code=detail.exit_code,
            oom_killed=detail.oom_killed,
            restart_count=detail.restart_count,
            error=detail.error,
            log_lines=tuple(await self._runtime.logs(node.container_id, _DIAGNOSIS_LOG_LINES)),
        )

    @returns_deferred
    async def volumes(self) -> Sequence[NodeId]:
        volumes = await self._runtime.list_volumes(self._labels)
        return [node for volume in volumes if (node := self._read(volume, _volume_node)) is not None]

    def node_revision(self, network: Network, lease: Lease) -> str:
        return node_revision(self._hosting, network, lease)

    @returns_deferred
    async def remove_everything(self) -> None:
        """Remove every container, all data and the bridge of this instance, at once: nothing is stopped gracefully,
        since nothing is kept. Succeeds when they are gone already."""
        for container in await self._runtime.list(self._labels):
            await self._runtime.remove(container.id)
        for volume in await self._runtime.list_volumes(self._labels):
            await self._runtime.remove_volume(volume.name)
        self._bridge_is_there = False
        await self._runtime.remove_bridge(self._hosting.bridge.name)

    # Making

    async def _start_container(self, spec: ContainerSpec, node: NodeId, undoing: AsyncExitStack) -> tuple[Node, int]:
        await self._ensure_bridge()
        await self._make_volume(spec.name, node, undoing)
        container_id, cancelled = await completed(self._runtime.create(spec))
        undoing.push_async_callback(self._undo, "remove container", lambda: self._runtime.remove(container_id))
        if cancelled:
            raise CancelledError
        await self._start(container_id)
        detail = await self._runtime.inspect(container_id)
        return read_node(_as_listed(detail)), detail.restart_count

    async def _ensure_bridge(self) -> None:
        if not self._bridge_is_there:
            await self._runtime.ensure_bridge(self._hosting.bridge)
            self._bridge_is_there = True

    async def _make_volume(self, name: str, node: NodeId, undoing: AsyncExitStack) -> None:
        labels = volume_labels(self._hosting.instance, node)
        made, cancelled = await completed(self._runtime.create_volume(name, labels))
        if made:
            undoing.push_async_callback(self._undo, "remove volume", lambda: self._runtime.remove_volume(name))
        if cancelled:
            raise CancelledError

    async def _start(self, container_id: str) -> None:
        try:
            _, cancelled = await completed(self._runtime.start(container_id))
        except EngineError as error:
            if not self._says_bridge_is_gone(error):
                raise
            self._bridge_is_there = False
            await self._ensure_bridge()
            _, cancelled = await completed(self._runtime.start(container_id))
        if cancelled:
            raise CancelledError

    def _says_bridge_is_gone(self, error: EngineError) -> bool:
        return self._hosting.bridge.name in error.detail and "not found" in error.detail

    async def _undo(self, what: str, undo: Callable[[], Deferred[None]]) -> None:
        """Undo a step of a failed create. An error here must not hide the one that led here."""
        try:
            await completed(undo())
        except EngineError:
            log.failure("could not {what} after a failed create", what=what)

    # Ending

    async def _discard_containers(self, node: NodeId) -> None:
        for container in await self._runtime.list(identity_labels(self._hosting.instance, node)):
            await self._runtime.stop(container.id, self._hosting.engine_grace_s)
            await self._runtime.remove(container.id)

    # Reading

    def _read(self, thing: ThingT, read: Callable[[ThingT], T]) -> T | None:
        try:
            return read(thing)
        except UnreadableLabelsError as error:
            if thing.name not in self._not_understood:
                self._not_understood.add(thing.name)
                log.warn("{name} carries this instance's label but is no node's: {error}", name=thing.name, error=error)
            return None

    def _swarm_multiaddrs(self, node: Node, peer_id: str) -> tuple[str, ...]:
        """Where members reach it: never what the node sees of itself, which is private to this host."""
        return (f"{announced_address(self._hosting.announce_address, node.lease.swarm_port)}/p2p/{peer_id}",)

    def _since(self, moment: datetime | None) -> float:
        if moment is None:
            return 0.0
        return max(0.0, (datetime.fromtimestamp(self._clock.seconds(), UTC) - moment).total_seconds())


def _volume_node(volume: Volume) -> NodeId:
    return read_node_id(volume.labels)


def _as_listed(detail: ContainerDetail) -> Container:
    return Container(
        id=detail.id,
        name=detail.name,
        image=detail.image,
        state=detail.state,
        labels=detail.labels,
        created_at=detail.created_at,
    )


async def _together(*steps: Awaitable[Any]) -> Any:
    """All of `steps` at once; the first failure is raised, and the others are waited for by nobody."""
    try:
        return await gatherResults([Deferred.fromCoroutine(_awaited(step)) for step in steps], consumeErrors=True)
    except FirstError as first:
        first.subFailure.raiseException()


async def _awaited(step: Awaitable[T]) -> T:
    return await step
