"""Leases: which node holds which port, and which address on the bridge, of the configured ranges.

A freed address is not given out again until a quarantine is over. The engine itself hands a killed container's
address to the next one at once, and a dial that was begun before the death was noticed would then reach
another tenant; so Nexus chooses addresses itself, from a part of the subnet that the engine never hands out.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from nexus.errors import ConflictError, ExhaustedError
from nexus.model import Lease, NodeId, PortRange, Reach

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

IN_USE_QUARANTINE_S: Final = 60.0
"""How long what turned out to be in use by somebody else is not leased again."""


def dynamic_part(subnet: ipaddress.IPv4Network) -> ipaddress.IPv4Network:
    """The part of the bridge's subnet that is left to the engine: its first eighth, with the bridge's own address."""
    return next(subnet.subnets(prefixlen_diff=3))


def static_part(subnet: ipaddress.IPv4Network) -> Iterator[ipaddress.IPv4Address]:
    """The addresses of the bridge's subnet that Nexus leases: all but the first eighth and the broadcast address."""
    first = int(dynamic_part(subnet).broadcast_address) + 1
    return map(ipaddress.IPv4Address, range(first, int(subnet.broadcast_address)))


def is_tcp_port_free(host: str, port: int) -> bool:
    """Whether this host could listen on that TCP port now. Tries it, with the meaning that a listening server gives it:
    connections in TIME_WAIT do not count. On an address that this host does not have nothing is in use: whoever
    publishes a port there is told what is wrong with it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            if error.errno != errno.EADDRNOTAVAIL:
                raise
    return True


class Leases:
    """Gives each node what it needs of the ranges, once; keeps it until it is released.

    :param subnet: the bridge's subnet (reach `bridge`).
    :param swarm_bind: the address of the host on which swarm ports are published.
    :param quarantine_s: how long a released address, and a released port on which the edge dials, stays out of use.
    :param is_port_free: asked with (host, port) before a port is leased, since others use ports too.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        reach: Reach,
        subnet: ipaddress.IPv4Network,
        swarm_bind: str,
        swarm_ports: PortRange,
        api_ports: PortRange,
        gateway_ports: PortRange,
        quarantine_s: float,
        is_port_free: Callable[[str, int], bool],
    ) -> None:
        self._clock = clock
        self._reach = reach
        self._quarantine_s = quarantine_s
        self._by_node: dict[NodeId, Lease] = {}
        self._swarm = _Ports("swarm.ports", swarm_ports, swarm_bind, is_port_free)
        self._api = _Ports("containers.api_ports", api_ports, "127.0.0.1", is_port_free)
        self._gateway = _Ports("containers.gateway_ports", gateway_ports, "127.0.0.1", is_port_free)
        self._addresses = _Addresses(subnet)

    def lease(self, node: NodeId) -> Lease:
        """The lease of `node`: the one it has, else a new one.

        :raises ExhaustedError: when a range has nothing left; nothing is leased then.
        """
        held = self._by_node.get(node)
        if held is not None:
            return held
        now = self._clock.seconds()
        if self._reach is Reach.BRIDGE:
            lease = Lease(node=node, swarm_port=self._swarm_port(node), address=self._addresses.find(now))
        else:
            lease = Lease(
                node=node,
                swarm_port=self._swarm_port(node),
                api_port=self._api.find(now),
                gateway_port=self._gateway.find(now),
            )
        self._take(lease)
        return lease

    def adopt(self, lease: Lease) -> None:
        """Take over what a running node holds already, after a restart; inside the configured ranges or not.

        :raises ConflictError: where another node holds a part of it; nothing changes then.
        """
        held = self._by_node.get(lease.node)
        if held == lease:
            return
        for other in self._by_node.values():
            shared = _shared_part(lease, other)
            if other.node != lease.node and shared:
                raise ConflictError(lease.node.network, f"its node holds {shared}, and so does {other.node}", "lease")
        if held is not None:
            self.release(lease.node)
        self._take(lease)

    def release(self, node: NodeId, *, in_use: bool = False) -> None:
        """Give back what `node` holds. Its quarantine begins. Idempotent.

        To be called when the container is gone and the edge's connections to it are closed, never before.

        :param in_use: something else turned out to have it: the node's next lease has to be another.
        """
        lease = self._by_node.pop(node, None)
        if lease is None:
            return
        now = self._clock.seconds()
        until = now + (max(self._quarantine_s, IN_USE_QUARANTINE_S) if in_use else self._quarantine_s)
        # A swarm port needs no quarantine: nothing of ours dials it, and members authenticate each other by peer id.
        self._swarm.give_back(lease.swarm_port, until if in_use else now)
        if lease.address is not None:
            self._addresses.give_back(lease.address, until)
        if lease.api_port is not None:
            self._api.give_back(lease.api_port, until)
        if lease.gateway_port is not None:
            self._gateway.give_back(lease.gateway_port, until)

    def get(self, node: NodeId) -> Lease | None:
        """What `node` holds, if anything."""
        return self._by_node.get(node)

    def held(self) -> list[Lease]:
        """All leases, in no promised order."""
        return list(self._by_node.values())

    def _swarm_port(self, node: NodeId) -> int:
        # Members keep a node's multiaddr, so it should be the same after a stop and a start, and after a restart of
        # Nexus: the search begins at a place in the range that the node's name alone decides.
        place = int.from_bytes(blake2b(str(node).encode(), digest_size=8).digest(), "big")
        return self._swarm.find(self._clock.seconds(), place)

    def _take(self, lease: Lease) -> None:
        self._by_node[lease.node] = lease
        self._swarm.take(lease.swarm_port)
        if lease.address is not None:
            self._addresses.take(lease.address)
        if lease.api_port is not None:
            self._api.take(lease.api_port)
        if lease.gateway_port is not None:
            self._gateway.take(lease.gateway_port)


