"""Large bodies and tunnels that pass without the edge, and what it still does about them."""

from __future__ import annotations

from nexus.edge.edge import Edge
from tests.edge.fakes import CHUNKED_HEAD, OK_EMPTY, parse_response
from tests.edge.memory import Peer
from tests.edge.test_upgrade import ASKS, SWITCHES, WebsocketTestCase, switching

LARGE = 256 * 1024
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


class SplicingTestCase(WebsocketTestCase):
    """An edge with something that splices."""

    def pieces(self, size: int) -> list[bytes]:
        """A body as it comes."""
        return [b"x" * 16_384] * (size // 16_384) + [b"x" * (size % 16_384)] * bool(size % 16_384)

    def large_download(self, size: int = LARGE + 100_000, edge: Edge | None = None) -> tuple[Peer, Peer]:
        """A response that is being spliced, with nothing of its body sent."""
        client = self.ask(self.gateway_request(), edge)
        node = self.gateway().last
        node.send(HEAD % size)
        client.settle()
        return client, node

    def large_upload(self, size: int = LARGE + 100_000, edge: Edge | None = None) -> tuple[Peer, Peer]:
        """A request that is being spliced, one byte of its body sent."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: %d" % size), edge)
        client.send(b"x")
        node = self.rpc().last
        node.take()
        self.assertEqual(len(self.splicer.open), 1)
        return client, node


class ResponseTests(SplicingTestCase):
    """Responses."""

    def test_whole(self) -> None:
        """What is left behind the head and its bytes is spliced; the record is as ever, and both connections go on."""
        client = self.ask(self.gateway_request() + self.gateway_request(b"/next"))
        node = self.gateway().last
        node.take()
        node.send(HEAD % (LARGE + 1000) + b"x" * 1000)
        self.assertEqual(self.splicer.asked, [LARGE])
        node.send(*self.pieces(LARGE))
        self.assertEqual(parse_response(client.received)[2], b"x" * (LARGE + 1000))
        event = self.access_events[-1]
        self.assertEqual((event["bytes_out"], event["ended"]), (LARGE + 1000, "complete"))
        self.assertEqual(self.splicer.open, [])
        self.assertIn(b"GET /next ", node.take())
        node.send(OK_EMPTY)
        self.assertTrue(client.is_open and node.is_open)

    def test_what_is_not(self) -> None:
        """What is small, chunked, ends with the connection, or has no body, is not."""
        for response in (
            HEAD % (LARGE + 1000) + b"x" * 1001,
            HEAD % (LARGE - 1) + b"x",
            CHUNKED_HEAD + b"\r\n80000\r\nx",
            b"HTTP/1.1 200 OK\r\n\r\nx",
            HEAD % LARGE + b"x" * LARGE,
        ):
            _, node = self.download()
            node.send(response)
        self.ask(self.gateway_request(method=b"HEAD"))
        self.gateway().last.send(HEAD % 1_000_000)
        self.assertEqual(self.splicer.asked, [])

    def test_turned_off(self) -> None:
        """Nothing is, where the configuration says so."""
        client, node = self.large_download(edge=self.make_edge(splice_bytes_min=0))
        node.send(*self.pieces(LARGE + 100_000))
        self.assertEqual(self.splicer.asked, [])
        self.assertEqual(len(parse_response(client.received)[2]), LARGE + 100_000)

    def test_waits_for_what_was_written(self) -> None:
        """It begins when the client has the head, and not while anything is still to be written."""
        client = self.ask(self.gateway_request())
        node = self.gateway().last
        client.stall()
        node.send(HEAD % (LARGE + 10) + b"0123456789", b"x" * LARGE)
        self.assertEqual(self.splicer.asked, [])
        self.assertFalse(node.transport.is_reading)
        client.unstall()
        self.assertEqual(self.splicer.asked, [LARGE])
        self.assertEqual(parse_response(client.received)[2], b"0123456789" + b"x" * LARGE)
        self.assertEqual(self.ended(), "complete")

    def test_cannot(self) -> None:
        """Where it cannot be, or no more, it is copied, and asked for once."""
        for name in ("refuses", "gives_up"):
            setattr(self.splicer, name, True)
            self.splicer.asked.clear()
            client, node = self.large_download()
            node.send(*self.pieces(LARGE + 100_000))
            self.assertEqual(len(parse_response(client.received)[2]), LARGE + 100_000)
            self.assertEqual(len(self.splicer.asked), 1)
            self.assertTrue(node.is_open)
            setattr(self.splicer, name, False)

    def test_surplus(self) -> None:
        """What comes behind it is left to the connection, and ends that."""
        client, node = self.large_download(LARGE)
        node.send(*self.pieces(LARGE), OK_EMPTY)
        self.assertEqual(client.received.count(b"HTTP/1.1"), 1)
        self.assertTrue(node.is_aborted)
        self.assertTrue(client.is_open)

    def test_surplus_that_nobody_has_read(self) -> None:
        """It is no answer to the request that waits behind, either: a splice takes what it was to take, and the rest is
        still in the kernel when the next request goes out."""
        client = self.ask(self.gateway_request() + self.gateway_request(b"/next"))
        node = self.gateway().last
        node.take()
        node.send(HEAD % LARGE)
        node.queue(*self.pieces(LARGE), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        client.settle()
        self.assertEqual(client.received.count(b"HTTP/1.1"), 1)
        self.assertTrue(node.is_aborted)
        self.assertIn(b"GET /next ", self.gateway().last.take())
        self.assertEqual(len(self.gateway().connections), 2)

    def test_slow_client(self) -> None:
        """A client that takes nothing for `send_timeout_s` ends it, one that is slow does not, and the node's silence
        is nobody's fault meanwhile."""
        client, node = self.large_download(edge=self.make_edge(gateway_idle_timeout_s=2.0, send_timeout_s=30.0))
        for _ in range(2):
            client.stall()
            node.send(b"x" * 1000)
            for _ in range(5):
                self.pass_time(5)
            self.assertTrue(client.is_open)
            client.unstall()
            self.pass_time(1.9)
            node.send(b"x" * 1000)
        client.stall()
        node.send(b"x" * 1000)
        for _ in range(7):
            self.pass_time(5)
        self.assertTrue(client.is_aborted and node.is_aborted)
        self.assertEqual(self.ended(), "send_timeout")
        self.assertEqual(self.splicer.open, [])

    def test_silent_node(self) -> None:
        """A gateway's silence in mid-body is timed, from its last byte on."""
        client, node = self.large_download()
        self.pass_time(59)
        node.send(b"x")
        self.pass_time(59)
        self.assertTrue(client.is_open)
        self.pass_time(1)
        self.assertTrue(client.is_aborted and node.is_aborted)
        self.assertEqual(self.ended(), "idle_timeout")
        self.assertEqual(self.splicer.open, [])

    def test_cuts(self) -> None:
        """Whatever cuts it resets both sides, says which it was, and leaves no splice behind."""
        for cut, ended in (
            (lambda client, node: client.close(), "client_gone"),
            (lambda client, node: client.reset(), "client_gone"),
            (lambda client, node: self.splicer.open[0].lose_sink(), "client_gone"),
            (lambda client, node: node.close(), "node_gone"),
            (lambda client, node: node.reset(), "node_gone"),
            (lambda client, node: self.publish(container_id=f"c{self.clock.seconds()}{id(node)}"), "route_changed"),
        ):
            client, node = self.large_download()
            node.send(b"x" * 1000)
            self.assertEqual(len(self.splicer.open), 1)
            cut(client, node)
            self.assertEqual(self.splicer.open, [])
            self.assertTrue(client.is_aborted or client.is_lost)
            self.assertTrue(node.is_aborted or node.is_lost)
            self.assertEqual((self.ended(), self.access_events[-1]["bytes_out"]), (ended, 1000))

    def test_drain(self) -> None:
        """So does the end of a drain, which closes the splicer too."""
        client, node = self.large_download()
        drained = self.edge.drain()
        self.pass_time(10)
        self.assertTrue(client.is_aborted and node.is_aborted)
        self.assertEqual(self.ended(), "drain_timeout")
        self.successResultOf(drained)
        self.assertTrue(self.splicer.is_closed)


class RequestTests(SplicingTestCase):
    """Requests."""

    def test_whole(self) -> None:
        """What is left behind the first bytes is spliced; the record is as ever, and both connections go on."""
        client, node = self.large_upload(LARGE + 1)
        self.assertEqual(self.splicer.asked, [LARGE])
        client.send(*self.pieces(LARGE), self.api_request(b"/api/v0/next"))
        self.assertEqual(node.take(), b"x" * LARGE)
        node.send(OK_EMPTY)
        event = self.access_events[-1]
        self.assertEqual((event["bytes_in"], event["ended"]), (LARGE + 1, "complete"))
        self.assertIn(b"POST /api/v0/next", node.take())
        node.send(OK_EMPTY)
        self.assertTrue(client.is_open and node.is_open)

    def test_answer_meanwhile(self) -> None:
        """The answer may begin, and end, while it goes on."""
        client, node = self.large_upload(LARGE + 1)
        client.send(b"x" * 1000)
        node.send(OK_EMPTY)
        self.assertEqual(parse_response(client.received)[0], 200)
        client.send(*self.pieces(LARGE - 1000))
        self.assertEqual(len(node.take()), LARGE)
        self.assertEqual(self.ended(), "complete")
        self.assertTrue(client.is_open and node.is_open)

    def test_both_ways(self) -> None:
        """Both bodies may be spliced at once."""
        client, node = self.large_upload()
        node.send(HEAD % LARGE)
        self.assertEqual(len(self.splicer.open), 2)
        node.send(*self.pieces(LARGE))
        client.send(*self.pieces(LARGE + 99_999))
        self.assertEqual(len(parse_response(client.received)[2]), LARGE)
        self.assertEqual(len(node.received), LARGE + 99_999)
        self.assertEqual(self.ended(), "complete")

    def test_continue(self) -> None:
        """A client that waits for 100 is spliced once its body comes."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: %d" % LARGE, b"Expect: 100-continue"))
        node = self.rpc().last
        node.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(*self.pieces(LARGE))
        node.send(OK_EMPTY)
        self.assertEqual(self.ended(), "complete")

    def test_waits_for_what_was_written(self) -> None:
        """It begins when the node has the head, and not while anything is still to be written."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: %d" % (LARGE + 10)))
        node = self.rpc().last
        node.stall()
        client.send(b"0123456789", b"x" * LARGE)
        self.assertEqual(self.splicer.asked, [])
        self.assertFalse(client.transport.is_reading)
        node.unstall()
        self.assertEqual(self.splicer.asked, [LARGE])
        self.assertTrue(node.received.endswith(b"\r\n\r\n0123456789" + b"x" * LARGE))

    def test_too_little_left(self) -> None:
        """Where little is left when the node's turn comes it is copied, and the node is waited for as ever."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: %d" % (LARGE + 100_000)))
        node = self.rpc().last
        node.stall()
        client.send(b"x" * 200_000)
        self.assertFalse(client.transport.is_reading)
        node.unstall()
        client.send(*self.pieces(LARGE - 100_000))
        node.send(OK_EMPTY)
        self.assertEqual((self.splicer.asked, self.ended()), ([], "complete"))

    def test_cannot(self) -> None:
        """Where it cannot be, or no more, it is copied, and asked for once."""
        for name in ("refuses", "gives_up"):
            setattr(self.splicer, name, True)
            self.splicer.asked.clear()
            client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: %d" % (LARGE + 10)))
            node = self.rpc().last
            node.take()
            client.send(*[b"x"] * 10, *self.pieces(LARGE))
            self.assertEqual(len(node.take()), LARGE + 10)
            node.send(OK_EMPTY)
            self.assertEqual((self.ended(), len(self.splicer.asked)), ("complete", 1))
            setattr(self.splicer, name, False)

    def test_silent_client(self) -> None:
        """The time between its bytes is as limited as ever, and only while it is the client that is waited for."""
        client, node = self.large_upload()
        self.pass_time(59)
        client.send(b"x" * 10_000)
        node.stall()
        client.send(b"x")
        for _ in range(100):
            self.pass_time(5)
        self.assertTrue(client.is_open and node.is_open, "it is the node that is waited for")
        node.unstall()
        self.pass_time(59)
        self.assertTrue(node.is_open)
        self.pass_time(1)
        self.assertTrue(node.is_aborted)
        self.assertEqual(parse_response(client.received)[0], 408)
        self.assertEqual(self.ended(), "body_timeout")
        self.assertEqual(self.splicer.open, [])

    def test_dripping_client(self) -> None:
        """So is the least rate."""
        client, node = self.large_upload()
        for _ in range(40):
            self.pass_time(1)
            client.send(b"x")
        self.assertTrue(node.is_aborted)
        self.assertEqual(self.ended(), "body_rate")
        self.assertEqual(self.splicer.open, [])

    def test_client_leaves_while_the_node_takes_nothing(self) -> None:
        """A client that leaves unseen is found out in seconds."""
        for leave in (Peer.close, Peer.reset):
            client, node = self.large_upload()
            node.stall()
            client.send(b"x" * 1000)
            leave(client)
            self.assertTrue(node.is_open)
            self.pass_time(5)
            self.assertTrue(node.is_aborted and client.is_aborted)
            self.assertEqual(self.ended(), "client_gone")
            self.assertEqual(self.splicer.open, [])

    def test_cuts(self) -> None:
        """Whatever cuts it resets the node's request, and leaves no splice behind; a client that is there is told."""
        for cut, ended, status in (
            (lambda client, node: client.close(), "client_gone", None),
            (lambda client, node: client.reset(), "client_gone", None),
            (lambda client, node: node.close(), "node_gone", 502),
            (lambda client, node: node.reset(), "node_gone", 502),
            (lambda client, node: self.splicer.open[0].lose_sink(), "node_gone", 502),
            (lambda client, node: self.publish(container_id=f"c{id(node)}"), "route_changed", 503),
            (lambda client, node: node.send(b"nonsense\r\n\r\n"), "bad_response", 502),
        ):
            client, node = self.large_upload()
            client.send(b"x" * 1000)
            cut(client, node)
            self.assertEqual(self.splicer.open, [])
            self.assertTrue(node.is_aborted or node.is_lost)
            if status is None:
                self.assertTrue(client.is_aborted or client.is_lost)
            else:
                self.assertEqual(parse_response(client.received)[0], status)
                self.assertTrue(client.is_half_closed)
                client.send(b"x" * 1000)
            self.assertEqual((self.ended(), self.access_events[-1]["bytes_in"]), (ended, 1001))

    def test_refused_by_a_node_that_reads_no_more(self) -> None:
        """A node may refuse the rest, and reset what still comes (RFC 9112 section 9.6): where the splice meets the
        reset before the refusal is read, the client is told all the same."""
        refusal = b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"
        for answer, ended, received in (
            (refusal + b"nope", "complete", (413, b"nope")),
            (refusal + b"no", "node_gone", None),
            (b"HTTP/1.1 200 OK\r\n\r\nhalf", "node_gone", None),
        ):
            client, node = self.large_upload()
            node.queue(answer)
            self.splicer.open[0].lose_sink()
            self.assertTrue(node.is_aborted)
            if received is None:
                self.assertTrue(client.is_aborted)
            else:
                status, _, body = parse_response(client.received)
                self.assertEqual((status, body), received)
                self.assertTrue(client.is_half_closed)
            self.assertEqual(self.ended(), ended)

    def test_cuts_behind_the_answer(self) -> None:
        """Behind a complete answer the client keeps that, whatever becomes of the rest."""
        for cut, ended in (
            (lambda client, node: node.reset(), "complete"),
            (lambda client, node: node.send(b"surplus"), "complete"),
            (lambda client, node: self.publish(container_id=f"c{id(node)}"), "complete"),
            (lambda client, node: self.pass_time(60), "body_timeout"),
        ):
            client, node = self.large_upload()
            node.send(OK_EMPTY)
            cut(client, node)
            self.assertEqual(self.splicer.open, [])
            self.assertTrue(client.is_half_closed)
            self.assertEqual(self.ended(), ended)


