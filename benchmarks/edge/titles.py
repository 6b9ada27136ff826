"""What scenarios and proxies are called in the document, in the order that they have there."""

from __future__ import annotations

from typing import Final

from benchmarks.edge.loads import LOADS
from benchmarks.edge.memory import HOLDINGS
from benchmarks.edge.networks import SPREADS

PROXIES: Final = {
    "Nexus": "Nexus",
    "HAProxy": "HAProxy",
    "HAProxy splice": "HAProxy, splicing",
    "nginx": "nginx",
    "Caddy": "Caddy",
    "twisted.web.proxy": "twisted.web.proxy",
}

TITLES: Final[dict[str, str]] = {
    **{each.name: each.title for each in (*LOADS, *SPREADS, *HOLDINGS)},
    "latency_quiet": "at rest",
    "latency_busy": "while nodes start and stop",
}