def _shared_part(one: Lease, other: Lease) -> str:
    """What two leases both hold, in words; empty if nothing."""
    for name in ("address", "swarm_port", "api_port", "gateway_port"):
        value = getattr(one, name)
        if value is not None and value == getattr(other, name):
            return f"{name.replace('_', ' ')} {value}"
    return ""


class _Ports:
    """One range of ports."""

    def __init__(self, field: str, ports: PortRange, host: str, is_port_free: Callable[[str, int], bool]) -> None:
        self._field = field
        self._range = ports
        self._host = host
        self._is_port_free = is_port_free
        self._taken: set[int] = set()
        self._quarantined: dict[int, float] = {}
        self._next = 0

    def find(self, now: float, place: int | None = None) -> int:
        """A free port: from `place` in the range on, else round-robin, so that a freed one rests as long as it can."""
        size = self._range.last - self._range.first + 1
        begin = self._next if place is None else place
        for offset in range(size):
            index = (begin + offset) % size
            port = self._range.first + index
            if port in self._taken or self._quarantined.get(port, now) > now:
                continue
            if self._is_port_free(self._host, port):
                if place is None:
                    self._next = index + 1
                return port
        raise ExhaustedError(self._field, "port", f"{self._field} = {str(self._range)!r}")

    def take(self, port: int) -> None:
        self._taken.add(port)
        self._quarantined.pop(port, None)

    def give_back(self, port: int, until: float) -> None:
        self._taken.discard(port)
        self._quarantined[port] = until


class _Addresses:
    """The leased part of the bridge's subnet, likewise round-robin."""

    def __init__(self, subnet: ipaddress.IPv4Network) -> None:
        self._subnet = subnet
        addresses = static_part(subnet)
        self._first = int(next(addresses))
        self._size = int(subnet.broadcast_address) - self._first
        self._taken: set[str] = set()
        self._quarantined: dict[str, float] = {}
        self._next = 0

    def find(self, now: float) -> str:
        for offset in range(self._size):
            index = (self._next + offset) % self._size
            address = str(ipaddress.IPv4Address(self._first + index))
            if address not in self._taken and self._quarantined.get(address, now) <= now:
                self._next = index + 1
                return address
        raise ExhaustedError("containers.subnet", "address", f"containers.subnet = {str(self._subnet)!r}")

    def take(self, address: str) -> None:
        self._taken.add(address)
        self._quarantined.pop(address, None)

    def give_back(self, address: str, until: float) -> None:
        self._taken.discard(address)
        self._quarantined[address] = until
