"""Node connections, kept for the next request."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone, ConnectionLost

from tests.edge.fakes import CHUNKED_HEAD, OK_EMPTY, RelayTestCase, parse_response
from tests.edge.memory import FakeNode, Peer


class ReuseTests(RelayTestCase):
    """Node connections are kept, and used again only where that is safe."""

    def exchange(self, node: FakeNode, request: bytes, response: bytes = OK_EMPTY) -> Peer:
        """One request and its response, on a new client connection."""
        client = self.ask(request)
        node.last.send(response)
        return client

    def test_reused(self) -> None:
        """Another client's request uses the idle connection, RPC calls included."""
        for node, request in ((self.gateway(), self.gateway_request()), (self.rpc(), self.api_request())):
            self.exchange(node, request)
            self.exchange(node, request)
            self.assertEqual(len(node.connections), 1)
        self.assertEqual(self.edge.counters.node_connections_reused, 2)

    def test_not_when_old(self) -> None:
        """Not when it has been idle for too long; it is closed then anyway."""
        self.exchange(self.rpc(), self.api_request())
        self.pass_time(4.1)
        self.assertTrue(self.rpc().last.is_closed)
        self.exchange(self.rpc(), self.api_request())
        self.assertEqual(len(self.rpc().connections), 2)

    def test_not_when_the_reactor_is_late(self) -> None:
        """Nor when it is too old and nobody has come to close it yet."""
        self.exchange(self.rpc(), self.api_request())
        self.clock.rightNow += 4.1
        self.ask(self.api_request())
        self.assertEqual(len(self.rpc().connections), 2)

    def answered_early(self) -> Peer:
        """A node that has answered and not taken the whole request, all of which the edge has."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 100000"))
        node = self.rpc().last
        node.take()
        node.stall()
        client.send(b"x" * 100_000)
        node.send(OK_EMPTY)
        self.assertTrue(client.is_open)
        self.assertTrue(node.is_closed)
        return node

    def test_not_while_the_request_is_going_out(self) -> None:
        """Not when it still has to take a part of the request: it gets that, and then the end."""
        node = self.answered_early()
        node.unstall()
        self.assertEqual(node.received, b"x" * 100_000)
        self.assertTrue(node.transport.is_lost)
        self.assertEqual(self.edge.counters.node_connections_open, 0)

    def test_never_takes_the_rest(self) -> None:
        """A node that never takes it is reset in the end."""
        node = self.answered_early()
        self.pass_time(60)
        self.assertTrue(node.is_aborted)

    def test_route_changes_meanwhile(self) -> None:
        """Or at once, when the route changes."""
        node = self.answered_early()
        self.publish(running=False)
        self.assertTrue(node.is_aborted)

    def test_old_ones_are_closed_in_time(self) -> None:
        """Each idle connection is closed when its own time is over."""
        first, second = self.ask(self.gateway_request()), self.ask(self.gateway_request())
        one, two = self.gateway().connections
        one.send(OK_EMPTY)
        self.pass_time(3)
        two.send(OK_EMPTY)
        self.pass_time(1.5)
        self.assertTrue(one.is_closed)
        self.assertTrue(two.is_open)
        self.pass_time(2.6)
        self.assertTrue(two.is_closed)
        self.assertTrue(first.is_open and second.is_open)

    def test_not_when_the_node_says_close(self) -> None:
        """Not when the node says that it closes, in whatever spelling."""
        for value in (b"close", b"Close", b"x, CLOSE", b"x\r\nConnection: close"):
            self.exchange(
                self.gateway(),
                self.gateway_request(),
                b"HTTP/1.1 200 OK\r\nConnection: " + value + b"\r\nContent-Length: 0\r\n\r\n",
            )
            self.assertTrue(self.gateway().last.is_closed)

    def test_not_with_surplus(self) -> None:
        """Bytes behind a response close the connection, and reach nobody."""
        for request, response in (
            (self.gateway_request(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + OK_EMPTY),
            (self.gateway_request(), CHUNKED_HEAD + b"\r\n0\r\n\r\nx"),
            (self.gateway_request(method=b"HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            (self.gateway_request(), b"HTTP/1.1 304 Not Modified\r\n\r\nx"),
        ):
            client = self.exchange(self.gateway(), request, response)
            self.assertTrue(self.gateway().last.is_aborted)
            self.assertEqual(client.received.count(b"HTTP/1.1"), 1)
            self.assertTrue(client.is_open)

    def test_not_after_unasked_bytes(self) -> None:
        """An idle connection on which anything arrives is reset."""
        self.exchange(self.gateway(), self.gateway_request())
        self.gateway().last.send(OK_EMPTY)
        self.assertTrue(self.gateway().last.is_aborted)
        client = self.ask(self.gateway_request())
        self.assertEqual(client.received, b"")
        self.assertEqual(len(self.gateway().connections), 2)

    def test_not_with_bytes_that_nobody_has_read(self) -> None:
        """Nor one on which something has arrived that the reactor has not told of yet: it would be taken for the answer
        to whoever comes next."""
        for node, request in ((self.gateway(), self.gateway_request()), (self.rpc(), self.api_request())):
            self.exchange(node, request)
            node.last.queue(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            client = self.ask(request)
            self.assertEqual(len(node.connections), 2)
            self.assertTrue(node.connections[0].is_aborted)
            self.assertEqual(client.received, b"")

    def test_post_never_on_one_that_has_ended(self) -> None:
        """A POST, which cannot be sent twice, is not sent on a connection whose end has arrived, read or not."""
        self.exchange(self.rpc(), self.api_request())
        self.rpc().last.close()
        self.assertFalse(self.rpc().last.is_open, "its end closes it at once, where the reactor tells of it")
        for leave in (ConnectionDone(), ConnectionLost()):
            self.exchange(self.rpc(), self.api_request())
            self.rpc().last.transport.queue_end(leave)
            self.exchange(self.rpc(), self.api_request())
            self.assertEqual(self.rpc().connections[-1].received.count(b"POST"), 1)
        self.assertEqual(self.edge.counters.retries, 0)

    def test_idle_connections_are_bounded(self) -> None:
        """At most so many are kept for one upstream."""
        edge = self.make_edge(idle_connections_per_upstream=8)
        clients = [self.ask(self.gateway_request(), edge) for _ in range(12)]
        for node in self.gateway().connections:
            node.send(OK_EMPTY)
        self.assertEqual(sum(node.is_open for node in self.gateway().connections), 8)
        self.assertTrue(all(client.is_open for client in clients))

    def test_as_many_as_are_in_use(self) -> None:
        """By default a hundred busy clients cost a hundred dials, however their requests fall together."""
        clients = [self.ask(self.gateway_request()) for _ in range(100)]
        for _ in range(3):
            for node in self.gateway().connections:
                node.send(OK_EMPTY)
            for client in clients:
                client.send(self.gateway_request())
        self.assertEqual(self.edge.counters.dials, 100)

    def test_retried_once(self) -> None:
        """A GET whose reused connection turns out to be closed is sent again, once, on a fresh one."""
        self.exchange(self.gateway(), self.gateway_request())
        client = self.ask(self.gateway_request())
        self.gateway().last.close()
        self.assertEqual(len(self.gateway().connections), 2)
        self.assertEqual(client.received, b"")
        self.gateway().last.close()
        self.assertEqual(parse_response(client.received)[0], 502)
        self.assertEqual(len(self.gateway().connections), 2)
        self.assertEqual(self.edge.counters.retries, 1)

    def test_retry_that_finds_nobody(self) -> None:
        """A retry whose dial fails is answered 502, and there is no further one."""
        self.exchange(self.gateway(), self.gateway_request())
        client = self.ask(self.gateway_request())
        self.gateway().refuses = True
        self.gateway().last.reset()
        self.assertEqual(parse_response(client.received)[0], 502)
        self.assertEqual(self.ended(), "dial_refused")
        self.assertEqual((self.edge.counters.retries, self.edge.counters.dials_failed), (1, 1))
        self.assertTrue(client.is_open)

    def test_retry_that_is_not_accepted_in_time(self) -> None:
        """Likewise 504."""
        self.exchange(self.gateway(), self.gateway_request())
        client = self.ask(self.gateway_request())
        self.gateway().holds = True
        self.gateway().last.close()
        self.pass_time(3)
        self.assertEqual(parse_response(client.received)[0], 504)
        self.assertEqual(self.edge.counters.retries, 1)

    def test_body_is_never_sent_again(self) -> None:
        """A PUT is idempotent, and its body is gone: 502."""
        self.exchange(self.gateway(), self.gateway_request())
        client = self.ask(self.gateway_request(b"/", b"Content-Length: 1", method=b"PUT") + b"x")
        self.gateway().last.close()
        self.assertEqual(parse_response(client.received)[0], 502)
        self.assertEqual((len(self.gateway().connections), self.edge.counters.retries), (1, 0))

    def test_not_retried(self) -> None:
        """Never a POST, never after a byte of a response, never on a fresh connection."""
        self.exchange(self.rpc(), self.api_request())
        client = self.ask(self.api_request())
        self.rpc().last.close()
        self.assertEqual(parse_response(client.received)[0], 502)
        self.assertEqual(len(self.rpc().connections), 1)
        self.exchange(self.gateway(), self.gateway_request())
        client = self.ask(self.gateway_request())
        self.gateway().last.send(b"H")
        self.gateway().last.close()
        self.assertEqual(parse_response(client.received)[0], 502)
        client = self.ask(self.gateway_request())
        self.gateway().last.close()
        self.assertEqual(parse_response(client.received)[0], 502)
        self.assertEqual(self.edge.counters.retries, 0)
