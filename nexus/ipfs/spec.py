"""A node as a container: pure, from a network's record and a lease to a `ContainerSpec`.

The image and its entrypoint are used as they are. It runs as the image's user from the start, so that the entrypoint
needs neither root nor any capability; what Nexus adds are the files of `/container-init.d`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from importlib import resources as package_resources
from typing import Any, Final

from nexus.container import BridgeSpec, Caps, ContainerSpec, FileAsset, HealthCheck, PublishedPort
from nexus.ipfs.labels import container_labels, instance_labels
from nexus.ipfs.settings import go_max_procs, go_memory_limit, kubo_settings, settings_file
from nexus.model import (
    KUBO_GATEWAY_PORT,
    KUBO_RPC_PORT,
    KUBO_SWARM_PORT,
    Lease,
    Network,
    NodeId,
    Resources,
)
from nexus.secrets import Secret

_REPOSITORY: Final = "/data/ipfs"
_ASSETS: Final = "/container-init.d"
_UID: Final = 1000
_GID: Final = 100
_COMMAND: Final = ("daemon", "--migrate=true", "--enable-gc", "--agent-version-suffix=nexus")
_PIDS: Final = 1024
_ENGINE_PATIENCE_S: Final = 5
"""How much longer than Kubo's own limit the engine waits before it kills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """What all nodes of this host have in common.

    :ivar instance: 1-9 characters of a-z and 0-9, so that the bridge's Linux interface has at most 15.
    :ivar domain: the edge's domain.
    :ivar subnet: of the bridge, CIDR.
    :ivar dynamic_range: the part of it that the engine may hand out, CIDR.
    :ivar swarm_bind: the host's address on which swarm ports are published.
    :ivar announce_address: an address or DNS name at which members reach this host.
    :ivar stop_grace_s: how long a node may take to end.
    """

    instance: str
    domain: str
    image: str
    subnet: str
    dynamic_range: str
    swarm_bind: str
    announce_address: str
    stop_grace_s: int

    @property
    def engine_grace_s(self) -> int:
        """How long the engine waits for a node to end before it kills."""
        return self.stop_grace_s + _ENGINE_PATIENCE_S

    @property
    def bridge(self) -> BridgeSpec:
        """The bridge that all nodes are on, on which none reaches another."""
        name = f"nexus-{self.instance}"
        return BridgeSpec(
            name=name,
            interface=name,
            subnet=self.subnet,
            dynamic_range=self.dynamic_range,
            labels=instance_labels(self.instance),
        )

    def node_name(self, node: NodeId) -> str:
        """The name of a node's container, and of its volume."""
        return f"nexus-{self.instance}-{node.network}-{node.index}"


def node_spec(hosting: Hosting, network: Network, lease: Lease) -> ContainerSpec:
    """The container of the node of `network` that holds `lease`."""
    spec = _unlabelled_spec(hosting, network, lease)
    labels = container_labels(
        hosting.instance,
        network,
        lease,
        domain=hosting.domain,
        announce_address=hosting.announce_address,
        revision=_revision(spec, network.rpc_bearer(lease.node)),
    )
    return replace(spec, labels=labels)


def node_revision(hosting: Hosting, network: Network, lease: Lease) -> str:
    """A digest of all that a node is made from, but for its cgroup caps, which change while it runs.

    The node's own random bearer is the key: nobody who sees a label can test guesses of a secret with it.
    """
    return _revision(_unlabelled_spec(hosting, network, lease), network.rpc_bearer(lease.node))


def node_caps(resources: Resources) -> Caps:
    """The cgroup caps of a node."""
    return Caps(nano_cpus=resources.nano_cpus, memory_bytes=resources.memory_bytes, pids=_PIDS)


