"""Every interface that Nexus owns: the contract pages. Implementations say only what differs.

Who calls whom: calls go down (`control` -> `orchestrator` -> nodes -> runtime); events come up through observers.
All methods are called, and all Deferreds and observers fire, in the reactor's thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from datetime import datetime

    from twisted.internet.defer import Deferred

    from nexus.container import (
        BridgeSpec,
        Caps,
        Container,
        ContainerDetail,
        ContainerEvent,
        ContainerSpec,
        ContainerStats,
        ExecutionResult,
        FileAsset,
        Volume,
    )
    from nexus.messages import (
        CreatedNetwork,
        CreateNetwork,
        DeletedNetwork,
        DeleteNetwork,
        EdgeStats,
        GetNetwork,
        ListedNetworks,
        ListNetworks,
        MeasuredEdge,
        MeasuredNetwork,
        NetworkDetails,
        NetworkDiagnostics,
        NetworkName,
        Ping,
        Pong,
        RemovedNetwork,
        StartedNetwork,
        StoppedNetwork,
        UpdatedNetwork,
        UpdateNetwork,
    )
    from nexus.model import (
        Lease,
        Network,
        NetworkChanges,
        NetworkStatus,
        Node,
        NodeDiagnosis,
        NodeEvent,
        NodeId,
        NodeIdentity,
        NodeStats,
        Route,
    )


class ISubscription(Interface):
    """What an observer gets back for subscribing."""

    def close() -> None:
        """End it: the observer is called no more, from this very moment on. Idempotent."""


class IContainerEventObserver(Interface):
    """Told of containers' events."""

    def container_event(event: ContainerEvent) -> None:
        """`event` happened. Must not raise and must not block."""

    def event_stream_restored() -> None:
        """The stream was lost and is back: anything may have happened meanwhile; list again."""


class IContainerRuntime(Interface):
    """A container engine. Knows labels, volumes and containers; nothing of IPFS.

    Every Deferred may fail with `EngineUnreachableError` or another `EngineError`, and with nothing else. Calls run on
    a small pool of threads of the runtime's own, in no promised order.
    """

    def check() -> Deferred[str]:
        """The engine's version, if it answers."""

    def check_image(image: str) -> Deferred[None]:
        """Fails with `ImageMissingError` unless the engine has `image`. Never pulls."""

    def ensure_bridge(bridge: BridgeSpec) -> Deferred[None]:
        """Make the bridge unless it is there. Fails with `EngineError` where one of that name has another subnet."""

    def remove_bridge(name: str) -> Deferred[None]:
        """Remove it. Succeeds when it is gone already."""

    def list(labels: Mapping[str, str]) -> Deferred[Sequence[Container]]:
        """The containers, running or not, that carry all of `labels`. One call to the engine whatever their number."""

    def inspect(container_id: str) -> Deferred[ContainerDetail]:
        """Everything about one. Fails with `ContainerNotFoundError`."""

    def create(spec: ContainerSpec) -> Deferred[str]:
        """Create a container with its files put in, not started; fires with its id. A failure leaves no container.

        Fails with `NameTakenError`, `ImageMissingError`, `NoSpaceError`.
        """

    def start(container_id: str) -> Deferred[None]:
        """Start it; succeeds when it runs already. Fails with `PortTakenError` where a port or address is in use."""

    def stop(container_id: str, grace_s: int) -> Deferred[None]:
        """SIGTERM, then SIGKILL after `grace_s`; fires when it has ended. Succeeds when it is stopped or gone."""

    def restart(container_id: str, grace_s: int) -> Deferred[None]:
        """Stop and start the same container."""

    def update(container_id: str, caps: Caps) -> Deferred[None]:
        """Set its caps, live where it runs. Fails with `CapsRefusedError`."""

    def remove(container_id: str) -> Deferred[None]:
        """Kill and remove it, with its anonymous volumes; named ones stay. Succeeds when it is gone already."""

    def put_files(container_id: str, files: Sequence[FileAsset]) -> Deferred[None]:
        """Put files in, running or not, replacing what is there."""

    def execute(container_id: str, command: Sequence[str]) -> Deferred[ExecutionResult]:
        """Run a command inside. Fails with `ContainerConflictError` unless it runs."""

    def logs(container_id: str, lines: int) -> Deferred[Sequence[str]]:
        """The last lines of its output, oldest first, without colour codes or control characters."""

    def stats(container_id: str) -> Deferred[ContainerStats]:
        """One sample. Fails with `ContainerConflictError` unless it runs."""

    def create_volume(name: str, labels: Mapping[str, str]) -> Deferred[bool]:
        """Make a volume; fires with whether it was made now (False: it was there)."""

    def list_volumes(labels: Mapping[str, str]) -> Deferred[Sequence[Volume]]:
        """The volumes that carry all of `labels`."""

    def remove_volume(name: str) -> Deferred[None]:
        """Remove it and its data. Succeeds when it is gone already."""

    def watch(labels: Mapping[str, str], observer: IContainerEventObserver) -> ISubscription:
        """Tell `observer` of the events of containers with `labels`, from now on; reconnect when it goes away."""

    def close() -> Deferred[None]:
        """End event streams and threads; fires when all threads have ended."""


