"""Routes that change under way: not one byte may reach an address that is no longer the network's."""

from __future__ import annotations

from zope.interface.verify import verifyClass

from nexus.edge.upstream import RetiringObserver
from nexus.interfaces import IRouteObserver
from nexus.model import NetworkState
from tests.edge.fakes import CHUNKED_HEAD, OK_EMPTY, EdgeTestCase, parse_response


class GenerationTests(EdgeTestCase):
    """One network, whose node moves."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def test_idle_connections(self) -> None:
        """Idle connections to the old address are reset as the route changes, before `publish` returns."""
        self.ask(self.gateway_request())
        old = self.gateway().last
        old.send(OK_EMPTY)
        self.publish(host="10.0.0.2", container_id="c2")
        self.assertTrue(old.is_aborted)
        self.ask(self.gateway_request())
        self.assertEqual(len(self.gateway().connections), 1)
        self.assertEqual(len(self.gateway("10.0.0.2").connections), 1)

    def test_dial_in_progress(self) -> None:
        """A dial is given up, and what waited for it is told 503."""
        self.gateway().holds = True
        client = self.ask(self.gateway_request())
        self.publish(host="10.0.0.2", container_id="c2")
        self.assertEqual(self.gateway().cancelled, 1)
        status, fields, _ = parse_response(client.received)
        self.assertEqual((status, fields[b"retry-after"]), (503, [b"1"]))
        self.assertEqual(self.ended(), "route_changed")

    def test_dial_completes_after_the_change(self) -> None:
        """A connection that is accepted although its dial was given up gets no byte."""
        self.gateway().holds = True
        self.ask(self.gateway_request())
        factory, _ = self.gateway().held[0]
        self.publish(host="10.0.0.2", container_id="c2")
        self.assertIsNone(factory.buildProtocol(None))  # type: ignore[arg-type]

    def test_exchange_before_its_answer(self) -> None:
        """A request in flight is told 503, and its connection reset."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 5") + b"he")
        node = self.rpc().last
        self.publish(running=False)
        self.assertTrue(node.is_aborted)
        self.assertEqual(parse_response(client.received)[0], 503)
        seen = node.received
        client.send(b"llo")
        self.assertEqual(node.received, seen)

    def test_exchange_in_mid_answer(self) -> None:
        """A response in flight is cut by a reset."""
        client = self.ask(self.gateway_request())
        node = self.gateway().last
        node.send(CHUNKED_HEAD + b"\r\n3\r\nabc\r\n")
        self.registry.remove("demo")
        self.assertTrue(node.is_aborted)
        self.assertTrue(client.is_aborted)
        self.assertEqual(self.ended(), "route_changed")

    def test_upload_behind_its_answer(self) -> None:
        """An upload whose response is complete ends without a fault of the client's."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 5"))
        node = self.rpc().last
        node.send(OK_EMPTY)
        self.publish(running=False)
        self.assertTrue(node.is_aborted)
        self.assertTrue(client.is_half_closed)

    def test_address_of_another(self) -> None:
        """The address now belongs to another network's node: each gets its own requests, and nobody the other's."""
        first = self.ask(self.api_request())
        self.rpc().last.send(OK_EMPTY)
        old = self.rpc().last
        self.publish(running=False)
        self.publish("other", host="10.0.0.1", container_id="c9", users=("bob",))
        self.publish("demo", host="10.0.0.2", container_id="c2")
        first.send(self.api_request(b"/api/v0/version"))
        self.assertEqual(len(self.rpc("10.0.0.1").connections), 1)
        self.assertNotIn(b"version", old.received)
        self.assertIn(b"/api/v0/version", self.rpc("10.0.0.2").last.received)
        self.ask(
            b"POST /api/v0/id HTTP/1.1\r\nHost: other.api.localhost\r\nAuthorization: Bearer %b\r\n\r\n"
            % self.token("bob")
        )
        self.assertEqual(len(self.rpc("10.0.0.1").connections), 2)

    def test_same_address_new_container(self) -> None:
        """A new container at the old address is another target."""
        self.ask(self.gateway_request())
        old = self.gateway().last
        old.send(OK_EMPTY)
        self.publish(container_id="c2")
        self.assertTrue(old.is_aborted)

    def test_rules_alone(self) -> None:
        """A change of rules that leaves its user in disturbs no connection."""
        client = self.ask(self.api_request(b"/api/v0/pubsub/sub"))
        node = self.rpc().last
        self.publish(users=("alice", "bob"))
        self.assertTrue(node.is_open)
        node.send(OK_EMPTY)
        client.send(self.api_request())
        self.assertEqual(self.rpc().connections, [node])

    def test_other_networks(self) -> None:
        """A change touches that network's connections only."""
        self.publish("other", host="10.0.0.3")
        self.ask(self.gateway_request().replace(b"demo", b"other"))
        self.publish(running=False)
        self.registry.remove("demo")
        self.assertTrue(self.gateway("10.0.0.3").last.is_open)

    def test_given_back_after_the_change(self) -> None:
        """An observer that was late changes nothing: the next request goes by the route that it finds."""
        for subscription in self.edge._subscriptions:
            subscription.close()
        self.ask(self.gateway_request())
        old = self.gateway().last
        old.send(OK_EMPTY)
        self.publish(host="10.0.0.2", container_id="c2")
        self.assertTrue(old.is_open)
        self.ask(self.gateway_request())
        self.assertTrue(old.is_aborted)
        self.assertEqual(len(self.gateway("10.0.0.2").connections), 1)

    def test_pipelined_behind_the_change(self) -> None:
        """A request that waited behind one that the change ended goes to the new address, by a known upstream."""
        client = self.ask(self.gateway_request() + self.gateway_request(b"/second"))
        self.publish(host="10.0.0.2", container_id="c2")
        self.assertEqual(client.received.count(b" 503 "), 1)
        new = self.gateway("10.0.0.2").last
        self.assertIn(b"/second", new.received)
        self.publish(running=False)
        self.assertTrue(new.is_aborted)

    def test_unreachable_changes_the_route(self) -> None:
        """Whoever is told of a dead target may change the route on the spot."""
        self.gateway().refuses = True
        self.patch(self.status, "target_unreachable", lambda network, generation: self.registry.remove(network))
        client = self.ask(self.gateway_request())
        self.assertEqual(parse_response(client.received)[0], 502)
        client.take()
        client.send(self.gateway_request())
        self.assertEqual(parse_response(client.received)[0], 404)

    def test_interface(self) -> None:
        """The pool's observer is one."""
        verifyClass(IRouteObserver, RetiringObserver)


