"""DockerRuntime on a real engine: the shared contract, and what only a real container can show."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace
from typing import Any

from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

from nexus.container import Caps, ContainerEventKind, FileAsset, HealthCheck, PublishedPort
from nexus.errors import CapsRefusedError, EngineError
from nexus.model import ContainerState
from tests.contracts.container_runtime import CAPS, ContainerRuntimeTests, RecordingObserver
from tests.functional.docker import DockerTestCase


class DockerRuntimeContractTests(DockerTestCase, ContainerRuntimeTests):
    """The shared contract, on Docker."""

    def free_port(self) -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        return port

    def occupy_port(self) -> int:
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        port: int = listening.getsockname()[1]
        return port

    async def kill(self, container_id: str) -> None:
        self.world.client.kill(container_id)
        self.world.client.wait(container_id, timeout=10)

    async def read_file(self, container_id: str, path: str) -> FileAsset:
        runtime = self.make_runtime()
        told = await runtime.execute(container_id, ["/bin/stat", "-c", "%a %u %g", path])
        mode, uid, gid = told.output.split()
        content = (await runtime.execute(container_id, ["/bin/cat", path])).output
        return FileAsset(path=path, content=content, mode=int(mode, 8), uid=int(uid), gid=int(gid))

    async def make_printing(self, lines: list[str]) -> str:
        script = "; ".join(f"echo {line}" for line in lines)
        container_id = await self.make_running(self.make_runtime(), command=("/bin/sh", "-c", script))
        self.world.client.wait(container_id, timeout=10)
        return container_id


class DockerContainerTests(DockerTestCase):
    """What a real container shows."""

    def raw(self, container_id: str) -> dict[str, Any]:
        """The container as the engine tells it to somebody else."""
        answer: dict[str, Any] = self.world.client.inspect_container(container_id)
        return answer

    async def test_confinement(self) -> None:
        """Its processes have no capability but those given, can't gain any, and open no more files than they may."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime, capabilities=("CHOWN",), open_files=1234, user="65534:65534")
        status = (await runtime.execute(container_id, ["/bin/cat", "/proc/1/status"])).output.decode()
        told = dict(line.split(":\t", 1) for line in status.splitlines())
        self.assertEqual((told["CapBnd"], told["NoNewPrivs"]), ("0000000000000001", "1"))
        self.assertEqual(told["Uid"].split(), ["65534"] * 4)
        limits = (await runtime.execute(container_id, ["/bin/cat", "/proc/1/limits"])).output.decode()
        (files,) = (line.split() for line in limits.splitlines() if line.startswith("Max open files"))
        self.assertEqual(files[3:5], ["1234", "1234"])

    async def test_settings(self) -> None:
        """Caps without swap, limited logs, restart policy, grace and health check are what was asked for."""
        runtime = self.make_runtime()
        check = HealthCheck(command=("/bin/true",), interval_s=30, timeout_s=2.5, start_period_s=10, retries=4)
        container_id = await runtime.create(
            self.make_spec(health_check=check, restart_policy="unless-stopped", stop_grace_s=77, log_files=2)
        )
        raw = self.raw(container_id)
        host, config = raw["HostConfig"], raw["Config"]
        self.assertEqual(
            [host[name] for name in ("NanoCpus", "Memory", "MemorySwap", "PidsLimit", "Privileged")],
            [CAPS.nano_cpus, CAPS.memory_bytes, CAPS.memory_bytes, CAPS.pids, False],
        )
        self.assertEqual(host["LogConfig"], {"Type": "json-file", "Config": {"max-size": "10000000", "max-file": "2"}})
        self.assertEqual(host["RestartPolicy"]["Name"], "unless-stopped")
        self.assertEqual((config["StopTimeout"], config["Env"]), (77, ["COLOUR=blue"]))
        self.assertEqual(
            config["Healthcheck"],
            {
                "Test": ["CMD", "/bin/true"],
                "Interval": 30_000_000_000,
                "Timeout": 2_500_000_000,
                "StartPeriod": 10_000_000_000,
                "Retries": 4,
            },
        )

    async def test_caps_work(self) -> None:
        """CPU use is told, and stays at the cap, also at one set while the container runs."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime, command=("/bin/sh", "-c", "while :; do :; done"))
        first = await runtime.stats(container_id)
        self.assertTrue(5 < first.cpu_percent < 75, first)
        await runtime.update(container_id, Caps(nano_cpus=100_000_000, memory_bytes=CAPS.memory_bytes, pids=50))
        await runtime.stats(container_id)
        second = await runtime.stats(container_id)
        self.assertTrue(0 < second.cpu_percent < 25, second)

    async def test_caps_refused(self) -> None:
        """More CPUs than there are, or too little memory, is refused as such; the caps stay as they were."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime)
        for caps in (replace(CAPS, nano_cpus=10**15), replace(CAPS, memory_bytes=10**6)):
            with self.assertRaises(CapsRefusedError):
                await runtime.update(container_id, caps)
        self.assertEqual((await runtime.inspect(container_id)).caps, CAPS)

    async def test_memory_without_file_cache(self) -> None:
        """Files that a container wrote count as its memory no longer than the kernel needs them to."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime)
        await runtime.execute(container_id, ["/bin/sh", "-c", "head -c 30000000 /dev/zero > /scratch/file"])
        self.assertLess((await runtime.stats(container_id)).memory_used_bytes, 15_000_000)

    async def test_bridge_keeps_containers_apart(self) -> None:
        """The host reaches a container on the bridge; another container on it does not. Traffic is told."""
        runtime = self.make_runtime()
        bridge = self.make_bridge()
        await runtime.ensure_bridge(bridge)
        serve = ("/bin/sh", "-c", "while :; do head -c 100000 /dev/zero | nc -l -p 5001; done")
        address = str(ipaddress.IPv4Network(self.subnet)[10])
        serving = await self.make_running(runtime, network=bridge.name, address=address, command=serve)
        self.assertEqual(await self.received_from(address), 100_000)
        self.assertGreater((await runtime.stats(serving)).network_sent_bytes, 100_000)
        other = await self.make_running(runtime, "b", network=bridge.name)
        fetch = f"nc -w 2 {address} 5001 < /dev/null | head -c 1"
        fetched = await runtime.execute(other, ["/bin/sh", "-c", fetch])
        self.assertEqual(fetched.output, b"nc: timed out\n")

    async def received_from(self, address: str) -> int:
        """How many bytes a server at port 5001 of `address` sends."""
        while True:
            try:
                with socket.create_connection((address, 5001), timeout=5) as connection:
                    return sum(iter(lambda: len(connection.recv(65536)), 0))
            except ConnectionRefusedError:
                await self.pause(0.05)

    async def test_published_port(self) -> None:
        """A published port leads into the container."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = PublishedPort(container_port=5001, host_ip="127.0.0.1", host_port=probe.getsockname()[1])
        serve = ("/bin/sh", "-c", "while :; do echo hello | nc -l -p 5001; done")
        await self.make_running(self.make_runtime(), ports=(port,), command=serve)
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", port.host_port), timeout=5) as connection:
                received = connection.recv(100)
            if received:
                break
            await self.pause(0.05)
        self.assertEqual(received, b"hello\n")

    async def test_files_in_a_volume(self) -> None:
        """A file put into a created container lies in the volume that is mounted there, for the next one as well."""
        runtime = self.make_runtime()
        volume = f"{self.prefix}-volume"
        await runtime.create_volume(volume, self.labels)
        file = FileAsset(path="/data/deep/key", content=b"key", uid=1000, gid=1000)
        first = await runtime.create(self.make_spec(volumes={volume: "/data"}, files=(file,)))
        await runtime.remove(first)
        second = await self.make_running(runtime, volumes={volume: "/data"}, user="1000:1000")
        self.assertEqual((await runtime.execute(second, ["/bin/cat", "/data/deep/key"])).output, b"key")

    async def test_directories_stay_as_they_are(self) -> None:
        """A file put into a directory that there was leaves its owner and mode alone."""
        runtime = self.make_runtime()
        file = FileAsset(path="/scratch/file", content=b"", uid=1000, gid=1000)
        container_id = await self.make_running(runtime, files=(file,))
        told = await runtime.execute(container_id, ["/bin/stat", "-c", "%a %u", "/scratch"])
        self.assertEqual(told.output, b"777 0\n")

    async def test_anonymous_volumes_go(self) -> None:
        """Volumes that the image declares, and that nobody named, are removed with their container."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime)
        (mount,) = self.raw(container_id)["Mounts"]
        self.world.client.inspect_volume(mount["Name"])
        await runtime.remove(container_id)
        with self.assertRaises(NotFound):
            self.world.client.inspect_volume(mount["Name"])

    async def test_failed_create_leaves_nothing(self) -> None:
        """A container whose files could not be put in is removed, and the file's content is not in the error."""
        runtime = self.make_runtime()
        file = FileAsset(path="/bin/busybox/inside-a-file", content=b"secret-content")
        with self.assertRaises(EngineError) as caught:
            await runtime.create(self.make_spec(files=(file,)))
        self.assertNotIn("secret-content", str(caught.exception))
        self.assertEqual(list(await runtime.list(self.labels)), [])

    async def test_log_is_plain(self) -> None:
        """What a container prints can't colour, move or ring the reader's terminal; both streams are there."""
        script = r"printf '\033[31mred\033[0m\a\r\n'; printf 'b\303\244d \377\n' >&2"
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime, command=("/bin/sh", "-c", script))
        self.world.client.wait(container_id, timeout=10)
        self.assertEqual(set(await runtime.logs(container_id, 10)), {"red", "bäd \N{REPLACEMENT CHARACTER}"})

    async def test_execution(self) -> None:
        """Output of both streams and exit code are told; so is a command that is not there."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime)
        result = await runtime.execute(container_id, ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"])
        self.assertEqual((result.exit_code, sorted(result.output.split())), (3, [b"err", b"out"]))
        self.assertNotEqual((await runtime.execute(container_id, ["/nowhere"])).exit_code, 0)

    async def test_endless_output(self) -> None:
        """A command that prints without end is an error, not all of the memory."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime)
        with self.assertRaises(EngineError) as caught:
            await runtime.execute(container_id, ["/bin/yes"])
        self.assertIn("printed more than", str(caught.exception))

    async def test_out_of_memory(self) -> None:
        """A container that needs more memory than its cap is told of as such, in an event and when inspected."""
        runtime = self.make_runtime()
        observer = RecordingObserver()
        runtime.watch(self.labels, observer)
        container_id = await self.make_running(runtime, command=("/bin/tail", "/dev/zero"))
        await self.eventually(lambda: ContainerEventKind.DIE in observer.kinds, "the death")
        detail = await runtime.inspect(container_id)
        self.assertEqual((detail.state, detail.oom_killed, detail.exit_code), (ContainerState.EXITED, True, 137))
        self.assertIn(ContainerEventKind.OOM, observer.kinds)

    async def test_crash(self) -> None:
        """A container that ends by itself is started again by the engine where its policy says so."""
        runtime = self.make_runtime()
        observer = RecordingObserver()
        runtime.watch(self.labels, observer)
        crash = ("/bin/sh", "-c", "sleep 0.2; exit 5")
        container_id = await self.make_running(runtime, command=crash, restart_policy="unless-stopped")
        await self.eventually(lambda: len(observer.events) >= 3, "the restart")
        self.assertEqual(
            observer.kinds[:3], [ContainerEventKind.START, ContainerEventKind.DIE, ContainerEventKind.START]
        )
        self.assertGreaterEqual((await runtime.inspect(container_id)).restart_count, 1)
        await runtime.stop(container_id, 1)
        self.assertIs((await runtime.inspect(container_id)).state, ContainerState.EXITED)

    async def test_bad_command(self) -> None:
        """A container whose command is not there can't be started, and the engine's reason is told."""
        runtime = self.make_runtime()
        container_id = await runtime.create(self.make_spec(command=("/nowhere",)))
        with self.assertRaises(EngineError) as caught:
            await runtime.start(container_id)
        self.assertIn("/nowhere", str(caught.exception))

    async def test_open_bridge_is_refused(self) -> None:
        """A network of the bridge's name on which containers reach each other is not used."""
        bridge = self.make_bridge()
        ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=bridge.subnet, iprange=bridge.dynamic_range)])
        self.world.client.create_network(bridge.name, "bridge", ipam=ipam, labels=dict(self.labels))
        with self.assertRaises(EngineError) as caught:
            await self.make_runtime().ensure_bridge(bridge)
        self.assertIn("inter-container traffic", str(caught.exception))
