"""Bridge networks on which containers cannot reach each other: made once, whoever asks first. Blocking calls."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from nexus.container import BridgeSpec
from nexus.containers.bodies import ICC_OPTION, bridge_body
from nexus.containers.translation import explanation
from nexus.errors import EngineError, NameTakenError


def ensure_bridge(client: APIClient, bridge: BridgeSpec, operation: str) -> bool:
    """Make `bridge` unless it is there. False: somebody else is making it, so ask again in a moment.

    The engine may let two networks have one name when two processes ask at once, and refuses two with one subnet; so
    after a refusal, and after a success too, it is looked again who has the name.

    :raises EngineError: where the name's holder is not what is asked for, or the subnet is somebody else's.
    """
    if _adopt(client, bridge, operation):
        return True
    try:
        made: str = client.create_network(**bridge_body(bridge))["Id"]
    except APIError as error:
        if _adopt(client, bridge, operation):
            return True
        if error.response is None or "overlap" not in explanation(error.response):
            raise
        overlapping = _overlapping(client, bridge)
        if overlapping is None:
            # The engine takes a subnet a moment before it lists the network that has it.
            return False
        raise EngineError(
            operation,
            f"its subnet {bridge.subnet} overlaps that of the engine's network {overlapping}: configure another subnet,"
            " or remove that network",
        ) from error
    first = _named(client, bridge.name)[0]
    if first["Id"] != made:
        client.remove_network(made)
        _check(first, bridge, operation)
    return True


def remove_bridge(client: APIClient, name: str) -> None:
    """Remove the network `name`; nothing to do when it is gone."""
    for network in _named(client, name):
        try:
            client.remove_network(network["Id"])
        except NotFound:
            continue


def _adopt(client: APIClient, bridge: BridgeSpec, operation: str) -> bool:
    """Whether a network has the name already, and may be used as `bridge`."""
    for network in _named(client, bridge.name):
        _check(network, bridge, operation)
        return True
    return False


def _named(client: APIClient, name: str) -> list[dict[str, Any]]:
    """The networks of exactly that name (the engine's filter takes any part of it), the oldest first."""
    found = [network for network in client.networks(names=[name]) if network["Name"] == name]
    return sorted(found, key=lambda network: (network["Created"], network["Id"]))


def _check(network: Mapping[str, Any], bridge: BridgeSpec, operation: str) -> None:
    labels = network.get("Labels") or {}
    if any(labels.get(name) != value for name, value in bridge.labels.items()):
        raise NameTakenError(operation, f"there is a network named {bridge.name} with other labels: not ours to use")
    pools = (network.get("IPAM") or {}).get("Config") or [{}]
    for what, there, wanted in (
        ("subnet", pools[0].get("Subnet"), bridge.subnet),
        ("dynamic range", pools[0].get("IPRange"), bridge.dynamic_range),
        ("driver", network.get("Driver"), "bridge"),
        ("inter-container traffic", (network.get("Options") or {}).get(ICC_OPTION), "false"),
    ):
        if there != wanted:
            raise EngineError(
                operation,
                f"the network {bridge.name} has the {what} {there or '(none)'}, and {wanted} is wanted: configure the"
                " subnet as it was, or stop every container on it and remove it (docker network rm"
                f" {bridge.name})",
            )


def _overlapping(client: APIClient, bridge: BridgeSpec) -> str | None:
    wanted = ipaddress.ip_network(bridge.subnet)
    for network in client.networks():
        for pool in (network.get("IPAM") or {}).get("Config") or []:
            subnet = ipaddress.ip_network(pool["Subnet"])
            if subnet.version == wanted.version and subnet.overlaps(wanted):
                return f"{network['Name']} ({subnet})"
    return None