class LRUTests(EdgeTestCase):
    """Upstreams are remembered up to a bound."""

    def setUp(self) -> None:
        super().setUp()
        self.edge = self.make_edge(upstreams_max=2)
        for index, name in enumerate(("a", "b", "c", "d")):
            self.publish(name, host=f"10.0.2.{index}")

    def visit(self, name: str, response: bytes = OK_EMPTY) -> None:
        """One request to a network's gateway, answered with `response`."""
        self.ask(self.gateway_request().replace(b"demo", name.encode()))
        self.gateway(f"10.0.2.{'abcd'.index(name)}").last.send(response)

    def is_open(self, name: str) -> bool:
        """Whether the last connection to a network's gateway is open."""
        return self.gateway(f"10.0.2.{'abcd'.index(name)}").last.is_open

    def test_least_recently_used_goes(self) -> None:
        """The one that was used longest ago is closed."""
        for name in ("a", "b", "a", "c"):
            self.visit(name)
        self.assertEqual([self.is_open(name) for name in "abc"], [True, False, True])

    def test_busy_ones_stay(self) -> None:
        """One in use stays, and still ends when its route changes."""
        self.visit("a", CHUNKED_HEAD + b"\r\n")
        for name in ("b", "c", "d"):
            self.visit(name)
        self.assertTrue(self.is_open("a"))
        self.registry.publish("a", rules=self.registry.routes()[0].rules, state=NetworkState.OFFLINE, targets=())
        self.assertFalse(self.is_open("a"))
