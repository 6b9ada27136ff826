"""What the control API says and hears: one frozen dataclass per request and answer, shared by both ends of the wire.

Field names and types are the API (docs/control-api.md): `control` converts them from and to JSON, and `nexus ctl` reads
its arguments by them. Times are aware, UTC, ISO 8601 on the wire. Sizes say their unit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from nexus.counters import Counters
from nexus.model import ContainerState, DesiredState, NetworkState


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """No parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """Which Nexus answers."""

    version: str
    instance: str
    domain: str
    started_at: datetime
    networks: int
    networks_online: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcesView:
    """What one node may use; `_gb` is 10^9 bytes."""

    cpus: float
    memory_gb: float
    disk_gb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcesChange:
    """What to change of it; a figure left out stays (or takes the configured default, on creation)."""

    cpus: float | None = None
    memory_gb: float | None = None
    disk_gb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkName:
    """Names the network."""

    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateNetwork:
    """A record to be. What is left out takes the default; a swarm key left out is generated."""

    network: str
    users: list[str] = field(default_factory=list)
    gateway_public: bool = False
    gateway_subdomains: bool = False
    api_allowed_origins: list[str] = field(default_factory=list)
    swarm_key: str | None = field(default=None, repr=False)
    bootstrap_peers: list[str] = field(default_factory=list)
    resources: ResourcesChange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetNetwork:
    """`include_swarm_key` asks for the swarm key too."""

    network: str
    include_swarm_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNetworks:
    """No parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNetwork:
    """What is left out stays as it is."""

    network: str
    users: list[str] | None = None
    gateway_public: bool | None = None
    gateway_subdomains: bool | None = None
    api_allowed_origins: list[str] | None = None
    bootstrap_peers: list[str] | None = None
    resources: ResourcesChange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteNetwork:
    """`remove` also removes node and data first."""

    network: str
    remove: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDetails:
    """One record, and what the network is doing."""

    network: str
    state: NetworkState
    desired_state: DesiredState
    users: list[str]
    gateway_public: bool
    gateway_subdomains: bool
    api_allowed_origins: list[str]
    bootstrap_peers: list[str]
    resources: ResourcesView
    swarm_key_fingerprint: str
    created_at: datetime
    updated_at: datetime
    activated_at: datetime | None
    activation_reason: str
    deactivated_at: datetime | None
    deactivation_reason: str
    swarm_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedNetwork:
    """The record as it was made; its swarm key is told by StartNetwork and GetNetwork."""

    network: NetworkDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedNetworks:
    """All records, ordered by name."""

    networks: list[NetworkDetails]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedNetwork:
    """A running network, and what its members need."""

    network: str
    state: NetworkState
    peer_id: str
    api_url: str
    gateway_url: str
    swarm_multiaddrs: list[str]
    swarm_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatedNetwork:
    """The record as it is now.

    `effective_at_next_start` names the fields, changed now or earlier, that the running node takes on only when it
    starts next; where only rules of access were given it is empty.
    """

    network: NetworkDetails
    effective_at_next_start: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedNetwork:
    """It is offline; its data stay."""

    network: str
    state: NetworkState


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedNetwork:
    """Node and data are gone; the record stays."""

    network: str
    state: NetworkState


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedNetwork:
    """The record is gone."""

    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredNode:
    """One node's figures. Bytes; counters since the container's start; `cpu_percent` of one core, on the average since
    the last measurement, if that was less than a minute ago, else since the container's start."""

    index: int
    state: ContainerState
    started_at: datetime | None
    uptime_s: float
    cpu_percent: float
    memory_used_bytes: int
    memory_cap_bytes: int
    network_received_bytes: int
    network_sent_bytes: int
    pids: int
    disk_used_bytes: int
    disk_cap_bytes: int
    peer_id: str
    peers_connected: int
    swarm_multiaddrs: list[str]
    swarm_key_fingerprint: str
    agent_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredNetwork:
    """A network's figures, by node."""

    network: str
    state: NetworkState
    nodes: list[MeasuredNode]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """What a node holds of the configured ranges."""

    index: int
    swarm_port: int
    address: str | None
    api_port: int | None
    gateway_port: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """What the edge knows."""

    state: NetworkState
    generation: int
    targets: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """A node's container, inspected, with its last log lines."""

    index: int
    id: str
    name: str
    image: str
    state: ContainerState
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    oom_killed: bool
    restart_count: int
    error: str
    log_lines: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDiagnostics:
    """What one needs at 3 a.m.

    `differences` says in sentences what differs from the desired state; `problems` what could not be found out;
    `last_error` is the last failed command or pass for this network, with its time.
    """

    record: NetworkDetails
    state: NetworkState
    route: RouteView | None
    leases: list[LeaseView]
    containers: list[ContainerView]
    data_volume: bool | None
    differences: list[str]
    problems: list[str]
    last_error: str | None
    last_error_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeStats:
    """No parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopLag:
    """How late the loop that serves everybody was: at the last look (10 a second), and over the last minute."""

    last_s: float
    p99_s: float
    max_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredEdge:
    """The edge's figures. `counters` are since the start, but for those that end in `_open` and `_in_flight`, which are
    now; bytes are payload. `networks` are all that the edge knows, static ones included; `upstreams` the nodes' APIs
    and gateways that it has connections to, or had a while ago."""

    started_at: datetime
    networks: int
    upstreams: int
    loop_lag: LoopLag
    counters: Counters
