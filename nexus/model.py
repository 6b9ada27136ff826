"""The domain's values: frozen, validated where they are made, units in their names. No I/O, no Twisted.

*Desired* state is `Network` (one database record). *Actual* state is `Node` (read back from the container engine).
A `Route` is what the registry derives from both and hands to the edge.
"""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from nexus.errors import InvalidError, quoted
from nexus.secrets import Secret

GIGABYTE: Final = 10**9
"""Bytes in every `_gb` figure: decimal, as Kubo's `Datastore.StorageMax` counts."""

RESERVED_NAMES: Final = frozenset(
    ("api", "gateway", "swarm", "status", "ipfs", "ipns", "network", "networks", "nexus", "www")
)
USER_LENGTH_MAX: Final = 256
DNS_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""A pattern: one label of a host name, in lower case (RFC 1035 section 2.3.1, RFC 1123 section 2.1)."""

_DNS_LABEL: Final = re.compile(DNS_LABEL)

ORIGIN_ALLOWED: Final = "scheme://host[:port] as browsers send it: lower-case, no path, no default port"
_ORIGIN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?\Z"
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Feature(StrEnum):
    """What a network offers: the second label of the host name."""

    API = "api"
    GATEWAY = "gateway"
    SWARM = "swarm"
    STATUS = "status"


class DesiredState(StrEnum):
    """What the record says should be."""

    ONLINE = "online"
    OFFLINE = "offline"


class NetworkState(StrEnum):
    """What a network is doing, as people are told."""

    ONLINE = "online"
    STARTING = "starting"
    STOPPING = "stopping"
    OFFLINE = "offline"
    FAILED = "failed"


class ContainerState(StrEnum):
    """A container's state in the engine's own words."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


def check_network_name(name: str) -> str:
    """`name` if it can name a network: a DNS label of 1-63 lower-case letters, digits and inner hyphens (RFC 1123
    section 2.1), and not one of the names that routing needs.

    :raises InvalidError: otherwise, for the field `network`.
    """
    if not isinstance(name, str) or not _DNS_LABEL.fullmatch(name):
        raise InvalidError(
            "network",
            f"{quoted(name)} is not a network name",
            "a DNS label: 1-63 characters of a-z, 0-9 and inner hyphens",
        )
    if name in RESERVED_NAMES:
        raise InvalidError("network", f"{name!r} is reserved", f"any name but {', '.join(sorted(RESERVED_NAMES))}")
    return name


def is_user_name(text: str) -> bool:
    """Whether `text` can name a user, in a record and in a token alike: 1-256 printable characters."""
    return 1 <= len(text) <= USER_LENGTH_MAX and text.isprintable()


