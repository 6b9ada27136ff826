"""A node that has as many connections as it may: requests wait for one of them."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone

from nexus.edge.edge import Edge
from tests.edge.fakes import OK_EMPTY, RelayTestCase, parse_response
from tests.edge.memory import Peer

CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class QueueTests(RelayTestCase):
    """First come, first served."""

    def setUp(self) -> None:
        super().setUp()
        self.edge = self.queueing()

    def queueing(self, **changes: object) -> Edge:
        """An edge that opens two connections to a node, and lets three requests wait."""
        return self.make_edge(**{"upstream_connections_max": 2, "upstream_queue_max": 3, **changes})

    def ask_for(self, *names: bytes) -> list[Peer]:
        """A client for each of these gateway requests."""
        return [self.ask(self.gateway_request(b"/" + name)) for name in names]

    @property
    def asked(self) -> list[bytes]:
        """What the node's connections were asked last, one after the other."""
        return [node.received.rpartition(b"GET /")[2].partition(b" ")[0] for node in self.gateway().connections]

    def test_first_come_first_served(self) -> None:
        """A connection that is done with serves who has waited longest."""
        clients = self.ask_for(b"a", b"b", b"c", b"d")
        first, second = self.gateway().connections
        self.assertEqual(self.asked, [b"a", b"b"])
        self.assertEqual(self.edge.counters.upstream_waits_open, 2)
        second.send(OK_EMPTY)
        self.assertEqual(self.asked, [b"a", b"c"])
        first.send(OK_EMPTY)
        self.assertEqual(self.asked, [b"d", b"c"])
        first.send(OK_EMPTY)
        second.send(OK_EMPTY)
        self.assertEqual([parse_response(client.received)[0] for client in clients], [200] * 4)
        self.assertEqual(self.edge.counters.upstream_waits, 2)
        self.assertEqual(self.edge.counters.upstream_waits_open, 0)
        self.assertEqual(self.edge.counters.dials, 2)
        self.pass_time(10)
        self.assertTrue(all(client.is_open for client in clients))
        self.assertEqual(self.edge.counters.ended, {"complete": 4})

    def test_nobody_jumps_the_queue(self) -> None:
        """Who comes later waits longer, also on a connection that had its turn."""
        a, _, _ = self.ask_for(b"a", b"b", b"c")
        a.queue(self.gateway_request(b"/again"))
        self.gateway().connections[0].send(OK_EMPTY)
        a.settle()
        self.assertEqual(self.asked, [b"c", b"b"])
        self.gateway().connections[0].send(OK_EMPTY)
        self.assertEqual(self.asked, [b"again", b"b"])

    def test_a_connection_that_ends(self) -> None:
        """Where a connection cannot be used again, the place it leaves is dialled for who waits."""
        for end in (lambda node: node.send(CLOSING), Peer.reset, lambda node: node.send(OK_EMPTY + b"surplus")):
            edge = self.edge = self.queueing()
            self.gateway().connections.clear()
            self.ask_for(b"a", b"b", b"c")
            end(self.gateway().connections[0])
            self.pass_time(0)
            self.assertEqual(self.asked[2:], [b"c"])
            self.assertEqual(edge.counters.node_connections_open, 2)

    def test_a_dial_that_fails(self) -> None:
        """It fails for the one that it was made for; the next has its own."""
        self.gateway().holds = True
        a, b, c = self.ask_for(b"a", b"b", b"c")
        self.pass_time(3)
        self.assertEqual([parse_response(client.received)[0] for client in (a, b)], [504, 504])
        self.assertEqual(c.received, b"")
        self.gateway().accept()
        self.assertEqual(self.asked, [b"c"])

    def test_all_dials_fail(self) -> None:
        """A node that refuses connections answers nobody, and nobody is left waiting."""
        self.gateway().holds = True
        clients = self.ask_for(b"a", b"b", b"c", b"d", b"e")
        self.gateway().holds = False
        self.gateway().refuses = True
        self.pass_time(3)
        self.assertEqual([parse_response(client.received)[0] for client in clients], [504, 504, 502, 502, 502])
        self.assertEqual(self.edge.counters.upstream_waits_open, 0)

    def test_full(self) -> None:
        """503 where too many wait."""
        clients = self.ask_for(b"a", b"b", b"c", b"d", b"e", b"f")
        status, fields, _ = parse_response(clients[5].received)
        self.assertEqual((status, fields[b"retry-after"]), (503, [b"1"]))
        self.assertEqual(self.ended(), "upstream_queue_max")
        self.assertEqual([client.received for client in clients[:5]], [b""] * 5)

    def test_no_queue(self) -> None:
        """Of none, where the configuration wants none."""
        self.edge = self.queueing(upstream_queue_max=0)
        clients = self.ask_for(b"a", b"b", b"c")
        self.assertEqual(parse_response(clients[2].received)[0], 503)

    def test_timeout(self) -> None:
        """503 for who waits too long, and only for that one."""
        self.ask_for(b"a", b"b")
        [c] = self.ask_for(b"c")
        self.pass_time(5)
        [d] = self.ask_for(b"d")
        self.pass_time(5)
        self.assertEqual(parse_response(c.received)[0], 503)
        self.assertEqual(self.ended(), "upstream_queue_timeout")
        self.gateway().last.send(OK_EMPTY)
        self.assertEqual(self.asked, [b"a", b"d"])
        self.assertEqual(d.received, b"")

    def test_a_client_that_leaves(self) -> None:
        """It gives up its place."""
        _, _, c, d, e = self.ask_for(b"a", b"b", b"c", b"d", b"e")
        c.close()
        self.assertEqual(self.ended(), "client_gone")
        e.reset()
        self.assertEqual(self.edge.counters.upstream_waits_open, 1)
        self.ask_for(b"f")
        self.gateway().last.send(OK_EMPTY)
        self.gateway().last.send(OK_EMPTY)
        self.assertEqual(self.asked, [b"a", b"f"])
        self.assertEqual(parse_response(d.received)[0], 200)

    def test_a_changed_route(self) -> None:
        """503 at once for who waits for a node that is no more; the new one's queue is its own."""
        clients = self.ask_for(b"a", b"b", b"c", b"d")
        self.publish(host="10.0.0.2", container_id="c2")
        self.assertEqual([parse_response(client.received)[0] for client in clients], [503] * 4)
        self.assertEqual(self.edge.counters.ended, {"route_changed": 4})
        self.assertEqual(len(self.gateway().connections), 2)
        clients[2].send(self.gateway_request(b"/new"))
        self.gateway("10.0.0.2").last.send(OK_EMPTY)
        self.assertIn(b"HTTP/1.1 200", clients[2].received)

    def test_a_removed_network(self) -> None:
        """Likewise where the network is gone."""
        [*_, c] = self.ask_for(b"a", b"b", b"c")
        self.registry.remove("demo")
        self.assertEqual(parse_response(c.received)[0], 503)

    def test_drain(self) -> None:
        """503 and an end at once when the edge stops: to ask again elsewhere is better than to be cut."""
        a, _, c = self.ask_for(b"a", b"b", b"c")
        drained: Deferred[None] = self.edge.drain()
        status, fields, _ = parse_response(c.received)
        self.assertEqual((status, fields[b"connection"]), (503, [b"close"]))
        self.assertEqual(self.ended(), "draining")
        self.assertEqual(a.received, b"")
        for node in self.gateway().connections:
            node.send(OK_EMPTY)
        for client in (a, c):
            client.close()
        self.successResultOf(drained)

    def test_a_post_gets_no_stale_connection(self) -> None:
        """What a POST gets has been looked at: one that the node has closed meanwhile is not given to it."""
        self.ask(self.api_request())
        self.ask(self.api_request())
        self.ask(self.api_request(b"/api/v0/key/list"))
        first, _ = self.rpc().connections
        first.queue(OK_EMPTY)
        first.transport.queue_end(ConnectionDone())
        first.settle()
        self.assertEqual(len(self.rpc().connections), 3)
        self.assertIn(b"POST /api/v0/key/list", self.rpc().last.received)

    def test_a_retry_gets_a_fresh_connection(self) -> None:
        """A request that an idle connection failed is sent on a new one, though others are idle."""
        (a, node), (_, other) = self.download(), self.download()
        node.send(OK_EMPTY)
        other.send(OK_EMPTY)
        a.send(self.gateway_request(b"/again"))
        other.lose()
        self.assertEqual(len(self.gateway().connections), 3)
        self.assertIn(b"GET /again", self.gateway().last.received)
        self.assertLessEqual(self.edge.counters.node_connections_open, 2)
