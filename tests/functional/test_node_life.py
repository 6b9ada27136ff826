"""A node's life on a real engine with a real Kubo: made, measured, changed, ended, and what goes wrong."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from docker.errors import NotFound
from twisted.internet.defer import CancelledError, gatherResults
from twisted.internet.threads import deferToThread

from nexus.container import FileAsset
from nexus.containers.archive import archive
from nexus.errors import DeadlineError, ImageMissingError, NameTakenError, NodeNotReadyError, PortTakenError
from nexus.ipfs.labels import volume_labels
from nexus.model import Address, ContainerState, Network, Node, NodeId, Reach, Resources
from nexus.secrets import Secret
from tests.functional.kubo import IMAGE, KuboTestCase

DEMO = NodeId("demo")


def post(address: Address, path: str, authorization: str | None = None) -> tuple[int, bytes]:
    """What somebody on this host gets who asks a node directly; blocking."""
    request = Request(f"http://{address}{path}", method="POST", data=b"")
    if authorization is not None:
        request.add_header("Authorization", authorization)
    try:
        with urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


class NodeLifeTests(KuboTestCase):
    """What happens to a node from its making to its removal."""

    async def make(self, **fields: Any) -> tuple[Network, Node]:
        network = self.make_network(**fields)
        return network, await self.client.create_node(network, self.make_lease())

    async def config(self, node: Node, network: Network) -> dict[str, Any]:
        """The configuration that the node runs with, as it tells it."""
        (bearer,) = network.rpc_bearers
        status, body = await deferToThread(post, node.api_address, "/api/v0/config/show", f"Bearer {bearer.reveal()}")
        self.assertEqual(status, 200)
        config: dict[str, Any] = json.loads(body)
        return config

    async def test_life(self) -> None:
        """Made, measured, stopped, made again on the same data, removed: the same peer to the end, then nothing."""
        network, node = await self.make()
        (bearer,) = network.rpc_bearers
        stats = await self.client.node_stats(node, network)
        self.assertEqual((stats.state, stats.peers_connected), (ContainerState.RUNNING, 0))
        self.assertGreater(stats.disk_used_bytes, 0)
        self.assertGreater(stats.memory_used_bytes, 0)
        self.assertLess(stats.uptime_s, 60)
        self.assertTrue(stats.agent_version.startswith("kubo/0.43.0/"))
        cid = await self.ipfs(node.container_name, "add -Q", bearer, text="kept")

        await self.client.stop_node(DEMO)
        self.assertEqual(self.left_over(), [node.container_name])
        self.assertEqual(await self.client.volumes(), [DEMO])

        again = await self.client.create_node(network, self.make_lease())
        self.assertEqual((await self.client.identify_node(again, network)).peer_id, stats.peer_id)
        self.assertEqual(await self.ipfs(again.container_name, f"cat {cid}", bearer), "kept")

        await self.client.remove_node(DEMO)
        self.assertEqual(self.left_over(), [])
        await self.client.remove_node(DEMO)

    async def test_recovered(self) -> None:
        """Another process sees the node with its lease and resources, and asks it, without touching it."""
        network, node = await self.make(resources=Resources(cpus=0.75, memory_gb=0.5, disk_gb=2.5))
        started_at = self.inspect(node.container_id)["State"]["StartedAt"]
        other = self.make_client()
        (seen,) = await other.nodes()
        self.assertEqual(replace(seen, created_at=node.created_at), node)
        self.assertEqual(other.node_revision(network, seen.lease), seen.revision)
        await other.await_ready(seen, network)
        self.assertEqual(self.inspect(node.container_id)["State"]["StartedAt"], started_at)

    async def test_published_reach(self) -> None:
        """A node is reached by ports of the loopback address where its lease says so."""
        network = self.make_network()
        node = await self.client.create_node(network, self.make_lease(reach=Reach.PUBLISHED))
        self.assertEqual(node.api_address.host, "127.0.0.1")
        self.assertGreater((await self.client.node_stats(node, network)).disk_used_bytes, 0)
        status, body = await deferToThread(post, node.gateway_address, "/ipfs/")
        self.assertEqual(status, 405, body)

    async def test_fingerprint(self) -> None:
        """The swarm key's fingerprint is the one that the daemon prints."""
        network, node = await self.make()
        stats = await self.client.node_stats(node, network)
        self.assertIn(f"Swarm key fingerprint: {stats.swarm_key_fingerprint}\n", self.log(node.container_name))

    async def test_update(self) -> None:
        """Caps change under the running node; the rest is named, and in force when the engine starts it again."""
        network, node = await self.make()
        pid = self.inspect(node.container_id)["State"]["Pid"]
        resources = Resources(cpus=0.5, memory_gb=0.75, disk_gb=3)
        changed = replace(network, resources=resources, gateway_subdomains=True)
        pending = await self.client.update_node(node, changed)
        self.assertEqual(pending, ["gateway_subdomains", "resources.memory_gb", "resources.disk_gb"])
        raw = self.inspect(node.container_id)
        self.assertEqual(raw["State"]["Pid"], pid)
        self.assertEqual((raw["HostConfig"]["NanoCpus"], raw["HostConfig"]["Memory"]), (500_000_000, 750_000_000))
        self.assertEqual((await self.config(node, network))["Datastore"]["StorageMax"], "10000000000B")

        await self.runtime.restart(node.container_id, 20)
        await self.client.await_ready(node, changed)
        config = await self.config(node, network)
        self.assertEqual(config["Datastore"]["StorageMax"], "3000000000B")
        self.assertTrue(config["Gateway"]["PublicGateways"]["demo.gateway.localhost"]["UseSubdomains"])

    async def test_graceful_end(self) -> None:
        """The engine's stop lets Kubo end by itself, long before anything kills it."""
        _, node = await self.make()
        await self.runtime.stop(node.container_id, 20)
        state = self.inspect(node.container_id)["State"]
        self.assertEqual((state["ExitCode"], state["OOMKilled"]), (0, False))
        self.assertIn("Received interrupt signal, shutting down...", self.log(node.container_name))

    async def test_health(self) -> None:
        """The container's health check finds the node well with its bearer, and finds out when its RPC is dead."""
        network, node = await self.make()
        self.assertEqual((await self.shell(node.container_name, "/container-init.d/health"))[0], 0)
        shown = json.dumps(self.inspect(node.container_id)["Config"]["Healthcheck"])
        self.assertNotIn(network.rpc_bearers[0].reveal(), shown)
        self.assertIn("/container-init.d/health", shown)
        await self.shell(node.container_name, "kill -STOP $(pidof ipfs)")
        status, _ = await self.shell(node.container_name, "/container-init.d/health")
        self.assertNotEqual(status, 0)
        self.assertEqual(await self.shell(node.container_name, "pidof nc"), (1, ""))
        await self.shell(node.container_name, "kill -CONT $(pidof ipfs)")

    async def test_several_at_once(self) -> None:
        """Nodes of different networks come up side by side, the first ones of an instance too."""
        names = ("one", "two", "three")
        creating = [self.client.create_node(self.make_network(name), self.make_lease(name)) for name in names]
        nodes = await gatherResults(creating)
        self.assertEqual({node.id for node in await self.client.nodes()}, {node.id for node in nodes})
        self.assertEqual({node.id.network for node in nodes}, set(names))

    async def test_everything(self) -> None:
        """All of an instance goes at once: nodes, data, bridge."""
        await self.make()
        await self.client.remove_everything()
        self.assertEqual(self.left_over(), [])
        self.assertRaises(NotFound, self.world.client.inspect_network, self.hosting.bridge.name)