def is_origin(text: str) -> bool:
    """Whether `text` is a serialised origin (RFC 6454 section 6.2) that a browser can send."""
    match = _ORIGIN.match(text)
    if match is None:
        return False
    if match["host"].startswith("["):
        try:
            ipaddress.IPv6Address(match["host"][1:-1])
        except ValueError:
            return False
    port = int(match["port"] or 0)
    return port <= 65535 and (port == 0 or _DEFAULT_PORTS.get(match["scheme"]) != port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one node may use. Fractions are allowed.

    :ivar cpus: CPU cores, at least 0.1.
    :ivar memory_gb: memory in 10^9 bytes, at least 0.25.
    :ivar disk_gb: repository size in 10^9 bytes, at least 1.
    :raises InvalidError: for `resources.<field>`.
    """

    cpus: float = 1.0
    memory_gb: float = 1.0
    disk_gb: float = 10.0

    def __post_init__(self) -> None:
        for name, least, most in (("cpus", 0.1, 1024), ("memory_gb", 0.25, 1024 * 64), ("disk_gb", 1, 1024 * 1024)):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or not least <= value <= most:
                raise InvalidError(
                    f"resources.{name}", f"{value!r} is out of range", f"a number from {least} to {most}"
                )
            object.__setattr__(self, name, float(value))

    @property
    def nano_cpus(self) -> int:
        """CPU cap in the engine's unit, 10^-9 cores."""
        return round(self.cpus * 10**9)

    @property
    def memory_bytes(self) -> int:
        """Memory cap in bytes."""
        return round(self.memory_gb * GIGABYTE)

    @property
    def disk_bytes(self) -> int:
        """Repository cap in bytes."""
        return round(self.disk_gb * GIGABYTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One network's record: the desired state. Made by `Orchestrator.create_network`, kept by `INetworks`.

    :ivar users: user names (a token's user claim) that may use `api`, and see `swarm` and `status` in full.
    :ivar gateway_public: whether anybody may read through `gateway`.
    :ivar gateway_subdomains: whether Kubo redirects gateway paths to `{cid}.ipfs.{network}.gateway.{domain}`.
    :ivar api_allowed_origins: browser origins (`https://app.example`) that may call `api`.
    :ivar swarm_key: the whole swarm.key file's text (`/key/swarm/psk/1.0.0/...`).
    :ivar rpc_bearers: one random bearer per node, by node index; the node's RPC refuses whoever lacks it.
    :ivar bootstrap_peers: multiaddrs of members to connect to at start.
    :ivar activated_at: when the network was last started, with `activation_reason`; None if never.
    :ivar deactivated_at: when it was last stopped, with `deactivation_reason`; None if never.
    """

    name: str
    swarm_key: Secret
    rpc_bearers: tuple[Secret, ...]
    created_at: datetime
    updated_at: datetime
    users: frozenset[str] = frozenset()
    gateway_public: bool = False
    gateway_subdomains: bool = False
    api_allowed_origins: frozenset[str] = frozenset()
    bootstrap_peers: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    desired_state: DesiredState = DesiredState.OFFLINE
    activated_at: datetime | None = None
    activation_reason: str = ""
    deactivated_at: datetime | None = None
    deactivation_reason: str = ""

    def __post_init__(self) -> None:
        check_network_name(self.name)

    @property
    def rules(self) -> AccessRules:
        """The part of the record that the edge decides by."""
        return AccessRules(
            users=self.users, gateway_public=self.gateway_public, api_allowed_origins=self.api_allowed_origins
        )

    def rpc_bearer(self, node: NodeId) -> Secret:
        """The bearer that the RPC of `node`, one of this network's, wants."""
        return self.rpc_bearers[node.index]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkChanges:
    """A change to a record: None leaves a field as it is."""

    users: frozenset[str] | None = None
    gateway_public: bool | None = None
    gateway_subdomains: bool | None = None
    api_allowed_origins: frozenset[str] | None = None
    bootstrap_peers: tuple[str, ...] | None = None
    resources: Resources | None = None
    swarm_key: Secret | None = None
    desired_state: DesiredState | None = None

    def given(self) -> dict[str, Any]:
        """The fields that change, by name."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) is not None}

    def apply(self, network: Network, now: datetime) -> Network:
        """`network` with these changes, updated at `now` (aware, UTC)."""
        return replace(network, **self.given(), updated_at=now)


@dataclass(frozen=True, slots=True, order=True)
class NodeId:
    """A node by its network and its index in it (today always 0)."""

    network: str
    index: int = 0

    def __str__(self) -> str:
        return f"{self.network}/{self.index}"


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address, as a literal, and a TCP port. Never a DNS name: the edge resolves nothing."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Reach(StrEnum):
    """How the edge reaches a node."""

    BRIDGE = "bridge"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What one node holds of the configured ranges until it is gone.

    :ivar swarm_port: published on `swarm.bind`.
    :ivar address: the container's IP on the bridge (reach `bridge`), else None.
    :ivar api_port: published on 127.0.0.1 (reach `published`), else None.
    :ivar gateway_port: likewise.
    """

    node: NodeId
    swarm_port: int
    address: str | None = None
    api_port: int | None = None
    gateway_port: int | None = None

    @property
    def reach(self) -> Reach:
        """How a node with this lease is reached."""
        return Reach.BRIDGE if self.address is not None else Reach.PUBLISHED


KUBO_RPC_PORT: Final = 5001
KUBO_GATEWAY_PORT: Final = 8080
KUBO_SWARM_PORT: Final = 4001


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A network's running (or dead) node: the actual state, as one list call of the engine tells it.

    :ivar resources: those that the container was made with; caps changed live since are not told here.
    :ivar revision: a digest of everything the container was made from but its cgroup caps, which change live; secrets
        included only as a keyed hash. Equal revisions need no replacement.
    """

    id: NodeId
    container_id: str
    container_name: str
    image: str
    state: ContainerState
    lease: Lease
    resources: Resources
    revision: str
    created_at: datetime

    @property
    def api_address(self) -> Address:
        """Where Kubo's RPC listens, as the host reaches it."""
        if self.lease.address is not None:
            return Address(self.lease.address, KUBO_RPC_PORT)
        return Address("127.0.0.1", self.lease.api_port or 0)

    @property
    def gateway_address(self) -> Address:
        """Where Kubo's gateway listens, as the host reaches it."""
        if self.lease.address is not None:
            return Address(self.lease.address, KUBO_GATEWAY_PORT)
        return Address("127.0.0.1", self.lease.gateway_port or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStats:
    """One node, measured. Sizes in bytes; counters since the container's start; never a private key.

    :ivar cpu_percent: of one core, on the average since the last measurement, if that was less than a minute ago, else
        since the container's last start; in its first 2 s, over one second.
    :ivar disk_used_bytes: Kubo's repository size.
    :ivar disk_cap_bytes: the record's disk cap.
    :ivar swarm_key_fingerprint: go-libp2p's fingerprint of the swarm key, as `ipfs daemon` prints it.
    """

    node: NodeId
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
    swarm_multiaddrs: tuple[str, ...]
    swarm_key_fingerprint: str
    agent_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """Who a node is in its swarm, and where members reach it."""

    peer_id: str
    swarm_multiaddrs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDiagnosis:
    """What the engine and the container's log tell of one node, for somebody who is looking for a fault."""

    node: NodeId
    container_id: str
    container_name: str
    image: str
    state: ContainerState
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    oom_killed: bool
    restart_count: int
    error: str
    log_lines: tuple[str, ...]


class NodeEventKind(StrEnum):
    """What happened to a node's container."""

    STARTED = "started"
    DIED = "died"
    REMOVED = "removed"
    OOM = "oom"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent:
    """Something happened to a node's container. A reason to look, never the truth of anything."""

    node: NodeId
    kind: NodeEventKind
    container_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """Who may use what of one network; rides on its route so that deciding asks nobody."""

    users: frozenset[str] = frozenset()
    gateway_public: bool = False
    api_allowed_origins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTarget:
    """One node, as the edge reaches it.

    :ivar api: None where the node offers no API; likewise `gateway`. Nodes that Nexus runs offer both.
    :ivar rpc_bearer: what the node's RPC wants; without one, requests reach it without Authorization.
    :ivar container_id: empty for a node that Nexus does not run.
    """

    index: int
    api: Address | None
    gateway: Address | None
    rpc_bearer: Secret | None
    container_id: str

    def address(self, feature: Feature) -> Address | None:
        """Where `feature`, one of those that are forwarded, is served."""
        return self.api if feature is Feature.API else self.gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What the edge knows of one network.

    :ivar generation: rises whenever `targets` change, never when only rules do; unique in this process, so that an
        upstream of one generation can never be taken for another's.
    :ivar targets: the nodes to forward to; empty while the network is known but has no ready node.
    """

    network: str
    generation: int
    rules: AccessRules
    state: NetworkState
    targets: tuple[RouteTarget, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStatus:
    """What a member is told of a network at `status` and `swarm`."""

    network: str
    state: NetworkState
    started_at: datetime | None = None
    uptime_s: float = 0.0
    peer_id: str = ""
    peers_connected: int = 0
    disk_used_bytes: int = 0
    disk_cap_bytes: int = 0
    swarm_multiaddrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortRange:
    """An inclusive range of TCP ports, written `first-last`."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last <= 65535:
            raise InvalidError("ports", f"{self.first}-{self.last} is not a range", "FIRST-LAST within 1-65535")

    @classmethod
    def parse(cls, text: str) -> PortRange:
        """The range that `text` (`20000-20999`) writes.

        :raises InvalidError: for the field `ports`.
        """
        match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
        if match is None:
            raise InvalidError("ports", f"{text!r} is not a range", "FIRST-LAST within 1-65535")
        return cls(int(match[1]), int(match[2]))

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


Subnet = ipaddress.IPv4Network
