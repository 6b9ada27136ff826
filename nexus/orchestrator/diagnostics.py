"""What one needs at 3 a.m.: asks every part, waits for none too long, and says what could not be found out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import Deferred, TimeoutError

from nexus.coroutines import returns_deferred
from nexus.errors import NetworkNotFoundError, NexusError
from nexus.messages import NetworkDiagnostics
from nexus.orchestrator import views
from nexus.secrets import Secret

if TYPE_CHECKING:
    from nexus.model import Network
    from nexus.orchestrator.hosted import HostedNetwork
    from nexus.orchestrator.parts import Parts

T = TypeVar("T")


class Inquiry:
    """One NetworkDiagnostics being answered."""

    def __init__(self, hosted: HostedNetwork, parts: Parts, fingerprint: Callable[[Secret], str]) -> None:
        self._hosted = hosted
        self._parts = parts
        self._fingerprint = fingerprint
        self._problems: list[str] = []

    async def answer(self) -> NetworkDiagnostics:
        """All that can be found out.

        :raises NetworkNotFoundError: where there is no such network.
        :raises NexusError: where the record was never read and cannot be now.
        """
        hosted, parts = self._hosted, self._parts
        asked = self._ask("the engine's list of nodes", parts.listing.nodes)
        volumes_asked = self._ask("whether there are data", parts.nodes.volumes)
        record = await self._record()
        listed = await asked
        nodes = [] if listed is None else [node for node in listed if node.id.network == hosted.name]
        inspected = [
            self._ask(f"container {node.container_name}", partial(parts.nodes.diagnose, node)) for node in nodes
        ]
        containers = [diagnosis for diagnosing in inspected if (diagnosis := await diagnosing) is not None]
        volumes = await volumes_asked
        lease = parts.leases.get(hosted.node_id)
        return NetworkDiagnostics(
            record=views.details(record, hosted.state, self._fingerprint),
            state=hosted.state,
            route=views.route(hosted.route),
            leases=views.leases([] if lease is None else [lease]),
            containers=[views.container(diagnosis) for diagnosis in containers],
            data_volume=None if volumes is None else any(node.network == hosted.name for node in volumes),
            differences=[] if listed is None else list(hosted.plan(record, nodes).differences),
            problems=self._problems,
            last_error=hosted.last_error,
            last_error_at=hosted.last_error_at,
        )

    async def _record(self) -> Network:
        try:
            return await self._timed(Deferred.fromCoroutine(self._hosted.read()))
        except NetworkNotFoundError:
            raise
        except (NexusError, TimeoutError) as error:
            if self._hosted.record is None:
                raise
            self._problems.append(f"the record is the one last read, since {_told(error)}")
            return self._hosted.record

    @returns_deferred
    async def _ask(self, what: str, ask: Callable[[], Deferred[T]]) -> T | None:
        try:
            return await self._timed(ask())
        except (NexusError, TimeoutError) as error:
            self._problems.append(f"{what} could not be found out: {_told(error)}")
            return None

    def _timed(self, asking: Deferred[T]) -> Deferred[T]:
        return asking.addTimeout(self._parts.timings.look_up_timeout_s, self._parts.clock)


def _told(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error)
