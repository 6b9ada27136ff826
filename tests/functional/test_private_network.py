"""Who is in a private network and who is not: real Kubo nodes, made by Nexus and by members."""

from __future__ import annotations

from typing import Any

from nexus.ipfs.swarm_key import generate_swarm_key
from nexus.model import Network, Node, NodeStats, Reach
from tests.functional.kubo import KuboTestCase


class MemberTests(KuboTestCase):
    """A member outside joins with the swarm key, and nobody joins without."""

    async def make_hosted(self, **fields: Any) -> tuple[Network, Node, NodeStats]:
        network = self.make_network(**fields)
        node = await self.client.create_node(network, self.make_lease())
        return network, node, await self.client.node_stats(node, network)

    async def test_member_joins(self) -> None:
        """With the key and the multiaddr from the stats a member joins, and content is fetched both ways."""
        network, node, stats = await self.make_hosted()
        (bearer,) = network.rpc_bearers
        member = await self.make_member(network.swarm_key)
        (multiaddr,) = stats.swarm_multiaddrs
        self.assertIn("success", await self.ipfs(member, f"swarm connect {multiaddr}"))

        ours = await self.ipfs(node.container_name, "add -Q", bearer, text="from the node")
        self.assertEqual(await self.ipfs(member, f"cat {ours}"), "from the node")
        theirs = await self.ipfs(member, "add -Q", text="from the member")
        self.assertEqual(await self.ipfs(node.container_name, f"cat {theirs}", bearer), "from the member")

        self.assertEqual((await self.client.node_stats(node, network)).peers_connected, 1)

    async def test_announced_only(self) -> None:
        """Members learn the host's address of the node, and none that is private to this host."""
        network, node, stats = await self.make_hosted()
        member = await self.make_member(network.swarm_key)
        await self.ipfs(member, f"swarm connect {stats.swarm_multiaddrs[0]}")
        known = (await self.ipfs(member, f"id -f '<addrs>' {stats.peer_id}")).split()
        self.assertEqual(known, list(stats.swarm_multiaddrs))
        self.assertNotIn(str(node.lease.address), " ".join(known))

    async def test_another_key(self) -> None:
        """With another key the same address is of no use."""
        network, node, stats = await self.make_hosted()
        stranger = await self.make_member(generate_swarm_key())
        status, output = await self.shell(stranger, f"ipfs --timeout=20s swarm connect {stats.swarm_multiaddrs[0]}")
        self.assertNotEqual(status, 0, output)
        self.assertEqual((await self.client.node_stats(node, network)).peers_connected, 0)

    async def test_bootstrap_peers(self) -> None:
        """A node dials the record's peers when it starts: here another node with the same key, published on the
        bridge's own address, since containers do not reach the host's loopback address."""
        bridge = self.bridge_address()
        client = self.make_client(swarm_bind=bridge, announce_address=bridge)
        hub = self.make_network("hub")
        hub_node = await client.create_node(hub, self.make_lease("hub"))
        (address,) = (await client.identify_node(hub_node, hub)).swarm_multiaddrs
        branch = self.make_network("branch", swarm_key=hub.swarm_key, bootstrap_peers=(address,))
        await client.create_node(branch, self.make_lease("branch"))
        for _ in range(100):
            if (await client.node_stats(hub_node, hub)).peers_connected:
                return
            await self.pause(0.1)
        self.fail(f"nobody dialled {address}")


class IsolationTests(KuboTestCase):
    """Tenants, and the host's other users, reach nothing of a node but its swarm port."""

    async def test_tenants(self) -> None:
        """One node reaches neither RPC nor gateway nor swarm of another by its address; itself it does."""
        names = ("one", "two")
        nodes = [await self.client.create_node(self.make_network(name), self.make_lease(name)) for name in names]
        for port in (5001, 8080, 4001):
            address = nodes[1].lease.address
            for node, reached in ((nodes[0], False), (nodes[1], True)):
                status, output = await self.shell(node.container_name, f"nc -w 2 {address} {port} </dev/null")
                self.assertEqual(status == 0, reached, f"{node.id} to {address}:{port}: {output}")

    async def test_published_ports(self) -> None:
        """Nor does it reach RPC or gateway of another through ports published on the host's loopback address."""
        one = await self.client.create_node(self.make_network("one"), self.make_lease("one"))
        lease = self.make_lease("two", Reach.PUBLISHED)
        await self.client.create_node(self.make_network("two"), lease)
        for port in (lease.api_port, lease.gateway_port):
            status, output = await self.shell(one.container_name, f"nc -w 2 {self.bridge_address()} {port} </dev/null")
            self.assertNotEqual(status, 0, output)
