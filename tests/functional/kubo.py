"""What a test of real nodes needs: a NodeClient on a real engine, and Kubo nodes that Nexus has not made."""

from __future__ import annotations

import ipaddress
import json
import secrets
import shlex
import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from nexus.container import FileAsset
from nexus.containers.archive import archive
from nexus.containers.runtime import DockerRuntime
from nexus.ipfs.client import NodeClient
from nexus.ipfs.rpc import kubo_agent
from nexus.ipfs.spec import Hosting
from nexus.ipfs.swarm_key import generate_swarm_key
from nexus.leases import dynamic_part, static_part
from nexus.model import Lease, Network, NodeId, Reach
from nexus.secrets import Secret, generate_secret
from tests.functional.docker import SOCKET, DockerWorld

IMAGE: Final = "ipfs/kubo:v0.43.0"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class KuboTestCase(TestCase):
    """A test with a NodeClient of an instance of its own. All that it makes goes when it ends.

    :cvar announce_address: where the tests' nodes say that they are.
    """

    timeout = 120
    announce_address = "127.0.0.1"
    swarm_bind = "127.0.0.1"

    def setUp(self) -> None:
        self.world = DockerWorld()
        self.addCleanup(self.world.sweep)
        self.instance = f"t{secrets.token_hex(4)}"
        subnet = ipaddress.IPv4Network(self.world.subnet)
        self._addresses = static_part(subnet)
        self.hosting = Hosting(
            instance=self.instance,
            domain="localhost",
            image=IMAGE,
            subnet=str(subnet),
            dynamic_range=str(dynamic_part(subnet)),
            swarm_bind=self.swarm_bind,
            announce_address=self.announce_address,
            stop_grace_s=20,
        )
        self.runtime = DockerRuntime(reactor, SOCKET, 4)  # type: ignore[arg-type]
        self.addCleanup(self.runtime.close)
        self.client = self.make_client()
        self.addCleanup(self.client.remove_everything)

    def make_client(self, ready_timeout_s: float = 60, **hosting: Any) -> NodeClient:
        """A client of this instance, unless `hosting` says otherwise."""
        agent = kubo_agent(IReactorTCP(reactor))
        host = replace(self.hosting, **hosting)
        return NodeClient(IReactorTime(reactor), self.runtime, agent, host, ready_timeout_s=ready_timeout_s)

    def make_network(self, name: str = "demo", **fields: Any) -> Network:
        """A record with fresh secrets."""
        now = datetime.now(UTC)
        network = Network(
            name=name,
            swarm_key=generate_swarm_key(),
            rpc_bearers=(generate_secret(),),
            created_at=now,
            updated_at=now,
        )
        return replace(network, **fields)

    def make_lease(self, name: str = "demo", reach: Reach = Reach.BRIDGE) -> Lease:
        """A lease of things that are free."""
        node = NodeId(name)
        if reach is Reach.PUBLISHED:
            return Lease(node=node, swarm_port=free_port(), api_port=free_port(), gateway_port=free_port())
        return Lease(node=node, swarm_port=free_port(), address=str(next(self._addresses)))

    def bridge_address(self) -> str:
        """The bridge's own address, at which containers on it reach the host."""
        return str(next(ipaddress.IPv4Network(self.world.subnet).hosts()))

    async def shell(self, container: str, script: str) -> tuple[int, str]:
        """Run a shell script inside a container, as the container's user: exit status and output."""

        def run() -> tuple[int, str]:
            client = self.world.client
            started = client.exec_create(container, ["/bin/sh", "-c", script])
            output = client.exec_start(started["Id"]).decode("utf-8", "replace")
            return client.exec_inspect(started["Id"])["ExitCode"], output

        return await deferToThread(run)

    async def ipfs(self, container: str, arguments: str, bearer: Secret | None = None, text: str | None = None) -> str:
        """What a succeeding `ipfs` command inside a container prints; `text` is its input."""
        authorization = "" if bearer is None else f"--api-auth=bearer:{bearer.reveal()} "
        source = "" if text is None else f"printf %s {shlex.quote(text)} | "
        status, output = await self.shell(container, f"{source}ipfs --timeout=20s {authorization}{arguments}")
        self.assertEqual(status, 0, output)
        return output.strip()

    def inspect(self, container: str) -> dict[str, Any]:
        """The container as the engine tells it to somebody else."""
        answer: dict[str, Any] = self.world.client.inspect_container(container)
        return answer

    def left_over(self) -> list[str]:
        """The names of this instance's containers and volumes."""
        filters = {"label": [f"nexus.instance={self.instance}"]}
        containers = self.world.client.containers(all=True, filters=filters)
        volumes = self.world.client.volumes(filters=filters)["Volumes"] or []
        return [*(container["Names"][0] for container in containers), *(volume["Name"] for volume in volumes)]

    def proc(self, container: str, name: str, file: str) -> str:
        """`/proc/{pid}/{file}` of the first process called `name` in a container, as the host sees it."""
        told = self.world.client.top(container, "-o pid,comm")
        (pid, *_) = (pid for pid, comm in told["Processes"] if comm == name)
        return Path(f"/proc/{pid}/{file}").read_text()

    async def make_member(self, swarm_key: Secret) -> str:
        """A member's own Kubo on the host's network, not made by Nexus; its name, once it answers."""
        name = f"{self.world.prefix}-{secrets.token_hex(3)}"
        await deferToThread(self._start_member, name, swarm_key)
        for _ in range(100):
            # Without a daemon `ipfs` opens the repository itself, and would lock a daemon that starts just then out.
            if (await self.shell(name, "[ -e /data/ipfs/api ] && ipfs swarm peers"))[0] == 0:
                return name
            await self.pause(0.1)
        raise AssertionError(f"the member does not come up: {self.log(name)}")

    def _start_member(self, name: str, swarm_key: Secret) -> None:
        api, gateway, swarm = free_port(), free_port(), free_port()
        settings: dict[str, Any] = {
            "Addresses.API": f"/ip4/127.0.0.1/tcp/{api}",
            "Addresses.Gateway": f"/ip4/127.0.0.1/tcp/{gateway}",
            "Addresses.Swarm": [f"/ip4/127.0.0.1/tcp/{swarm}"],
            "Bootstrap": [],
            "Routing.Type": "dht",
            "Discovery.MDNS.Enabled": False,
            "Swarm.DisableNatPortMap": True,
        }
        script = "\n".join(f"ipfs config --json {key} '{json.dumps(value)}'" for key, value in settings.items())
        client = self.world.client
        container_id = client.create_container_from_config(
            {
                "Image": IMAGE,
                "Labels": dict(self.world.labels),
                "Env": [
                    "IPFS_PROFILE=autoconf-off",
                    "IPFS_SWARM_KEY_FILE=/swarm.key",
                    "LIBP2P_FORCE_PNET=1",
                    "LIBP2P_TCP_MUX=false",
                    "IPFS_TELEMETRY=off",
                ],
                "HostConfig": {"NetworkMode": "host"},
            },
            name,
        )["Id"]
        files = [
            FileAsset(path="/swarm.key", content=swarm_key.reveal().encode(), mode=0o444),
            FileAsset(path="/container-init.d/001-member.sh", content=script.encode(), mode=0o444),
        ]
        client.put_archive(container_id, "/", archive(files, ()))
        client.start(container_id)

    def log(self, container: str) -> str:
        """All that a container printed."""
        return str(self.world.client.logs(container).decode("utf-8", "replace"))

    def seconds(self) -> float:
        """The reactor's time."""
        return IReactorTime(reactor).seconds()

    async def pause(self, time_s: float) -> None:
        """Let real time go by."""
        await deferLater(IReactorTime(reactor), time_s)
