"""A node as a container, and its labels."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from nexus.container import Container, ContainerSpec, PublishedPort
from nexus.ipfs.labels import UnreadableLabelsError, fields_for_next_start, read_node, read_node_id
from nexus.ipfs.spec import node_revision, node_spec
from nexus.model import ContainerState, Lease, Network, NodeId, Resources
from nexus.secrets import Secret
from tests.ipfs.making import (
    BEARER,
    KEY_HEX,
    LONGEST_NAME,
    PEER,
    make_hosting,
    make_lease,
    make_network,
    make_published_lease,
    make_swarm_key,
)


def make_spec(network: Network | None = None, lease: Lease | None = None, **hosting: Any) -> ContainerSpec:
    """The container of a node."""
    return node_spec(make_hosting(**hosting), network or make_network(), lease or make_lease())


def as_container(spec: ContainerSpec) -> Container:
    """What a list call would tell of a container made from `spec`."""
    return Container(
        id="c" * 64,
        name=spec.name,
        image=spec.image,
        state=ContainerState.RUNNING,
        labels=dict(spec.labels),
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )


class NodeSpecTests(SynchronousTestCase):
    """`node_spec`."""

    def test_names(self) -> None:
        """Container, volume and bridge carry the instance's name; the longest network name fits."""
        spec = make_spec(make_network(LONGEST_NAME), make_lease(LONGEST_NAME))
        name = f"nexus-test1-{LONGEST_NAME}-0"
        self.assertEqual((spec.name, spec.volumes, spec.network), (name, {name: "/data/ipfs"}, "nexus-test1"))
        self.assertLessEqual(len(make_hosting(instance="abcdefgh9").bridge.interface), 15)

    def test_unprivileged(self) -> None:
        """It runs as the image's user from the start, with no capability at all."""
        spec = make_spec()
        self.assertEqual((spec.user, spec.capabilities), ("1000:100", ()))

    def test_caps(self) -> None:
        """CPU, memory and processes are capped as the record says."""
        spec = make_spec(make_network(resources=Resources(cpus=0.5, memory_gb=0.5)))
        self.assertEqual((spec.caps.nano_cpus, spec.caps.memory_bytes), (500_000_000, 500_000_000))
        self.assertGreater(spec.caps.pids, 0)
        self.assertEqual((spec.environment["GOMEMLIMIT"], spec.environment["GOMAXPROCS"]), ("450000000B", "1"))

    def test_forced_private(self) -> None:
        """Without a key it would not start, it never phones home, and its first configuration is not the public one."""
        environment = make_spec().environment
        self.assertEqual(environment["LIBP2P_FORCE_PNET"], "1")
        self.assertEqual(environment["IPFS_TELEMETRY"], "off")
        self.assertEqual(environment["LIBP2P_TCP_MUX"], "false")
        self.assertEqual(environment["IPFS_PROFILE"], "autoconf-off")

    def test_secrets(self) -> None:
        """Key and bearer are in files that only the node's user reads, and nowhere else that somebody could see."""
        spec = make_spec()
        visible = repr(replace(spec, files=()))
        for secret in (KEY_HEX, BEARER):
            self.assertNotIn(secret, visible)
            holding = {file.path: file for file in spec.files if secret.encode() in file.content}
            self.assertTrue(holding)
            for file in holding.values():
                self.assertEqual((file.mode, file.uid, file.gid), (0o400, 1000, 100))

    def test_bridge_reach(self) -> None:
        """Reached by its address, it publishes its swarm port alone, where the configuration says."""
        spec = make_spec()
        self.assertEqual(spec.address, "10.213.4.40")
        self.assertEqual(spec.ports, (PublishedPort(container_port=4001, host_ip="192.0.2.7", host_port=24000),))

    def test_published_reach(self) -> None:
        """Reached by ports, it publishes RPC and gateway on loopback, and the engine chooses its address."""
        spec = make_spec(lease=make_published_lease())
        self.assertEqual(spec.address, None)
        self.assertEqual(
            {(port.container_port, port.host_ip, port.host_port) for port in spec.ports},
            {(4001, "192.0.2.7", 24000), (5001, "127.0.0.1", 25000), (8080, "127.0.0.1", 28000)},
        )

    def test_patience(self) -> None:
        """The engine kills only after Kubo's own limit for ending is over."""
        spec = make_spec(stop_grace_s=20)
        self.assertGreater(spec.stop_grace_s, 20)
        (settings,) = (file.content for file in spec.files if file.path.endswith("settings.json"))
        self.assertIn(b'"ShutdownTimeout": "20s"', settings)