class SettingsTests(KuboTestCase):
    """What the start-up script asserts, at every start."""

    async def test_strangers_go(self) -> None:
        """What got into the configuration meanwhile is gone after the next start; the repository's own is kept."""
        network = self.make_network()
        (bearer,) = network.rpc_bearers
        node = await self.client.create_node(network, self.make_lease())
        before = json.loads(await self.ipfs(node.container_name, "config show", bearer))
        for command in (
            """config --json API.Authorizations.stranger '{"AuthSecret":"bearer:s","AllowedPaths":["/"]}'""",
            "config --json Experimental.Libp2pStreamMounting true",
            "config --json Bootstrap '[\"auto\"]'",
            "config --json Routing.AcceleratedDHTClient true",
            """config --json Gateway.PublicGateways '{"evil.example":{"Paths":["/ipfs"]}}'""",
            "pin remote service add stranger http://127.0.0.1:9/ secret",
        ):
            await self.ipfs(node.container_name, command, bearer)
        changed = json.loads(await self.ipfs(node.container_name, "config show", bearer))
        self.assertIn("evil.example", changed["Gateway"]["PublicGateways"])
        self.assertIn("stranger", changed["Pinning"]["RemoteServices"])

        await self.runtime.restart(node.container_id, 20)
        await self.client.await_ready(node, network)
        self.assertEqual(json.loads(await self.ipfs(node.container_name, "config show", bearer)), before)
        status, _ = await deferToThread(post, node.api_address, "/api/v0/id", "Bearer s")
        self.assertEqual(status, 403)

    async def test_older_repository(self) -> None:
        """A repository of an older Kubo is migrated first; neither migration nor age brings the public network back."""
        network = self.make_network()
        (bearer,) = network.rpc_bearers
        node = await self.client.create_node(network, self.make_lease())
        peer_id = (await self.client.identify_node(node, network)).peer_id
        # As Kubo 0.36 would have left it: repository version 16, where an empty list of peers means an empty list.
        status, output = await self.shell(node.container_name, "echo 16 >/data/ipfs/version")
        self.assertEqual(status, 0, output)
        await self.client.stop_node(DEMO)
        node = await self.client.create_node(network, self.make_lease())
        self.assertIn("16", self.log(node.container_name))
        self.assertEqual((await self.client.identify_node(node, network)).peer_id, peer_id)
        config = json.loads(await self.ipfs(node.container_name, "config show", bearer))
        self.assertEqual((config["Bootstrap"], config["AutoConf"]), ([], {"Enabled": False}))
        self.assertEqual((await self.shell(node.container_name, "cat /data/ipfs/version"))[1], "18")

    async def test_key_replaced(self) -> None:
        """The record's swarm key is the node's, also on data that had another."""
        network = self.make_network()
        await self.client.create_node(network, self.make_lease())
        await self.client.stop_node(DEMO)
        other = replace(network, swarm_key=self.make_network().swarm_key)
        node = await self.client.create_node(other, self.make_lease())
        stats = await self.client.node_stats(node, other)
        self.assertIn(f"Swarm key fingerprint: {stats.swarm_key_fingerprint}\n", self.log(node.container_name))

    async def test_nothing_odd_printed(self) -> None:
        """A start prints no error and no warning."""
        network = self.make_network(resources=Resources(cpus=0.5, memory_gb=0.25, disk_gb=1))
        node = await self.client.create_node(network, self.make_lease())
        for line in self.log(node.container_name).splitlines():
            self.assertNotRegex(line, "(?i)error|warn|deprecated|fail")


