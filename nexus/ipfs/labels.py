"""Labels: all of a node's configuration that is not secret, written on its container and read back. Pure.

After a restart of Nexus one list call gives every node with its lease. What is secret is in the record alone; the
container tells it only by keyed digests (`Node.revision`, the swarm key's fingerprint).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from nexus.errors import InvalidError
from nexus.ipfs.settings import go_max_procs
from nexus.ipfs.swarm_key import swarm_key_fingerprint
from nexus.model import Lease, Network, Node, NodeId, Resources

if TYPE_CHECKING:
    from nexus.container import Container

SCHEMA: Final = "1"
"""The version of these labels. A container with another one is not understood, and left alone."""

INSTANCE: Final = "nexus.instance"
NETWORK: Final = "nexus.network"
NODE: Final = "nexus.node"
_SCHEMA: Final = "nexus.schema"
_REVISION: Final = "nexus.revision"
_FINGERPRINT: Final = "nexus.swarm-key-fingerprint"
_BOOTSTRAP_PEERS: Final = "nexus.bootstrap-peers"
_GATEWAY_SUBDOMAINS: Final = "nexus.gateway-subdomains"
_DOMAIN: Final = "nexus.domain"
_ANNOUNCE_ADDRESS: Final = "nexus.announce-address"
_SWARM_PORT: Final = "nexus.lease.swarm-port"
_ADDRESS: Final = "nexus.lease.address"
_API_PORT: Final = "nexus.lease.api-port"
_GATEWAY_PORT: Final = "nexus.lease.gateway-port"
_CPUS: Final = "nexus.resources.cpus"
_MEMORY_GB: Final = "nexus.resources.memory-gb"
_DISK_GB: Final = "nexus.resources.disk-gb"


class UnreadableLabelsError(Exception):
    """A container carries this instance's label, but not those of a node that this version of Nexus made."""


def instance_labels(instance: str) -> dict[str, str]:
    """What everything of an instance carries, and nothing else does."""
    return {INSTANCE: instance}


def identity_labels(instance: str, node: NodeId) -> dict[str, str]:
    """What a node's container and its volume carry, whatever they were made from."""
    return {INSTANCE: instance, NETWORK: node.network, NODE: str(node.index)}


def volume_labels(instance: str, node: NodeId) -> dict[str, str]:
    """What a node's volume carries."""
    return {**identity_labels(instance, node), _SCHEMA: SCHEMA}


def container_labels(
    instance: str, network: Network, lease: Lease, *, domain: str, announce_address: str, revision: str
) -> dict[str, str]:
    """What a node's container carries."""
    resources = network.resources
    optional = {_ADDRESS: lease.address, _API_PORT: lease.api_port, _GATEWAY_PORT: lease.gateway_port}
    return {
        **volume_labels(instance, lease.node),
        _REVISION: revision,
        _FINGERPRINT: swarm_key_fingerprint(network.swarm_key),
        _BOOTSTRAP_PEERS: json.dumps(network.bootstrap_peers),
        _GATEWAY_SUBDOMAINS: json.dumps(network.gateway_subdomains),
        _DOMAIN: domain,
        _ANNOUNCE_ADDRESS: announce_address,
        _SWARM_PORT: str(lease.swarm_port),
        **{label: str(value) for label, value in optional.items() if value is not None},
        _CPUS: repr(resources.cpus),
        _MEMORY_GB: repr(resources.memory_gb),
        _DISK_GB: repr(resources.disk_gb),
    }


def read_node_id(labels: Mapping[str, str]) -> NodeId:
    """Whose container or volume carries `labels`.

    :raises UnreadableLabelsError: if they are not those of a node.
    """
    try:
        return NodeId(labels[NETWORK], int(labels[NODE]))
    except (KeyError, ValueError) as error:
        raise UnreadableLabelsError(f"{type(error).__name__}: {error}") from error


def read_node(container: Container) -> Node:
    """The node that runs, or ran, in `container`.

    :raises UnreadableLabelsError: if its labels are not those of a node of this schema.
    """
    labels = container.labels
    if labels.get(_SCHEMA) != SCHEMA:
        raise UnreadableLabelsError(f"{_SCHEMA} is {labels.get(_SCHEMA)!r}, and {SCHEMA!r} is what is known here")
    node = read_node_id(labels)
    try:
        return Node(
            id=node,
            container_id=container.id,
            container_name=container.name,
            image=container.image,
            state=container.state,
            lease=Lease(
                node=node,
                swarm_port=int(labels[_SWARM_PORT]),
                address=labels.get(_ADDRESS),
                api_port=_number(labels.get(_API_PORT)),
                gateway_port=_number(labels.get(_GATEWAY_PORT)),
            ),
            resources=_read_resources(labels),
            revision=labels[_REVISION],
            created_at=container.created_at,
        )
    except (KeyError, ValueError, InvalidError) as error:
        raise UnreadableLabelsError(f"{type(error).__name__}: {error}") from error


def fields_for_next_start(labels: Mapping[str, str], network: Network) -> Sequence[str]:
    """The fields of `network` that differ, in whole or in part, from what a node's container was made from, and that
    the node takes on at its next start and not before.

    `resources.memory_gb` is among them although its cap is live: Go's memory limit, libp2p's, and the number of
    connections follow at the next start. `resources.cpus` is where the number of Go's threads changes.

    :raises UnreadableLabelsError: if `labels` are not a node's.
    """
    try:
        made_with = _read_resources(labels)
        differs = {
            "bootstrap_peers": json.loads(labels[_BOOTSTRAP_PEERS]) != list(network.bootstrap_peers),
            "gateway_subdomains": json.loads(labels[_GATEWAY_SUBDOMAINS]) != network.gateway_subdomains,
            "resources.cpus": go_max_procs(made_with) != go_max_procs(network.resources),
            "resources.memory_gb": made_with.memory_gb != network.resources.memory_gb,
            "resources.disk_gb": made_with.disk_gb != network.resources.disk_gb,
            "swarm_key": labels[_FINGERPRINT] != swarm_key_fingerprint(network.swarm_key),
        }
    except (KeyError, ValueError, InvalidError) as error:
        raise UnreadableLabelsError(f"{type(error).__name__}: {error}") from error
    return [name for name, is_different in differs.items() if is_different]


def _read_resources(labels: Mapping[str, str]) -> Resources:
    return Resources(cpus=float(labels[_CPUS]), memory_gb=float(labels[_MEMORY_GB]), disk_gb=float(labels[_DISK_GB]))


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