class RevisionTests(SynchronousTestCase):
    """`node_revision`: whether a node would be made otherwise now."""

    def revision(self, lease: Lease | None = None, **fields: Any) -> str:
        return node_revision(make_hosting(), make_network(**fields), lease or make_lease())

    def test_label(self) -> None:
        """It is what the container made from the same is labelled with."""
        self.assertEqual(read_node(as_container(make_spec())).revision, self.revision())

    def test_same(self) -> None:
        """What does not concern the node leaves it: users, origins, times, who may read the gateway."""
        self.assertEqual(
            self.revision(users=frozenset({"ann"}), gateway_public=True, api_allowed_origins=frozenset({"x"})),
            self.revision(),
        )

    def test_live(self) -> None:
        """A cap that changes while it runs leaves it."""
        self.assertEqual(self.revision(resources=Resources(cpus=0.5)), self.revision(resources=Resources(cpus=0.7)))

    def test_different(self) -> None:
        """Everything else that a node is made from changes it."""
        revisions = {
            self.revision(),
            self.revision(resources=Resources(cpus=2)),
            self.revision(resources=Resources(memory_gb=2)),
            self.revision(resources=Resources(disk_gb=2)),
            self.revision(gateway_subdomains=True),
            self.revision(bootstrap_peers=(f"/ip4/192.0.2.1/tcp/1/p2p/{PEER}",)),
            self.revision(swarm_key=make_swarm_key("cd" * 32)),
            self.revision(rpc_bearers=(Secret("another"),)),
            self.revision(lease=make_lease(last=41)),
            self.revision(lease=make_lease(swarm_port=24001)),
            self.revision(lease=make_published_lease()),
            node_revision(make_hosting(image="ipfs/kubo:v0.44.0"), make_network(), make_lease()),
            node_revision(make_hosting(domain="other.example"), make_network(), make_lease()),
            node_revision(make_hosting(announce_address="192.0.2.99"), make_network(), make_lease()),
        }
        self.assertEqual(len(revisions), 14)


class ReadNodeTests(SynchronousTestCase):
    """`read_node`: a node from its container's labels."""

    def test_recovered(self) -> None:
        """Name, lease and resources come back as they went in, for either reach."""
        network = make_network(LONGEST_NAME, resources=Resources(cpus=0.3, memory_gb=1.75, disk_gb=12.5))
        for lease in (make_lease(LONGEST_NAME), make_published_lease(LONGEST_NAME)):
            node = read_node(as_container(make_spec(network, lease)))
            self.assertEqual((node.id, node.lease, node.resources), (lease.node, lease, network.resources))
            self.assertEqual((node.state, node.image), (ContainerState.RUNNING, "ipfs/kubo:v0.43.0"))

    def test_another_schema(self) -> None:
        """Labels of a schema that is not known are not guessed at."""
        container = as_container(make_spec())
        other = replace(container, labels={**container.labels, "nexus.schema": "2"})
        self.assertRaises(UnreadableLabelsError, read_node, other)

    def test_damaged(self) -> None:
        """A label that is missing, or says nonsense, is told, whichever it is."""
        container = as_container(make_spec())
        for label in ("network", "node", "revision", "lease.swarm-port", "resources.cpus"):
            without = {name: value for name, value in container.labels.items() if name != f"nexus.{label}"}
            self.assertRaises(UnreadableLabelsError, read_node, replace(container, labels=without))
        for label in ("nexus.node", "nexus.lease.swarm-port", "nexus.resources.disk-gb"):
            nonsense = {**container.labels, label: "-x"}
            self.assertRaises(UnreadableLabelsError, read_node, replace(container, labels=nonsense))
        self.assertRaises(UnreadableLabelsError, read_node_id, {})

    def test_volume(self) -> None:
        """A volume's labels name the node that it belongs to."""
        self.assertEqual(read_node_id(make_spec().labels), NodeId("demo"))


class NextStartTests(SynchronousTestCase):
    """`fields_for_next_start`: what a running node has not taken on yet."""

    def fields(self, **fields: Any) -> list[str]:
        return list(fields_for_next_start(make_spec().labels, make_network(**fields)))

    def test_nothing(self) -> None:
        """The edge's business, and a CPU cap, are in force at once."""
        self.assertEqual(self.fields(users=frozenset({"ann"}), gateway_public=True), [])
        self.assertEqual(self.fields(resources=Resources(cpus=0.2)), [])

    def test_fields(self) -> None:
        """Whatever Kubo or Go reads only when it starts is named as in the record."""
        self.assertEqual(
            self.fields(
                gateway_subdomains=True,
                bootstrap_peers=(f"/ip4/192.0.2.1/tcp/1/p2p/{PEER}",),
                resources=Resources(cpus=2, memory_gb=2, disk_gb=20),
                swarm_key=make_swarm_key("cd" * 32),
            ),
            [
                "bootstrap_peers",
                "gateway_subdomains",
                "resources.cpus",
                "resources.memory_gb",
                "resources.disk_gb",
                "swarm_key",
            ],
        )

    def test_damaged(self) -> None:
        """Labels that are not a node's are told."""
        self.assertRaises(UnreadableLabelsError, fields_for_next_start, {}, make_network())
