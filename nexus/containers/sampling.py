"""A container's use of CPU: the difference of two samples, of which the earlier one is remembered from the last time;
the first time it is the container's start, when all counters were 0.

So one sample is enough, but for a container that has just started: what it took to make it (some 50 ms of CPU) counts
as its own, which is much of so short a time. The engine samples its containers once a second, and answers `one-shot`
with the first sample that it has: at once after a quiet second, else within one. Without `one-shot` it waits for two
samples each time, 1 to 2 s.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final

from nexus.container import ContainerStats
from nexus.containers.answers import parse_time

_FRESH: Final = timedelta(seconds=60)
"""How old the earlier sample may be: use over a longer time tells little of now."""

_YOUNG: Final = timedelta(seconds=2)
"""A container of less than this age has just started."""

_REMEMBERED_MAX: Final = 1024


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample: the counters of a running container at a moment."""

    at: datetime
    cpu_ns: int
    memory_used_bytes: int
    memory_cap_bytes: int
    network_received_bytes: int
    network_sent_bytes: int
    pids: int

    def follows(self, earlier: Sample) -> bool:
        """Whether `earlier` was taken shortly before, of the same process: a restart sets the counters back."""
        return timedelta() < self.at - earlier.at <= _FRESH and self.cpu_ns >= earlier.cpu_ns

    def since(self, moment: datetime, cpu_ns: int) -> ContainerStats:
        """What is used now; CPU is per cent of one core, on the average since `moment`, when it was at `cpu_ns`."""
        interval_s = (self.at - moment).total_seconds()
        used_s = (self.cpu_ns - cpu_ns) / 10**9
        return ContainerStats(
            cpu_percent=max(0.0, used_s / interval_s * 100) if interval_s > 0 else 0.0,
            memory_used_bytes=self.memory_used_bytes,
            memory_cap_bytes=self.memory_cap_bytes,
            network_received_bytes=self.network_received_bytes,
            network_sent_bytes=self.network_sent_bytes,
            pids=self.pids,
        )


def read_sample(answer: Mapping[str, Any]) -> Sample | None:
    """`GET /containers/{id}/stats`; None where the container does not run, for which the engine answers zeros.

    Memory is the usage without the file cache that the kernel would give back first, as `docker stats` counts it:
    `total_inactive_file` of cgroup v1, `inactive_file` of v2.
    """
    at = parse_time(answer["read"])
    memory = answer.get("memory_stats") or {}
    if at is None or "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    networks = (answer.get("networks") or {}).values()
    return Sample(
        at=at,
        cpu_ns=answer["cpu_stats"]["cpu_usage"]["total_usage"],
        memory_used_bytes=max(0, memory["usage"] - cache),
        memory_cap_bytes=memory.get("limit", 0),
        network_received_bytes=sum(network["rx_bytes"] for network in networks),
        network_sent_bytes=sum(network["tx_bytes"] for network in networks),
        pids=(answer.get("pids_stats") or {}).get("current", 0),
    )


class Sampler:
    """Remembers the last sample of each container. May be used from several threads at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: OrderedDict[str, tuple[Sample, ContainerStats]] = OrderedDict()

    def __len__(self) -> int:
        """How many samples are kept."""
        return len(self._last)

    def measure(
        self, container_id: str, take: Callable[[], Sample | None], started_at: Callable[[], datetime | None]
    ) -> ContainerStats | None:
        """The use since the last time, if that was a short while ago, else since the container's start.

        :param take: blocks for a sample; None when the container does not run, and then so is the answer.
        :param started_at: asks when the container started; None when it does not run.
        """
        with self._lock:
            known = self._last.get(container_id)
        sample = take()
        if sample is None:
            return None
        if known is not None and sample == known[0]:
            return known[1]
        if known is not None and sample.follows(known[0]):
            stats = sample.since(known[0].at, known[0].cpu_ns)
        elif (start := started_at()) is None:
            return None
        elif sample.at - start >= _YOUNG:
            stats = sample.since(start, 0)
        elif (later := take()) is None:
            return None
        else:
            stats = later.since(sample.at, sample.cpu_ns)
            sample = later
        with self._lock:
            self._last[container_id] = sample, stats
            self._last.move_to_end(container_id)
            while len(self._last) > _REMEMBERED_MAX:
                self._last.popitem(last=False)
        return stats
