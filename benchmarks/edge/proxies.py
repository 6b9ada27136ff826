"""What every proxy of the benchmark is to the scenarios, and what all are told."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.edge.backend import Backend
from benchmarks.edge.processes import Process, free_port

DOMAIN: Final = "localhost"
GATEWAY_HOST: Final = f"bench.gateway.{DOMAIN}"
API_HOST: Final = f"bench.api.{DOMAIN}"
SINK_HOST: Final = f"sink.api.{DOMAIN}"
GATEWAY_PATH: Final = "/ipfs/bafkqaaa"
API_PATH: Final = "/api/v0/version"


def network_name(number: int) -> str:
    """The name of one of many networks."""
    return f"n{number:06d}"


def network_host(number: int) -> str:
    """The host name of its gateway."""
    return f"{network_name(number)}.gateway.{DOMAIN}"


def network_address(number: int) -> str:
    """The address of its node: each has one of its own, as containers do; all are the same backend."""
    return f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a proxy is started with.

    :ivar directory: for its files.
    :ivar descriptors: how many file descriptors a process may have.
    :ivar user: the name of the user that this is run as.
    :ivar jwt_secret: signs the tokens.
    :ivar networks: so many networks besides, each by its host name and at an address of its own.
    :ivar access_log: whether each request is logged, to a file.
    """

    directory: Path
    cores: frozenset[int]
    backend: Backend
    descriptors: int
    user: str
    jwt_secret: str
    networks: int = 1
    access_log: bool = False


@dataclass(slots=True, kw_only=True)
class Ports:
    """Where a proxy listens on 127.0.0.1, by what is behind: the backend, the backend for who has a token, the sink,
    and the many networks."""

    plain: int = field(default_factory=free_port)
    jwt: int = field(default_factory=free_port)
    sink: int = field(default_factory=free_port)
    networks: int = field(default_factory=free_port)


class Proxy(ABC):
    """One proxy, while it runs.

    :cvar name: what it is called in results.
    :cvar programs: the commands that it needs.
    """

    name: str
    programs: tuple[str, ...]
    process: Process

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.name.replace(' ', '-')}-", dir=setting.directory))
        self.ports = Ports()
        self.process = self.start()
        try:
            self.process.wait_for_port(self.ports.plain)
        except BaseException:
            self.process.stop()
            raise

    @abstractmethod
    def start(self) -> Process:
        """Write its configuration and run it."""

    def run(self, command: Sequence[str], **environ: str) -> Process:
        """Run `command` as the proxy."""
        return Process(command, self.setting.cores, self.directory, self.directory / "output", environ)

    def write(self, name: str, text: str) -> Path:
        """Write one of its files."""
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def stop(self) -> None:
        """End it."""
        self.process.stop()


Factory = type[Proxy]
