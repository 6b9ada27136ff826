"""What Nexus is to reach, and whether it does. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from benchmarks.edge.results import NEXUS, REFERENCE, Results
from benchmarks.edge.titles import TITLES

Value = Callable[[Results], float | None]


class Verdict(Enum):
    """How a target fares; the value is what people are told."""

    MET = "met"
    NOT_MET = "**not met**"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Target:
    """One figure to reach.

    :ivar what: in words; `limit` and `unit` follow it.
    :ivar at_least: whether more is better, and not less.
    """

    what: str
    value: Value
    limit: float
    unit: str
    at_least: bool = False

    def verdict(self, results: Results) -> Verdict:
        """How it fares."""
        value = self.value(results)
        if value is None:
            return Verdict.NOT_MEASURED
        return Verdict.MET if (value >= self.limit if self.at_least else value <= self.limit) else Verdict.NOT_MET


def ratio(scenario: str, metric: str = "cpu_us", to: str = REFERENCE) -> Value:
    """Nexus's metric as a multiple of another's."""
    return lambda results: results.ratio(scenario, NEXUS, metric, to)


def own(scenario: str, metric: str) -> Value:
    """Nexus's metric."""
    return lambda results: results.median(scenario, NEXUS, metric)


def growth(few: str, many: str) -> Value:
    """What a request costs in the scenario `many`, as a multiple of what it costs in `few`."""

    def value(results: Results) -> float | None:
        cost, base = results.median(many, NEXUS, "cpu_us"), results.median(few, NEXUS, "cpu_us")
        return None if cost is None or not base else cost / base

    return value


def disturbance(results: Results) -> float | None:
    """The p99 latency while nodes start and stop, as a multiple of that at rest, or of HAProxy's at the same time,
    whichever is the less."""
    busy = results.median("latency_busy", NEXUS, "p99_ms")
    others = (results.median("latency_quiet", NEXUS, "p99_ms"), results.median("latency_busy", REFERENCE, "p99_ms"))
    multiples = [busy / other for other in others if busy is not None and other]
    return min(multiples, default=None)


_TIMES: Final = "x HAProxy's CPU"

CPU_LIMITS: Final = {
    "small": 1.5,
    "varied": 1.5,
    "jwt": 1.0,
    "jwt_varied": 1.0,
    "newconn": 2.0,
    "64k": 1.3,
    "1m": 0.6,
    "256m_down": 0.4,
    "256m_up": 0.6,
}
"""How much of HAProxy's CPU a request may take, by scenario."""

TARGETS: Final = (
    *(Target(TITLES[name], ratio(name), limit, _TIMES) for name, limit in CPU_LIMITS.items()),
    Target("256 MiB down, throughput", ratio("256m_down", "gb_per_s", "nginx"), 1.0, "x nginx's", at_least=True),
    Target("256 MiB up, throughput", ratio("256m_up", "gb_per_s", "nginx"), 1.0, "x nginx's", at_least=True),
    Target("an idle connection, of 1,000", own("idle", "kib_each"), 12.0, "KiB"),
    Target("an idle connection, of 10,000", own("idle_10000", "kib_each"), 12.0, "KiB"),
    Target(TITLES["networks_100000_one"], growth("networks_1", "networks_100000_one"), 1.1, "x the CPU with 1 network"),
    Target(TITLES["networks_100000"], ratio("networks_100000"), 1.5, _TIMES),
    Target("100,000 networks, memory of each", own("networks_100000", "bytes_each"), 1000.0, "bytes"),
    Target("p99 while nodes start and stop", disturbance, 2.0, "x that at rest, or HAProxy's at the same time"),
    Target("loop lag while nodes start and stop", own("latency_busy", "lag_ms"), 10.0, "ms"),
)
