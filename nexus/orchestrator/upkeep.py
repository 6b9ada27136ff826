"""Upkeep of one network between commands: it is woken, re-reads the truth, plans, and acts.

What wakes it says only *that* something may have happened. Looking is cheap and always done; making a node anew is
held back after failures in a row (`Timings`), so that a broken network costs nobody else anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.logger import Logger

from nexus.errors import NetworkNotFoundError, NexusError, NodeNotReadyError
from nexus.model import NetworkState, NodeEventKind
from nexus.orchestrator.attempt import Attempt, Ended
from nexus.orchestrator.plan import MakeNode, Serve

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall

    from nexus.model import Lease, Network, Node, NodeEvent
    from nexus.orchestrator.hosted import HostedNetwork
    from nexus.orchestrator.parts import Parts
    from nexus.orchestrator.plan import NodeStep
    from nexus.orchestrator.turns import Turns

log = Logger()


class Upkeep:
    """See the module."""

    def __init__(self, hosted: HostedNetwork, turns: Turns, parts: Parts) -> None:
        self._hosted = hosted
        self._turns = turns
        self._parts = parts
        self._timer: IDelayedCall | None = None
        self._attempt: Attempt | None = None
        self._again = False
        self._suspect = False
        self._suspected_at: float | None = None
        self._failures = 0
        self._make_not_before = 0.0
        self._served_at: float | None = None
        self._closed = False

    @property
    def waiting(self) -> bool:
        """Whether it will look by itself."""
        return self._timer is not None

    def adopt(self, nodes: Sequence[Node]) -> None:
        """At start-up, take over what runs, from the list that was made for all networks: route to it at once and touch
        nothing. What else is to be done is left to a pass."""
        hosted = self._hosted
        todo = hosted.plan(hosted.record, nodes)
        try:
            for step in todo.steps:
                hosted.do(step)
            if isinstance(todo.node, Serve):
                hosted.serve(todo.node.node)
                self.served()
                log.info("the running node of {network} is taken over", network=hosted.name)
                return
            for difference in todo.differences:
                log.warn("network {network}: {difference}", network=hosted.name, difference=difference)
            if todo.node is not None:
                self.wake()
        except NexusError as error:
            self._failed(error)

    # What wakes it

    def wake(self, delay_s: float = 0.0) -> None:
        """Look at the network in `delay_s`, or earlier where that was asked for already."""
        if self._closed:
            return
        clock = self._parts.clock
        if self._timer is not None:
            if self._timer.getTime() <= clock.seconds() + delay_s:
                return
            self._timer.cancel()
        self._timer = clock.callLater(delay_s, self._look)

    def node_event(self, event: NodeEvent) -> None:
        """Something happened to a container of the network. The route to a dead one is gone when this returns."""
        hosted, delay_s = self._hosted, self._parts.timings.grace_s
        match event.kind:
            case NodeEventKind.DIED | NodeEventKind.REMOVED:
                if hosted.container_died(event.container_id):
                    log.warn("the node of {network} died; its route is withdrawn", network=hosted.name, event=event)
                    hosted.note(NodeNotReadyError(hosted.name, "died"))
                    self._count_fault()
            case NodeEventKind.STARTED:
                hosted.container_started(event.container_id)
                delay_s = 0.0
            case NodeEventKind.OOM:
                log.warn("the node of {network} ran out of memory", network=hosted.name, event=event)
        self.wake(delay_s)

    def suspect(self, generation: int) -> None:
        """A dial to the node of that generation of the route failed."""
        route, now = self._hosted.route, self._parts.clock.seconds()
        if route is None or route.generation != generation or not route.targets:
            return
        if self._suspected_at is None or now - self._suspected_at >= self._parts.timings.suspicion_interval_s:
            self._suspected_at = now
            self._suspect = True
            self.wake()

    # What commands tell it

    def end(self, why: str) -> None:
        """A command takes the network elsewhere: go no further with what is under way."""
        if self._attempt is not None:
            self._attempt.end(why)

    def served(self) -> None:
        """The network is online now."""
        self._served_at = self._parts.clock.seconds()

    def retry(self) -> None:
        """A command that should have brought it online failed, and it still shall be: try again, later."""
        self._count_fault()
        self.wake(max(0.0, self._make_not_before - self._parts.clock.seconds()))

    def rest(self) -> None:
        """The network is offline and shall be: nothing to retry, and old failures are forgotten."""
        self._failures = 0
        self._make_not_before = 0.0
        self._served_at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Look no more."""
        self.rest()
        self._closed = True
        self.end("Nexus is shutting down")

    # One pass

    def _look(self) -> None:
        self._timer = None
        if self._attempt is not None:
            self._again = True
            return
        attempt = self._attempt = Attempt(self._hosted.name)
        self._turns.take(lambda: self._pass(attempt))

    async def _pass(self, attempt: Attempt) -> None:
        try:
            await self._converge(attempt)
        except Ended:
            await attempt.undo()
        except NexusError as error:
            await attempt.undo()
            self._failed(error)
        except Exception as error:  # the border: nobody waits for a pass
            log.failure("upkeep of {network} failed", network=self._hosted.name)
            await attempt.undo()
            self._failed(error)
        finally:
            self._attempt = None
            if self._again:
                self._again = False
                self.wake()

    async def _converge(self, attempt: Attempt) -> None:
        attempt.check()
        hosted = self._hosted
        suspect, self._suspect = self._suspect, False
        nodes = await hosted.nodes()
        record: Network | None
        try:
            record = await hosted.read()
        except NetworkNotFoundError:
            record = None
        attempt.check()
        todo = hosted.plan(record, nodes, suspect=suspect)
        for step in todo.steps:
            hosted.do(step)
        if record is not None and todo.node is not None:
            await self._bring_back(todo.node, record, attempt)
        if hosted.node is not None and self._served_at is None:
            self.served()

    async def _bring_back(self, step: NodeStep, record: Network, attempt: Attempt) -> None:
        hosted = self._hosted
        wait_s = self._make_not_before - self._parts.clock.seconds()
        if isinstance(step, MakeNode) and wait_s > 0:
            hosted.withdraw(NetworkState.FAILED)
            self.wake(wait_s)
            return
        log.info("bringing back the node of {network}: {step}", network=hosted.name, step=type(step).__name__)
        if hosted.node is None:
            hosted.withdraw(NetworkState.STARTING)
        hosted.serve(await hosted.obtain(step, record, attempt, self._create_unhurried))
        log.info("the node of {network} is back", network=hosted.name)

    def _create_unhurried(self, record: Network, lease: Lease) -> Deferred[Node]:
        return self._parts.unhurried.run(self._parts.nodes.create_node, record, lease)

    def _failed(self, error: Exception) -> None:
        self._count_fault()
        self._hosted.failed(error)
        delay_s = max(self._make_not_before - self._parts.clock.seconds(), self._parts.timings.grace_s)
        log.warn(
            "upkeep of {network} failed, next try in {delay_s} s: {error}",
            network=self._hosted.name,
            delay_s=delay_s,
            error=error,
        )
        self.wake(delay_s)

    def _count_fault(self) -> None:
        now, timings = self._parts.clock.seconds(), self._parts.timings
        settled = self._served_at is not None and now - self._served_at >= timings.settled_after_s
        self._served_at = None
        if settled:
            self._failures = 0
            self._make_not_before = now
            return
        self._failures += 1
        self._make_not_before = now + timings.retry_delay_s(self._failures)
