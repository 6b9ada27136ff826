"""Kubo's configuration for a hosted node: pure, from a network's record to the file that the start-up script merges.

Every key that Kubo has a section for is said, so that one `ipfs config replace` leaves nothing of an earlier state.
Reasons are Kubo's docs/config.md and what its daemon does with a swarm key; the words are Kubo's own.
"""

from __future__ import annotations

import ipaddress
import json
import math
from typing import Any, Final

from nexus.model import KUBO_GATEWAY_PORT, KUBO_RPC_PORT, KUBO_SWARM_PORT, Lease, Network, Resources

PEER_ID_PLACE: Final = "@PeerID@"
"""Where the start-up script puts the repository's own peer id."""

SPEC_PLACE: Final = "@Spec@"
"""Where it puts the repository's own datastore layout, which is fixed when the repository is made."""

_GO_HEAP_SHARE: Final = 0.9
_LIBP2P_MEMORY_SHARE: Final = 0.4
_CONNECTIONS_PER_GB: Final = 256
_CONNECTIONS_LEAST: Final = 96
_CONNECTIONS_MOST: Final = 2048
_RELAY_BYTES_PER_DIRECTION: Final = 2**30


def announced_address(announce_address: str, swarm_port: int) -> str:
    """The multiaddr, without a peer id, at which members reach a node.

    :param announce_address: an IPv4 or IPv6 address, or a DNS name that resolves to an IPv4 address.
    """
    try:
        kind = f"ip{ipaddress.ip_address(announce_address).version}"
    except ValueError:
        kind = "dns4"
    return f"/{kind}/{announce_address}/tcp/{swarm_port}"


def gateway_host(network: str, domain: str) -> str:
    """The host name under which the edge offers a network's gateway."""
    return f"{network}.gateway.{domain}"


def go_memory_limit(resources: Resources) -> int:
    """Bytes for `GOMEMLIMIT`: below the cgroup's cap, so that Go collects before the kernel kills."""
    return math.floor(resources.memory_bytes * _GO_HEAP_SHARE)


def go_max_procs(resources: Resources) -> int:
    """`GOMAXPROCS`: no more running threads than the CPU cap can feed."""
    return max(1, math.ceil(resources.cpus))


def connection_limits(resources: Resources) -> tuple[int, int]:
    """Low and high water of libp2p's connection manager: by memory, never below Kubo's own default for the high one."""
    high = max(_CONNECTIONS_LEAST, min(_CONNECTIONS_MOST, round(resources.memory_gb * _CONNECTIONS_PER_GB)))
    return high // 2, high


