"""Planning: what to do so that one network becomes what its record says. Pure: values in, values out.

Whatever wakes a network (start-up, a node's event, a failed dial, a command), this decides. It promises: no step ever
touches data; no step touches a container of a network that should be offline, or that has no record; a node that runs
and is routed is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nexus.model import ContainerState, DesiredState, Lease, Network, NetworkState, Node, NodeId, Route

_PASSING: Final = {
    ContainerState.RESTARTING: "the engine is restarting its container",
    ContainerState.REMOVING: "the engine is removing its container",
    ContainerState.PAUSED: "its container is paused",
}
"""States that end by the engine's doing, or by that of whoever paused it: not ours to interrupt."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Take over the lease that a container has."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Release:
    """Give back the lease of a node that is gone and not wanted."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Route to no node; the network is in `state`."""

    state: NetworkState


@dataclass(frozen=True, slots=True)
class Forget:
    """Route the network no more: it has no record."""


@dataclass(frozen=True, slots=True)
class Serve:
    """The node runs: route to it (once it is known to be ready)."""

    node: Node


@dataclass(frozen=True, slots=True)
class MakeNode:
    """Make a node, after `instead_of`'s container was removed (data stay)."""

    instead_of: Node | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again later."""

    reason: str


Step = Hold | Release | Withdraw | Forget
"""What takes no time."""

NodeStep = Serve | MakeNode | Wait
"""What is to be done about the node: may take long, and fail."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in their order, then the one about the node; and in sentences what differs from the desired state."""

    steps: tuple[Step, ...] = ()
    node: NodeStep | None = None
    differences: tuple[str, ...] = ()


def plan(
    node_id: NodeId,
    record: Network | None,
    nodes: Sequence[Node],
    *,
    route: Route | None,
    lease: Lease | None,
    revision_of: Callable[[Network, Node], str],
    suspect: bool = False,
    renew: bool = False,
) -> Plan:
    """What brings node `node_id` to what `record` says.

    :param nodes: the containers of its network, in whatever state.
    :param route: what the edge knows of the network, if anything.
    :param lease: what the node holds of the ranges, if anything.
    :param revision_of: the revision that a node would have if it were made from the record now (pure, too).
    :param suspect: somebody could not reach the node: see whether it is ready, though it runs and is routed.
    :param renew: a start that was asked for: nothing is waited for, and a node of another revision is made anew.
    """
    node, differences = _choose(node_id, nodes, route)
    hold: tuple[Step, ...] = (Hold(node.lease),) if node is not None and node.lease != lease else ()
    if record is None or record.desired_state is DesiredState.OFFLINE:
        if node is not None:
            why = "no record names its network" if record is None else "its network should be offline"
            differences.append(f"container {node.container_name} is {node.state}, but {why}; it is left as it is")
        release = (Release(node_id),) if node is None and lease is not None else ()
        return Plan((*hold, *_unroute(record, node, route), *release), None, tuple(differences))
    if node is None:
        differences.append("it should be online, but has no container")
        return Plan(_withdraw(route), MakeNode(None), tuple(differences))
    outdated = node.revision != revision_of(record, node)
    if outdated:
        differences.append(
            f"container {node.container_name} was made from an older record or configuration; StopNetwork and then"
            " StartNetwork renew it"
        )
    if node.state is ContainerState.RUNNING:
        if outdated and renew:
            return Plan(_withdraw(route), MakeNode(node), tuple(differences))
        if _routed(node, route):
            return Plan(hold, Serve(node) if suspect else None, tuple(differences))
        differences.append(f"container {node.container_name} runs, but is not routed")
        return Plan((*hold, *_withdraw(route)), Serve(node), tuple(differences))
    differences.append(f"it should be online, but container {node.container_name} is {node.state}")
    if node.state in _PASSING and not renew:
        return Plan((*hold, *_withdraw(route)), Wait(_PASSING[node.state]), tuple(differences))
    return Plan(_withdraw(route), MakeNode(node), tuple(differences))


def _choose(node_id: NodeId, nodes: Sequence[Node], route: Route | None) -> tuple[Node | None, list[str]]:
    """The container that counts as the node: the routed one, else a running one, else the newest. Others are told."""
    ours = [node for node in nodes if node.id == node_id]
    ours.sort(
        key=lambda node: (_routed(node, route), node.state is ContainerState.RUNNING, node.created_at), reverse=True
    )
    strange = [*ours[1:], *(node for node in nodes if node.id != node_id)]
    return (
        ours[0] if ours else None,
        [f"container {node.container_name} is one too many; it is left as it is" for node in strange],
    )


def _routed(node: Node, route: Route | None) -> bool:
    return route is not None and any(
        (target.container_id, target.api, target.gateway) == (node.container_id, node.api_address, node.gateway_address)
        for target in route.targets
    )


def _withdraw(route: Route | None) -> tuple[Step, ...]:
    return (Withdraw(NetworkState.STARTING),) if route is not None and route.targets else ()


def _unroute(record: Network | None, node: Node | None, route: Route | None) -> tuple[Step, ...]:
    if route is None:
        return ()
    if record is None:
        return (Forget(),)
    # A node that a failed stop left behind keeps its network's state FAILED until it is gone.
    settled = route.state is NetworkState.OFFLINE or node is not None
    return () if settled and not route.targets else (Withdraw(NetworkState.OFFLINE),)
