"""How long StartNetwork's node takes until it answers, beside a bare `docker run` of the same image.

    python benchmarks/start.py [--rounds 15]

Both get a fresh repository, the same swarm key, profile, caps, bridge, address and published swarm port, and are asked
by the same readiness loop. The bare one gets no settings. Rounds are interleaved; medians are printed, with the parts
of Nexus's time and the ratio, which shall be at most 1.35. Needs Docker and the node image; leaves nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from nexus.containers.runtime import DockerRuntime
from nexus.interfaces import INodeObserver
from nexus.ipfs.client import NodeClient
from nexus.ipfs.rpc import KuboRPC, kubo_agent
from nexus.ipfs.spec import Hosting, node_spec
from nexus.ipfs.swarm_key import generate_swarm_key
from nexus.leases import dynamic_part, static_part
from nexus.model import Address, Lease, Network, NodeEvent, NodeId, Resources
from nexus.secrets import Secret, generate_secret

IMAGE = "ipfs/kubo:v0.43.0"
TARGET = 1.35
SUBNET = IPv4Network("10.219.77.0/24")
RESOURCES = Resources()
SWARM_PORT = 24_799


class Timed:
    """A runtime whose calls are timed; everything else is the runtime's."""

    TIMED = frozenset({"ensure_bridge", "create_volume", "create", "start", "inspect"})

    def __init__(self, runtime: DockerRuntime) -> None:
        self._runtime = runtime
        self.parts: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._runtime, name)
        return self._timed(name, attribute) if name in self.TIMED else attribute

    def _timed(self, name: str, call: Callable[..., Deferred[Any]]) -> Callable[..., Deferred[Any]]:
        def timed(*arguments: Any) -> Deferred[Any]:
            began = time.monotonic()

            def note(result: Any) -> Any:
                self.parts[name] = self.parts.get(name, 0.0) + time.monotonic() - began
                return result

            return call(*arguments).addBoth(note)

        return timed


@implementer(INodeObserver)
class _Watching:
    def node_event(self, event: NodeEvent) -> None:
        """Nothing to do."""

    def node_events_restored(self) -> None:
        """Nothing to do."""


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True)
    return done.stdout + done.stderr


def logged_moments(container: str) -> dict[str, datetime]:
    """When the container's log began, and when it told each step."""
    marks: dict[str, datetime] = {}
    for line in docker("logs", "--timestamps", container).splitlines():
        stamp, _, text = line.partition(" ")
        marks.setdefault("first", moment := datetime.fromisoformat(stamp))
        for word in ("Executing", "Initializing daemon", "Daemon is ready"):
            if text.startswith(word):
                marks[word] = moment
    return marks


async def moments(container: str) -> dict[str, float]:
    """From the container's log: how long entrypoint, start-up script and daemon took, and when the daemon was ready."""
    # The daemon may answer a moment before it says that it is ready.
    while "Daemon is ready" not in (marks := logged_moments(container)):
        await deferLater(default_reactor, 0.02)
    script = marks.get("Executing", marks["Initializing daemon"])
    return {
        "  entrypoint": (script - marks["first"]).total_seconds(),
        "  start-up script": (marks["Initializing daemon"] - script).total_seconds(),
        "  daemon": (marks["Daemon is ready"] - marks["Initializing daemon"]).total_seconds(),
        "ready at": marks["Daemon is ready"].timestamp(),
    }


async def nexus_round(client: NodeClient, timed: Timed, network: Network, lease: Lease) -> dict[str, float]:
    timed.parts.clear()
    began = time.monotonic()
    node = await client.create_node(network, lease)
    ended = time.time()
    parts = {"total": time.monotonic() - began, **timed.parts, **await moments(node.container_name)}
    parts["noticed after"] = ended - parts.pop("ready at")
    await client.remove_node(node.id)
    return parts


