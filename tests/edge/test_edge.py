"""The edge as a whole: its end, its counters, its interfaces."""

from __future__ import annotations

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IPushProducer, IStreamClientEndpoint
from zope.interface.verify import verifyClass, verifyObject

from nexus.edge.client_connection import ClientConnection
from nexus.edge.node_connection import NodeConnection
from nexus.edge.upstream import Upstream
from nexus.interfaces import INetworkStatus
from nexus.model import Address
from tests.edge.fakes import CHUNKED_HEAD, OK_EMPTY, EdgeTestCase, FakeStatus, parse_response


class DrainTests(EdgeTestCase):
    """Ending without cutting what can be finished."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def test_nothing_open(self) -> None:
        """With nothing open it is over at once."""
        self.successResultOf(self.edge.drain())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_idle_connections(self) -> None:
        """Idle connections are closed, to clients and to nodes."""
        client = self.ask(self.gateway_request())
        node = self.gateway().last
        node.send(OK_EMPTY)
        drained = self.edge.drain()
        self.assertTrue(client.is_closed)
        self.pass_time(0)
        self.successResultOf(drained)
        self.assertTrue(node.is_aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_is_under_way(self) -> None:
        """What is under way is finished, and its client told that the connection closes."""
        client = self.ask(self.gateway_request() + self.gateway_request(b"/pipelined"))
        drained = self.edge.drain()
        self.pass_time(9)
        self.assertNoResult(drained)
        self.gateway().last.send(OK_EMPTY)
        self.assertEqual(parse_response(client.received)[1][b"connection"], [b"close"])
        self.assertEqual(client.received.count(b"HTTP/1.1"), 1)
        client.close()
        self.successResultOf(drained)

    def test_begun_head(self) -> None:
        """A request whose head has begun to arrive is served."""
        client = self.ask(b"GET / HTTP/1.1\r\n")
        drained = self.edge.drain()
        client.send(b"Host: localhost\r\n\r\n")
        self.assertEqual(parse_response(client.received)[0], 404)
        self.assertEqual(parse_response(client.received)[1][b"connection"], [b"close"])
        self.successResultOf(drained)

    def test_cut(self) -> None:
        """What is not finished in time is reset, and that is logged."""
        client = self.ask(self.gateway_request())
        node = self.gateway().last
        node.send(CHUNKED_HEAD + b"\r\n")
        drained = self.edge.drain()
        self.pass_time(10)
        self.assertTrue(client.is_aborted)
        self.assertTrue(node.is_aborted)
        self.successResultOf(drained)
        self.assertEqual(self.ended(), "drain_timeout")
        (told,) = [event for event in self.events if "cut" in event]
        self.assertEqual(told["cut"], 1)

    def test_cut_sooner(self) -> None:
        """Whoever does not want to wait for the end of a drain need not."""
        self.edge.end_drain()
        client = self.ask(self.gateway_request())
        drained = self.edge.drain()
        self.pass_time(3)
        self.edge.end_drain()
        self.pass_time(0)
        self.assertTrue(client.is_aborted)
        self.successResultOf(drained)
        self.edge.end_drain()
        (told,) = [event for event in self.events if "cut" in event]
        self.assertEqual((told["cut"], told["seconds"]), (1, 3))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cut_by_network(self) -> None:
        """The log says how many requests of which network were cut, the most first; idle connections are none."""
        self.publish("other", host="10.0.0.2")
        self.ask(self.gateway_request().replace(b"demo", b"other"))
        for _ in range(2):
            self.ask(self.api_request())
        self.ask(b"GET / HTTP/1.1\r\n")
        drained = self.edge.drain()
        self.pass_time(11)
        self.successResultOf(drained)
        (told,) = [event for event in self.events if "cut" in event]
        self.assertEqual(told["cut"], 3)
        self.assertEqual(list(told["networks"].items()), [("demo", 2), ("other", 1)])

    def test_routes_afterwards(self) -> None:
        """Behind a drain, routes and rules are nobody's business any more."""
        self.assertTrue(self.registry._observers)
        self.successResultOf(self.edge.drain())
        self.assertFalse(self.registry._observers)


class CounterTests(EdgeTestCase):
    """What is counted."""

    def test_counters(self) -> None:
        """Connections, requests, bytes, dials, answers and ends."""
        self.publish()
        client = self.ask(self.api_request(b"/api/v0/add", body=b"abc"))
        counters = self.edge.counters
        self.assertEqual((counters.requests_in_flight, counters.client_connections_open), (1, 1))
        self.rpc().last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.rpc().last.close()
        client.close()
        self.assertEqual((counters.client_connections, counters.client_connections_open, counters.requests), (1, 0, 2))
        self.assertEqual((counters.request_bytes, counters.response_bytes), (3, 5 + len(b"There is nothing here.\n")))
        self.assertEqual((counters.dials, counters.dials_failed, counters.node_connections_open), (1, 0, 0))
        self.assertEqual((counters.answers, counters.ended), ({404: 1}, {"complete": 2}))
        self.assertEqual(counters.requests_in_flight, 0)


class InterfaceTests(EdgeTestCase):
    """What the edge gives to, and takes from, others."""

    def test_ours(self) -> None:
        """Protocols, producers and factories are what they say."""
        for interface in (IProtocol, IPushProducer):
            verifyClass(interface, ClientConnection)
            verifyClass(interface, NodeConnection)
        verifyClass(IProtocolFactory, Upstream)
        verifyObject(IProtocolFactory, self.edge.factory)

    def test_fakes(self) -> None:
        """So are the fakes."""
        verifyObject(INetworkStatus, FakeStatus())
        verifyObject(IStreamClientEndpoint, self.network.connect(Address("10.0.0.1", 80)))

    def test_unix_clients(self) -> None:
        """A client without an IP address is served too."""
        self.assertIsNotNone(self.edge.factory.buildProtocol(UNIXAddress(b"/x")))
