"""What the edge counts. Plain numbers: the edge counts up, `EdgeStats` of the control API shows them all."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Since the start, but for `_open` and `_in_flight`, which are now. Bytes are payload.

    :ivar answers: the edge's own answers, by status.
    :ivar ended: requests by how they ended, as the access log says it.
    """

    client_connections: int = 0
    client_connections_open: int = 0
    requests: int = 0
    requests_in_flight: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    dials: int = 0
    dials_failed: int = 0
    node_connections_open: int = 0
    node_connections_reused: int = 0
    retries: int = 0
    tunnels: int = 0
    tunnels_open: int = 0
    answers: dict[int, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
