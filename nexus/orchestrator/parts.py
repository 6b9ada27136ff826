"""What every network's lifecycle works with: collaborators, clocks and timings, made once by the `Orchestrator`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from nexus.interfaces import INetworks, INodes

if TYPE_CHECKING:
    from twisted.internet.defer import DeferredSemaphore
    from twisted.internet.interfaces import IReactorTime

    from nexus.leases import Leases
    from nexus.orchestrator.listing import Listing
    from nexus.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """When the orchestrator looks again. Seconds.

    :ivar grace_s: from a node's death to the look at it: the engine restarts a crashed container itself, and several
        events of one fault come together.
    :ivar retry_first_s: from a first failure to the next try; doubles with each failure in a row.
    :ivar retry_max_s: the most that it grows to.
    :ivar settled_after_s: a node that was served for so long has recovered: its earlier failures no longer count.
    :ivar suspicion_interval_s: the least time between two looks that failed dials ask for.
    :ivar status_age_s: how old a `status` answer may be.
    :ivar look_up_timeout_s: what one part of a status or diagnostics answer may take.
    :ivar concurrent_starts: how many nodes are brought up at once when nobody waits for them (at start-up, after
        faults). Commands are not limited.
    """

    grace_s: float = 0.5
    retry_first_s: float = 1.0
    retry_max_s: float = 60.0
    settled_after_s: float = 120.0
    suspicion_interval_s: float = 5.0
    status_age_s: float = 2.0
    look_up_timeout_s: float = 10.0
    concurrent_starts: int = 4

    def retry_delay_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row (at least one)."""
        return float(min(self.retry_max_s, self.retry_first_s * 2 ** min(failures - 1, 30)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """See the `Orchestrator`'s parameters."""

    clock: IReactorTime
    now: Callable[[], datetime]
    networks: INetworks
    nodes: INodes
    listing: Listing
    registry: Registry
    leases: Leases
    timings: Timings
    unhurried: DeferredSemaphore
