"""Tunnels: bytes both ways, until both sides have ended."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone, ConnectionLost

from tests.edge.fakes import parse_response
from tests.edge.memory import Peer
from tests.edge.test_upgrade import SWITCHES, WebsocketTestCase, switching


class TunnelTests(WebsocketTestCase):
    """What passes, and what waits."""

    def test_both_ways(self) -> None:
        """Bytes pass as they are, each way as it comes."""
        client, node = self.tunnel()
        client.send(b"\x81\x02hi")
        self.assertEqual(node.take(), b"\x81\x02hi")
        node.send(b"\x00GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(client.take(), b"\x00GET / HTTP/1.1\r\n\r\n")
        self.assertEqual((self.edge.counters.tunnels, self.edge.counters.tunnels_open), (1, 1))

    def test_early_bytes(self) -> None:
        """What the node sent with its 101, and the client before it, arrives, in order."""
        client, node = self.asking(early=b"first ")
        node.take()
        client.send(b"second ")
        self.assertEqual(node.received, b"", "until it has agreed, it speaks HTTP")
        node.send(switching(*SWITCHES) + b"welcome")
        self.assertEqual(parse_response(client.received)[2], b"welcome")
        client.send(b"third")
        self.assertEqual(node.received, b"first second third")

    def test_early_bytes_are_bounded(self) -> None:
        """A client that sends on before the 101 waits beyond a bound; nothing is lost."""
        client, node = self.asking()
        node.take()
        client.send(*[b"x" * 10_000] * 10)
        self.assertFalse(client.transport.is_reading)
        node.send(switching(*SWITCHES))
        client.settle()
        self.assertEqual(node.received, b"x" * 100_000)
        self.assertTrue(client.transport.is_reading)

    def test_early_bytes_of_a_refused_one(self) -> None:
        """What came early is the next request where the node does not agree: it was never sent to it as anything
        else."""
        _, node = self.asking(early=self.gateway_request(b"/next"))
        node.take()
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.assertTrue(node.received.startswith(b"GET /next HTTP/1.1\r\n"))

    def test_reset_behind_an_end(self) -> None:
        """A side that ended its direction, and is gone later without a word that the reactor would tell, is found."""
        for leaves in (0, 1):
            sides = self.tunnel()
            sides[leaves].close()
            self.clock.pump([5.0] * 3)
            self.assertFalse(sides[1 - leaves].is_aborted, "it may be silent for as long as it likes")
            sides[leaves].reset()
            self.clock.pump([5.0] * 2)
            self.assertTrue(sides[1 - leaves].is_aborted)
        self.assertEqual(self.edge.counters.ended, {"client_gone": 1, "node_gone": 1})
        self.assertEqual(self.edge.counters.tunnels_open, 0)

    def test_slow_node(self) -> None:
        """A node that takes nothing stops the client being read, and nobody else."""
        client, node = self.tunnel()
        node.stall()
        client.send(*[b"x" * 10_000] * 20)
        self.assertFalse(client.transport.is_reading)
        node.send(b"still here")
        self.assertEqual(client.take(), b"still here")
        node.unstall()
        self.assertTrue(client.transport.is_reading)
        self.assertEqual(len(node.received), 200_000)

    def test_slow_client(self) -> None:
        """Likewise the other way."""
        client, node = self.tunnel()
        client.stall()
        node.send(*[b"x" * 10_000] * 20)
        self.assertFalse(node.transport.is_reading)
        client.send(b"still here")
        self.assertEqual(node.take(), b"still here")
        client.unstall()
        self.assertTrue(node.transport.is_reading)
        self.assertEqual(len(client.received), 200_000)

    def test_log(self) -> None:
        """It is one request in the log and in the counters, with the bytes of both directions."""
        client, node = self.tunnel()
        client.send(b"abc")
        node.send(b"defgh")
        self.assertEqual(self.access_events, [])
        self.assertEqual(self.edge.counters.requests_in_flight, 1)
        node.close()
        client.close()
        event = self.access_events[-1]
        self.assertEqual(
            (event["status"], event["bytes_in"], event["bytes_out"], event["ended"]), (101, 3, 5, "complete")
        )
        counters = self.edge.counters
        self.assertEqual((counters.requests, counters.requests_in_flight, counters.tunnels_open), (1, 0, 0))
        self.assertEqual((counters.request_bytes, counters.response_bytes), (3, 5))


class EndTests(WebsocketTestCase):
    """How tunnels end."""

    def test_client_ends_first(self) -> None:
        """The client's end is told to the node, whose bytes still reach the client."""
        client, node = self.tunnel()
        client.send(b"last")
        client.close()
        self.assertEqual(node.take(), b"last")
        self.assertTrue(node.is_half_closed)
        self.assertFalse(client.is_lost)
        node.send(b"more")
        self.assertEqual(client.take(), b"more")
        node.close()
        self.assertTrue(client.is_closed and node.is_closed)
        self.assertEqual(self.ended(), "complete")

    def test_node_ends_first(self) -> None:
        """Likewise the other way."""
        client, node = self.tunnel()
        node.send(b"last")
        node.close()
        self.assertEqual(client.take(), b"last")
        self.assertTrue(client.is_half_closed)
        client.send(b"more")
        self.assertEqual(node.take(), b"more")
        client.close()
        self.assertTrue(client.is_closed and node.is_closed)
        self.assertEqual(self.ended(), "complete")

    def test_end_waits_for_what_was_sent(self) -> None:
        """A side that ends and whose bytes the other has not taken yet: the end comes behind them."""
        for first in ("client", "node"):
            client, node = self.tunnel()
            sender, taker = (client, node) if first == "client" else (node, client)
            taker.stall()
            sender.send(*[b"x" * 10_000] * 10)
            self.assertFalse(sender.transport.is_reading)
            sender.close()
            self.assertFalse(taker.is_half_closed)
            taker.send(b"meanwhile")
            self.assertEqual(sender.take(), b"meanwhile")
            taker.unstall()
            self.assertEqual(len(taker.received), 100_000)
            self.assertTrue(taker.is_half_closed)
            self.pass_time(60)
            self.assertFalse(taker.is_aborted or sender.is_aborted, "waiting for the other side is no fault")
            taker.close()
            self.assertTrue(client.is_closed and node.is_closed)

    def test_end_that_nobody_reads_yet(self) -> None:
        """An end behind bytes that the node does not take yet is no reason to cut what goes the other way; a reset
        is."""
        for is_reset in (False, True):
            client, node = self.tunnel()
            node.stall()
            client.send(*[b"x" * 10_000] * 20)
            client.transport.queue_end(ConnectionLost() if is_reset else ConnectionDone())
            self.pass_slowly(20)
            self.assertEqual(node.is_aborted, is_reset)
            node.send(b"still here")
            self.assertEqual(client.take().endswith(b"still here"), not is_reset)
            node.unstall()
            self.assertEqual(node.is_half_closed, not is_reset)
        self.assertEqual(self.ended(), "client_gone")

    def test_one_way_behind_the_other_end(self) -> None:
        """A direction that goes on behind the other's end is held back, and released, as ever."""
        client, node = self.tunnel()
        client.close()
        client.stall()
        node.send(*[b"x" * 10_000] * 20)
        self.assertFalse(node.transport.is_reading)
        client.unstall()
        self.assertEqual(len(client.received), 200_000)
        client, node = self.tunnel()
        node.close()
        node.stall()
        client.send(*[b"x" * 10_000] * 20)
        self.assertFalse(client.transport.is_reading)
        node.unstall()
        self.assertEqual(len(node.received), 200_000)

    def test_reset(self) -> None:
        """A reset of one side resets the other, and says whose it was."""
        for leaver, ended in (("client", "client_gone"), ("node", "node_gone")):
            client, node = self.tunnel()
            gone, left = (client, node) if leaver == "client" else (node, client)
            gone.reset()
            self.assertTrue(left.is_aborted)
            self.assertEqual(self.ended(), ended)
            self.assertEqual(self.edge.counters.tunnels_open, 0)

    def test_reset_behind_an_end(self) -> None:
        """Also where the other direction has ended before."""
        for leaver in ("client", "node"):
            client, node = self.tunnel()
            gone, left = (client, node) if leaver == "client" else (node, client)
            left.close()
            gone.lose()
            self.assertTrue(left.is_aborted)

    def test_idle(self) -> None:
        """An hour without a byte in either direction ends it by reset; a byte of either begins it anew."""
        client, node = self.tunnel()
        for side in (client, node, client):
            self.pass_time(3599)
            side.send(b"x")
        self.pass_time(3599)
        self.assertTrue(client.is_open and node.is_open)
        self.pass_time(1)
        self.assertTrue(client.is_aborted and node.is_aborted)
        self.assertEqual(self.ended(), "tunnel_idle_timeout")

    def test_route_changes(self) -> None:
        """A changed route ends it before the registry's call returns."""
        client, node = self.tunnel()
        self.publish(host="10.0.0.2", container_id="c2")
        self.assertTrue(client.is_aborted and node.is_aborted)
        self.assertEqual(self.ended(), "route_changed")
        node.send(b"late")
        self.assertNotIn(b"late", client.received)

    def test_rules_change(self) -> None:
        """A change of who may ask, at the same node, does not touch it."""
        client, node = self.tunnel()
        self.publish(users=("alice", "bob"))
        client.send(b"on")
        self.assertEqual((node.take(), client.is_open), (b"on", True))

    def test_gateway_is_closed_to_the_public(self) -> None:
        """Who may ask no more loses what was asked before, too."""
        client, node = self.tunnel()
        self.publish(public=False)
        self.assertTrue(client.is_aborted and node.is_aborted)
        self.assertEqual(self.ended(), "access_revoked")

    def test_drain(self) -> None:
        """When the edge drains it goes on for the drain time, and is reset then."""
        client, node = self.tunnel()
        drained = self.edge.drain()
        self.pass_time(9.9)
        node.send(b"on")
        self.assertEqual(client.take(), b"on")
        self.pass_time(0.2)
        self.assertTrue(client.is_aborted and node.is_aborted)
        self.assertEqual(self.ended(), "drain_timeout")
        self.successResultOf(drained)

    def test_drain_of_one_that_ends(self) -> None:
        """One that ends meanwhile ends the drain."""
        client, node = self.tunnel()
        drained = self.edge.drain()
        node.close()
        client.close()
        self.successResultOf(drained)

    def test_nothing_is_left(self) -> None:
        """Behind every end no connection and no timer is left."""

        def by_client(client: Peer, node: Peer) -> None:
            client.close()
            node.close()

        def by_node(client: Peer, node: Peer) -> None:
            node.close()
            client.close()

        for end in (by_client, by_node, lambda client, node: client.reset(), lambda client, node: node.reset()):
            client, node = self.tunnel()
            end(client, node)
            self.pass_time(0)
            self.assertTrue(client.is_lost and node.is_lost)
        self.assertEqual(self.edge.counters.node_connections_open, 0)
        self.assertEqual(self.edge.counters.client_connections_open, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
