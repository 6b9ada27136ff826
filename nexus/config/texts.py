"""What configured texts stand for: addresses, subnets, ranges of ports, names. Pure.

`nexus.config.readers` says which key is read by which of these, and what each allows in words. All raise
`UnacceptableValueError`.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from pathlib import Path

from nexus.config.sections import TCPListen, UnixListen
from nexus.config.values import IPNetwork
from nexus.errors import InvalidError
from nexus.model import Address, PortRange, check_network_name

UNIX_PATH_BYTES_MAX = 107
"""What `sockaddr_un` holds, less its final NUL (unix(7))."""


class UnacceptableValueError(Exception):
    """A value that a reader does not take; the message says what is wrong with it, without saying what is allowed.

    :ivar within: where in the value it is wrong, as the rest of its path (`[3].api`); empty for the value itself.
    :ivar allowed: what is allowed there; empty for what the reader says.
    """

    def __init__(self, problem: str, within: str = "", allowed: str = "") -> None:
        super().__init__(problem)
        self.within = within
        self.allowed = allowed


def read_tcp_listen(text: str) -> TCPListen:
    """`host:port`, with an IP address or `localhost`."""
    host, colon, port_text = text.rpartition(":")
    if host == "localhost":
        host = "127.0.0.1"
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        if (address.version == 6) != (host.startswith("[") and host.endswith("]")):
            raise ValueError
    except ValueError:
        raise UnacceptableValueError(f"{text!r} is not an address and a port") from None
    if not colon or not (
        port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 and int(port_text) <= 65535
    ):
        raise UnacceptableValueError(f"{text!r} has no port from 0 to 65535")
    return TCPListen(str(address), int(port_text))


def read_address(text: str) -> Address:
    """`IP:PORT` of something to connect to."""
    host, _, port_text = text.rpartition(":")
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5):
        raise UnacceptableValueError(f"{text!r} is not an IP address and a port")
    ip, port = _read_ip(host), _read_port(port_text)
    if not ip:
        raise UnacceptableValueError(f"{text!r} is not an IP address and a port that can be connected to")
    if not 1 <= port <= 65535:
        raise UnacceptableValueError(f"{text!r} has no port from 1 to 65535")
    return Address(ip, port)


# Many networks have few ports, and each node one IP address: what was just read is one object, and found sooner.
_read_port = lru_cache(1024)(int)


@lru_cache(1024)
def _read_ip(host: str) -> str:
    """The IP address, IPv6 in brackets; empty where there is none that can be dialled."""
    try:
        if not host.startswith("["):
            first = socket.inet_pton(socket.AF_INET, host)[0]
            return "" if first == 0 or 224 <= first < 240 or host == "255.255.255.255" else host
        address = ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]"))
    except (OSError, ValueError):
        return ""
    return "" if not host.endswith("]") or address.is_unspecified or address.is_multicast else str(address)


def read_network_name(text: str) -> str:
    """A network's name."""
    try:
        return check_network_name(text)
    except InvalidError as error:
        raise UnacceptableValueError(error.problem) from None


def read_listen(text: str) -> TCPListen | UnixListen:
    """`host:port`, or `unix:/path`."""
    if not text.startswith("unix:"):
        return read_tcp_listen(text)
    path = text.removeprefix("unix:")
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise UnacceptableValueError(f"{text!r} has no absolute path of a socket")
    if len(path.encode("utf-8", "surrogateescape")) > UNIX_PATH_BYTES_MAX:
        raise UnacceptableValueError(f"{text!r} is too long for a socket's path ({UNIX_PATH_BYTES_MAX} bytes at most)")
    return UnixListen(Path(path))


def read_subnet(text: str) -> ipaddress.IPv4Network:
    """A private IPv4 subnet."""
    try:
        subnet = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise UnacceptableValueError(f"{text!r} is not a subnet ({error})") from None
    private = [ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
    if not any(subnet.subnet_of(block) for block in private):
        raise UnacceptableValueError(f"{text!r} is not a private subnet")
    if not 12 <= subnet.prefixlen <= 28:
        raise UnacceptableValueError(f"{text!r} is too {'large' if subnet.prefixlen < 12 else 'small'}")
    return subnet


def read_ip_network(text: str) -> IPNetwork:
    """An IP address, or a network of them in the notation of CIDR."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UnacceptableValueError(f"{text!r} is no network of addresses ({error})") from None


def read_ports(text: str) -> PortRange:
    """`first-last`."""
    try:
        return PortRange.parse(text)
    except InvalidError:
        raise UnacceptableValueError(f"{text!r} is not a range of ports") from None
