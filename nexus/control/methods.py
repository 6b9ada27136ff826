"""The table of the control API's methods: what each is called, asks, answers and means."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Final

from zope.interface.interface import InterfaceClass

from nexus.interfaces import IEdgeStats, INetworkControl
from nexus.messages import (
    CreatedNetwork,
    CreateNetwork,
    DeletedNetwork,
    DeleteNetwork,
    EdgeStats,
    GetNetwork,
    ListedNetworks,
    ListNetworks,
    MeasuredEdge,
    MeasuredNetwork,
    NetworkDetails,
    NetworkDiagnostics,
    NetworkName,
    Ping,
    Pong,
    RemovedNetwork,
    StartedNetwork,
    StoppedNetwork,
    UpdatedNetwork,
    UpdateNetwork,
)


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    :ivar name: as JSON-RPC calls it; `StartNetwork` is `INetworkControl.start_network`.
    :ivar interface: whose method it is.
    """

    name: str
    request: type
    answer: type
    interface: InterfaceClass = INetworkControl

    @property
    def attribute(self) -> str:
        """The method of the interface."""
        return re.sub("(?<=[a-z])(?=[A-Z])", "_", self.name).lower()

    @property
    def documentation(self) -> str:
        """What the interface promises, in one paragraph."""
        text = inspect.cleandoc(self.interface[self.attribute].__doc__)
        return " ".join(text.split())

    @property
    def summary(self) -> str:
        """Its first sentence."""
        return re.split(r"(?<=[.;]) ", self.documentation)[0].rstrip(".;") + "."


METHODS: Final = {
    method.name: method
    for method in (
        Method("Ping", Ping, Pong),
        Method("CreateNetwork", CreateNetwork, CreatedNetwork),
        Method("StartNetwork", NetworkName, StartedNetwork),
        Method("UpdateNetwork", UpdateNetwork, UpdatedNetwork),
        Method("StopNetwork", NetworkName, StoppedNetwork),
        Method("RemoveNetwork", NetworkName, RemovedNetwork),
        Method("DeleteNetwork", DeleteNetwork, DeletedNetwork),
        Method("GetNetwork", GetNetwork, NetworkDetails),
        Method("ListNetworks", ListNetworks, ListedNetworks),
        Method("NetworkStats", NetworkName, MeasuredNetwork),
        Method("NetworkDiagnostics", NetworkName, NetworkDiagnostics),
        Method("EdgeStats", EdgeStats, MeasuredEdge, IEdgeStats),
    )
}
"""By name, in the order in which one meets them."""

DISCOVER: Final = "rpc.discover"
"""OpenRPC's name for the method that describes the others (`nexus.control.discovery`)."""
