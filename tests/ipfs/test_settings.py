"""Kubo's configuration for a hosted node."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from nexus.ipfs.settings import (
    PEER_ID_PLACE,
    SPEC_PLACE,
    announced_address,
    connection_limits,
    go_max_procs,
    go_memory_limit,
    kubo_settings,
    settings_file,
)
from nexus.model import Resources
from tests.ipfs.making import BEARER, PEER, make_lease, make_network


def make_settings(announce_address: str = "198.51.100.9", **fields: Any) -> dict[str, Any]:
    """The settings of a network with these fields."""
    return kubo_settings(
        make_network(**fields),
        make_lease(swarm_port=24001),
        domain="nexus.example",
        announce_address=announce_address,
        shutdown_timeout_s=60,
    )


class PrivacyTests(SynchronousTestCase):
    """A node talks to its members and to nobody else."""

    def test_no_public_service(self) -> None:
        """No public bootstrap, resolver, router, publisher, pinning service, retrieval or certificate service."""
        settings = make_settings()
        self.assertEqual(settings["Bootstrap"], [])
        self.assertEqual(settings["DNS"], {"Resolvers": {}})
        self.assertEqual(settings["Routing"], {"Type": "dhtserver", "DelegatedRouters": []})
        self.assertEqual(settings["Ipns"]["DelegatedPublishers"], [])
        self.assertEqual(settings["Pinning"], {"RemoteServices": {}})
        for section in ("AutoConf", "AutoTLS", "HTTPRetrieval"):
            self.assertEqual(settings[section], {"Enabled": False})
        self.assertNotIn('"auto"', json.dumps(settings))

    def test_no_experiments(self) -> None:
        """Nothing experimental is on: stream mounting would be a tunnel into the host."""
        self.assertFalse(any(make_settings()["Experimental"].values()))

    def test_local_network(self) -> None:
        """It neither looks for neighbours nor asks a router for ports."""
        settings = make_settings()
        self.assertEqual(settings["Discovery"], {"MDNS": {"Enabled": False}})
        self.assertTrue(settings["Swarm"]["DisableNatPortMap"])

    def test_transports(self) -> None:
        """What a swarm key forbids is off, and only TCP listens."""
        settings = make_settings()
        self.assertEqual(
            settings["Swarm"]["Transports"]["Network"],
            {"QUIC": False, "WebTransport": False, "WebRTCDirect": False, "Websocket": False},
        )
        self.assertEqual(settings["Addresses"]["Swarm"], ["/ip4/0.0.0.0/tcp/4001"])

    def test_rpc(self) -> None:
        """The RPC wants the node's own bearer, and knows no other."""
        self.assertEqual(
            make_settings()["API"]["Authorizations"],
            {"nexus": {"AuthSecret": f"bearer:{BEARER}", "AllowedPaths": ["/api/v0"]}},
        )


class MembershipTests(SynchronousTestCase):
    """How members and the node find each other."""

    def test_announced(self) -> None:
        """Members are told the host's address and the published port, whatever kind of address it is, and only that."""
        for address, expected in (
            ("198.51.100.9", "/ip4/198.51.100.9/tcp/24001"),
            ("2001:db8::9", "/ip6/2001:db8::9/tcp/24001"),
            ("host.example", "/dns4/host.example/tcp/24001"),
        ):
            settings = make_settings(announce_address=address)
            self.assertEqual(settings["Addresses"]["Announce"], [expected])
            self.assertEqual(settings["Addresses"]["AppendAnnounce"], [])
            self.assertEqual(announced_address(address, 24001), expected)

    def test_bootstrap_peers(self) -> None:
        """The record's peers are dialled at start."""
        peers = (f"/ip4/198.51.100.1/tcp/4001/p2p/{PEER}",)
        self.assertEqual(make_settings(bootstrap_peers=peers)["Bootstrap"], list(peers))

    def test_hub(self) -> None:
        """The node relays for members behind NAT and takes itself for reachable."""
        settings = make_settings()
        self.assertTrue(settings["Swarm"]["RelayService"]["Enabled"])
        self.assertEqual(settings["Internal"]["Libp2pForceReachability"], "public")
        self.assertEqual(settings["Swarm"]["AddrFilters"], [])


class GatewayTests(SynchronousTestCase):
    """What the gateway does."""

    def test_anonymous_reads(self) -> None:
        """Nobody's read makes the node fetch, ask the DNS, tell its peers, or name a public service."""
        gateway = make_settings(gateway_public=True)["Gateway"]
        self.assertTrue(gateway["NoFetch"])
        self.assertTrue(gateway["NoDNSLink"])
        self.assertFalse(gateway["ExposeRoutingAPI"])
        self.assertEqual(gateway["DiagnosticServiceURL"], "")

    def test_subdomains(self) -> None:
        """Whether Kubo redirects to `{cid}.ipfs.` follows the record, for the edge's host and no other."""
        for subdomains in (False, True):
            gateways = make_settings(gateway_subdomains=subdomains)["Gateway"]["PublicGateways"]
            self.assertEqual(gateways.pop("localhost"), None)
            (host, gateway), *_ = gateways.items()
            self.assertEqual(host, "demo.gateway.nexus.example")
            self.assertEqual((gateway["UseSubdomains"], gateway["Paths"]), (subdomains, ["/ipfs", "/ipns"]))
            self.assertEqual(len(gateways), 1)


class LimitsTests(SynchronousTestCase):
    """Kubo's own limits follow the record's resources."""

    def test_derived(self) -> None:
        """Storage, memory, threads and connections scale with what the node may use."""
        resources = Resources(cpus=2.5, memory_gb=2, disk_gb=1.5)
        settings = make_settings(resources=resources)
        self.assertEqual(settings["Datastore"]["StorageMax"], "1500000000B")
        self.assertEqual(settings["Swarm"]["ResourceMgr"]["MaxMemory"], "800000000B")
        self.assertEqual(settings["Swarm"]["ConnMgr"]["HighWater"], 512)
        self.assertEqual(go_memory_limit(resources), 1_800_000_000)
        self.assertEqual(go_max_procs(resources), 3)

    def test_smallest(self) -> None:
        """The smallest node has a thread, and as many connections as Kubo's default."""
        smallest = Resources(cpus=0.1, memory_gb=0.25, disk_gb=1)
        self.assertEqual((go_max_procs(smallest), connection_limits(smallest)), (1, (48, 96)))

    def test_largest(self) -> None:
        """Connections stop growing at some size."""
        self.assertEqual(connection_limits(Resources(memory_gb=10_000)), (1024, 2048))

    def test_shutdown(self) -> None:
        """The node gives up on a graceful end when it was told, and not twelve hours later."""
        self.assertEqual(make_settings()["Internal"]["ShutdownTimeout"], "60s")


class SettingsFileTests(SynchronousTestCase):
    """`settings_file`: what the start-up script reads."""

    def test_places(self) -> None:
        """Each of the two places is on a line of its own."""
        lines = settings_file(make_settings()).decode().splitlines()
        for place in (PEER_ID_PLACE, SPEC_PLACE):
            (line,) = (line for line in lines if place in line)
            self.assertRegex(line, rf'^ {{4}}"\w+": "{place}",?$')
