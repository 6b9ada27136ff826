"""Rules that change under way: who may no longer use a network loses what is open, and nobody else does."""

from __future__ import annotations

from collections.abc import Callable

from zope.interface.verify import verifyClass

from nexus.edge.revocation import RevokingObserver
from nexus.interfaces import IRouteObserver
from nexus.model import Route
from tests.edge.fakes import CHUNKED_HEAD, OK_EMPTY, RelayTestCase, parse_response
from tests.edge.memory import Peer

SWITCH = (
    b"GET /ipfs/cid HTTP/1.1\r\nHost: demo.gateway.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class UserTests(RelayTestCase):
    """Users who are taken off a network."""

    def setUp(self) -> None:
        super().setUp()
        self.publish(users=("alice", "bob"))

    def stream(self, user: str = "alice", network: str = "demo", host: str = "10.0.0.1") -> tuple[Peer, Peer]:
        """An open `pubsub/sub` of `user`, and the node's end."""
        request = self.api_request(b"/api/v0/pubsub/sub").replace(self.token(), self.token(user))
        client = self.ask(request.replace(b"demo", network.encode()))
        node = self.rpc(host).last
        node.send(CHUNKED_HEAD + b"\r\n")
        return client, node

    def test_open_stream(self) -> None:
        """An open stream is reset at both ends, and the log says why."""
        client, node = self.stream()
        self.publish(users=("bob",))
        self.assertTrue(client.is_aborted)
        self.assertTrue(node.is_aborted)
        self.assertEqual(self.ended(), "access_revoked")

    def test_nobody_else(self) -> None:
        """Other users' streams go on, and those of other networks, and the gateway's."""
        self.publish("other", host="10.0.0.2")
        kept = [self.stream("bob"), self.stream(network="other", host="10.0.0.2"), self.download()]
        self.stream()
        self.publish(users=("bob",))
        for client, node in kept:
            self.assertTrue(client.is_open)
            self.assertTrue(node.is_open)

    def test_before_the_answer(self) -> None:
        """Who has not been answered is told 403."""
        client = self.ask(self.api_request())
        self.publish(users=("bob",))
        self.assertEqual(parse_response(client.received)[0], 403)
        self.assertTrue(self.rpc().last.is_aborted)
        self.assertEqual(self.ended(), "access_revoked")

    def test_behind_the_answer(self) -> None:
        """Who has been answered, and still sends, gets to read that; the node gets no more."""
        client, node = self.upload()
        node.send(OK_EMPTY)
        self.publish(users=("bob",))
        self.assertEqual(parse_response(client.received)[0], 200)
        self.assertTrue(client.is_half_closed)
        self.assertTrue(node.is_aborted)

    def test_waiting(self) -> None:
        """Who waits for a connection, or a dial, waits no more."""
        self.edge = self.make_edge(upstream_connections_max=1)
        self.rpc().holds = True
        clients = [self.ask(self.api_request()) for _ in range(2)]
        self.publish(users=("bob",))
        self.assertEqual([parse_response(client.received)[0] for client in clients], [403, 403])
        self.assertEqual((self.rpc().held, self.rpc().connections), ([], []))
        self.assertEqual(self.edge.counters.upstream_waits_open, 0)

    def test_rules_that_still_allow(self) -> None:
        """A change that leaves the user in disturbs nothing."""
        client, node = self.stream()
        for change in ({"users": ("alice",)}, {"users": ("alice", "carol")}, {"origins": ("https://app.example",)}):
            self.publish(**change)
            self.assertTrue(client.is_open)
            self.assertTrue(node.is_open)

    def test_idle_connection(self) -> None:
        """A connection without a request is kept: what comes next on it is decided by the new rules."""
        client = self.ask(self.api_request())
        self.rpc().last.send(OK_EMPTY)
        client.take()
        self.publish(users=("bob",))
        self.assertTrue(client.is_open)
        client.send(self.api_request())
        self.assertEqual(parse_response(client.received)[0], 403)


class GatewayTests(RelayTestCase):
    """A public gateway that is made private."""

    def test_download(self) -> None:
        """Downloads are reset, requests without an answer told 404; members' calls go on."""
        asked, _ = self.download()
        reading, node = self.download()
        node.send(CHUNKED_HEAD + b"\r\n")
        member = self.ask(self.api_request())
        self.publish(public=False)
        self.assertEqual(parse_response(asked.received)[0], 404)
        self.assertTrue(reading.is_aborted)
        self.assertTrue(node.is_aborted)
        self.assertTrue(member.is_open)
        self.assertTrue(self.rpc().last.is_open)

    def test_tunnel(self) -> None:
        """So are websockets."""
        client = self.ask(SWITCH)
        node = self.gateway().last
        node.send(SWITCHED)
        self.assertEqual(self.edge.counters.tunnels_open, 1)
        self.publish(public=False)
        self.assertTrue(client.is_aborted)
        self.assertTrue(node.is_aborted)
        self.assertEqual(self.ended(), "access_revoked")


class ObserverTests(RelayTestCase):
    """What else happens to routes."""

    def test_interface(self) -> None:
        """It is a route observer."""
        verifyClass(IRouteObserver, RevokingObserver)

    def test_target_and_rules_at_once(self) -> None:
        """Where the node changes as well, the requests end once."""
        changes: list[Callable[[], Route]] = [
            lambda: self.publish(users=(), public=False, host="10.0.0.2", container_id="c2"),
            lambda: self.publish(users=(), running=False),
        ]
        for change in changes:
            self.publish()
            client, node = self.upload()
            change()
            self.assertTrue(node.is_aborted)
            self.assertEqual(client.received.count(b"HTTP/1.1 "), 1)
        self.assertEqual(self.edge.counters.ended, {"route_changed": 2})
