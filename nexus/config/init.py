"""What `nexus init` writes: a commented configuration file with fresh secrets and an instance name of its own."""

from __future__ import annotations

import ipaddress
import json
import os
import random
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from nexus.config.texts import UNIX_PATH_BYTES_MAX
from nexus.errors import ConfigError
from nexus.secrets import generate_secret

EDGE_LISTEN: Final = "127.0.0.1:8080"
CONTROL_LISTEN: Final = "127.0.0.1:7600"

_SUBNET_POOL: Final = ipaddress.IPv4Network("10.64.0.0/10")
_SUBNET_PREFIX: Final = 20

_TEMPLATE: Final = string.Template("""\
# The configuration of Nexus. Each key is told in docs/configuration.md; what is commented out is the default.
# A key can be overridden by an environment variable: edge.listen by NEXUS_EDGE__LISTEN.

# In the labels and names of all that this Nexus makes in the container engine. Nothing with another instance's label is
# ever touched, and nothing of this one is found again under another name: change it only when no network is left.
instance = $instance

# The reverse proxy that customers reach: {network}.{api,gateway,swarm,status}.{domain}.
[edge]
listen = [$edge_listen]
# domain = "localhost"
# upstreams_max = 1024
# idle_connections_per_upstream = 256
# client_connections_max = 20000
# connections_per_client_max = 1024
# connections_per_network_max = 8192
# requests_per_network_max = 1024
# upstream_connections_max = 256
# upstream_queue_max = 256
# upstream_queue_timeout_s = 10.0
# head_bytes_max = 32768
# target_bytes_max = 28672
# request_body_bytes_max = 0
# headers_max = 100
# head_timeout_s = 10.0
# keep_alive_timeout_s = 75.0
# body_idle_timeout_s = 60.0
# body_bytes_per_s_min = 128
# body_rate_window_s = 30.0
# send_timeout_s = 300.0
# connect_timeout_s = 3.0
# gateway_first_byte_timeout_s = 60.0
# gateway_idle_timeout_s = 60.0
# api_first_byte_timeout_s = 0.0
# api_idle_timeout_s = 0.0
# upstream_idle_timeout_s = 4.0
# drain_timeout_s = 10.0
# splice_bytes_min = 262144
# tunnel_idle_timeout_s = 3600.0
# access_log = true
# access_log_file = (an absolute path)
# access_log_format = "text"
# What stands before Nexus, if anything: whose X-Forwarded-* are believed, and who begins with a PROXY header.
# trusted_proxies = []
# proxy_protocol_from = []
# Networks whose nodes run already, wherever: here, and in a file of JSON lines for many.
# static = ([[edge.static]] tables)
# static_file = (an absolute path)

# The control API (JSON-RPC): a unix socket for whom file permissions let in, TCP on loopback for who has the key.
[control]
listen = [$control_listen]

# Whoever reads these rules the networks: this file must stay readable by its owner alone.
[secrets]
control_key = $control_key
# Signs access tokens (HS256). `nexus token` uses it; give it to whoever else issues tokens.
jwt = $jwt

# The networks' records.
[database]
url = $database_url

# The container engine, and what nodes are given of this host.
[containers]
# socket = "unix:///var/run/docker.sock"
# threads = 4
# image = "ipfs/kubo:v0.43.0"
# How the edge reaches nodes: "bridge" by their addresses (Linux), "published" by ports on 127.0.0.1.
# reach = "bridge"
# The nodes' bridge. Chosen to overlap no route of this host.
subnet = $subnet
# quarantine_s = 30.0
# api_ports = "25000-25999"
# gateway_ports = "28000-28999"
# ready_timeout_s = 60.0
# stop_grace_s = 60

# How members outside reach nodes: for members on other hosts, bind = "0.0.0.0" and this host's public address.
[swarm]
# bind = "127.0.0.1"
# announce_address = "127.0.0.1"
# ports = "24000-24999"

# What a node may use where its network does not say. `_gb` is 10^9 bytes.
[resources]
# cpus = 1.0
# memory_gb = 1.0
# disk_gb = 10.0

# How access tokens are checked.
[jwt]
# algorithms = ["HS256"]
# public_key = (PEM, for RS256, ES256 or EdDSA)
# private_key = (PEM, only for `nexus token`)
# audience = (the domain; "" turns the check off)
# user_claim = "sub"
# leeway_s = 0.0

[log]
# level = "info"
# blocked_loop_s = 0.5
""")


