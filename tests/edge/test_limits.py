"""How much clients may have open and send, and what they are told beyond it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.limits import ClientTally, client_key
from nexus.edge.refusal import LINGERING_MAX
from tests.edge.fakes import OK_EMPTY, EdgeTestCase, RelayTestCase, parse_response
from tests.edge.memory import Peer


class ClientKeyTests(SynchronousTestCase):
    """Whom a connection is counted for."""

    def test_ipv4(self) -> None:
        """An IPv4 address, also where an IPv6 one maps it."""
        self.assertEqual(client_key("192.0.2.7"), "192.0.2.7")
        self.assertEqual(client_key("::ffff:192.0.2.7"), "192.0.2.7")

    def test_ipv6(self) -> None:
        """A /64, however its addresses are written."""
        self.assertEqual(client_key("2001:db8:0:1::1"), client_key("2001:db8:0:1:ffff:ffff:ffff:ffff"))
        self.assertNotEqual(client_key("2001:db8:0:1::1"), client_key("2001:db8:0:2::1"))
        self.assertEqual(client_key("fe80::1%eth0"), client_key("fe80::2"))

    def test_nothing_at_zero(self) -> None:
        """A client without connections is not remembered."""
        tally = ClientTally(2)
        self.assertTrue(tally.enter("192.0.2.7"))
        self.assertTrue(tally.enter("192.0.2.7"))
        self.assertFalse(tally.enter("192.0.2.7"))
        self.assertTrue(tally.enter("192.0.2.8"))
        tally.leave("192.0.2.7")
        tally.leave("192.0.2.7")
        tally.leave("192.0.2.8")
        self.assertEqual(len(tally), 0)


class ConnectionLimitTests(EdgeTestCase):
    """Connections that are too many as they come."""

    def assert_refused(self, client: Peer, status: int, limit: str, count: int = 1) -> None:
        """`client` got its answer at once, and nothing was read of it."""
        found, fields, body = parse_response(client.received)
        self.assertEqual(found, status)
        self.assertEqual(fields[b"connection"], [b"close"])
        self.assertEqual(fields[b"retry-after"], [b"5"])
        self.assertEqual(fields[b"content-length"], [b"%d" % len(body)])
        self.assertEqual(self.edge.counters.connections_refused, {limit: count})

    def test_in_all(self) -> None:
        """Beyond `client_connections_max` 503; one that closes makes room."""
        self.edge = self.make_edge(client_connections_max=2)
        first, _ = self.client(host="192.0.2.1"), self.client(host="192.0.2.2")
        refused = self.client(host="192.0.2.3")
        self.assert_refused(refused, 503, "client_connections_max")
        self.assertEqual(self.edge.counters.client_connections_open, 2)
        first.close()
        self.assertEqual(self.client().received, b"")

    def test_per_client(self) -> None:
        """Beyond `connections_per_client_max` 429, whoever else connects."""
        self.edge = self.make_edge(connections_per_client_max=2)
        first, _ = self.client(), self.client()
        self.assert_refused(self.client(), 429, "connections_per_client_max")
        self.assertEqual(self.client(host="192.0.2.8").received, b"")
        first.close()
        self.assertEqual(self.client().received, b"")

    def test_per_ipv6_network(self) -> None:
        """The addresses of a /64 are one client."""
        self.edge = self.make_edge(connections_per_client_max=2)
        for host in ("2001:db8::1", "2001:db8::2"):
            self.assertEqual(self.client(host=host).received, b"")
        self.assert_refused(self.client(host="2001:db8::3"), 429, "connections_per_client_max")
        self.assertEqual(self.client(host="2001:db8:0:1::3").received, b"")

    def test_no_limit(self) -> None:
        """0 is no limit."""
        self.edge = self.make_edge(connections_per_client_max=0)
        clients = [self.client() for _ in range(100)]
        for client in clients:
            self.assertEqual(client.received, b"")
            client.close()
        self.assertEqual(self.edge.counters.client_connections_open, 0)

    def test_a_refused_client_gets_to_read(self) -> None:
        """It has a second to go by itself, so that what it sends does not cost it its answer."""
        self.edge = self.make_edge(client_connections_max=1)
        self.client()
        polite, rude = self.client(), self.client()
        polite.send(b"GET / HTTP/1.1\r\n")
        polite.close()
        self.assertTrue(polite.is_lost)
        self.assertFalse(polite.is_aborted)
        rude.send(b"GET / HTTP/1.1\r\n")
        self.assertFalse(rude.is_aborted)
        self.pass_time(1)
        self.assertTrue(rude.is_aborted)

    def test_a_flood_of_them(self) -> None:
        """Few are given that second; the rest are closed at once."""
        self.edge = self.make_edge(client_connections_max=1)
        self.client()
        flood = [self.client() for _ in range(LINGERING_MAX + 10)]
        self.assertEqual([client.is_closed for client in flood], [False] * LINGERING_MAX + [True] * 10)
        self.assert_refused(flood[-1], 503, "client_connections_max", LINGERING_MAX + 10)
        self.pass_time(0.5)
        later = self.client()
        self.assertTrue(later.is_closed)
        self.pass_time(0.5)
        self.assertTrue(all(client.is_lost for client in flood))
        self.pass_time(10)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1, "only the one that was let in has time")

    def test_told_once_in_a_while(self) -> None:
        """The log says it, but not for each of them."""
        self.edge = self.make_edge(client_connections_max=1)
        self.client()
        for _ in range(3):
            self.client()
            self.client()
            self.pass_time(30)
        warnings = [event for event in self.events if event["log_namespace"] == "nexus.edge.refusal"]
        self.assertEqual([event["count"] for event in warnings], [1, 5])


class NetworkLimitTests(RelayTestCase):
    """What one network's clients may have open."""

    def test_connections(self) -> None:
        """429 and an end for a connection beyond `connections_per_network_max`; other networks have their own."""
        self.edge = self.make_edge(connections_per_network_max=2)
        self.publish("other", host="10.0.0.2")
        kept = [self.download()[0] for _ in range(2)]
        for node in self.gateway().connections:
            node.send(OK_EMPTY)
        third = self.ask(self.gateway_request())
        status, fields, _ = parse_response(third.received)
        self.assertEqual((status, fields[b"connection"], fields[b"retry-after"]), (429, [b"close"], [b"5"]))
        self.assertEqual(self.ended(), "connections_per_network_max")
        self.assertEqual(self.edge.counters.ended["connections_per_network_max"], 1)
        other = self.ask(self.gateway_request().replace(b"demo", b"other"))
        self.assertEqual(other.received, b"")
        kept[0].close()
        self.assertEqual(self.download()[0].received, b"")

    def test_a_connection_counts_for_its_last_network(self) -> None:
        """One that goes over to another network makes room in the first."""
        self.edge = self.make_edge(connections_per_network_max=1)
        self.publish("other", host="10.0.0.2")
        client, node = self.download()
        node.send(OK_EMPTY)
        client.send(self.gateway_request().replace(b"demo", b"other"))
        self.gateway("10.0.0.2").last.send(OK_EMPTY)
        second, _ = self.download()
        self.assertEqual(second.received, b"")
        client.take()
        client.send(self.gateway_request())
        self.assertEqual(parse_response(client.received)[0], 429)

    def test_who_is_not_let_in_does_not_count(self) -> None:
        """Nobody can take a network's places who may not use it."""
        self.edge = self.make_edge(connections_per_network_max=1)
        stranger = self.client()
        stranger.send(b"POST /api/v0/id HTTP/1.1\r\nHost: demo.api.localhost\r\n\r\n")
        self.assertEqual(parse_response(stranger.received)[0], 401)
        self.assertEqual(self.download()[0].received, b"")

    def test_requests(self) -> None:
        """429 for a request beyond `requests_per_network_max`, and the connection goes on."""
        self.edge = self.make_edge(requests_per_network_max=2)
        self.publish("other", host="10.0.0.2")
        (_, first), _ = self.download(), self.download()
        third = self.ask(self.gateway_request())
        status, fields, _ = parse_response(third.take())
        self.assertEqual((status, fields[b"retry-after"]), (429, [b"1"]))
        self.assertNotIn(b"connection", fields)
        self.assertEqual(self.ended(), "requests_per_network_max")
        self.assertEqual(self.ask(self.gateway_request().replace(b"demo", b"other")).received, b"")
        first.send(OK_EMPTY)
        third.send(self.gateway_request())
        self.assertEqual(third.received, b"")
        self.gateway().last.send(OK_EMPTY)

    def test_every_end_of_a_request_counts(self) -> None:
        """A place is free again however its request ended."""
        self.edge = self.make_edge(requests_per_network_max=1)
        for end in (
            lambda client, node: client.reset(),
            lambda client, node: node.reset(),
            lambda client, node: node.send(b"nonsense"),
            lambda client, node: self.pass_time(60),
            lambda client, node: self.publish(container_id=str(self.clock.seconds())),
            lambda client, node: node.send(OK_EMPTY),
        ):
            client, node = self.download()
            self.assertEqual(client.received, b"")
            end(client, node)
            self.clock.advance(1)

    def test_nothing_is_kept(self) -> None:
        """When a network's clients are gone, nothing is known of them."""
        client, node = self.download()
        node.send(OK_EMPTY)
        other, _ = self.download()
        networks = self.edge._context.networks
        self.assertEqual(len(networks), 1)
        client.close()
        self.assertEqual(len(networks), 1)
        other.close()
        self.assertEqual(len(networks), 0)


