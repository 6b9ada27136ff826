"""What the edge counts. Plain numbers: the edge counts up, `EdgeStats` of the control API shows them all."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Since the start, but for `_open` and `_in_flight`, which are now. Bytes are payload.

    :ivar connections_refused: connections that were answered and closed as they came, by the limit that they met.
    :ivar upstream_waits: requests that had to wait for one of a node's connections.
    :ivar answers: the edge's own answers, by status.
    :ivar ended: requests by how they ended, as the access log says it.
    :ivar access_log_lines_lost: those that could not be written to the access log's file.
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
    upstream_waits: int = 0
    upstream_waits_open: int = 0
    retries: int = 0
    tunnels: int = 0
    tunnels_open: int = 0
    access_log_lines_lost: int = 0
    connections_refused: dict[str, int] = field(default_factory=dict)
    answers: dict[int, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
