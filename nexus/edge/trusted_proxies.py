"""Whom we believe when they say who a request comes from (RFC 7239 section 8 tells why not everybody). Pure.

A peer's address is the one that the connection has, or that a PROXY header told: whoever may send such a header is
believed already, and the address that it tells is whose HTTP we read. So an HTTP proxy before a load balancer that
speaks the PROXY protocol is trusted by its own address, and clients that come straight through the balancer are not.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from nexus.edge.errors import MalformedError
from nexus.edge.target import HOST_BYTES_MAX, parse_site

if TYPE_CHECKING:
    from collections.abc import Collection

    from nexus.config.values import IPNetwork
    from nexus.edge.fields import Known

_REMEMBERED = 4096


class AddressSet:
    """The addresses of some networks. An IPv4 address that IPv6 maps is itself."""

    def __init__(self, networks: Collection[IPNetwork]) -> None:
        self._networks = tuple(networks)
        self.holds = lru_cache(_REMEMBERED)(self._holds)

    def _holds(self, host: str) -> bool:
        """Whether `host`, an IP address, is one of them."""
        if not self._networks:
            return False
        address = read_address(host.partition("%")[0])
        return address is not None and any(address in network for network in self._networks)


class ToldClient(NamedTuple):
    """Who a request comes from, by what a trusted proxy says.

    :ivar host: the client's address.
    :ivar hops: the X-Forwarded-For so far, with the proxy's own address last.
    :ivar scheme: what the client speaks: `http` or `https`.
    :ivar authority: the Host that the client asked for, where the proxy says so.
    """

    host: str
    hops: bytes
    scheme: bytes
    authority: bytes


def told_client(peer: str, known: Known, trusted: AddressSet) -> ToldClient:
    """What `peer`, a trusted proxy, says.

    The client is the last address in X-Forwarded-For that is no trusted proxy's: each proxy adds whom it got the
    request from, and what is left of that was the client's own to write. Where what should be it is no address, it is
    the proxy that said so.
    """
    values = known.get(b"x-forwarded-for", ())
    host = peer
    for member in reversed([member.strip(b" \t") for value in values for member in value.split(b",")]):
        address = read_address(_without_port(member.decode("latin-1")))
        if address is None:
            break
        host = str(address)
        if not trusted.holds(host):
            break
    hops = b", ".join([*(value for value in values if value), peer.encode("ascii")])
    scheme = known.get(b"x-forwarded-proto", (b"",))[-1].rpartition(b",")[2].strip(b" \t").lower()
    authority = known.get(b"x-forwarded-host", (b"",))
    return ToldClient(
        host,
        hops,
        scheme if scheme in (b"http", b"https") else b"http",
        authority[0] if len(authority) == 1 and _is_authority(authority[0]) else b"",
    )


@lru_cache(_REMEMBERED)
def read_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that `text` is; None if it is none. One with a zone is none: a zone may be any text."""
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


def _without_port(text: str) -> str:
    """Some proxies write `192.0.2.7:4711` and `[2001:db8::7]:4711`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _is_authority(value: bytes) -> bool:
    if len(value) > HOST_BYTES_MAX:
        return False
    try:
        parse_site(value, "")
    except MalformedError:
        return False
    return True