class SizeLimitTests(RelayTestCase):
    """What one request may have."""

    def test_target(self) -> None:
        """414 for a target beyond `target_bytes_max`; one of exactly that passes."""
        self.edge = self.make_edge(target_bytes_max=256)
        client = self.ask(self.gateway_request(b"/" + b"x" * 255))
        self.assertEqual(client.received, b"")
        client = self.ask(self.gateway_request(b"/" + b"x" * 256))
        self.assertEqual(parse_response(client.received)[0], 414)
        self.assertEqual(self.ended(), "target_bytes_max")

    def test_head(self) -> None:
        """431 for a head that is too long or has too many fields; the log tells which."""
        client = self.ask(self.gateway_request(b"/", b"X-A: " + b"x" * 33000))
        self.assertEqual(parse_response(client.received)[0], 431)
        self.assertEqual(self.ended(), "head_bytes_max")
        client = self.ask(self.gateway_request(b"/", *(b"X-A: y" for _ in range(101))))
        self.assertEqual(parse_response(client.received)[0], 431)
        self.assertEqual(self.ended(), "headers_max")

    def test_body_of_known_length(self) -> None:
        """413 before a byte of it is read, and the node hears nothing of it."""
        self.edge = self.make_edge(request_body_bytes_max=1000)
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 1001"))
        status, fields, _ = parse_response(client.received)
        self.assertEqual((status, fields[b"connection"]), (413, [b"close"]))
        self.assertEqual(self.ended(), "request_body_bytes_max")
        self.assertEqual(self.rpc().connections, [])
        client = self.ask(self.api_request(b"/api/v0/add", body=b"x" * 1000))
        self.assertTrue(self.rpc().last.received.endswith(b"x" * 1000))

    def test_strangers_are_not_told(self) -> None:
        """Who may not use the network is told that, and not its limits."""
        self.edge = self.make_edge(request_body_bytes_max=1000)
        client = self.ask(b"POST /api/v0/add HTTP/1.1\r\nHost: demo.api.localhost\r\nContent-Length: 1001\r\n\r\n")
        self.assertEqual(parse_response(client.received)[0], 401)

    def test_chunked_body(self) -> None:
        """413 as soon as there is too much of it; the node's request is reset, and gets none of what is too much."""
        self.edge = self.make_edge(request_body_bytes_max=1000)
        client, node = self.upload()
        client.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        self.assertEqual(node.take(), b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        client.send(b"1\r\nx\r\n")
        self.assertEqual(node.take(), b"")
        self.assertTrue(node.is_aborted)
        self.assertEqual(parse_response(client.received)[0], 413)
        self.assertTrue(client.is_half_closed)
        self.assertEqual(self.ended(), "request_body_bytes_max")

    def test_chunked_body_behind_its_answer(self) -> None:
        """Where the node has begun to answer, both are reset; where it has answered, the client gets to read that."""
        self.edge = self.make_edge(request_body_bytes_max=1000)
        too_much = b"3e9\r\n" + b"x" * 1001 + b"\r\n"
        client, node = self.upload()
        node.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(too_much)
        self.assertTrue(client.is_aborted)
        self.assertTrue(node.is_aborted)
        client, node = self.upload()
        node.send(OK_EMPTY)
        client.send(too_much)
        self.assertTrue(client.is_half_closed)
        self.assertTrue(node.is_aborted)
        self.assertEqual(self.ended(), "request_body_bytes_max")
        self.assertEqual(self.edge.counters.ended, {"request_body_bytes_max": 2})