async def bare_round(hosting: Hosting, rpc: KuboRPC, network: Network, lease: Lease, key: Path) -> dict[str, float]:
    spec = node_spec(hosting, network, lease)
    caps = spec.caps
    command = [
        *("run", "--detach", "--name", "nexus-bench-bare", "--volume", "nexus-bench-bare:/data/ipfs"),
        *("--network", hosting.bridge.name, "--ip", str(lease.address), "--publish", f"127.0.0.1:{SWARM_PORT}:4001"),
        *("--user", spec.user, "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--no-healthcheck"),
        *("--cpus", str(caps.nano_cpus / 10**9), "--memory", str(caps.memory_bytes), "--pids-limit", str(caps.pids)),
        *("--volume", f"{key}:/swarm.key:ro", "--env", "IPFS_SWARM_KEY_FILE=/swarm.key"),
        *(word for name, value in spec.environment.items() for word in ("--env", f"{name}={value}")),
        hosting.image,
    ]
    address = Address(str(lease.address), 5001)
    began = time.monotonic()
    await deferToThread(docker, *command)
    returned = time.monotonic()
    while not await rpc.is_ready(address, Secret("none")):
        await deferLater(default_reactor, 0.02)
    ended = time.time()
    parts = {"total": time.monotonic() - began, "docker run": returned - began, **await moments("nexus-bench-bare")}
    parts["noticed after"] = ended - parts.pop("ready at")
    remove_bare()
    return parts


def remove_bare() -> None:
    with contextlib.suppress(subprocess.CalledProcessError):
        docker("rm", "--force", "--volumes", "nexus-bench-bare")
        docker("volume", "rm", "--force", "nexus-bench-bare")


@contextlib.contextmanager
def key_file(network: Network) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "swarm.key"
        path.write_text(network.swarm_key.reveal())
        Path(directory).chmod(0o755)
        path.chmod(0o444)
        yield path


def show(title: str, rounds: list[dict[str, float]]) -> float:
    print(f"{title}, median of {len(rounds)}, milliseconds")
    for part in rounds[0]:
        values = [one[part] * 1000 for one in rounds if part in one]
        print(f"  {part:20} {statistics.median(values):7.0f}   (least {min(values):.0f}, most {max(values):.0f})")
    return statistics.median(one["total"] for one in rounds)


async def main(rounds: int) -> None:
    runtime = DockerRuntime(default_reactor, os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"), 4)  # type: ignore[arg-type]
    timed = Timed(runtime)
    hosting = Hosting(
        instance=f"b{secrets.token_hex(3)}",
        domain="localhost",
        image=IMAGE,
        subnet=str(SUBNET),
        dynamic_range=str(dynamic_part(SUBNET)),
        swarm_bind="127.0.0.1",
        announce_address="127.0.0.1",
        stop_grace_s=20,
    )
    agent = kubo_agent(default_reactor)
    client = NodeClient(default_reactor, timed, agent, hosting, ready_timeout_s=60)  # type: ignore[arg-type]
    rpc = KuboRPC(default_reactor, agent)
    now = datetime.now(UTC)
    network = Network(
        name="bench",
        swarm_key=generate_swarm_key(),
        rpc_bearers=(generate_secret(),),
        created_at=now,
        updated_at=now,
        resources=RESOURCES,
    )
    # A fresh address a round, as Nexus leases them: after one was in use a moment ago the kernel may ask for its new
    # holder only once a second.
    leases = (
        Lease(node=NodeId("bench"), swarm_port=SWARM_PORT, address=str(address)) for address in static_part(SUBNET)
    )
    nexus: list[dict[str, float]] = []
    bare: list[dict[str, float]] = []
    subscription = client.watch(_Watching())  # as the orchestrator does, all the time
    try:
        await client.check()
        with key_file(network) as key:
            for number in range(rounds + 1):
                nexus.append(await nexus_round(client, timed, network, next(leases)))
                bare.append(await bare_round(hosting, rpc, network, next(leases), key))
                print(f"round {number}: nexus {nexus[-1]['total']:.3f} s, bare {bare[-1]['total']:.3f} s", flush=True)
    finally:
        subscription.close()
        remove_bare()
        await client.remove_everything()
        await runtime.close()
    ratio = show("Nexus", nexus[1:]) / show("bare docker run", bare[1:])
    print(f"ratio {ratio:.2f} (target: at most {TARGET})")
    if ratio > TARGET:
        sys.exit(1)


def run(_: object, rounds: int) -> Deferred[None]:
    work: Coroutine[Deferred[Any], Any, None] = main(rounds)
    return Deferred.fromCoroutine(work)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="how many rounds count, after one that does not")
    react(run, [parser.parse_args().rounds])
