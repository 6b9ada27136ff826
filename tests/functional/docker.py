"""What a test on a real Docker engine needs, all of it the test's own and gone when it ends."""

from __future__ import annotations

import io
import ipaddress
import os
import random
import secrets
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from docker import APIClient
from docker.errors import APIError
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from nexus.containers.runtime import DockerRuntime
from tests.contracts.container_runtime import ContainerMaking

SOCKET: Final = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
BUSYBOX: Final = Path("/bin/busybox")
"""Debian's busybox-static: an image needs nothing else."""

_APPLETS: Final = ("sh", "sleep", "cat", "stat", "true", "nc", "id", "yes", "head", "tail")


def connect() -> APIClient:
    """The engine, as somebody else on this machine would ask it."""
    client = APIClient(SOCKET, version="auto")
    client.trust_env = False
    return client


def image_archive() -> bytes:
    """A root file system with a shell, from the machine's own static busybox."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for directory, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("dev", 0o755), ("scratch", 0o777)):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        content = BUSYBOX.read_bytes()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
        for applet in _APPLETS:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return buffer.getvalue()


class DockerWorld:
    """One test's corner of the engine: everything in it carries `labels`.

    :ivar labels: unique to this corner.
    :ivar prefix: for names, likewise.
    """

    def __init__(self) -> None:
        token = secrets.token_hex(4)
        self.client = connect()
        self.labels: Mapping[str, str] = {"nexus-test": token}
        self.prefix = f"nexus-test-{token}"
        self.interface = f"nxt{token}"
        self.subnet = self._free_subnet()
        self._images: list[str] = []

    def make_image(self) -> str:
        """An image of this corner's own: a shell, and an anonymous volume at /scratch."""
        name = f"{self.prefix}:1"
        self.client.import_image_from_data(
            image_archive(), repository=self.prefix, tag="1", changes=["VOLUME /scratch"]
        )
        self._images.append(name)
        return name

    def sweep(self) -> None:
        """Remove everything that carries the labels, and the images."""
        filters: dict[str, Any] = {"label": [f"{name}={value}" for name, value in self.labels.items()]}
        for container in self.client.containers(all=True, filters=filters):
            with _gone():
                self.client.remove_container(container["Id"], v=True, force=True)
        for network in self.client.networks(filters=filters):
            with _gone():
                self.client.remove_network(network["Id"])
        for volume in self.client.volumes(filters=filters)["Volumes"] or []:
            with _gone():
                self.client.remove_volume(volume["Name"])
        for image in self._images:
            with _gone():
                self.client.remove_image(image, force=True)
        self.client.close()

    def _free_subnet(self) -> str:
        """A random /24 of 10.0.0.0/8 that neither another network of the engine nor a route of the host is on."""
        used = [
            ipaddress.ip_network(pool["Subnet"])
            for network in self.client.networks()
            for pool in (network["IPAM"] or {}).get("Config") or []
        ]
        used += [ipaddress.ip_network(route) for route in _routes()]
        while True:
            subnet = ipaddress.IPv4Network((f"10.{random.randrange(256)}.{random.randrange(256)}.0", 24))  # noqa: S311
            if not any(other.version == 4 and other.overlaps(subnet) for other in used):
                return str(subnet)


class DockerTestCase(ContainerMaking, TestCase):
    """A test with a corner of the engine of its own."""

    timeout = 60

    def setUp(self) -> None:
        self.world = DockerWorld()
        self.addCleanup(self.world.sweep)
        self.image = self.world.make_image()
        self.labels = self.world.labels
        self.prefix = self.world.prefix
        self.subnet = self.world.subnet
        self.interface = self.world.interface

    def make_runtime(self, socket: str = SOCKET, threads: int = 4, timeout_s: int = 60) -> DockerRuntime:
        """A runtime that is closed before the corner is swept."""
        runtime = DockerRuntime(IReactorFromThreads(reactor), socket, threads, timeout_s=timeout_s)
        self.addCleanup(runtime.close)
        return runtime

    async def eventually(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until `holds()`, at most 10 s."""
        for _ in range(500):
            if holds():
                return
            await self.pause(0.02)
        self.fail(f"this did not happen within 10 s: {what}")

    async def pause(self, time_s: float) -> None:
        """Let `time_s` seconds of real time go by."""
        await deferLater(IReactorTime(reactor), time_s)


@contextmanager
def _gone() -> Iterator[None]:
    """Whatever is removed here may be gone already."""
    try:
        yield
    except APIError as error:
        if error.status_code != 404:
            raise


def _routes() -> Iterator[str]:
    """The host's IPv4 routes but the default one (proc(5): hexadecimal, in the host's byte order)."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[column]), "little") for column in (1, 7))
        if mask:
            yield f"{ipaddress.IPv4Address(address)}/{mask.bit_count()}"
