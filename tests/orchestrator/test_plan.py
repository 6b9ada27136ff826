"""The plan, row by row: what is wanted, what is there, what is to be done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nexus.model import (
    AccessRules,
    ContainerState,
    DesiredState,
    Lease,
    Network,
    NetworkState,
    Node,
    NodeId,
    Resources,
    Route,
    RouteTarget,
)
from nexus.orchestrator.plan import Forget, Hold, MakeNode, Plan, Release, Serve, Wait, Withdraw, plan
from nexus.secrets import Secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEMO = NodeId("demo")
LEASE = Lease(node=DEMO, swarm_port=4000, address="10.0.0.32")
OFFLINE = Network(name="demo", swarm_key=Secret("key"), rpc_bearers=(Secret("b"),), created_at=NOW, updated_at=NOW)
ONLINE = replace(OFFLINE, desired_state=DesiredState.ONLINE)


def make_node(state: ContainerState = ContainerState.RUNNING, container_id: str = "one", lease: Lease = LEASE) -> Node:
    """A node as the record would have it made."""
    return Node(
        id=lease.node,
        container_id=container_id,
        container_name=f"nexus-{container_id}",
        image="kubo",
        state=state,
        lease=lease,
        resources=Resources(),
        revision="now",
        created_at=NOW,
    )


RUNNING = make_node()
DEAD = make_node(ContainerState.EXITED)


def make_route(state: NetworkState, *nodes: Node) -> Route:
    """A route to these nodes."""
    targets = tuple(
        RouteTarget(
            index=node.id.index,
            api=node.api_address,
            gateway=node.gateway_address,
            rpc_bearer=None,
            container_id=node.container_id,
        )
        for node in nodes
    )
    return Route(network="demo", generation=1, rules=AccessRules(), state=state, targets=targets)


ROUTED = make_route(NetworkState.ONLINE, RUNNING)
UNROUTED = make_route(NetworkState.OFFLINE)


def planned(
    record: Network | None,
    *nodes: Node,
    route: Route | None = UNROUTED,
    lease: Lease | None = LEASE,
    suspect: bool = False,
    renew: bool = False,
    revision: str = "now",
) -> Plan:
    """The plan for `demo`."""
    return plan(
        DEMO,
        record,
        nodes,
        route=route,
        lease=lease,
        revision_of=lambda network, node: revision,
        suspect=suspect,
        renew=renew,
    )


class WantedOnlineTests(SynchronousTestCase):
    """The record says online."""

    def test_as_it_should_be(self) -> None:
        """What runs and is routed is left alone, and nothing differs."""
        self.assertEqual(planned(ONLINE, RUNNING, route=ROUTED), Plan())

    def test_missing(self) -> None:
        """Without a container one is made."""
        result = planned(ONLINE, lease=None)
        self.assertEqual((result.steps, result.node), ((), MakeNode(None)))
        self.assertIn("has no container", result.differences[0])

    def test_removed_by_hand(self) -> None:
        """A route to a container that is gone is withdrawn before another is made."""
        result = planned(ONLINE, route=ROUTED)
        self.assertEqual((result.steps, result.node), ((Withdraw(NetworkState.STARTING),), MakeNode(None)))

    def test_runs_unrouted(self) -> None:
        """A running container is taken over: lease, then route."""
        result = planned(ONLINE, RUNNING, lease=None)
        self.assertEqual((result.steps, result.node), ((Hold(LEASE),), Serve(RUNNING)))

    def test_dead(self) -> None:
        """A dead container is made anew, in whichever way it is dead."""
        for state in (ContainerState.EXITED, ContainerState.DEAD, ContainerState.CREATED):
            node = make_node(state)
            result = planned(ONLINE, node, route=ROUTED)
            self.assertEqual((result.steps, result.node), ((Withdraw(NetworkState.STARTING),), MakeNode(node)))
            self.assertIn(state.value, result.differences[0])

    def test_passing_states(self) -> None:
        """What the engine, or somebody, is about to end is waited for, unrouted."""
        for state in (ContainerState.RESTARTING, ContainerState.REMOVING, ContainerState.PAUSED):
            result = planned(ONLINE, make_node(state), route=ROUTED)
            self.assertEqual(result.steps, (Withdraw(NetworkState.STARTING),))
            self.assertIsInstance(result.node, Wait)

    def test_passing_states_at_a_start(self) -> None:
        """Somebody who asks for a start does not wait for them."""
        node = make_node(ContainerState.PAUSED)
        self.assertEqual(planned(ONLINE, node, renew=True).node, MakeNode(node))

    def test_replaced_by_hand(self) -> None:
        """A route to another container than the one there is moves."""
        another = make_node(container_id="two")
        result = planned(ONLINE, another, route=ROUTED)
        self.assertEqual((result.steps, result.node), ((Withdraw(NetworkState.STARTING),), Serve(another)))

    def test_moved(self) -> None:
        """So does a route to another address of the same container."""
        moved = make_node(lease=replace(LEASE, address="10.0.0.99"))
        result = planned(ONLINE, moved, route=ROUTED)
        self.assertEqual(result.steps, (Hold(moved.lease), Withdraw(NetworkState.STARTING)))
        self.assertEqual(result.node, Serve(moved))

    def test_suspect(self) -> None:
        """A routed node that somebody could not reach is looked at, and stays routed meanwhile."""
        self.assertEqual(planned(ONLINE, RUNNING, route=ROUTED, suspect=True), Plan((), Serve(RUNNING)))

    def test_outdated(self) -> None:
        """A container of an older record is told of, and left running."""
        result = planned(ONLINE, RUNNING, route=ROUTED, revision="later")
        self.assertEqual((result.steps, result.node), ((), None))
        self.assertIn("older record or configuration; StopNetwork and then StartNetwork", result.differences[0])

    def test_outdated_at_a_start(self) -> None:
        """A start that was asked for makes it anew."""
        self.assertEqual(planned(ONLINE, RUNNING, renew=True, revision="later").node, MakeNode(RUNNING))


class NotWantedTests(SynchronousTestCase):
    """The record says offline, or there is none."""

    def test_nothing_there(self) -> None:
        """Nothing is done where nothing is."""
        self.assertEqual(planned(OFFLINE, lease=None), Plan())
        self.assertEqual(planned(None, route=None, lease=None), Plan())

    def test_runs(self) -> None:
        """A container that runs all the same is not touched and not routed; its lease is not given away."""
        result = planned(OFFLINE, RUNNING, route=ROUTED, lease=None)
        self.assertEqual((result.steps, result.node), ((Hold(LEASE), Withdraw(NetworkState.OFFLINE)), None))
        self.assertIn("should be offline", result.differences[0])

    def test_orphan(self) -> None:
        """So it is with a container of no network on record, which the edge then does not know."""
        result = planned(None, RUNNING, route=ROUTED, lease=None)
        self.assertEqual((result.steps, result.node), ((Hold(LEASE), Forget()), None))
        self.assertIn("no record", result.differences[0])

    def test_gone(self) -> None:
        """The lease of a container that is gone is given back, after the route to it."""
        self.assertEqual(planned(OFFLINE, route=ROUTED), Plan((Withdraw(NetworkState.OFFLINE), Release(DEMO))))
        self.assertEqual(planned(None, route=ROUTED), Plan((Forget(), Release(DEMO))))

    def test_failed_stop(self) -> None:
        """A network whose stop failed stays failed until its container is gone."""
        failed = make_route(NetworkState.FAILED)
        self.assertEqual(planned(OFFLINE, DEAD, route=failed).steps, ())
        self.assertEqual(planned(OFFLINE, route=failed, lease=None).steps, (Withdraw(NetworkState.OFFLINE),))


class ManyContainersTests(SynchronousTestCase):
    """More containers than there should be."""

    def test_routed_one_counts(self) -> None:
        """The routed one is the node, whatever else runs; the other is told of and left."""
        newer = replace(make_node(container_id="two"), created_at=NOW + timedelta(days=1))
        result = planned(ONLINE, newer, RUNNING, route=ROUTED)
        self.assertEqual((result.steps, result.node), ((), None))
        self.assertIn("nexus-two is one too many", result.differences[0])

    def test_running_one_counts(self) -> None:
        """Unrouted, a running one is preferred."""
        newer = replace(DEAD, container_id="two", created_at=NOW + timedelta(days=1))
        self.assertEqual(planned(ONLINE, newer, RUNNING).node, Serve(RUNNING))

    def test_other_index(self) -> None:
        """A node that no network has yet is told of and left."""
        second = make_node(container_id="two", lease=replace(LEASE, node=NodeId("demo", 1)))
        result = planned(ONLINE, RUNNING, second, route=ROUTED)
        self.assertEqual((result.steps, result.node), ((), None))
        self.assertEqual(len(result.differences), 1)


LEASES = st.sampled_from([LEASE, replace(LEASE, address="10.0.0.99")])
NODES = st.builds(make_node, st.sampled_from(ContainerState), st.sampled_from(["one", "two"]), LEASES)
ROUTES = st.one_of(
    st.none(),
    st.builds(make_route, st.sampled_from(NetworkState), NODES),
    st.builds(make_route, st.sampled_from(NetworkState)),
)


class PropertyTests(SynchronousTestCase):
    """Whatever is there."""

    @settings(deadline=None)  # a busy machine is no failure
    @given(
        record=st.sampled_from([None, OFFLINE, ONLINE]),
        nodes=st.lists(NODES, max_size=2),
        route=ROUTES,
        lease=st.one_of(st.none(), LEASES),
    )
    def test_converges(
        self, record: Network | None, nodes: list[Node], route: Route | None, lease: Lease | None
    ) -> None:
        """Doing what the plan says, again and again, ends soon with nothing left to do."""
        for _ in range(4):
            todo = planned(record, *nodes, route=route, lease=lease)
            if not todo.steps and todo.node is None:
                return
            nodes, route, lease = applied(todo, nodes, route, lease)
        self.fail(f"still to do: {todo}")

    @settings(deadline=None)  # a busy machine is no failure
    @given(record=st.sampled_from([None, OFFLINE]), nodes=st.lists(NODES, max_size=2), route=ROUTES)
    def test_unwanted_containers_untouched(
        self, record: Network | None, nodes: list[Node], route: Route | None
    ) -> None:
        """No container of a network that should be offline, or is not on record, is ever touched."""
        self.assertIsNone(planned(record, *nodes, route=route).node)

    @settings(deadline=None)  # a busy machine is no failure
    @given(nodes=st.lists(NODES, max_size=2), route=ROUTES)
    def test_only_dead_containers_replaced(self, nodes: list[Node], route: Route | None) -> None:
        """Upkeep makes a node anew only where its container neither runs nor is about to change by itself."""
        step = planned(ONLINE, *nodes, route=route).node
        if isinstance(step, MakeNode) and step.instead_of is not None:
            self.assertIn(step.instead_of.state, (ContainerState.EXITED, ContainerState.DEAD, ContainerState.CREATED))


def applied(
    todo: Plan, nodes: list[Node], route: Route | None, lease: Lease | None
) -> tuple[list[Node], Route | None, Lease | None]:
    """The world after a plan was carried out and what was waited for has come."""
    for step in todo.steps:
        match step:
            case Hold(taken):
                lease = taken
            case Release():
                lease = None
            case Withdraw(state):
                route = make_route(state)
            case Forget():
                route = None
    match todo.node:
        case Serve(node):
            route = make_route(NetworkState.ONLINE, node)
        case MakeNode():
            lease = lease or LEASE
            nodes = [make_node(container_id="three", lease=lease)]
            route = make_route(NetworkState.ONLINE, *nodes)
        case Wait():
            nodes = [replace(node, state=ContainerState.EXITED) for node in nodes]
    return nodes, route, lease
