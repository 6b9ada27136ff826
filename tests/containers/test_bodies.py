"""What the engine is asked for."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from nexus.container import BridgeSpec, Caps, ContainerSpec, HealthCheck, PublishedPort
from nexus.containers.bodies import bridge_body, caps_body, container_body

CAPS = Caps(nano_cpus=1_500_000_000, memory_bytes=256_000_000, pids=512)
SPEC = ContainerSpec(
    name="nexus-a",
    image="image:1",
    command=("daemon", "--migrate"),
    environment={"A": "b=c", "EMPTY": ""},
    labels={"part": "a"},
    volumes={"data": "/data/ipfs"},
    ports=(
        PublishedPort(container_port=4001, host_ip="127.0.0.1", host_port=24000),
        PublishedPort(container_port=4001, host_ip="192.0.2.1", host_port=24001),
        PublishedPort(container_port=5001, host_ip="127.0.0.1", host_port=25000),
    ),
    caps=CAPS,
)


class ContainerBodyTests(SynchronousTestCase):
    """A container, as the engine is asked to make it."""

    def test_confinement(self) -> None:
        """All capabilities go but those given back, nothing can be gained, and there is no swap."""
        host = container_body(replace(SPEC, capabilities=("CHOWN", "SETUID")))["HostConfig"]
        self.assertEqual((host["CapDrop"], host["CapAdd"]), (["ALL"], ["CHOWN", "SETUID"]))
        self.assertEqual(host["SecurityOpt"], ["no-new-privileges"])
        self.assertEqual(host["MemorySwap"], host["Memory"])
        self.assertNotIn("Privileged", host)

    def test_process(self) -> None:
        """Command, environment, labels, user and volumes are the specification's."""
        body = container_body(replace(SPEC, user="1000:1000"))
        self.assertEqual((body["Image"], body["Cmd"]), ("image:1", ["daemon", "--migrate"]))
        self.assertEqual((body["Env"], body["Labels"], body["User"]), (["A=b=c", "EMPTY="], {"part": "a"}, "1000:1000"))
        self.assertEqual(body["HostConfig"]["Binds"], ["data:/data/ipfs:rw"])
        self.assertNotIn("Entrypoint", body)

    def test_ports(self) -> None:
        """Ports are published where asked, one port of the container on several of the host if need be."""
        body = container_body(SPEC)
        self.assertEqual(
            body["HostConfig"]["PortBindings"],
            {
                "4001/tcp": [
                    {"HostIp": "127.0.0.1", "HostPort": "24000"},
                    {"HostIp": "192.0.2.1", "HostPort": "24001"},
                ],
                "5001/tcp": [{"HostIp": "127.0.0.1", "HostPort": "25000"}],
            },
        )
        self.assertEqual(body["ExposedPorts"], {"4001/tcp": {}, "5001/tcp": {}})

    def test_network(self) -> None:
        """It is on the default bridge unless told otherwise, and has an address only where it was given one."""
        default = container_body(SPEC)
        self.assertEqual(default["HostConfig"]["NetworkMode"], "default")
        self.assertNotIn("NetworkingConfig", default)
        dynamic = container_body(replace(SPEC, network="nexus"))
        self.assertEqual(dynamic["HostConfig"]["NetworkMode"], "nexus")
        self.assertNotIn("NetworkingConfig", dynamic)
        fixed = container_body(replace(SPEC, network="nexus", address="10.213.0.10"))
        self.assertEqual(
            fixed["NetworkingConfig"]["EndpointsConfig"], {"nexus": {"IPAMConfig": {"IPv4Address": "10.213.0.10"}}}
        )

    def test_health_check(self) -> None:
        """A health check is in nanoseconds; without one, the image's stays."""
        check = HealthCheck(command=("ipfs", "id"), interval_s=30, timeout_s=0.5, start_period_s=60, retries=3)
        self.assertEqual(
            container_body(replace(SPEC, health_check=check))["Healthcheck"],
            {
                "Test": ["CMD", "ipfs", "id"],
                "Interval": 30 * 10**9,
                "Timeout": 5 * 10**8,
                "StartPeriod": 60 * 10**9,
                "Retries": 3,
            },
        )
        self.assertNotIn("Healthcheck", container_body(SPEC))

    def test_caps(self) -> None:
        """Create and update set the same caps."""
        self.assertEqual(
            caps_body(CAPS),
            {"NanoCpus": 1_500_000_000, "Memory": 256_000_000, "MemorySwap": 256_000_000, "PidsLimit": 512},
        )
        self.assertLessEqual(caps_body(CAPS).items(), container_body(SPEC)["HostConfig"].items())


class BridgeBodyTests(SynchronousTestCase):
    """A bridge, as the engine is asked to make it."""

    def test_bridge(self) -> None:
        """Containers on it are kept apart, and the engine hands out addresses of the dynamic range alone."""
        bridge = BridgeSpec(
            name="nexus-a",
            interface="nxa",
            subnet="10.213.0.0/20",
            dynamic_range="10.213.15.0/24",
            labels={"part": "a"},
        )
        body = bridge_body(bridge)
        self.assertEqual(
            body["options"],
            {"com.docker.network.bridge.enable_icc": "false", "com.docker.network.bridge.name": "nxa"},
        )
        self.assertEqual(
            body["ipam"]["Config"],
            [{"Subnet": "10.213.0.0/20", "IPRange": "10.213.15.0/24", "Gateway": "10.213.0.1"}],
        )
        self.assertEqual((body["name"], body["driver"], body["labels"]), ("nexus-a", "bridge", {"part": "a"}))
