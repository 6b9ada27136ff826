"""The table of the control API's methods: what each is called, asks, answers and means."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Final

from nexus.interfaces import INetworkControl
from nexus.messages import (
    CreatedNetwork,
    CreateNetwork,
    DeletedNetwork,
    DeleteNetwork,
    GetNetwork,
    ListedNetworks,
    ListNetworks,
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
    """

    name: str
    request: type
    answer: type

    @property
    def attribute(self) -> str:
        """The method of `INetworkControl`."""
        return re.sub("(?<=[a-z])(?=[A-Z])", "_", self.name).lower()

    @property
    def documentation(self) -> str:
        """What the interface promises, in one paragraph."""
        text = inspect.cleandoc(INetworkControl[self.attribute].__doc__)
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
    )
}
"""By name, in the order in which one meets them."""

DISCOVER: Final = "rpc.discover"
"""OpenRPC's name for the method that describes the others (`nexus.control.discovery`)."""
