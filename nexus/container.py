"""The values that `IContainerRuntime` speaks in: frozen, units in names; they know nothing of IPFS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from nexus.model import ContainerState


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAsset:
    """A file put into a created container before it starts.

    :ivar path: absolute, inside the container; parent directories that are missing are made, owned as the file.
    """

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o400
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPort:
    """A container's TCP port, published on an address of the host."""

    container_port: int
    host_ip: str
    host_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """cgroup caps. `pids` counts processes and threads."""

    nano_cpus: int
    memory_bytes: int
    pids: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """The command that the engine runs inside the container to see whether it is well (exit status 0)."""

    command: tuple[str, ...]
    interval_s: float
    timeout_s: float
    start_period_s: float
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSpec:
    """A bridge network on which containers cannot reach each other.

    :ivar name: the engine's name of the network.
    :ivar interface: the Linux interface, at most 15 characters.
    :ivar subnet: CIDR; the first address is the bridge's own.
    :ivar dynamic_range: the part (CIDR) that the engine may hand out by itself; the rest is leased by the caller.
    """

    name: str
    interface: str
    subnet: str
    dynamic_range: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """Everything a container is made from.

    :ivar volumes: volume name -> absolute path inside; volumes exist already.
    :ivar network: the engine's network, or None for the engine's default bridge.
    :ivar address: the IP on `network`, or None.
    :ivar capabilities: what is added back after all are dropped.
    :ivar files: put in before the start.
    :ivar restart_policy: the engine's name for it.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    volumes: Mapping[str, str]
    ports: tuple[PublishedPort, ...]
    caps: Caps
    network: str | None = None
    address: str | None = None
    user: str = ""
    capabilities: tuple[str, ...] = ()
    files: tuple[FileAsset, ...] = ()
    health_check: HealthCheck | None = None
    restart_policy: str = "unless-stopped"
    stop_grace_s: int = 10
    open_files: int = 8192
    log_max_bytes: int = 10_000_000
    log_files: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container as one list call tells it: no inspection is behind it."""

    id: str
    name: str
    image: str
    state: ContainerState
    labels: Mapping[str, str]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDetail:
    """A container, inspected."""

    id: str
    name: str
    image: str
    state: ContainerState
    labels: Mapping[str, str]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    oom_killed: bool
    restart_count: int
    error: str
    address: str | None
    caps: Caps


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStats:
    """One sample of a running container. Bytes; counters since its start; `cpu_percent` of one core, on the average
    since the last sample, if that was less than a minute ago, else since its start."""

    cpu_percent: float
    memory_used_bytes: int
    memory_cap_bytes: int
    network_received_bytes: int
    network_sent_bytes: int
    pids: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionResult:
    """What a command inside a container answered."""

    exit_code: int
    output: bytes = field(repr=False)


class ContainerEventKind(StrEnum):
    """The container events that matter here, in the engine's own words."""

    START = "start"
    DIE = "die"
    DESTROY = "destroy"
    OOM = "oom"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEvent:
    """The engine says that something happened to a container."""

    kind: ContainerEventKind
    container_id: str
    labels: Mapping[str, str]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume of the engine."""

    name: str
    labels: Mapping[str, str]
