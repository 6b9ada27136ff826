"""What is told of what is held."""

from __future__ import annotations

from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from nexus.model import ContainerState, NodeId, NodeStats
from nexus.orchestrator import views

STATS = NodeStats(
    node=NodeId("demo"),
    state=ContainerState.RUNNING,
    started_at=datetime(2026, 11, 23, 19, 2, tzinfo=UTC),
    uptime_s=90.5,
    cpu_percent=0.32920000638207914,
    memory_used_bytes=17_395_712,
    memory_cap_bytes=10**9,
    network_received_bytes=4_491,
    network_sent_bytes=5_693,
    pids=7,
    disk_used_bytes=21_132,
    disk_cap_bytes=10**10,
    peer_id="12D3KooW",
    peers_connected=2,
    swarm_multiaddrs=("/ip4/198.51.100.9/tcp/24000/p2p/12D3KooW",),
    swarm_key_fingerprint="34ea",
    agent_version="kubo/0.43.0/nexus",
)


class MeasuredTests(SynchronousTestCase):
    """`measured`: one node's figures."""

    def test_figures(self) -> None:
        """They are told as they are; a per cent of CPU to two decimals, since no more of it means anything."""
        told = views.measured(STATS)
        self.assertEqual(told.cpu_percent, 0.33)
        self.assertEqual((told.index, told.uptime_s, told.memory_used_bytes), (0, 90.5, 17_395_712))
        self.assertEqual(told.swarm_multiaddrs, list(STATS.swarm_multiaddrs))