class INodeObserver(Interface):
    """Told of nodes' events."""

    def node_event(event: NodeEvent) -> None:
        """`event` happened to a node of ours. Must not raise and must not block."""

    def node_events_restored() -> None:
        """Events may have been missed: list again."""


class INodes(Interface):
    """Kubo nodes in containers: the original NodeClient's seven calls, and a few to look closer.

    Only containers, volumes and bridges with this instance's label are ever seen or touched. Fails with `EngineError`s,
    and as said.
    """

    def nodes() -> Deferred[Sequence[Node]]:
        """Every node, running or dead, from one list call."""

    def create_node(network: Network, lease: Lease) -> Deferred[Node]:
        """Make the node of `network` on its volume (made if missing) and fire when it is ready: its RPC answers.

        A failure leaves no container, and no volume that it made. Cancelling does the same. Fails with
        `NodeNotReadyError` when the node dies on the way and `DeadlineError` when it does not answer in time (both with
        the last log lines), `NameTakenError`, `PortTakenError`, `ImageMissingError`, `NoSpaceError`.
        """

    def update_node(node: Node, network: Network) -> Deferred[Sequence[str]]:
        """Bring a running node to the record without a restart where that can be done; fires with the names of the
        fields (`resources.disk_gb`) that take effect only at its next start. Fails with `CapsRefusedError`."""

    def stop_node(node: NodeId) -> Deferred[None]:
        """Stop the node and remove its container; the data stay. Succeeds when it is gone already."""

    def remove_node(node: NodeId) -> Deferred[None]:
        """Stop the node and remove container and data. Succeeds when they are gone already."""

    def node_stats(node: Node, network: Network) -> Deferred[NodeStats]:
        """Measure a running node. Fails with `NodeNotReadyError` unless it runs and answers."""

    def identify_node(node: Node, network: Network) -> Deferred[NodeIdentity]:
        """What a running node's `id` answers: StartNetwork's reply needs no more, and a measurement takes far longer.
        Fails with `NodeNotReadyError` unless it runs and answers."""

    def watch(observer: INodeObserver) -> ISubscription:
        """Tell `observer` what happens to nodes, from now on."""

    def await_ready(node: Node, network: Network) -> Deferred[None]:
        """Fires when the node's RPC answers. Fails with `NodeNotReadyError` or `DeadlineError`."""

    def diagnose(node: Node) -> Deferred[NodeDiagnosis]:
        """What engine and log tell of it, whatever its state."""

    def volumes() -> Deferred[Sequence[NodeId]]:
        """The nodes that have data, running or not."""

    def node_revision(network: Network, lease: Lease) -> str:
        """The revision (see `Node.revision`) that a node made now would have."""


class INetworksObserver(Interface):
    """Told of records that changed."""

    def network_changed(name: str) -> None:
        """The record `name` was created, changed or deleted. Must not raise and must not block."""