class ConfinementTests(KuboTestCase):
    """What a node may do on the host, and what somebody on the host may do to it."""

    async def test_privileges(self) -> None:
        """It runs without root, without a capability, and can gain neither."""
        node = await self.client.create_node(self.make_network(), self.make_lease())
        for process in ("tini", "ipfs"):
            status = dict(
                line.split(":\t", 1) for line in self.proc(node.container_name, process, "status").splitlines()
            )
            self.assertEqual(status["Uid"].split(), ["1000"] * 4)
            self.assertEqual(status["NoNewPrivs"].strip(), "1")
            for set_name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(status[set_name], 16), 0, f"{process} {set_name}")

    async def test_limits(self) -> None:
        """CPU, memory without swap, processes, files and logs are limited as the record and the spec say."""
        resources = Resources(cpus=0.5, memory_gb=0.5)
        node = await self.client.create_node(self.make_network(resources=resources), self.make_lease())
        host = self.inspect(node.container_id)["HostConfig"]
        self.assertEqual((host["NanoCpus"], host["Memory"]), (500_000_000, 500_000_000))
        self.assertEqual((host["MemorySwap"], host["PidsLimit"]), (500_000_000, 1024))
        self.assertEqual(host["RestartPolicy"]["Name"], "unless-stopped")
        self.assertEqual(host["LogConfig"]["Config"], {"max-size": "10000000", "max-file": "3"})
        self.assertFalse(host["Privileged"] or host["CapAdd"])
        environment = self.proc(node.container_name, "ipfs", "environ").split("\0")
        self.assertIn("GOMEMLIMIT=450000000B", environment)
        self.assertIn("LIBP2P_FORCE_PNET=1", environment)

    async def test_without_bearer(self) -> None:
        """Another user of this host who asks the node directly gets 403 for every command, in either reach."""
        network = self.make_network()
        for reach in Reach:
            node = await self.client.create_node(network, self.make_lease(reach=reach))
            for authorization in (None, "Bearer guess", "Basic bmV4dXM6Z3Vlc3M="):
                for command in ("id", "version", "diag/healthy", "config/show", "shutdown"):
                    status, body = await deferToThread(post, node.api_address, f"/api/v0/{command}", authorization)
                    self.assertEqual(status, 403, f"{command}: {body!r}")
            await self.client.stop_node(DEMO)

    async def test_secrets(self) -> None:
        """Swarm key and bearer are in nothing that the engine shows of the container, and in nothing that it prints."""
        network = self.make_network()
        (bearer,) = network.rpc_bearers
        node = await self.client.create_node(network, self.make_lease())
        await self.client.update_node(node, replace(network, gateway_subdomains=True))
        await self.runtime.restart(node.container_id, 20)
        await self.client.await_ready(node, network)
        key = network.swarm_key.reveal().splitlines()[2]
        client = self.world.client
        shown = (
            json.dumps(self.inspect(node.container_id)),
            json.dumps(client.containers(all=True)),
            json.dumps(client.volumes()),
            json.dumps(client.top(node.container_id)),
            self.proc(node.container_name, "ipfs", "environ"),
            self.log(node.container_name),
        )
        for text in shown:
            for secret in (key, bearer.reveal(), json.dumps(network.swarm_key.reveal())[1:-1]):
                self.assertNotIn(secret, text)
        modes = await self.shell(node.container_name, "stat -c '%a %u' /data/ipfs/swarm.key /data/ipfs/config")
        self.assertEqual(modes, (0, "400 1000\n600 1000\n"))


