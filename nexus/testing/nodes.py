"""`MemoryNodes`: nodes in memory, for tests of what is built on `INodes`, races above all.

By default every answer is there when the call returns, and events are told before it does. What a test needs to make go
wrong, it asks for: `kill`, `crash`, `go_away`, `fail_next`, `hold`. It knows no containers and no Kubo: for tests that
need those there is `nexus.ipfs.client.NodeClient` over `MemoryRuntime`, which passes the same contract.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from nexus.errors import ContainerNotFoundError, EngineUnreachableError, NameTakenError, NexusError, NodeNotReadyError
from nexus.interfaces import INodeObserver, INodes, ISubscription
from nexus.model import (
    ContainerState,
    Lease,
    Network,
    Node,
    NodeDiagnosis,
    NodeEvent,
    NodeEventKind,
    NodeId,
    NodeIdentity,
    NodeStats,
)

T = TypeVar("T")

_CREATED_AT = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(eq=False)
class _Held:
    method: str
    answer: Callable[[], None]


@implementer(ISubscription)
class _Watch:
    def __init__(self, watches: list[_Watch], observer: INodeObserver) -> None:
        self.observer = observer
        self._watches = watches
        watches.append(self)

    def close(self) -> None:
        """See `ISubscription`."""
        if self in self._watches:
            self._watches.remove(self)


@implementer(INodes)
class MemoryNodes:
    """See the module.

    :ivar calls: every call made, in order: the method's name and the network's, empty for those that name none.
    :ivar data: the nodes that have data.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.data: set[NodeId] = set()
        self._nodes: list[Node] = []
        self._watches: list[_Watch] = []
        self._failures: dict[str, list[NexusError]] = {}
        self._holding: set[str] = set()
        self._held: list[_Held] = []
        self._is_away = False
        self._ids = count(1)

    # What a test makes happen

    def present(self) -> list[Node]:
        """The nodes there are, without a call."""
        return list(self._nodes)

    def node(self, network: str) -> Node:
        """The node of `network`. :raises LookupError: when it has none."""
        for node in self._nodes:
            if node.id.network == network:
                return node
        raise LookupError(network)

    def put(self, network: Network, lease: Lease, state: ContainerState = ContainerState.RUNNING) -> Node:
        """A node that was there before: nobody is told."""
        node = Node(
            id=lease.node,
            container_id=f"container-{next(self._ids)}",
            container_name=f"memory-{network.name}-{lease.node.index}",
            image="memory",
            state=state,
            lease=lease,
            resources=network.resources,
            revision=self.node_revision(network, lease),
            created_at=_CREATED_AT,
        )
        self._nodes.append(node)
        self.data.add(lease.node)
        return node

    def change(self, node: Node, state: ContainerState) -> Node:
        """Its container's state is another one now: nobody is told."""
        changed = replace(node, state=state)
        self._nodes[self._nodes.index(node)] = changed
        return changed

    def kill(self, network: str) -> None:
        """Somebody kills its container; it stays dead."""
        self._tell(NodeEventKind.DIED, self.change(self.node(network), ContainerState.EXITED))

    def crash(self, network: str) -> None:
        """Its process ends by itself: the engine is about to start it again."""
        self._tell(NodeEventKind.DIED, self.change(self.node(network), ContainerState.RESTARTING))

    def restart(self, network: str) -> None:
        """The engine has started it again."""
        self._tell(NodeEventKind.STARTED, self.change(self.node(network), ContainerState.RUNNING))

    def discard(self, network: str) -> None:
        """Somebody removes its container by force; data stay."""
        node = self.node(network)
        self._nodes.remove(node)
        self._tell(NodeEventKind.DIED, node)
        self._tell(NodeEventKind.REMOVED, node)

    def tell(self, event: NodeEvent) -> None:
        """Observers are told `event`, true or not."""
        for watch in tuple(self._watches):
            watch.observer.node_event(event)

    def restore_events(self) -> None:
        """Observers are told that they may have missed something."""
        for watch in tuple(self._watches):
            watch.observer.node_events_restored()

    def go_away(self) -> None:
        """The engine stops answering, and tells nothing."""
        self._is_away = True

    def come_back(self) -> None:
        """The engine answers again; nobody is told."""
        self._is_away = False

    @property
    def watched(self) -> bool:
        """Whether anybody is subscribed."""
        return bool(self._watches)

    def fail_next(self, method: str, error: NexusError) -> None:
        """The next call of `method` fails with `error`, and has done nothing."""
        self._failures.setdefault(method, []).append(error)

    def hold(self, method: str) -> None:
        """Calls of `method` neither act nor answer any more, until `release`. Cancelled, they never act."""
        self._holding.add(method)

    def held(self, method: str) -> int:
        """How many calls of `method` wait."""
        return sum(held.method == method for held in self._held)

    def release(self, method: str) -> None:
        """Do and answer what waits, in order, and hold no more."""
        self._holding.discard(method)
        waiting = [held for held in self._held if held.method == method]
        self._held = [held for held in self._held if held.method != method]
        for held in waiting:
            held.answer()

    # INodes

    def nodes(self) -> Deferred[Sequence[Node]]:
        """See `INodes`."""
        return self._call("nodes", "", lambda: tuple(self._nodes))

    def create_node(self, network: Network, lease: Lease) -> Deferred[Node]:
        """See `INodes`."""

        def create() -> Node:
            if any(node.id == lease.node for node in self._nodes):
                raise NameTakenError(f"create container {network.name}", "a container of that name exists")
            node = self.put(network, lease)
            self._tell(NodeEventKind.STARTED, node)
            return node

        return self._call("create_node", network.name, create)

    def update_node(self, node: Node, network: Network) -> Deferred[Sequence[str]]:
        """See `INodes`. Here, too, a smaller disk cap and another bootstrap list have to wait for a start."""

        def update() -> Sequence[str]:
            later = []
            if node.resources.disk_gb != network.resources.disk_gb:
                later.append("resources.disk_gb")
            return later

        return self._call("update_node", network.name, update)

    def stop_node(self, node: NodeId) -> Deferred[None]:
        """See `INodes`."""
        return self._call("stop_node", node.network, lambda: self._discard(node))

    def remove_node(self, node: NodeId) -> Deferred[None]:
        """See `INodes`."""

        def remove() -> None:
            self._discard(node)
            self.data.discard(node)

        return self._call("remove_node", node.network, remove)

    def node_stats(self, node: Node, network: Network) -> Deferred[NodeStats]:
        """See `INodes`."""

        def measure() -> NodeStats:
            self._check_running(node)
            return NodeStats(
                node=node.id,
                state=ContainerState.RUNNING,
                started_at=_CREATED_AT,
                uptime_s=1.0,
                cpu_percent=1.0,
                memory_used_bytes=1,
                memory_cap_bytes=network.resources.memory_bytes,
                network_received_bytes=1,
                network_sent_bytes=1,
                pids=1,
                disk_used_bytes=1,
                disk_cap_bytes=network.resources.disk_bytes,
                peer_id=f"peer-of-{network.name}",
                peers_connected=0,
                swarm_multiaddrs=(f"/ip4/127.0.0.1/tcp/{node.lease.swarm_port}/p2p/peer-of-{network.name}",),
                swarm_key_fingerprint="fingerprint",
                agent_version="memory",
            )

        return self._call("node_stats", network.name, measure)

    def identify_node(self, node: Node, network: Network) -> Deferred[NodeIdentity]:
        """See `INodes`."""

        def identify() -> NodeIdentity:
            self._check_running(node)
            return NodeIdentity(
                peer_id=f"peer-of-{network.name}",
                swarm_multiaddrs=(f"/ip4/127.0.0.1/tcp/{node.lease.swarm_port}/p2p/peer-of-{network.name}",),
            )

        return self._call("identify_node", network.name, identify)

    def watch(self, observer: INodeObserver) -> ISubscription:
        """See `INodes`."""
        self.calls.append(("watch", ""))
        return _Watch(self._watches, observer)

    def await_ready(self, node: Node, network: Network) -> Deferred[None]:
        """See `INodes`."""
        return self._call("await_ready", network.name, lambda: self._check_running(node))

    def diagnose(self, node: Node) -> Deferred[NodeDiagnosis]:
        """See `INodes`."""

        def diagnose() -> NodeDiagnosis:
            present = next((one for one in self._nodes if one.container_id == node.container_id), None)
            if present is None:
                raise ContainerNotFoundError(f"inspect container {node.container_id}", "there is none of that id")
            return NodeDiagnosis(
                node=node.id,
                container_id=node.container_id,
                container_name=node.container_name,
                image=node.image,
                state=present.state,
                started_at=_CREATED_AT,
                finished_at=None,
                exit_code=None,
                oom_killed=False,
                restart_count=0,
                error="",
                log_lines=("Daemon is ready",),
            )

        return self._call("diagnose", node.id.network, diagnose)

    def volumes(self) -> Deferred[Sequence[NodeId]]:
        """See `INodes`."""
        return self._call("volumes", "", lambda: tuple(sorted(self.data)))

    def node_revision(self, network: Network, lease: Lease) -> str:
        """See `INodes`."""
        return f"{network.resources.disk_gb:g}-{lease.swarm_port}"

    # How answers come

    def _call(self, method: str, network: str, act: Callable[[], T]) -> Deferred[T]:
        self.calls.append((method, network))
        if method not in self._holding:
            return self._outcome(method, act)

        def answer() -> None:
            self._outcome(method, act).chainDeferred(result)

        held = _Held(method, answer)
        self._held.append(held)
        result: Deferred[T] = Deferred(lambda _: self._held.remove(held))
        return result

    def _outcome(self, method: str, act: Callable[[], T]) -> Deferred[T]:
        if self._is_away:
            return fail(EngineUnreachableError(method, "the engine is away"))
        failures = self._failures.get(method)
        if failures:
            return fail(failures.pop(0))
        try:
            return succeed(act())
        except NexusError as error:
            return fail(error)

    def _discard(self, node_id: NodeId) -> None:
        for node in [node for node in self._nodes if node.id == node_id]:
            self._nodes.remove(node)
            if node.state is ContainerState.RUNNING:
                self._tell(NodeEventKind.DIED, node)
            self._tell(NodeEventKind.REMOVED, node)

    def _check_running(self, node: Node) -> None:
        running = any(
            one.container_id == node.container_id and one.state is ContainerState.RUNNING for one in self._nodes
        )
        if not running:
            raise NodeNotReadyError(node.id.network, "does not run")

    def _tell(self, kind: NodeEventKind, node: Node) -> None:
        self.tell(NodeEvent(node=node.id, kind=kind, container_id=node.container_id))