class INetworks(Interface):
    """Network records: the desired state. Each call is one transaction.

    Any call may fail with `DatabaseError`.
    """

    def create(network: Network) -> Deferred[Network]:
        """Add a record. Fails with `NetworkExistsError`."""

    def get(name: str) -> Deferred[Network]:
        """Read one. Fails with `NetworkNotFoundError`."""

    def list() -> Deferred[Sequence[Network]]:
        """All, ordered by name."""

    def update(name: str, changes: NetworkChanges) -> Deferred[Network]:
        """Change fields; fires with the record as it is now. Fails with `NetworkNotFoundError`."""

    def delete(name: str) -> Deferred[None]:
        """Remove a record. Fails with `NetworkNotFoundError`."""

    def record_activation(name: str, at: datetime, reason: str) -> Deferred[Network]:
        """Set desired state `online` and when and why it was. Fails with `NetworkNotFoundError`."""

    def record_deactivation(name: str, at: datetime, reason: str) -> Deferred[Network]:
        """Set desired state `offline` and when and why it was. Fails with `NetworkNotFoundError`."""

    def watch(observer: INetworksObserver) -> ISubscription:
        """Tell `observer` of changes after they are committed, made here or (where it can be told) by others."""

    def close() -> Deferred[None]:
        """Let go of connections and threads."""


class IRouteObserver(Interface):
    """Told of routes, synchronously, before the call that changed the registry returns."""

    def route_added(route: Route) -> None:
        """A network became known."""

    def route_changed(old: Route, new: Route) -> None:
        """A network's route changed; where the generation did, nothing may reach `old`'s targets any more."""

    def route_removed(route: Route) -> None:
        """A network is known no more."""


class INetworkStatus(Interface):
    """What the edge asks for at `status` and `swarm`."""

    def network_status(network: str) -> Deferred[NetworkStatus]:
        """How a known network is, at most a few seconds old. Never fails for a network on record; what a node does not
        tell stays empty. Fails with `NetworkNotFoundError`."""

    def target_unreachable(network: str, generation: int) -> None:
        """A dial to a target of that generation failed: a reason to look at the node at once."""


class IEdgeStats(Interface):
    """What the control API can ask of the edge."""

    def edge_stats(request: EdgeStats) -> Deferred[MeasuredEdge]:
        """What the edge has done since Nexus started, and what it is doing now."""


class INetworkControl(Interface):
    """All that the control API can ask of networks. One message in, one message out (`nexus.messages`).

    Fails with any `NexusError`.
    """

    instance = Attribute("The instance's name.")

    def ping(request: Ping) -> Deferred[Pong]:
        """That Nexus is there, and which."""

    def create_network(request: CreateNetwork) -> Deferred[CreatedNetwork]:
        """Add a record. Fails with `NetworkExistsError`, `InvalidError`."""

    def get_network(request: GetNetwork) -> Deferred[NetworkDetails]:
        """One record and its state. Fails with `NetworkNotFoundError`."""

    def list_networks(request: ListNetworks) -> Deferred[ListedNetworks]:
        """All records and their states, ordered by name."""

    def delete_network(request: DeleteNetwork) -> Deferred[DeletedNetwork]:
        """Remove the record. Fails with `ConflictError` while node or data exist, unless `remove` is set."""

    def start_network(request: NetworkName) -> Deferred[StartedNetwork]:
        """Bring it online; fires when its node is ready and routed. A second call joins a start under way."""

    def update_network(request: UpdateNetwork) -> Deferred[UpdatedNetwork]:
        """Change the record, the route at once, and the running node. Fails with `CapsRefusedError`, and leaves the
        record's resources as they were then."""

    def stop_network(request: NetworkName) -> Deferred[StoppedNetwork]:
        """Take it offline; fires when the node is gone. Data stay. Ends a start under way."""

    def remove_network(request: NetworkName) -> Deferred[RemovedNetwork]:
        """Take it offline and remove its data; the record stays."""

    def network_stats(request: NetworkName) -> Deferred[MeasuredNetwork]:
        """Measure its node. Fails with `ConflictError` where it is offline."""

    def network_diagnostics(request: NetworkName) -> Deferred[NetworkDiagnostics]:
        """What one needs at 3 a.m. Answers also when engine or node do not."""
