"""Nexus itself: `twistd nexus`, with static networks."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.edge.processes import Process
from benchmarks.edge.proxies import DOMAIN, Proxy, Setting, network_address, network_name
from nexus.config.sections import JWTConfig
from nexus.secrets import Secret
from nexus.tokens import issue_token

IMAGE = "ipfs/kubo:v0.43.0"
USER = "bench"
CONNECTIONS_MAX = 20_000
BIN = Path(sys.executable).parent


class Nexus(Proxy):
    """Nexus as it is installed; its ports are one, since it routes by Host.

    :ivar control_socket: where its control API listens.
    :ivar instance: the name that is in the labels of what it makes in the container engine.
    """

    name = "Nexus"
    programs = ()

    def start(self) -> Process:
        """See `Proxy.start`."""
        self.ports.jwt = self.ports.sink = self.ports.networks = self.ports.plain
        self.control_socket = self.directory / "control.sock"
        config = self.write("nexus.toml", "".join(self._config()))
        command = [str(BIN / "twistd"), "-n", "--pidfile=", "nexus", "--config", str(config)]
        return self.run(command)

    def _config(self) -> Iterator[str]:
        setting = self.setting
        backend = setting.backend
        self.instance = f"b{secrets.token_hex(3)}"
        yield from table(instance=self.instance)
        yield "[edge]\n"
        networks = self.write("networks.jsonl", "".join(self._network_lines()))
        yield from table(
            listen=[f"127.0.0.1:{self.ports.plain}"],
            domain=DOMAIN,
            access_log=setting.access_log,
            # All clients here have one address, and nearly all requests go to one network.
            connections_per_client_max=0,
            connections_per_network_max=CONNECTIONS_MAX,
            requests_per_network_max=CONNECTIONS_MAX,
            upstream_connections_max=CONNECTIONS_MAX,
            keep_alive_timeout_s=120.0,
            static_file=str(networks),
        )
        address = f"127.0.0.1:{backend.port}"
        yield "[[edge.static]]\n"
        yield from table(name="bench", api=address, gateway=address, users=[USER], gateway_public=True)
        yield "[[edge.static]]\n"
        yield from table(name="sink", api=f"127.0.0.1:{backend.sink_port}", users=[USER])
        yield "[control]\n"
        yield from table(listen=[f"unix:{self.control_socket}"])
        yield "[secrets]\n"
        yield from table(jwt=setting.jwt_secret)
        yield "[database]\n"
        yield from table(url=f"sqlite:///{self.directory / 'nexus.db'}")
        yield "[containers]\n"
        subnet = f"10.{128 + secrets.randbelow(127)}.{secrets.randbelow(256)}.0/24"
        yield from table(image=IMAGE, subnet=subnet, stop_grace_s=10)

    def remove_nodes(self) -> None:
        """Remove all that it made in the container engine."""
        label = f"label=nexus.instance={self.instance}"
        for kind, options in (("container", ("--force", "--volumes")), ("volume", ()), ("network", ())):
            listed = ["--all"] if kind == "container" else []
            made = _docker(kind, "ls", "--quiet", *listed, "--filter", label).split()
            if made:
                _docker(kind, "rm", *options, *made)

    def _network_lines(self) -> Iterator[str]:
        port = self.setting.backend.everywhere_port
        for number in range(self.setting.networks):
            network = {
                "name": network_name(number),
                "gateway": f"{network_address(number)}:{port}",
                "gateway_public": True,
            }
            yield f"{json.dumps(network)}\n"


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, check=True).stdout


def table(**values: Any) -> Iterator[str]:
    """Lines of a TOML table."""
    # JSON's texts, numbers, booleans and arrays of them are TOML too.
    return (f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def make_token(setting: Setting, now: float, number: int = 0) -> str:
    """A token that lets its bearer through for an hour and more; another one for each `number`."""
    return issue_token(
        JWTConfig(),
        Secret(setting.jwt_secret),
        user=USER,
        lifetime_s=3600 + number,
        default_audience=DOMAIN,
        now=now,
    )