def data_directory(config_path: Path) -> Path:
    """Where records and sockets go: /var/lib/nexus for a configuration in /etc, else `var` beside the file."""
    absolute = Path(os.path.abspath(config_path))
    return Path("/var/lib/nexus") if absolute.is_relative_to("/etc") else absolute.parent / "var"


def write_config(
    path: Path,
    data: Path,
    *,
    edge_listen: str = EDGE_LISTEN,
    control_listen: str = CONTROL_LISTEN,
    routes: Iterable[ipaddress.IPv4Network],
    choice: random.Random,
) -> None:
    """Write a new configuration (mode 0600) and make its data directory (mode 0700).

    :param routes: subnets that this host has routes to; the nodes' bridge will overlap none.
    :param choice: draws the instance's name and the subnet. Secrets never come from it.
    :raises ConfigError: where `path` exists (it is left as it is), or something cannot be written.
    """
    text = render(
        Path(os.path.abspath(data)),
        edge_listen=edge_listen,
        control_listen=control_listen,
        instance=choose_instance(choice),
        subnet=choose_subnet(routes, choice),
    )
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        at_fault = str(error.filename or path)
        if at_fault == str(path):
            raise ConfigError(str(path), "", "exists already and was left as it is") from None
        raise ConfigError(at_fault, "", "is in the way: not a directory") from None
    except OSError as error:
        raise ConfigError(str(error.filename or path), "", f"cannot be made: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        path.unlink()
        raise ConfigError(str(path), "", f"cannot be written: {error.strerror}") from None


def render(data: Path, *, edge_listen: str, control_listen: str, instance: str, subnet: ipaddress.IPv4Network) -> str:
    """The configuration's text, with fresh secrets. The control socket is left out where its path is too long."""
    socket = data / "control.sock"
    listen = [control_listen]
    if len(os.fsencode(socket)) <= UNIX_PATH_BYTES_MAX:
        listen.insert(0, f"unix:{socket}")
    return _TEMPLATE.substitute(
        instance=_toml(instance),
        edge_listen=_toml(edge_listen),
        control_listen=", ".join(_toml(address) for address in listen),
        control_key=_toml(generate_secret().reveal()),
        jwt=_toml(generate_secret(48).reveal()),
        database_url=_toml(f"sqlite://{data / 'nexus.db'}"),
        subnet=_toml(str(subnet)),
    )


def choose_instance(choice: random.Random) -> str:
    """Six characters of a-z and 0-9, a letter first."""
    return choice.choice(string.ascii_lowercase) + "".join(choice.choices(string.ascii_lowercase + string.digits, k=5))


def choose_subnet(routes: Iterable[ipaddress.IPv4Network], choice: random.Random) -> ipaddress.IPv4Network:
    """A /20 within 10.64.0.0/10 that overlaps none of `routes`.

    :raises ConfigError: where none is left.
    """
    taken = list(routes)
    free = [
        subnet
        for subnet in _SUBNET_POOL.subnets(new_prefix=_SUBNET_PREFIX)
        if not any(subnet.overlaps(route) for route in taken)
    ]
    if not free:
        raise ConfigError(
            "nexus init",
            "containers.subnet",
            f"this host has routes to all of {_SUBNET_POOL}",
            "write the file by hand",
        )
    return choice.choice(free)


def parse_routes(table: str) -> list[ipaddress.IPv4Network]:
    """The subnets in a /proc/net/route table (proc(5)), the default route left out. Its numbers are little-endian."""
    routes = []
    for line in table.splitlines()[1:]:
        columns = line.split()
        if len(columns) < 8:
            continue
        destination, mask = (int.from_bytes(bytes.fromhex(columns[index]), "little") for index in (1, 7))
        if mask:
            routes.append(ipaddress.IPv4Network((destination & mask, mask.bit_count())))
    return routes


def _toml(text: str) -> str:
    # JSON's string literals are TOML basic strings (https://toml.io/en/v1.0.0#string), but for DEL, which no path has.
    return json.dumps(text, ensure_ascii=False)
