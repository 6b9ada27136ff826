"""How much the edge's clients may have open: by address, and by network. Nothing is kept at zero, and every question is
answered in the same time however many there are."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nexus.edge.client_connection import ClientConnection

IPV6_PREFIX_BYTES: Final = 8
"""A /64 is what one IPv6 customer has at least (RFC 6177), so the addresses in it count as one client."""

_MAPPED_IPV4: Final = bytes(10) + b"\xff\xff"

ClientKey = str | bytes
"""What clients are told apart by: an IPv4 address as text, or the first half of an IPv6 one."""


def client_key(host: str) -> ClientKey:
    """What the client at `host`, an IP address, is counted by."""
    if ":" not in host:
        return host
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    if packed.startswith(_MAPPED_IPV4):
        return socket.inet_ntop(socket.AF_INET, packed[-4:])
    return packed[:IPV6_PREFIX_BYTES]


class ClientTally:
    """Counts open connections by client address.

    :param most: how many one client may have; 0: as many as it likes, and nothing is counted.
    """

    __slots__ = ("_most", "_open")

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[ClientKey, int] = {}

    def __len__(self) -> int:
        """How many clients are counted."""
        return len(self._open)

    def enter(self, host: str) -> bool:
        """Count one more of `host`; False, and nothing is counted, where that would be too many."""
        if not self._most:
            return True
        key = client_key(host)
        count = self._open.get(key, 0)
        if count >= self._most:
            return False
        self._open[key] = count + 1
        return True

    def leave(self, host: str) -> None:
        """One that was counted is gone."""
        if not self._most:
            return
        key = client_key(host)
        count = self._open[key] - 1
        if count:
            self._open[key] = count
        else:
            del self._open[key]


class NetworkUse:
    """What the clients of one network have open.

    :ivar clients: the connections whose last admitted request was for the network.
    :ivar requests: how many requests are under way at its node.
    """

    __slots__ = ("clients", "network", "requests")

    def __init__(self, network: str) -> None:
        self.network = network
        self.clients: set[ClientConnection] = set()
        self.requests = 0


class NetworkTally:
    """The networks that have clients now.

    :param connections_max: how many client connections one may have.
    """

    __slots__ = ("_connections_max", "_uses")

    def __init__(self, connections_max: int) -> None:
        self._connections_max = connections_max
        self._uses: dict[str, NetworkUse] = {}

    def __len__(self) -> int:
        """How many networks have clients."""
        return len(self._uses)

    def use(self, network: str) -> NetworkUse | None:
        """What is open of `network`; None if nothing."""
        return self._uses.get(network)

    def move(self, client: ClientConnection, network: str) -> NetworkUse | None:
        """Let `client` count for `network` and for no other; None, and it counts for none, where that would be too
        many."""
        self.leave(client)
        use = self._uses.get(network)
        if use is None:
            use = self._uses[network] = NetworkUse(network)
        elif len(use.clients) >= self._connections_max:
            return None
        use.clients.add(client)
        client.use = use
        return use

    def leave(self, client: ClientConnection) -> None:
        """`client` counts for no network any more."""
        use, client.use = client.use, None
        if use is not None:
            use.clients.discard(client)
            if not use.clients:
                del self._uses[use.network]
