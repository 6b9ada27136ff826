"""What tests of nodes are made of: records, leases, and a host."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from nexus.ipfs.spec import Hosting
from nexus.ipfs.swarm_key import check_swarm_key
from nexus.model import Lease, Network, NodeId
from nexus.secrets import Secret

KEY_HEX: Final = "ab" * 32
BEARER: Final = "the-bearer-of-demo"
PEER: Final = "12D3KooWELBrFjb2zUKXiSbx724mNJMTaE5umXj5BKgKvwdHQ8s3"
LONGEST_NAME: Final = "n" * 63
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


def make_swarm_key(digits: str = KEY_HEX) -> Secret:
    """A swarm key of these 64 hexadecimal digits."""
    return check_swarm_key(f"/key/swarm/psk/1.0.0/\n/base16/\n{digits}\n")


def make_network(name: str = "demo", **fields: Any) -> Network:
    """A record with what a test says, and defaults."""
    network = Network(
        name=name,
        swarm_key=make_swarm_key(),
        rpc_bearers=(Secret(BEARER),),
        created_at=_NOW,
        updated_at=_NOW,
    )
    return replace(network, **fields)


def make_lease(network: str = "demo", *, last: int = 40, swarm_port: int = 24000) -> Lease:
    """A lease of an address on the bridge, by its last byte."""
    return Lease(node=NodeId(network), swarm_port=swarm_port, address=f"10.213.4.{last}")


def make_published_lease(network: str = "demo") -> Lease:
    """A lease of ports on the loopback address."""
    return Lease(node=NodeId(network), swarm_port=24000, api_port=25000, gateway_port=28000)


def make_hosting(**fields: Any) -> Hosting:
    """A host with what a test says, and defaults."""
    hosting = Hosting(
        instance="test1",
        domain="nexus.example",
        image="ipfs/kubo:v0.43.0",
        subnet="10.213.0.0/20",
        dynamic_range="10.213.0.0/23",
        swarm_bind="192.0.2.7",
        announce_address="198.51.100.9",
        stop_grace_s=60,
    )
    return replace(hosting, **fields)
