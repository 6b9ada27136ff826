"""The registry: routes, generations and observers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from nexus.interfaces import IRouteObserver, ISubscription
from nexus.model import AccessRules, Address, NetworkState, Route, RouteTarget
from nexus.registry import Registry


@implementer(IRouteObserver)
class RecordingObserver:
    """Keeps what it was told, and what the registry said at that moment."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.told: list[tuple[str, Route, Route | None]] = []

    def route_added(self, route: Route) -> None:
        """See `IRouteObserver`."""
        self.told.append(("added", route, self.registry.route(route.network)))

    def route_changed(self, old: Route, new: Route) -> None:
        """See `IRouteObserver`."""
        self.told.append(("changed", new, self.registry.route(new.network)))

    def route_removed(self, route: Route) -> None:
        """See `IRouteObserver`."""
        self.told.append(("removed", route, self.registry.route(route.network)))


@implementer(IRouteObserver)
class FailingObserver:
    """Fails at every call."""

    def route_added(self, route: Route) -> None:
        """See `IRouteObserver`."""
        raise RuntimeError("observer")

    def route_changed(self, old: Route, new: Route) -> None:
        """See `IRouteObserver`."""
        raise RuntimeError("observer")

    def route_removed(self, route: Route) -> None:
        """See `IRouteObserver`."""
        raise RuntimeError("observer")


def make_target(host: str = "10.0.0.2") -> RouteTarget:
    """A target at `host`."""
    return RouteTarget(
        index=0, api=Address(host, 5001), gateway=Address(host, 8080), rpc_bearer=None, container_id=f"c-{host}"
    )


def publish(registry: Registry, *hosts: str, users: frozenset[str] = frozenset(), name: str = "demo") -> Route:
    """Publish a route of `name` to `hosts`."""
    return registry.publish(
        name,
        rules=AccessRules(users=users),
        state=NetworkState.ONLINE if hosts else NetworkState.OFFLINE,
        targets=tuple(make_target(host) for host in hosts),
    )


class RegistryTests(SynchronousTestCase):
    """What the edge may rely on."""

    def test_unknown(self) -> None:
        """Nothing is known of a network that nobody published."""
        self.assertIsNone(Registry().route("demo"))

    def test_published(self) -> None:
        """What was published is what a request finds."""
        registry = Registry()
        route = publish(registry, "10.0.0.2")
        self.assertIs(registry.route("demo"), route)
        self.assertEqual(registry.routes(), [route])

    def test_new_targets_new_generation(self) -> None:
        """A node that moved is another generation, and one that came back is not the first again."""
        registry = Registry()
        generations = [publish(registry, *hosts).generation for hosts in (["10.0.0.2"], ["10.0.0.3"], [], ["10.0.0.2"])]
        self.assertEqual(generations, sorted(set(generations)))

    def test_rules_alone_keep_the_generation(self) -> None:
        """A change of users disturbs no connection."""
        registry = Registry()
        before = publish(registry, "10.0.0.2")
        after = publish(registry, "10.0.0.2", users=frozenset({"ann"}))
        self.assertEqual(after.generation, before.generation)
        self.assertEqual(after.rules.users, {"ann"})

    def test_generations_are_unique_across_networks(self) -> None:
        """An address that passes from one network to another never carries the same generation."""
        registry = Registry()
        first = publish(registry, "10.0.0.2", name="one")
        registry.remove("one")
        second = publish(registry, "10.0.0.2", name="two")
        third = publish(registry, "10.0.0.2", name="one")
        self.assertEqual(len({first.generation, second.generation, third.generation}), 3)

    def test_observers_are_told_before_publish_returns(self) -> None:
        """When publish is back, every observer has seen the change, and the registry already answers with it."""
        registry = Registry()
        observer = RecordingObserver(registry)
        verifyObject(IRouteObserver, observer)
        registry.observe(observer)
        first = publish(registry, "10.0.0.2")
        second = publish(registry)
        registry.remove("demo")
        self.assertEqual(
            observer.told, [("added", first, first), ("changed", second, second), ("removed", second, None)]
        )

    def test_nothing_new_tells_nobody(self) -> None:
        """Publishing the same again is no change."""
        registry = Registry()
        route = publish(registry, "10.0.0.2")
        observer = RecordingObserver(registry)
        registry.observe(observer)
        self.assertIs(publish(registry, "10.0.0.2"), route)
        self.assertEqual(observer.told, [])

    def test_closed_subscription(self) -> None:
        """A closed subscription hears nothing, however often it is closed."""
        registry = Registry()
        observer = RecordingObserver(registry)
        subscription = registry.observe(observer)
        verifyObject(ISubscription, subscription)
        subscription.close()
        subscription.close()
        publish(registry, "10.0.0.2")
        self.assertEqual(observer.told, [])

    def test_a_failing_observer_stops_nobody(self) -> None:
        """One observer's fault is logged and does not keep the next from cutting its connections."""
        registry = Registry()
        observer = RecordingObserver(registry)
        registry.observe(FailingObserver())
        registry.observe(observer)
        publish(registry, "10.0.0.2")
        publish(registry, "10.0.0.3")
        registry.remove("demo")
        self.assertEqual([kind for kind, _, _ in observer.told], ["added", "changed", "removed"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 3)

    def test_removing_the_unknown(self) -> None:
        """Removing what is not there is done already."""
        registry = Registry()
        registry.remove("demo")
        self.assertEqual(registry.routes(), [])