def node_files(hosting: Hosting, network: Network, lease: Lease) -> tuple[FileAsset, ...]:
    """What Nexus puts into a node's container: the start-up script and what it works on. The secret ones can be read by
    the container's user alone."""
    settings = kubo_settings(
        network,
        lease,
        domain=hosting.domain,
        announce_address=hosting.announce_address,
        shutdown_timeout_s=hosting.stop_grace_s,
    )
    request = (
        f"POST /api/v0/diag/healthy HTTP/1.0\r\nHost: 127.0.0.1:{KUBO_RPC_PORT}\r\n"
        f"Authorization: Bearer {network.rpc_bearer(lease.node).reveal()}\r\n\r\n"
    )
    return (
        FileAsset(path=f"{_ASSETS}/001-nexus.sh", content=_asset("001-nexus.sh"), mode=0o555),
        FileAsset(path=f"{_ASSETS}/health", content=_asset("health"), mode=0o555),
        _secret_file("settings.json", settings_file(settings)),
        _secret_file("swarm.key", network.swarm_key.reveal().encode()),
        _secret_file("health-request", request.encode()),
    )


def _unlabelled_spec(hosting: Hosting, network: Network, lease: Lease) -> ContainerSpec:
    name = hosting.node_name(lease.node)
    return ContainerSpec(
        name=name,
        image=hosting.image,
        command=_COMMAND,
        environment=_environment(network.resources),
        labels={},
        volumes={name: _REPOSITORY},
        ports=_ports(hosting, lease),
        caps=node_caps(network.resources),
        network=hosting.bridge.name,
        address=lease.address,
        user=f"{_UID}:{_GID}",
        capabilities=(),
        files=node_files(hosting, network, lease),
        # Kubo's own asks the RPC without a bearer, and would call every node unhealthy.
        health_check=HealthCheck(
            command=(f"{_ASSETS}/health",), interval_s=60.0, timeout_s=5.0, start_period_s=30.0, retries=3
        ),
        # A crash, or a reboot of the host, is healed by the engine within a second, also while Nexus is down.
        restart_policy="unless-stopped",
        stop_grace_s=hosting.engine_grace_s,
    )


def _environment(resources: Resources) -> dict[str, str]:
    return {
        # Only at the first start, when the repository is made; the start-up script says it at every one.
        "IPFS_PROFILE": "autoconf-off",
        # No key, no node: whatever happens to swarm.key, the node never joins the public network.
        "LIBP2P_FORCE_PNET": "1",
        "LIBP2P_TCP_MUX": "false",
        "IPFS_TELEMETRY": "off",
        "GOLOG_LOG_LEVEL": "error",
        "GOMEMLIMIT": f"{go_memory_limit(resources)}B",
        "GOMAXPROCS": str(go_max_procs(resources)),
    }


def _ports(hosting: Hosting, lease: Lease) -> tuple[PublishedPort, ...]:
    wanted = (
        (KUBO_SWARM_PORT, hosting.swarm_bind, lease.swarm_port),
        (KUBO_RPC_PORT, "127.0.0.1", lease.api_port),
        (KUBO_GATEWAY_PORT, "127.0.0.1", lease.gateway_port),
    )
    return tuple(
        PublishedPort(container_port=container_port, host_ip=host_ip, host_port=host_port)
        for container_port, host_ip, host_port in wanted
        if host_port is not None
    )


def _revision(spec: ContainerSpec, bearer: Secret) -> str:
    described: dict[str, Any] = {
        "image": spec.image,
        "command": spec.command,
        "environment": dict(spec.environment),
        "ports": [(port.container_port, port.host_ip, port.host_port) for port in spec.ports],
        "network": spec.network,
        "address": spec.address,
        "user": spec.user,
        "files": [(file.path, file.mode, hashlib.sha256(file.content).hexdigest()) for file in spec.files],
    }
    text = json.dumps(described, sort_keys=True)
    return hmac.new(bearer.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def _secret_file(name: str, content: bytes) -> FileAsset:
    return FileAsset(path=f"{_ASSETS}/{name}", content=content, mode=0o400, uid=_UID, gid=_GID)


def _asset(name: str) -> bytes:
    return (package_resources.files("nexus.ipfs") / "assets" / name).read_bytes()
