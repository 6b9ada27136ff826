"""Who may pass: the table of docs/architecture.md, row by row."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from nexus.access import Decision, decide
from nexus.model import AccessRules, Feature, NetworkState, Route
from tests.test_registry import make_target


def make_route(*, public: bool, running: bool) -> Route:
    """A network whose one member is ann."""
    return Route(
        network="demo",
        generation=1,
        rules=AccessRules(users=frozenset({"ann"}), gateway_public=public),
        state=NetworkState.ONLINE if running else NetworkState.OFFLINE,
        targets=(make_target(),) if running else (),
    )


PRIVATE_STOPPED = make_route(public=False, running=False)
PRIVATE_RUNNING = make_route(public=False, running=True)
PUBLIC_STOPPED = make_route(public=True, running=False)
PUBLIC_RUNNING = make_route(public=True, running=True)

# feature, user -> decisions for: unknown network, private stopped, private running, public stopped, public running
A, P, U, F, N, X = (
    Decision.ALLOW,
    Decision.ALLOW_PUBLIC,
    Decision.UNAUTHENTICATED,
    Decision.FORBIDDEN,
    Decision.NOT_FOUND,
    Decision.UNAVAILABLE,
)
TABLE: dict[tuple[Feature, str | None], tuple[Decision, Decision, Decision, Decision, Decision]] = {
    (Feature.API, None): (U, U, U, U, U),
    (Feature.API, "bob"): (F, F, F, F, F),
    (Feature.API, "ann"): (F, X, A, X, A),
    (Feature.GATEWAY, None): (N, N, N, X, A),
    (Feature.GATEWAY, "ann"): (N, N, N, X, A),
    (Feature.STATUS, None): (N, N, N, P, P),
    (Feature.STATUS, "bob"): (F, F, F, P, P),
    (Feature.STATUS, "ann"): (F, A, A, A, A),
    (Feature.SWARM, None): (N, N, N, P, P),
    (Feature.SWARM, "bob"): (F, F, F, P, P),
    (Feature.SWARM, "ann"): (F, A, A, A, A),
}


def make_partial_route(feature: Feature) -> Route:
    """A running public network of ann's whose node offers `feature` alone."""
    lacking = {"gateway": None} if feature is Feature.API else {"api": None}
    target = replace(make_target(), **lacking)  # type: ignore[arg-type]
    return replace(PUBLIC_RUNNING, targets=(target,))


class DecideTests(SynchronousTestCase):
    """Each cell of the table."""

    def test_table(self) -> None:
        """Every feature, for a stranger, for somebody else's user and for a member."""
        routes = (None, PRIVATE_STOPPED, PRIVATE_RUNNING, PUBLIC_STOPPED, PUBLIC_RUNNING)
        for (feature, user), expected in TABLE.items():
            decisions = tuple(decide(feature, route, user) for route in routes)
            self.assertEqual(decisions, expected, f"{feature} for {user}")

    def test_feature_that_the_node_lacks(self) -> None:
        """A member learns that it is not there; to others it looks as everywhere else."""
        for route, lacking in (
            (make_partial_route(Feature.GATEWAY), Feature.API),
            (make_partial_route(Feature.API), Feature.GATEWAY),
        ):
            for (feature, user), expected in TABLE.items():
                decision = Decision.NOT_FOUND if (feature is lacking and expected[-1] is A) else expected[-1]
                self.assertIs(decide(feature, route, user), decision, f"{feature} for {user} without {lacking}")

    def test_every_feature_is_in_the_table(self) -> None:
        """No feature is decided by accident."""
        self.assertEqual({feature for feature, _ in TABLE}, set(Feature))
