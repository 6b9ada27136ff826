"""From what is held to what is told: records, nodes and routes as messages. Pure, and the only place where a record's
secrets could leave by mistake: they do only where they were asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from nexus.messages import (
    ContainerView,
    LeaseView,
    MeasuredNode,
    NetworkDetails,
    ResourcesView,
    RouteView,
    StartedNetwork,
)
from nexus.model import (
    Feature,
    Lease,
    Network,
    NetworkState,
    NetworkStatus,
    NodeDiagnosis,
    NodeIdentity,
    NodeStats,
    Resources,
    Route,
    RouteTarget,
)
from nexus.secrets import Secret


def details(
    record: Network, state: NetworkState, fingerprint: Callable[[Secret], str], *, include_swarm_key: bool = False
) -> NetworkDetails:
    """A record and what its network is doing."""
    return NetworkDetails(
        network=record.name,
        state=state,
        desired_state=record.desired_state,
        users=sorted(record.users),
        gateway_public=record.gateway_public,
        gateway_subdomains=record.gateway_subdomains,
        api_allowed_origins=sorted(record.api_allowed_origins),
        bootstrap_peers=list(record.bootstrap_peers),
        resources=resources(record.resources),
        swarm_key_fingerprint=fingerprint(record.swarm_key),
        created_at=record.created_at,
        updated_at=record.updated_at,
        activated_at=record.activated_at,
        activation_reason=record.activation_reason,
        deactivated_at=record.deactivated_at,
        deactivation_reason=record.deactivation_reason,
        swarm_key=record.swarm_key.reveal() if include_swarm_key else None,
    )


def resources(figures: Resources) -> ResourcesView:
    """What a node may use."""
    return ResourcesView(cpus=figures.cpus, memory_gb=figures.memory_gb, disk_gb=figures.disk_gb)


def feature_url(network: str, feature: Feature, domain: str, port: int) -> str:
    """Where the edge serves a feature."""
    return f"http://{network}.{feature}.{domain}" + ("" if port == 80 else f":{port}")


def started(record: Network, state: NetworkState, identity: NodeIdentity, domain: str, port: int) -> StartedNetwork:
    """What the members of a running network need, the swarm key among it."""
    return StartedNetwork(
        network=record.name,
        state=state,
        peer_id=identity.peer_id,
        api_url=feature_url(record.name, Feature.API, domain, port),
        gateway_url=feature_url(record.name, Feature.GATEWAY, domain, port),
        swarm_multiaddrs=list(identity.swarm_multiaddrs),
        swarm_key=record.swarm_key.reveal(),
    )


def measured(stats: NodeStats) -> MeasuredNode:
    """One node's figures."""
    figures = asdict(stats)
    index = figures.pop("node")["index"]
    figures["swarm_multiaddrs"] = list(stats.swarm_multiaddrs)
    figures["cpu_percent"] = round(stats.cpu_percent, 2)
    return MeasuredNode(index=index, **figures)


def status(network: str, state: NetworkState, stats: NodeStats | None) -> NetworkStatus:
    """What a member is told; without `stats` only what it is doing."""
    if stats is None:
        return NetworkStatus(network=network, state=state)
    return NetworkStatus(
        network=network,
        state=state,
        started_at=stats.started_at,
        uptime_s=stats.uptime_s,
        peer_id=stats.peer_id,
        peers_connected=stats.peers_connected,
        disk_used_bytes=stats.disk_used_bytes,
        disk_cap_bytes=stats.disk_cap_bytes,
        swarm_multiaddrs=stats.swarm_multiaddrs,
    )


def route(known: Route | None) -> RouteView | None:
    """What the edge knows; the nodes' bearers stay inside."""
    if known is None:
        return None
    return RouteView(state=known.state, generation=known.generation, targets=[target(one) for one in known.targets])


def target(one: RouteTarget) -> str:
    """Where a node is reached."""
    addresses = (("api", one.api), ("gateway", one.gateway))
    return ", ".join(f"{feature} {address}" for feature, address in addresses if address is not None)


def leases(held: Sequence[Lease]) -> list[LeaseView]:
    """What the nodes of one network hold."""
    return [
        LeaseView(
            index=lease.node.index,
            swarm_port=lease.swarm_port,
            address=lease.address,
            api_port=lease.api_port,
            gateway_port=lease.gateway_port,
        )
        for lease in held
    ]


def container(diagnosis: NodeDiagnosis) -> ContainerView:
    """A node's container, inspected."""
    return ContainerView(
        index=diagnosis.node.index,
        id=diagnosis.container_id,
        name=diagnosis.container_name,
        image=diagnosis.image,
        state=diagnosis.state,
        started_at=diagnosis.started_at,
        finished_at=diagnosis.finished_at,
        exit_code=diagnosis.exit_code,
        oom_killed=diagnosis.oom_killed,
        restart_count=diagnosis.restart_count,
        error=diagnosis.error,
        log_lines=list(diagnosis.log_lines),
    )
