"""The engine behind `MemoryRuntime`: containers, volumes and bridges as plain state, with a real engine's refusals.

What it refuses, when, and with which error is verified: tests/contracts/container_runtime.py runs on it and on Docker.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from nexus.container import (
    BridgeSpec,
    Caps,
    Container,
    ContainerDetail,
    ContainerEvent,
    ContainerEventKind,
    ContainerSpec,
    ContainerStats,
    FileAsset,
    Volume,
)
from nexus.errors import (
    ContainerConflictError,
    ContainerNotFoundError,
    EngineError,
    ImageMissingError,
    NameTakenError,
    PortTakenError,
)
from nexus.model import ContainerState

_RUNNING = frozenset({ContainerState.RUNNING, ContainerState.PAUSED, ContainerState.RESTARTING})
_WILDCARD = "0.0.0.0"


@dataclass(kw_only=True)
class MemoryContainer:
    """A container and what became of it. Tests may read everything and set `log`, `stats` and `caps`."""

    id: str
    spec: ContainerSpec
    created_at: datetime
    caps: Caps
    files: dict[str, FileAsset]
    state: ContainerState = ContainerState.CREATED
    address: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    restart_count: int = 0
    error: str = ""
    log: list[str] = field(default_factory=list)
    stats: ContainerStats | None = None

    @property
    def runs(self) -> bool:
        """Whether it holds its ports and its address."""
        return self.state in _RUNNING


class MemoryEngine:
    """See the module.

    :param now: the wall clock.
    :ivar listeners: told of each event, before the call that caused it returns.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.listeners: list[Callable[[ContainerEvent], None]] = []
        self._made = 0
        self.containers: dict[str, MemoryContainer] = {}
        self.volumes: dict[str, Volume] = {}
        self.bridges: dict[str, BridgeSpec] = {}
        self.images: set[str] = set()
        self.occupied: set[tuple[str, int]] = set()

    def find(self, operation: str, container_id: str) -> MemoryContainer:
        """The container.

        :raises ContainerNotFoundError: when it is gone.
        """
        found = self.containers.get(container_id)
        if found is None:
            raise ContainerNotFoundError(operation, "the container is gone")
        return found

    def running(self, operation: str, container_id: str) -> MemoryContainer:
        """The container.

        :raises ContainerNotFoundError: when it is gone.
        :raises ContainerConflictError: when it does not run.
        """
        found = self.find(operation, container_id)
        if found.state is not ContainerState.RUNNING:
            raise ContainerConflictError(operation, "the container is not running")
        return found

    def check_image(self, image: str) -> None:
        if image not in self.images:
            raise ImageMissingError(
                f"check image {image}", "the engine does not have the image: pull or build it first"
            )

    def create(self, spec: ContainerSpec) -> str:
        operation = f"create container {spec.name}"
        if spec.image not in self.images:
            raise ImageMissingError(operation, "the engine does not have the image: pull or build it first")
        if any(other.spec.name == spec.name for other in self.containers.values()):
            raise NameTakenError(operation, "another container has the name")
        for volume in spec.volumes:
            self.volumes.setdefault(volume, Volume(name=volume, labels={}))
        self._made += 1
        container_id = hashlib.sha256(f"container {self._made}".encode()).hexdigest()
        self.containers[container_id] = MemoryContainer(
            id=container_id,
            spec=spec,
            created_at=self._now(),
            caps=spec.caps,
            files={file.path: file for file in spec.files},
        )
        return container_id

    def start(self, container_id: str) -> None:
        operation = _on("start", container_id)
        found = self.find(operation, container_id)
        if found.state is ContainerState.PAUSED:
            raise ContainerConflictError(operation, "the container is paused")
        if found.runs:
            return
        try:
            self._check_ports(operation, found)
            found.address = self._connect(operation, found)
        except EngineError as error:
            found.error = error.detail
            raise
        self._set_running(found)

    def stop(self, container_id: str, exit_code: int = 0) -> None:
        found = self.containers.get(container_id)
        if found is not None and found.runs:
            self._set_ended(found, exit_code)

    def crash(self, container_id: str, exit_code: int) -> None:
        """Its process ends by itself; the engine starts it again if its restart policy says so."""
        found = self.running(_on("crash", container_id), container_id)
        self._set_ended(found, exit_code)
        policy = found.spec.restart_policy
        if policy in ("always", "unless-stopped") or (policy == "on-failure" and exit_code != 0):
            found.restart_count += 1
            self._set_running(found)

    def run_out_of_memory(self, container_id: str) -> None:
        """The kernel kills its process, for which it stays dead."""
        found = self.running(_on("crash", container_id), container_id)
        self._tell(found, ContainerEventKind.OOM)
        found.oom_killed = True
        self._set_ended(found, 137)

    def remove(self, container_id: str) -> None:
        found = self.containers.get(container_id)
        if found is None:
            return
        if found.runs:
            self._set_ended(found, 137)
        del self.containers[container_id]
        self._tell(found, ContainerEventKind.DESTROY)

    def update(self, container_id: str, caps: Caps) -> None:
        self.find(_on("update", container_id), container_id).caps = caps

    def put_files(self, container_id: str, files: Sequence[FileAsset]) -> None:
        found = self.find(_on("put files into", container_id), container_id)
        found.files |= {file.path: file for file in files}

    def list(self, labels: Mapping[str, str]) -> Sequence[Container]:
        return [
            Container(
                id=found.id,
                name=found.spec.name,
                image=found.spec.image,
                state=found.state,
                labels=dict(found.spec.labels),
                created_at=found.created_at,
            )
            for found in self.containers.values()
            if carries(found.spec.labels, labels)
        ]

    def inspect(self, container_id: str) -> ContainerDetail:
        found = self.find(_on("inspect", container_id), container_id)
        return ContainerDetail(
            id=found.id,
            name=found.spec.name,
            image=found.spec.image,
            state=found.state,
            labels=dict(found.spec.labels),
            created_at=found.created_at,
            started_at=found.started_at,
            finished_at=found.finished_at,
            exit_code=None if found.state is ContainerState.RUNNING else found.exit_code,
            oom_killed=found.oom_killed,
            restart_count=found.restart_count,
            error=found.error,
            address=found.address or found.spec.address,
            caps=found.caps,
        )

    def stats(self, container_id: str) -> ContainerStats:
        found = self.running(_on("measure", container_id), container_id)
        return found.stats or ContainerStats(
            cpu_percent=1.0,
            memory_used_bytes=found.caps.memory_bytes // 4,
            memory_cap_bytes=found.caps.memory_bytes,
            network_received_bytes=0,
            network_sent_bytes=0,
            pids=1,
        )

    def create_volume(self, name: str, labels: Mapping[str, str]) -> bool:
        there = self.volumes.get(name)
        if there is None:
            self.volumes[name] = Volume(name=name, labels=dict(labels))
        elif not carries(there.labels, labels):
            raise NameTakenError(f"create volume {name}", f"there is a volume named {name} with other labels")
        return there is None

    def remove_volume(self, name: str) -> None:
        if any(name in found.spec.volumes for found in self.containers.values()):
            raise ContainerConflictError(f"remove volume {name}", "a container still uses it")
        self.volumes.pop(name, None)

    def ensure_bridge(self, bridge: BridgeSpec) -> None:
        operation = f"make bridge {bridge.name}"
        there = self.bridges.get(bridge.name)
        if there is None:
            self._check_subnet(operation, bridge)
            self.bridges[bridge.name] = bridge
        elif not carries(there.labels, bridge.labels):
            raise NameTakenError(operation, f"there is a network named {bridge.name} with other labels")
        elif (there.subnet, there.dynamic_range) != (bridge.subnet, bridge.dynamic_range):
            raise EngineError(operation, f"the network {bridge.name} has the subnet {there.subnet}: remove it first")

    def remove_bridge(self, name: str) -> None:
        if any(found.runs and found.spec.network == name for found in self.containers.values()):
            raise ContainerConflictError(f"remove bridge {name}", "containers are still connected to it")
        self.bridges.pop(name, None)

    def _check_subnet(self, operation: str, bridge: BridgeSpec) -> None:
        wanted = ipaddress.IPv4Network(bridge.subnet)
        for other in self.bridges.values():
            if other.interface == bridge.interface:
                raise NameTakenError(operation, "another network has a bridge interface of that name")
            if wanted.overlaps(ipaddress.IPv4Network(other.subnet)):
                raise EngineError(operation, f"its subnet {bridge.subnet} overlaps that of {other.name}")

    def _check_ports(self, operation: str, starting: MemoryContainer) -> None:
        published = [
            (port.host_ip, port.host_port)
            for found in self.containers.values()
            if found.runs
            for port in found.spec.ports
        ]
        for port in starting.spec.ports:
            for host_ip, host_port in (*published, *self.occupied):
                same_host = _WILDCARD in (host_ip, port.host_ip) or host_ip == port.host_ip
                if same_host and host_port == port.host_port:
                    raise PortTakenError(operation, f"{port.host_ip}:{port.host_port} is in use already")

    def _connect(self, operation: str, starting: MemoryContainer) -> str | None:
        """The address that it gets on its bridge; None on the engine's default one, which is not modelled."""
        if starting.spec.network is None:
            return None
        bridge = self.bridges.get(starting.spec.network)
        if bridge is None:
            raise EngineError(operation, f"network {starting.spec.network} not found")
        subnet = ipaddress.IPv4Network(bridge.subnet)
        taken = {str(subnet[1])} | {
            str(found.address) for found in self.containers.values() if found.runs and found.spec.network == bridge.name
        }
        wanted = starting.spec.address
        if wanted is None:
            free = (str(address) for address in ipaddress.IPv4Network(bridge.dynamic_range).hosts())
            return next(address for address in free if address not in taken)
        if ipaddress.IPv4Address(wanted) not in subnet:
            raise EngineError(operation, f"{wanted} does not belong to {bridge.subnet}")
        if wanted in taken:
            raise PortTakenError(operation, "the container's address is in use already")
        return wanted

    def _set_running(self, found: MemoryContainer) -> None:
        found.state = ContainerState.RUNNING
        found.started_at = self._now()
        found.error = ""
        found.oom_killed = False
        self._tell(found, ContainerEventKind.START)

    def _set_ended(self, found: MemoryContainer, exit_code: int) -> None:
        found.state = ContainerState.EXITED
        found.finished_at = self._now()
        found.exit_code = exit_code
        self._tell(found, ContainerEventKind.DIE)

    def _tell(self, found: MemoryContainer, kind: ContainerEventKind) -> None:
        event = ContainerEvent(kind=kind, container_id=found.id, labels=dict(found.spec.labels), at=self._now())
        for listener in tuple(self.listeners):
            listener(event)


def carries(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether `labels` holds all of `wanted`."""
    return all(labels.get(name) == value for name, value in wanted.items())


def _on(verb: str, container_id: str) -> str:
    return f"{verb} container {container_id[:12]}"
