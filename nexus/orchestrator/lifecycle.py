"""One network's lifecycle: its commands and its upkeep, one at a time, in the order in which they came.

                   StartNetwork                    ready
      OFFLINE ------------------------> STARTING ---------> ONLINE
       ^ ^ ^                             |  |  ^             |  |
       | | +-- failed, or ended by Stop -+  |  +--- died ----+  |
       | |                        upkeep    |  |                |
       | |                        failed    v  | retry          |
       | |                               FAILED                 |
       | +------------ STOPPING <----------+-- StopNetwork, ----+
       |     gone         |                    RemoveNetwork
       +------------------+

Each arrow is a coroutine with its undoing written beside it, and a *turn* is one of them: a queue per network gives
turns, so that between turns the state is only what the route says. An explicit table (Automat) would have to cut the
coroutines at each await, and to repeat for each cut what a queue says once: "later". What is not a queue's business is
told here in full:

- a StartNetwork joins one that is waiting or under way;
- StopNetwork, RemoveNetwork and DeleteNetwork with `remove` *end* a start, or an upkeep's pass, that is waiting or
  under way: it undoes what it did, its callers get a `ConflictError`, and then the command has its turn;
- everything else waits for its turn.

The record is written before the engine is asked: a process that is killed in between leaves a record that says what
was wanted. A StartNetwork that fails puts the desired state back to what it was before, since its caller was told
that it failed; a StopNetwork that fails does not (the network shall be offline; say it again).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from twisted.logger import Logger

from nexus.errors import CapsRefusedError, ConflictError, NexusError
from nexus.model import ContainerState, DesiredState, NetworkChanges, NetworkState
from nexus.orchestrator.attempt import Attempt, Ended
from nexus.orchestrator.hosted import HostedNetwork
from nexus.orchestrator.status import CachedStatus
from nexus.orchestrator.turns import Shared, Turns
from nexus.orchestrator.upkeep import Upkeep

if TYPE_CHECKING:
    from nexus.model import Network, Node, NodeIdentity, Resources
    from nexus.orchestrator.parts import Parts

T = TypeVar("T")

RULE_FIELDS = frozenset({"users", "gateway_public", "api_allowed_origins"})
"""What the edge alone decides by: a running node need not know."""

log = Logger()


class Lifecycle:
    """See the module. A caller that stops waiting for a command does not end it.

    :param idle: called whenever nothing is left to do.
    """

    def __init__(self, name: str, parts: Parts, idle: Callable[[Lifecycle], None]) -> None:
        self.hosted = HostedNetwork(name, parts)
        self._parts = parts
        self._turns = Turns(lambda: idle(self))
        self.upkeep = Upkeep(self.hosted, self._turns, parts)
        self.status = CachedStatus(self.hosted, parts)
        self._starting: tuple[Attempt, Shared[tuple[Network, NodeIdentity]]] | None = None

    async def create(self, record: Network) -> Network:
        """Add the record; the edge knows the network from then on. :raises NetworkExistsError:"""
        return await self._turns.take(lambda: self.hosted.create(record)).wait()

    async def start(self) -> tuple[Network, NodeIdentity]:
        """Bring it online.

        :raises ConflictError: if another command took it offline meanwhile.
        :raises NexusError: as bringing up a node can fail; everything is as before then.
        """
        if self._starting is None or self._starting[0].ended or self._starting[1].done:
            attempt = Attempt(self.hosted.name)
            self._starting = (attempt, self._turns.take(lambda: self._told("StartNetwork", self._start(attempt))))
        return await self._starting[1].wait()

    async def stop(self) -> None:
        """Take it offline; data stay."""
        await self._take_offline("StopNetwork", "it was stopped", remove_data=False)

    async def remove(self) -> None:
        """Take it offline and remove its data."""
        await self._take_offline("RemoveNetwork", "it was removed", remove_data=True)

    async def delete(self, *, remove: bool) -> None:
        """Remove the record.

        :raises ConflictError: while it should be online, or a node or data exist, unless `remove`.
        """
        if remove:
            self._end("it was deleted")
        await self._turns.take(lambda: self._told("DeleteNetwork", self._delete(remove))).wait()

    async def update(self, changes_for: Callable[[Network], NetworkChanges]) -> tuple[Network, list[str]]:
        """Change record and rules at once, and the running node in its turn.

        Where the node could not be changed this fails, and the record keeps the change: the next start takes it on, or
        the same update said again. Resources that the engine refuses are not kept: with them no node could be made.

        :return: the record, and the names of the fields that the running node takes on only when it starts next.
        """
        before: Resources | None = None

        def changes(present: Network) -> NetworkChanges:
            nonlocal before
            before = present.resources
            return changes_for(present)

        def put_back(present: Network) -> NetworkChanges:
            return NetworkChanges(resources=before if present.resources == record.resources else None)

        record, given = await self.hosted.update(changes)
        log.info("{network} updated: {given}", network=record.name, given=sorted(given))
        if given <= RULE_FIELDS:
            return record, []
        try:
            later = await self._turns.take(lambda: self._told("UpdateNetwork", self._update_node(record))).wait()
        except CapsRefusedError:
            await self.hosted.update(put_back)
            raise
        return record, later

    async def close(self) -> None:
        """End what can be ended, undone; wait for the rest. No running node is touched."""
        self.upkeep.close()
        self._end("Nexus is shutting down")
        await self._turns.take(_nothing).wait()

    def _end(self, why: str) -> None:
        if self._starting is not None:
            self._starting[0].end(why)
        self.upkeep.end(why)

    async def _told(self, command: str, work: Awaitable[T]) -> T:
        try:
            result = await work
        except NexusError as error:
            self.hosted.failed(error)
            log.warn("{command} {network} failed: {error}", command=command, network=self.hosted.name, error=error)
            raise
        log.info("{command} {network} done", command=command, network=self.hosted.name)
        return result

    async def _start(self, attempt: Attempt) -> tuple[Network, NodeIdentity]:
        hosted = self.hosted
        try:
            attempt.check()
            record = await hosted.read()
            if record.desired_state is DesiredState.ONLINE and hosted.node is not None:
                node = hosted.node
                return record, await attempt.during(lambda: self._parts.nodes.identify_node(node, record))
            return await self._bring_up(record, attempt)
        except Ended as ended:
            raise ConflictError(hosted.name, f"the start was ended: {ended}") from None

    async def _bring_up(self, record: Network, attempt: Attempt) -> tuple[Network, NodeIdentity]:
        hosted, nodes = self.hosted, self._parts.nodes
        containers = await hosted.nodes()
        new_data = hosted.node_id not in await nodes.volumes()
        attempt.check()
        try:
            if record.desired_state is DesiredState.OFFLINE:
                record = await hosted.record_activation("StartNetwork")
                attempt.on_undo("desired state", lambda: hosted.record_deactivation("StartNetwork did not succeed"))
            todo = hosted.plan(record, containers, renew=True)
            for step in todo.steps:
                hosted.do(step)
            if hosted.node is None:
                hosted.withdraw(NetworkState.STARTING)
            node = await hosted.obtain(todo.node, record, attempt, nodes.create_node, new_data=new_data)
            identity = await attempt.during(lambda: nodes.identify_node(node, record))
            hosted.serve(node)
        except Exception:
            await attempt.undo()
            self._settle(attempt)
            raise
        self.upkeep.served()
        return record, identity

    def _settle(self, attempt: Attempt) -> None:
        """After a start was undone: back to what the record says, which is what it said before."""
        record = self.hosted.record
        if record is None or record.desired_state is DesiredState.OFFLINE:
            self.hosted.withdraw(NetworkState.OFFLINE)
            self.upkeep.rest()
        elif not attempt.ended:
            self.upkeep.retry()

    async def _take_offline(self, command: str, why: str, *, remove_data: bool) -> None:
        self._end(why)
        await self._turns.take(lambda: self._told(command, self._go_offline(command, remove_data))).wait()

    async def _go_offline(self, command: str, remove_data: bool) -> None:
        hosted = self.hosted
        record = await hosted.read()
        if record.desired_state is DesiredState.ONLINE:
            await hosted.record_deactivation(command)
        hosted.withdraw(NetworkState.STOPPING)
        try:
            await hosted.take_down(remove_data=remove_data, keep_lease=False)
        except Exception:
            hosted.withdraw(NetworkState.FAILED)
            raise
        hosted.withdraw(NetworkState.OFFLINE)
        self.upkeep.rest()

    async def _delete(self, remove: bool) -> None:
        hosted = self.hosted
        if remove:
            await self._go_offline("DeleteNetwork", remove_data=True)
        else:
            await self._check_unused(await hosted.read())
        await hosted.delete()
        self.upkeep.rest()

    async def _check_unused(self, record: Network) -> None:
        name = self.hosted.name
        remedy = "RemoveNetwork first, or DeleteNetwork with remove=true"
        if record.desired_state is DesiredState.ONLINE:
            raise ConflictError(name, f"it should be online; {remedy}", "remove")
        if await self.hosted.nodes():
            raise ConflictError(name, f"its node exists; {remedy}", "remove")
        if any(node.network == name for node in await self._parts.nodes.volumes()):
            raise ConflictError(name, f"its data exist; {remedy}", "remove")

    async def _update_node(self, record: Network) -> list[str]:
        node = self.hosted.node
        if node is None and record.desired_state is DesiredState.ONLINE:
            node = await self._running_node()
        return [] if node is None else list(await self._parts.nodes.update_node(node, record))

    async def _running_node(self) -> Node | None:
        """The node, if the engine has it running: it may not be routed yet, or not be known to run."""
        for node in await self.hosted.nodes():
            if node.id == self.hosted.node_id and node.state is ContainerState.RUNNING:
                return node
        return None


async def _nothing() -> None:
    """A turn that only waits for those before it."""