def kubo_settings(
    network: Network, lease: Lease, *, domain: str, announce_address: str, shutdown_timeout_s: int
) -> dict[str, Any]:
    """The whole configuration of one node, but for what belongs to its repository (the two places).

    :param domain: the edge's domain.
    :param announce_address: how members reach this host.
    :param shutdown_timeout_s: how long Kubo may take to end; the engine's patience must be longer.
    """
    resources = network.resources
    low_water, high_water = connection_limits(resources)
    return {
        "Identity": {"PeerID": PEER_ID_PLACE},
        "Datastore": {
            "StorageMax": f"{resources.disk_bytes}B",
            "StorageGCWatermark": 90,
            "GCPeriod": "1h",
            "Spec": SPEC_PLACE,
            "HashOnRead": False,
            "BloomFilterSize": 0,
        },
        "Addresses": {
            "Swarm": [f"/ip4/0.0.0.0/tcp/{KUBO_SWARM_PORT}"],
            # In place of the addresses that Kubo sees, which are the engine's private ones.
            "Announce": [announced_address(announce_address, lease.swarm_port)],
            "AppendAnnounce": [],
            "NoAnnounce": [],
            "API": f"/ip4/0.0.0.0/tcp/{KUBO_RPC_PORT}",
            "Gateway": f"/ip4/0.0.0.0/tcp/{KUBO_GATEWAY_PORT}",
        },
        "Mounts": {"IPFS": "/ipfs", "IPNS": "/ipns", "MFS": "/mfs"},
        "Discovery": {"MDNS": {"Enabled": False}},
        # `auto` would stay a client until several peers have dialled back, and small swarms would have no server.
        "Routing": {"Type": "dhtserver", "DelegatedRouters": []},
        "Ipns": {
            "RepublishPeriod": "",
            "RecordLifetime": "",
            "ResolveCacheSize": 128,
            "UsePubsub": False,
            "DelegatedPublishers": [],
        },
        "Bootstrap": list(network.bootstrap_peers),
        "Gateway": _gateway(network, domain),
        "API": {
            "HTTPHeaders": {},
            "Authorizations": {
                "nexus": {
                    "AuthSecret": f"bearer:{network.rpc_bearer(lease.node).reveal()}",
                    "AllowedPaths": ["/api/v0"],
                }
            },
        },
        "Swarm": {
            "AddrFilters": [],
            "DisableBandwidthMetrics": False,
            "DisableNatPortMap": True,
            "RelayClient": {},
            # Members behind NAT reach each other through the hub; Kubo's defaults end a relayed stream at 128 KiB.
            "RelayService": {
                "Enabled": True,
                "ConnectionDurationLimit": "1h",
                "ConnectionDataLimit": _RELAY_BYTES_PER_DIRECTION,
            },
            # With a swarm key these are errors when they are on; there is no /ws listener.
            "Transports": {
                "Network": {"QUIC": False, "WebTransport": False, "WebRTCDirect": False, "Websocket": False},
                "Security": {},
                "Multiplexers": {},
            },
            "ConnMgr": {"Type": "basic", "LowWater": low_water, "HighWater": high_water, "GracePeriod": "20s"},
            "ResourceMgr": {"MaxMemory": f"{math.floor(resources.memory_bytes * _LIBP2P_MEMORY_SHARE)}B"},
        },
        "AutoNAT": {},
        "AutoTLS": {"Enabled": False},
        "AutoConf": {"Enabled": False},
        "Pubsub": {"Enabled": False, "Router": "", "DisableSigning": False},
        "Peering": {"Peers": []},
        "DNS": {"Resolvers": {}},
        "Migration": {},
        "Provide": {"Enabled": True, "Strategy": "pinned+mfs", "DHT": {}},
        "HTTPRetrieval": {"Enabled": False},
        "Experimental": {
            "FilestoreEnabled": False,
            "UrlstoreEnabled": False,
            "Libp2pStreamMounting": False,
            "P2pHttpProxy": False,
            "OptimisticProvide": False,
            "OptimisticProvideJobsPoolSize": 0,
            "GatewayOverLibp2p": False,
        },
        "Plugins": {"Plugins": {}},
        "Pinning": {"RemoteServices": {}},
        "Import": {},
        "Version": {"SwarmCheckEnabled": False},
        "Internal": {
            "Bitswap": {"BroadcastControl": {"Enable": False}},
            # The hub is reachable by its announced address; waiting for AutoNAT would keep relay and DHT server asleep.
            "Libp2pForceReachability": "public",
            "ShutdownTimeout": f"{shutdown_timeout_s}s",
        },
        "Bitswap": {},
    }


def _gateway(network: Network, domain: str) -> dict[str, Any]:
    return {
        "HTTPHeaders": {},
        "RootRedirect": "",
        # The edge lets people reach the gateway of a public network only: anonymous reads must not make a node fetch.
        "NoFetch": True,
        "NoDNSLink": True,
        "ExposeRoutingAPI": False,
        "DiagnosticServiceURL": "",
        "PublicGateways": {
            gateway_host(network.name, domain): {
                "Paths": ["/ipfs", "/ipns"],
                "UseSubdomains": network.gateway_subdomains,
                "NoDNSLink": True,
                "InlineDNSLink": True,
            },
            # Kubo's built-in entry would redirect to a host that is not ours.
            "localhost": None,
        },
    }


def settings_file(settings: dict[str, Any]) -> bytes:
    """`settings` as the start-up script wants it: two spaces of indentation, a key a line, as Kubo writes it."""
    return json.dumps(settings, indent=2).encode() + b"\n"
