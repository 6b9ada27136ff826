"""What `status` and `swarm` answer: a network's state for its members, online or not for everybody else. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nexus.edge.answers import html_page, preferred_type, write_response
from nexus.model import NetworkState

if TYPE_CHECKING:
    from nexus.model import Feature, NetworkStatus, Route

Document = dict[str, object]


def member_document(status: NetworkStatus) -> Document:
    """All that a member may know. Times in seconds or ISO 8601, sizes in bytes."""
    return {
        "network": status.network,
        "state": status.state.value,
        "online": status.state is NetworkState.ONLINE,
        "started_at": None if status.started_at is None else status.started_at.isoformat(),
        "uptime_s": status.uptime_s,
        "peer_id": status.peer_id,
        "peers_connected": status.peers_connected,
        "disk_used_bytes": status.disk_used_bytes,
        "disk_cap_bytes": status.disk_cap_bytes,
        "swarm_multiaddrs": list(status.swarm_multiaddrs),
    }


def public_document(route: Route) -> Document:
    """What anybody may know of a network whose gateway is public: its route says it, and nobody has to be asked."""
    return {"network": route.network, "online": route.state is NetworkState.ONLINE}


def write_page(
    document: Document,
    *,
    feature: Feature | None,
    accept: tuple[bytes, ...] | None,
    date: bytes,
    head_only: bool,
    close: bool,
) -> bytes:
    """The whole response: JSON, or a small page where `Accept` prefers one."""
    if preferred_type(accept, feature) == b"text/html":
        paragraphs = [f"{name}: {_shown(value)}" for name, value in document.items()]
        body, media_type = html_page(f"Network {document['network']}", paragraphs), b"text/html; charset=utf-8"
    else:
        body, media_type = json.dumps(document).encode() + b"\n", b"application/json"
    return write_response(200, [(b"Content-Type", media_type)], body, date=date, head_only=head_only, close=close)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return str(value)
