"""`INetworkControl` without nodes: enough of a Nexus to drive the control API in memory. Verified by the contract."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import count

from zope.interface import implementer

from nexus.coroutines import returns_deferred
from nexus.counters import Counters
from nexus.errors import ConflictError, InvalidError, NetworkExistsError, NetworkNotFoundError
from nexus.interfaces import IEdgeStats, INetworkControl
from nexus.messages import (
    ContainerView,
    CreatedNetwork,
    CreateNetwork,
    DeletedNetwork,
    DeleteNetwork,
    EdgeStats,
    GetNetwork,
    LeaseView,
    ListedNetworks,
    ListNetworks,
    LoopLag,
    MeasuredEdge,
    MeasuredNetwork,
    MeasuredNode,
    NetworkDetails,
    NetworkDiagnostics,
    NetworkName,
    Ping,
    Pong,
    RemovedNetwork,
    ResourcesChange,
    ResourcesView,
    RouteView,
    StartedNetwork,
    StoppedNetwork,
    UpdatedNetwork,
    UpdateNetwork,
)
from nexus.model import ContainerState, DesiredState, NetworkState, Resources, check_network_name

STARTED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class _Hosted:
    details: NetworkDetails
    swarm_key: str
    peer_id: str | None = None


def _check(network: str, users: list[str], origins: list[str], peers: list[str]) -> None:
    check_network_name(network)
    for field, values, pattern in (
        ("users", users, r".+"),
        ("api_allowed_origins", origins, r"https?://[a-z.]+"),
        ("bootstrap_peers", peers, r"/ip4/.+"),
    ):
        for place, value in enumerate(values):
            if not re.fullmatch(pattern, value):
                raise InvalidError(f"{field}[{place}]", f"{value!r} is unfit", pattern)


def _merge(present: ResourcesView, change: ResourcesChange | None) -> ResourcesView:
    given = {name: value for name, value in asdict(change or ResourcesChange()).items() if value is not None}
    return ResourcesView(**asdict(Resources(**{**asdict(present), **given})))


@implementer(INetworkControl)
class MemoryControl:
    """Networks that are online when they are said to be."""

    instance = "memory"

    def __init__(self) -> None:
        self._hosted: dict[str, _Hosted] = {}
        self._peers = count(1)

    def _find(self, name: str) -> _Hosted:
        if name not in self._hosted:
            raise NetworkNotFoundError(name)
        return self._hosted[name]

    @returns_deferred
    async def ping(self, request: Ping) -> Pong:
        states = [hosted.details.state for hosted in self._hosted.values()]
        return Pong(
            version="1",
            instance=self.instance,
            domain="localhost",
            started_at=STARTED_AT,
            networks=len(states),
            networks_online=states.count(NetworkState.ONLINE),
        )

    @returns_deferred
    async def create_network(self, request: CreateNetwork) -> CreatedNetwork:
        _check(request.network, request.users, request.api_allowed_origins, request.bootstrap_peers)
        if request.network in self._hosted:
            raise NetworkExistsError(request.network)
        key = request.swarm_key or (
            f"/key/swarm/psk/1.0.0/\n/base16/\n{hashlib.sha256(request.network.encode()).hexdigest()}\n"
        )
        if not key.startswith("/key/swarm/psk/1.0.0/\n"):
            raise InvalidError("swarm_key", "is no swarm key", "the text of a swarm.key file")
        details = NetworkDetails(
            network=request.network,
            state=NetworkState.OFFLINE,
            desired_state=DesiredState.OFFLINE,
            users=sorted(request.users),
            gateway_public=request.gateway_public,
            gateway_subdomains=request.gateway_subdomains,
            api_allowed_origins=sorted(request.api_allowed_origins),
            bootstrap_peers=request.bootstrap_peers,
            resources=_merge(ResourcesView(cpus=1, memory_gb=1, disk_gb=10), request.resources),
            swarm_key_fingerprint=hashlib.shake_128(key.encode()).hexdigest(16),
            created_at=STARTED_AT,
            updated_at=STARTED_AT,
            activated_at=None,
            activation_reason="",
            deactivated_at=None,
            deactivation_reason="",
        )
        self._hosted[request.network] = _Hosted(details, key)
        return CreatedNetwork(network=details)

    @returns_deferred
    async def get_network(self, request: GetNetwork) -> NetworkDetails:
        hosted = self._find(request.network)
        return replace(hosted.details, swarm_key=hosted.swarm_key if request.include_swarm_key else None)

    @returns_deferred
    async def list_networks(self, request: ListNetworks) -> ListedNetworks:
        return ListedNetworks(networks=[self._hosted[name].details for name in sorted(self._hosted)])

    @returns_deferred
    async def delete_network(self, request: DeleteNetwork) -> DeletedNetwork:
        if self._find(request.network).peer_id is not None and not request.remove:
            raise ConflictError(request.network, "its data exist", "remove")
        del self._hosted[request.network]
        return DeletedNetwork(network=request.network)

    @returns_deferred
    async def start_network(self, request: NetworkName) -> StartedNetwork:
        hosted = self._find(request.network)
        if hosted.details.state is not NetworkState.ONLINE:
            hosted.details = replace(
                hosted.details,
                state=NetworkState.ONLINE,
                desired_state=DesiredState.ONLINE,
                activated_at=STARTED_AT,
                activation_reason="StartNetwork",
            )
            hosted.peer_id = hosted.peer_id or f"12D3KooW{next(self._peers)}"
        return StartedNetwork(
            network=request.network,
            state=hosted.details.state,
            peer_id=hosted.peer_id or "",
            api_url=f"http://{request.network}.api.localhost:8080",
            gateway_url=f"http://{request.network}.gateway.localhost:8080",
            swarm_multiaddrs=[f"/ip4/192.0.2.1/tcp/24000/p2p/{hosted.peer_id}"],
            swarm_key=hosted.swarm_key,
        )

    @returns_deferred
    async def update_network(self, request: UpdateNetwork) -> UpdatedNetwork:
        hosted = self._find(request.network)
        given = {name: value for name, value in asdict(request).items() if value is not None}
        given.update(network=request.network, resources=_merge(hosted.details.resources, request.resources))
        _check(request.network, *(given.get(name, []) for name in ("users", "api_allowed_origins", "bootstrap_peers")))
        hosted.details = replace(hosted.details, **given)
        return UpdatedNetwork(network=hosted.details, effective_at_next_start=[])

    def _stop(self, name: str) -> _Hosted:
        hosted = self._find(name)
        if hosted.details.state is NetworkState.ONLINE:
            hosted.details = replace(
                hosted.details,
                state=NetworkState.OFFLINE,
                desired_state=DesiredState.OFFLINE,
                deactivated_at=STARTED_AT,
                deactivation_reason="StopNetwork",
            )
        return hosted

    @returns_deferred
    async def stop_network(self, request: NetworkName) -> StoppedNetwork:
        return StoppedNetwork(network=request.network, state=self._stop(request.network).details.state)

    @returns_deferred
    async def remove_network(self, request: NetworkName) -> RemovedNetwork:
        hosted = self._stop(request.network)
        hosted.peer_id = None
        return RemovedNetwork(network=request.network, state=hosted.details.state)

    @returns_deferred
    async def network_stats(self, request: NetworkName) -> MeasuredNetwork:
        details = self._find(request.network).details
        if details.state is not NetworkState.ONLINE:
            raise ConflictError(request.network, "it is offline: StartNetwork first")
        node = MeasuredNode(
            index=0,
            state=ContainerState.RUNNING,
            started_at=STARTED_AT,
            uptime_s=1.5,
            cpu_percent=12.5,
            memory_used_bytes=1,
            memory_cap_bytes=round(details.resources.memory_gb * 10**9),
            network_received_bytes=2,
            network_sent_bytes=3,
            pids=4,
            disk_used_bytes=5,
            disk_cap_bytes=round(details.resources.disk_gb * 10**9),
            peer_id="12D3KooW",
            peers_connected=0,
            swarm_multiaddrs=[],
            swarm_key_fingerprint=details.swarm_key_fingerprint,
            agent_version="kubo/0.43.0/",
        )
        return MeasuredNetwork(network=request.network, state=details.state, nodes=[node])

    @returns_deferred
    async def network_diagnostics(self, request: NetworkName) -> NetworkDiagnostics:
        hosted = self._find(request.network)
        is_online = hosted.details.state is NetworkState.ONLINE
        container = ContainerView(
            index=0,
            id="0123456789ab",
            name="nexus-memory-demo-0",
            image="ipfs/kubo:v0.43.0",
            state=ContainerState.RUNNING,
            started_at=STARTED_AT,
            finished_at=None,
            exit_code=None,
            oom_killed=False,
            restart_count=0,
            error="",
            log_lines=["Daemon is ready"],
        )
        targets = ["api 10.213.0.2:5001, gateway 10.213.0.2:8080"]
        return NetworkDiagnostics(
            record=hosted.details,
            state=hosted.details.state,
            route=RouteView(state=hosted.details.state, generation=1, targets=targets if is_online else []),
            leases=[LeaseView(index=0, swarm_port=24000, address="10.213.0.2", api_port=None, gateway_port=None)]
            if is_online
            else [],
            containers=[container] if is_online else [],
            data_volume=hosted.peer_id is not None,
            differences=[],
            problems=[],
            last_error=None,
            last_error_at=None,
        )


@implementer(IEdgeStats)
class MemoryEdgeStats:
    """An edge that has served three requests."""

    @returns_deferred
    async def edge_stats(self, request: EdgeStats) -> MeasuredEdge:
        counters = Counters(requests=3, answers={404: 2}, ended={"complete": 3})
        lag = LoopLag(last_s=0.001, p99_s=0.002, max_s=0.003)
        return MeasuredEdge(started_at=STARTED_AT, networks=1, upstreams=1, loop_lag=lag, counters=counters)
