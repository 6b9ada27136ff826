"""Endpoints that dial nodes, on the transports that the reactor is best at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint

from nexus.reactor import native_loop
from nexus.uvloop_endpoints import UvloopClientEndpoint

if TYPE_CHECKING:
    from twisted.internet.interfaces import IStreamClientEndpoint

    from nexus.model import Address


def dialling_endpoint(reactor: Any, address: Address, timeout_s: float) -> IStreamClientEndpoint:
    """An endpoint that dials `address`, an IP address, without resolving anything.

    :param timeout_s: the least time that it gives a dial; whoever waits times dials himself.
    """
    loop = native_loop(reactor)
    if loop is not None:
        native: IStreamClientEndpoint = UvloopClientEndpoint(loop, address.host, address.port)
        return native
    endpoint = TCP6ClientEndpoint if ":" in address.host else TCP4ClientEndpoint
    twisted: IStreamClientEndpoint = endpoint(reactor, address.host, address.port, timeout=timeout_s)
    return twisted