class FailedCreateTests(KuboTestCase):
    """A create that fails says why, and leaves nothing that it made."""

    async def failing(self, kind: type[Exception], client: Any = None, lease: Any = None, **fields: Any) -> Any:
        creating = (client or self.client).create_node(self.make_network(**fields), lease or self.make_lease())
        return await self.assertFailure(creating, kind)

    async def test_image_missing(self) -> None:
        """An image that the engine does not have is named."""
        client = self.make_client(image="nexus-no-such-image:1")
        error = await self.failing(ImageMissingError, client)
        self.assertIn("image", str(error))
        self.assertEqual(self.left_over(), [])
        await self.assertFailure(client.check(), ImageMissingError)
        await self.client.check()

    async def test_port_taken(self) -> None:
        """A swarm port that something on this host listens on is named."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        port = listening.getsockname()[1]
        error = await self.failing(PortTakenError, lease=replace(self.make_lease(), swarm_port=port))
        self.assertIn(str(port), str(error))
        self.assertEqual(self.left_over(), [])

    async def test_address_taken(self) -> None:
        """So is an address on the bridge that another node has."""
        lease = self.make_lease()
        await self.client.create_node(self.make_network(), lease)
        other = replace(self.make_lease("other"), address=lease.address)
        await self.failing(PortTakenError, lease=other, name="other")
        self.assertEqual(len(self.left_over()), 2)

    async def test_name_taken(self) -> None:
        """A container of the node's name that is not its own stays, and so do data that are not its own."""
        name = self.hosting.node_name(DEMO)
        client = self.world.client
        stranger = client.create_container_from_config({"Image": IMAGE, "Labels": dict(self.world.labels)}, name)
        await self.failing(NameTakenError)
        self.assertEqual(self.left_over(), [])
        self.assertEqual(self.inspect(name)["Id"], stranger["Id"])
        client.remove_container(name, v=True)
        client.create_volume(name, labels=dict(self.world.labels))
        await self.failing(NameTakenError)
        self.assertEqual(client.inspect_volume(name)["Labels"], dict(self.world.labels))

    async def test_dies_on_the_way(self) -> None:
        """A node that cannot use its data ends the wait at once, tells its last lines, and its data stay."""
        name = self.hosting.node_name(DEMO)
        await self.spoil(name, b'{"Identity": "nonsense"}')
        began = self.seconds()
        error = await self.failing(NodeNotReadyError)
        self.assertLess(self.seconds() - began, 10)
        self.assertEqual(error.log_lines[-1], "nexus: the configuration in the repository is damaged")
        self.assertIn("exit status 1", str(error))
        self.assertEqual(self.left_over(), [name])

    async def spoil(self, volume: str, config: bytes) -> None:
        """Make a volume of the node with a broken repository on it."""
        client = self.world.client
        client.create_volume(volume, labels=volume_labels(self.instance, DEMO))
        container = client.create_container_from_config(
            {"Image": IMAGE, "Labels": dict(self.world.labels), "HostConfig": {"Binds": [f"{volume}:/data/ipfs"]}}
        )
        files = [
            FileAsset(path=f"/data/ipfs/{name}", content=text, mode=0o600, uid=1000, gid=100)
            for name, text in (("config", config), ("version", b"18"))
        ]
        client.put_archive(container["Id"], "/", archive(files, ()))
        client.remove_container(container["Id"])

    async def test_too_slow(self) -> None:
        """A node that does not answer in time is given up, with its last lines."""
        error = await self.failing(DeadlineError, self.make_client(ready_timeout_s=0.2))
        self.assertIn("0.2 s", str(error))
        self.assertEqual(self.left_over(), [])

    async def test_cancelled(self) -> None:
        """Whenever a create is cancelled, nothing is left once it says so."""
        for after_s in (0.0, 0.02, 0.1, 0.3, 0.45):
            creating = self.client.create_node(self.make_network(), self.make_lease())
            creating.addErrback(lambda failure: failure.trap(CancelledError))
            await self.pause(after_s)
            creating.cancel()
            await creating
            self.assertEqual(self.left_over(), [], f"cancelled after {after_s} s")

    async def test_bridge_gone(self) -> None:
        """A bridge that somebody removed is made again by the next create."""
        await self.client.create_node(self.make_network(), self.make_lease())
        await self.client.stop_node(DEMO)
        self.world.client.remove_network(self.hosting.bridge.name)
        await self.client.create_node(self.make_network(), self.make_lease())

    async def test_another_bearer(self) -> None:
        """A node whose bearer is not the record's is not asked again and again."""
        network = self.make_network()
        node = await self.client.create_node(network, self.make_lease())
        other = replace(network, rpc_bearers=(Secret("another"),))
        await self.assertFailure(self.client.await_ready(node, other), NodeNotReadyError)
