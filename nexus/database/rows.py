"""A record and its row: `Network` to column values and back. Pure, and the same for every SQL database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from nexus.errors import InvalidError
from nexus.model import DesiredState, Network, Resources
from nexus.secrets import Secret

COLUMNS: Final = (
    "name",
    "desired_state",
    "users",
    "gateway_public",
    "gateway_subdomains",
    "api_allowed_origins",
    "swarm_key",
    "rpc_bearers",
    "bootstrap_peers",
    "cpus",
    "memory_gb",
    "disk_gb",
    "created_at",
    "updated_at",
    "activated_at",
    "activation_reason",
    "deactivated_at",
    "deactivation_reason",
)


class DamagedRowError(Exception):
    """A row holds what `row_of` never writes. The message carries no value: it might be a secret."""


def row_of(network: Network) -> tuple[str | int | float | None, ...]:
    """The values of `COLUMNS`, in that order."""
    return (
        network.name,
        str(network.desired_state),
        _texts(sorted(network.users)),
        int(network.gateway_public),
        int(network.gateway_subdomains),
        _texts(sorted(network.api_allowed_origins)),
        network.swarm_key.reveal(),
        _texts(bearer.reveal() for bearer in network.rpc_bearers),
        _texts(network.bootstrap_peers),
        network.resources.cpus,
        network.resources.memory_gb,
        network.resources.disk_gb,
        _time(network.created_at),
        _time(network.updated_at),
        None if network.activated_at is None else _time(network.activated_at),
        network.activation_reason,
        None if network.deactivated_at is None else _time(network.deactivated_at),
        network.deactivation_reason,
    )


def network_of(row: Sequence[Any]) -> Network:
    """The record that a row of `COLUMNS` holds.

    :raises DamagedRowError: when a value is not what `row_of` writes.
    """
    cells = dict(zip(COLUMNS, row, strict=True))
    try:
        return Network(
            name=cells["name"],
            desired_state=DesiredState(cells["desired_state"]),
            users=frozenset(_read_texts(cells["users"])),
            gateway_public=bool(cells["gateway_public"]),
            gateway_subdomains=bool(cells["gateway_subdomains"]),
            api_allowed_origins=frozenset(_read_texts(cells["api_allowed_origins"])),
            swarm_key=Secret(cells["swarm_key"]),
            rpc_bearers=_read_bearers(cells["rpc_bearers"]),
            bootstrap_peers=tuple(_read_texts(cells["bootstrap_peers"])),
            resources=Resources(cpus=cells["cpus"], memory_gb=cells["memory_gb"], disk_gb=cells["disk_gb"]),
            created_at=_read_time(cells["created_at"]),
            updated_at=_read_time(cells["updated_at"]),
            activated_at=None if cells["activated_at"] is None else _read_time(cells["activated_at"]),
            activation_reason=cells["activation_reason"],
            deactivated_at=None if cells["deactivated_at"] is None else _read_time(cells["deactivated_at"]),
            deactivation_reason=cells["deactivation_reason"],
        )
    except (ValueError, TypeError, InvalidError):
        raise DamagedRowError(f"the row of network {cells['name']!r} is damaged") from None


def _texts(texts: Iterable[str]) -> str:
    return json.dumps(list(texts), ensure_ascii=False)


def _read_texts(cell: str) -> list[str]:
    texts = json.loads(cell)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("not a list of texts")
    return texts


def _read_bearers(cell: str) -> tuple[Secret, ...]:
    bearers = tuple(map(Secret, _read_texts(cell)))
    if not bearers:
        raise ValueError("no bearer, and a network has a node")
    return bearers


def _time(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _read_time(cell: str) -> datetime:
    return datetime.fromisoformat(cell).astimezone(UTC)
