"""The configuration: frozen sections, each key with its type, its default and what it may be.

`Config` is all that the rest of Nexus sees; `nexus.config.file.load` makes one from file and environment, or raises
`ConfigError`. Keys, defaults and meanings are told in docs/configuration.md.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from nexus.config.values import (
    AbsolutePath,
    AccessLogFormat,
    Algorithm,
    BearerKey,
    Between,
    ClaimName,
    Count,
    DatabaseURL,
    Domain,
    EngineSocket,
    HostName,
    ImageReference,
    Instance,
    IPNetwork,
    IPv4Literal,
    LogLevel,
    NetworkName,
    NodeBearer,
    Origin,
    Seconds,
    SecondsOrOff,
    UserName,
)
from nexus.errors import InvalidError
from nexus.model import Address, PortRange, Reach, Resources
from nexus.secrets import Secret


@dataclass(frozen=True, slots=True)
class TCPListen:
    """Listen on a TCP address, written `host:port` (`[::1]:80`); port 0 takes any free one."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class UnixListen:
    """Listen on a unix socket, written `unix:/path`."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticNetwork:
    """A network whose node Nexus does not run: routed as the others are, by what is written here alone.

    :ivar api: where the node's RPC listens; without it the network has no `api`. Likewise `gateway`. One must be given.
    :ivar rpc_bearer: the bearer that the node's RPC wants, if any.
    :raises InvalidError: for an empty field, where neither address is given.
    """

    name: NetworkName
    api: Address | None = None
    gateway: Address | None = None
    users: frozenset[UserName] = frozenset()
    gateway_public: bool = False
    api_allowed_origins: frozenset[Origin] = frozenset()
    rpc_bearer: NodeBearer | None = None

    def __post_init__(self) -> None:
        if self.api is None and self.gateway is None:
            raise InvalidError("", f"{self.name!r} has neither api nor gateway", "an address in one of them, or both")


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeConfig:
    """The data plane. Times in seconds; each is of one phase, none is a total."""

    listen: tuple[TCPListen, ...]
    domain: Domain = "localhost"
    upstreams_max: Count = 1024
    idle_connections_per_upstream: Annotated[int, Between(0, 10_000)] = 256
    client_connections_max: Count = 20_000
    connections_per_client_max: Annotated[int, Between(0, 1_000_000)] = 1024
    connections_per_network_max: Count = 8192
    requests_per_network_max: Count = 1024
    upstream_connections_max: Count = 256
    upstream_queue_max: Annotated[int, Between(0, 1_000_000)] = 256
    upstream_queue_timeout_s: Seconds = 10.0
    head_bytes_max: Annotated[int, Between(1024, 1024 * 1024)] = 32 * 1024
    target_bytes_max: Annotated[int, Between(256, 1024 * 1024)] = 28 * 1024
    request_body_bytes_max: Annotated[int, Between(0, 2**62)] = 0
    headers_max: Annotated[int, Between(10, 10_000)] = 100
    head_timeout_s: Seconds = 10.0
    keep_alive_timeout_s: Seconds = 75.0
    body_idle_timeout_s: Seconds = 60.0
    body_bytes_per_s_min: Annotated[int, Between(0, 1_000_000)] = 128
    body_rate_window_s: Seconds = 30.0
    send_timeout_s: Seconds = 300.0
    connect_timeout_s: Seconds = 3.0
    gateway_first_byte_timeout_s: Seconds = 60.0
    gateway_idle_timeout_s: Seconds = 60.0
    api_first_byte_timeout_s: SecondsOrOff = 0.0
    api_idle_timeout_s: SecondsOrOff = 0.0
    upstream_idle_timeout_s: Seconds = 4.0
    drain_timeout_s: Seconds = 10.0
    splice_bytes_min: Annotated[int, Between(0, 2**40)] = 256 * 1024
    tunnel_idle_timeout_s: Seconds = 3600.0
    access_log: bool = True
    access_log_file: AbsolutePath | None = None
    access_log_format: AccessLogFormat = "text"
    trusted_proxies: frozenset[IPNetwork] = frozenset()
    proxy_protocol_from: frozenset[IPNetwork] = frozenset()
    static: tuple[StaticNetwork, ...] = ()
    static_file: AbsolutePath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConfig:
    """The control plane."""

    listen: tuple[TCPListen | UnixListen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsConfig:
    """`control_key` is the bearer key of the control API on TCP; `jwt` the HMAC secret of access tokens, if any."""

    control_key: BearerKey | None = None
    jwt: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseConfig:
    """Where the records are: `sqlite:///absolute/path`."""

    url: DatabaseURL


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainersConfig:
    """The engine and what nodes are given of the host."""

    socket: EngineSocket = "unix:///var/run/docker.sock"
    threads: Annotated[int, Between(1, 64)] = 4
    image: ImageReference = "ipfs/kubo:v0.43.0"
    reach: Reach = Reach.BRIDGE
    subnet: ipaddress.IPv4Network = ipaddress.IPv4Network("10.213.0.0/20")
    quarantine_s: Annotated[float, Between(0, 86_400)] = 30.0
    api_ports: PortRange = PortRange(25000, 25999)
    gateway_ports: PortRange = PortRange(28000, 28999)
    ready_timeout_s: Seconds = 60.0
    stop_grace_s: Annotated[int, Between(1, 3600)] = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmConfig:
    """How members reach a node: its TCP port is published on `bind`, and announced as `announce_address`."""

    bind: IPv4Literal = "127.0.0.1"
    announce_address: HostName = "127.0.0.1"
    ports: PortRange = PortRange(24000, 24999)


@dataclass(frozen=True, slots=True, kw_only=True)
class JWTConfig:
    """How access tokens are checked.

    :ivar algorithms: what is accepted, never what the token asks for.
    :ivar public_key: PEM text for RS256, ES256 and EdDSA.
    :ivar private_key: PEM text; only `nexus token` needs it.
    :ivar audience: what `aud` must hold; None stands for the domain, and an empty text turns the check off.
    """

    algorithms: tuple[Algorithm, ...] = ("HS256",)
    public_key: str | None = None
    private_key: Secret | None = None
    audience: str | None = None
    user_claim: ClaimName = "sub"
    leeway_s: Annotated[float, Between(0, 300)] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What is logged: `debug`, `info`, `warn`, `error`; and how long the reactor's loop may stand still unsaid."""

    level: LogLevel = "info"
    blocked_loop_s: Annotated[float, Between(0.05, 3600)] = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All of it. `source` is the file it came from."""

    source: str
    instance: Instance
    edge: EdgeConfig
    control: ControlConfig
    secrets: SecretsConfig
    database: DatabaseConfig
    containers: ContainersConfig = field(default_factory=ContainersConfig)
    swarm: SwarmConfig = field(default_factory=SwarmConfig)
    resources: Resources = field(default_factory=Resources)
    jwt: JWTConfig = field(default_factory=JWTConfig)
    log: LogConfig = field(default_factory=LogConfig)
