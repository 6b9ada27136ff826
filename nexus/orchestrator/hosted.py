"""One network as this process holds it: the record as last read, its route, its node; and the acts on them.

Commands and upkeep are made of these acts. Each is idempotent, and none decides anything (`plan` does).

The route has two halves with different lives. The *rules* follow the record at once, whatever else is under way: they
change only here, under the record's lock, so that a slow read can never put back rules that a later write took away.
*State and targets* belong to whoever has the network's turn, and to a death, which takes targets away at any time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, DeferredLock

from nexus.errors import (
    DeadlineError,
    NetworkNotFoundError,
    NodeNotReadyError,
    PortTakenError,
)
from nexus.model import (
    AccessRules,
    DesiredState,
    Lease,
    Network,
    NetworkChanges,
    NetworkState,
    Node,
    NodeId,
    Route,
    RouteTarget,
)
from nexus.orchestrator.plan import (
    Forget,
    Hold,
    NodeStep,
    Plan,
    Release,
    Serve,
    Step,
    Wait,
    Withdraw,
    plan,
)

if TYPE_CHECKING:
    from nexus.orchestrator.attempt import Attempt
    from nexus.orchestrator.parts import Parts


class HostedNetwork:
    """See the module.

    :ivar record: the record as last read or written; None while none is known.
    :ivar node: the node that the route leads to; None while it leads nowhere.
    :ivar last_error: the last failed command or pass, with its time.
    """

    def __init__(self, name: str, parts: Parts) -> None:
        self.name = name
        self.node_id = NodeId(name)
        self.record: Network | None = None
        self.node: Node | None = None
        self.last_error: str | None = None
        self.last_error_at: datetime | None = None
        self._parts = parts
        self._record_lock = DeferredLock()
        self._route: Route | None = None
        self._dead_container_id: str | None = None

    @property
    def route(self) -> Route | None:
        """What was published of this network, if anything."""
        return self._route

    @property
    def state(self) -> NetworkState:
        """What the network is doing."""
        return NetworkState.OFFLINE if self._route is None else self._route.state

    # The record, and the rules that ride on it

    async def read(self) -> Network:
        """The record. :raises NetworkNotFoundError: :raises DatabaseError:"""
        return await self._ask(lambda: self._parts.networks.get(self.name))

    async def create(self, record: Network) -> Network:
        """Add the record. :raises NetworkExistsError: :raises DatabaseError:"""
        return await self._ask(lambda: self._parts.networks.create(record))

    async def update(self, changes_for: Callable[[Network], NetworkChanges]) -> tuple[Network, frozenset[str]]:
        """Change the record by what `changes_for` makes of it; answers it, and the names of the fields that were given,
        changed by that or not."""
        given: Mapping[str, object] = {}

        async def change() -> Network:
            nonlocal given
            before = await self._parts.networks.get(self.name)
            changes = changes_for(before)
            given = changes.given()
            if all(getattr(before, name) == value for name, value in given.items()):
                return before
            return await self._parts.networks.update(self.name, changes)

        record = await self._ask(change)
        return record, frozenset(given)

    async def record_activation(self, reason: str) -> Network:
        """Write down that it shall be online. :raises NetworkNotFoundError: :raises DatabaseError:"""
        return await self._ask(lambda: self._parts.networks.record_activation(self.name, self._parts.now(), reason))

    async def record_deactivation(self, reason: str) -> Network:
        """Write down that it shall be offline. :raises NetworkNotFoundError: :raises DatabaseError:"""
        return await self._ask(lambda: self._parts.networks.record_deactivation(self.name, self._parts.now(), reason))

    async def delete(self) -> None:
        """Remove the record, and the route with it. :raises NetworkNotFoundError: :raises DatabaseError:"""
        await self._record_lock.acquire()
        try:
            await self._parts.networks.delete(self.name)
            self.forget()
        finally:
            self._record_lock.release()

    def know(self, record: Network) -> None:
        """This is the record: the edge decides by its rules from now on."""
        self.record = record
        self._publish(rules=record.rules)

    async def _ask(self, ask: Callable[[], Awaitable[Network]]) -> Network:
        await self._record_lock.acquire()
        try:
            record = await ask()
            self.know(record)
            return record
        finally:
            self._record_lock.release()

    # The route

    def serve(self, node: Node) -> None:
        """Route to `node`.

        :raises NodeNotReadyError: if its container died since.
        :raises NetworkNotFoundError: if no record is known.
        """
        if node.container_id == self._dead_container_id:
            raise NodeNotReadyError(self.name, "died as soon as it was ready")
        if self.record is None:
            raise NetworkNotFoundError(self.name)
        bearers = self.record.rpc_bearers
        target = RouteTarget(
            index=node.id.index,
            api=node.api_address,
            gateway=node.gateway_address,
            rpc_bearer=bearers[node.id.index] if node.id.index < len(bearers) else None,
            container_id=node.container_id,
        )
        self.node = node
        self._publish(state=NetworkState.ONLINE, targets=(target,))

    def withdraw(self, state: NetworkState) -> None:
        """Route to no node. When this returns the edge has dropped what was open to it."""
        self.node = None
        self._publish(state=state, targets=())

    def forget(self) -> None:
        """The edge shall not know the network any more."""
        self.record = None
        self.node = None
        if self._route is not None:
            self._route = None
            self._parts.registry.remove(self.name)

    def container_died(self, container_id: str) -> bool:
        """A container of this network died; says whether the route led to it, and withdraws it then."""
        self._dead_container_id = container_id
        if self.node is None or self.node.container_id != container_id:
            return False
        self.withdraw(NetworkState.STARTING)
        return True

    def container_started(self, container_id: str) -> None:
        """A container of this network was started, by whomever."""
        if self._dead_container_id == container_id:
            self._dead_container_id = None

    def note(self, error: Exception) -> None:
        """Keep what went wrong for whoever asks why."""
        self.last_error = str(error)
        self.last_error_at = self._parts.now()

    def failed(self, error: Exception) -> None:
        """A command or pass failed. A network that should be online, and is not routed, is told to have failed."""
        self.note(error)
        if self._route is not None and not self._route.targets:
            wanted = self.record is not None and self.record.desired_state is DesiredState.ONLINE
            self._publish(state=NetworkState.FAILED if wanted else self._route.state)

    def _publish(
        self,
        *,
        rules: AccessRules | None = None,
        state: NetworkState | None = None,
        targets: tuple[RouteTarget, ...] | None = None,
    ) -> None:
        now = self._route or Route(network=self.name, generation=0, rules=AccessRules(), state=NetworkState.OFFLINE)
        self._route = self._parts.registry.publish(
            self.name,
            rules=now.rules if rules is None else rules,
            state=now.state if state is None else state,
            targets=now.targets if targets is None else targets,
        )

    # The node

    async def nodes(self) -> Sequence[Node]:
        """The network's containers, in whatever state, from one list call. :raises EngineError:"""
        return [node for node in await self._parts.listing.nodes() if node.id.network == self.name]

    def plan(
        self, record: Network | None, nodes: Sequence[Node], *, suspect: bool = False, renew: bool = False
    ) -> Plan:
        """What `plan` says, given these and what is held of the network here."""
        return plan(
            self.node_id,
            record,
            nodes,
            route=self._route,
            lease=self._parts.leases.get(self.node_id),
            revision_of=lambda network, node: self._parts.nodes.node_revision(network, node.lease),
            suspect=suspect,
            renew=renew,
        )

    def do(self, step: Step) -> None:
        """Do a step that takes no time. :raises ConflictError: where a lease is another's."""
        match step:
            case Hold(lease):
                self._parts.leases.adopt(lease)
            case Release(node):
                self._parts.leases.release(node)
            case Withdraw(state):
                self.withdraw(state)
            case Forget():
                self.forget()

    async def obtain(
        self,
        step: NodeStep | None,
        record: Network,
        attempt: Attempt,
        create: Callable[[Network, Lease], Deferred[Node]],
        *,
        new_data: bool = False,
    ) -> Node:
        """A node that is ready, and not routed yet (or the routed one, where there is nothing to do).

        :param create: how to make one: `INodes.create_node`, perhaps not at once.
        :param new_data: whether the network has no data yet, so that undoing removes what the new node made.
        :raises Ended: when the attempt was ended.
        :raises NexusError: as `INodes.create_node` and `INodes.await_ready` fail, and `ExhaustedError`.
        """
        nodes, leases = self._parts.nodes, self._parts.leases
        self._dead_container_id = None  # an older death is answered by what follows; one from now on is not
        if isinstance(step, Wait):
            raise NodeNotReadyError(self.name, f"is not ready: {step.reason}")
        if step is None:
            if self.node is None:
                raise NodeNotReadyError(self.name, "is not there")
            return self.node
        if isinstance(step, Serve):
            try:
                await attempt.during(lambda: nodes.await_ready(step.node, record))
            except (NodeNotReadyError, DeadlineError):
                self.withdraw(NetworkState.STARTING)
                raise
            return step.node
        if step.instead_of is not None:
            attempt.check()
            await nodes.stop_node(self.node_id)
        had_lease = leases.get(self.node_id) is not None
        lease = leases.lease(self.node_id)
        attempt.on_undo("node", lambda: self.take_down(remove_data=new_data, keep_lease=had_lease))
        try:
            return await attempt.during(lambda: create(record, lease))
        except PortTakenError:
            leases.release(self.node_id, in_use=True)
            raise

    async def take_down(self, *, remove_data: bool, keep_lease: bool) -> None:
        """Stop the node and remove its container, with its data or without. Idempotent.

        The lease goes only when the container certainly has: nobody else may get an address that might still answer.

        :raises EngineError: if the engine could not do it; the lease is kept then.
        """
        nodes = self._parts.nodes
        await (nodes.remove_node(self.node_id) if remove_data else nodes.stop_node(self.node_id))
        if not keep_lease:
            self._parts.leases.release(self.node_id)