class TunnelTests(SplicingTestCase):
    """Tunnels."""

    def busy_tunnel(self) -> tuple[Peer, Peer]:
        """One in which much has passed, both ways."""
        client, node = self.tunnel()
        client.send(*self.pieces(LARGE))
        node.send(*self.pieces(LARGE))
        self.assertEqual(self.splicer.asked, [None, None])
        client.take()
        node.take()
        return client, node

    def test_both_ways(self) -> None:
        """What comes when much has passed is spliced, and the ends are told as ever."""
        client, node = self.busy_tunnel()
        client.send(b"up")
        node.send(b"down")
        self.assertEqual((node.take(), client.take()), (b"up", b"down"))
        client.close()
        self.assertTrue(node.is_half_closed)
        node.send(b"more")
        self.assertEqual(client.take(), b"more")
        node.close()
        self.assertTrue(client.is_closed and node.is_closed)
        event = self.access_events[-1]
        self.assertEqual((event["bytes_in"], event["bytes_out"], event["ended"]), (LARGE + 2, LARGE + 8, "complete"))
        self.assertEqual(self.splicer.open, [])

    def test_little(self) -> None:
        """One in which little passes is copied."""
        client, node = self.tunnel()
        client.send(*self.pieces(LARGE - 1))
        node.send(*self.pieces(LARGE - 1))
        self.assertEqual(self.splicer.asked, [])
        self.assertTrue(client.is_open)

    def test_early_bytes(self) -> None:
        """Much that came early goes out before anything is spliced."""
        client = self.ask(self.gateway_request(b"/ws", *ASKS))
        node = self.gateway().last
        node.take()
        client.stall()
        node.send(switching(*SWITCHES) + b"e" * LARGE, b"late")
        self.assertEqual(self.splicer.asked, [])
        client.unstall()
        self.assertTrue(client.received.endswith(b"e" * LARGE + b"late"))
        self.assertEqual(self.splicer.asked, [None])

    def test_idle(self) -> None:
        """Its bytes are life."""
        client, node = self.busy_tunnel()
        self.pass_time(3599)
        client.send(b"x")
        self.pass_time(3599)
        node.send(b"x")
        self.pass_time(3599)
        self.assertTrue(client.is_open)
        self.pass_time(1)
        self.assertTrue(client.is_aborted and node.is_aborted)
        self.assertEqual(self.ended(), "tunnel_idle_timeout")
        self.assertEqual(self.splicer.open, [])

    def test_cannot(self) -> None:
        """Where it cannot be it is copied, and asked for again when much more has passed."""
        for name in ("refuses", "gives_up"):
            setattr(self.splicer, name, True)
            self.splicer.asked.clear()
            client, node = self.tunnel()
            client.send(*self.pieces(2 * LARGE))
            client.close()
            self.assertEqual(len(node.received), 2 * LARGE)
            self.assertTrue(node.is_half_closed)
            self.assertEqual(len(self.splicer.asked), 2)
            setattr(self.splicer, name, False)

    def test_cuts(self) -> None:
        """A reset of either side resets the other, and a changed route both; no splice is left behind."""
        for cut, ended in (
            (lambda client, node: client.reset(), "client_gone"),
            (lambda client, node: node.reset(), "node_gone"),
            (lambda client, node: self.splicer.open[0].lose_sink(), "node_gone"),
            (lambda client, node: self.splicer.open[1].lose_sink(), "client_gone"),
            (lambda client, node: self.publish(container_id=f"c{id(node)}"), "route_changed"),
        ):
            self.splicer.asked.clear()
            client, node = self.busy_tunnel()
            cut(client, node)
            self.assertEqual(self.splicer.open, [])
            self.assertTrue(client.is_aborted or client.is_lost)
            self.assertTrue(node.is_aborted or node.is_lost)
            self.assertEqual(self.ended(), ended)
