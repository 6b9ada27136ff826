"""Timeouts, phase by phase."""

from __future__ import annotations

import gc
import weakref

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.timeouts import Phase, PhaseTimer
from tests.edge.fakes import CHUNKED_HEAD, OK_EMPTY, EdgeTestCase, RelayTestCase, parse_response


class PhaseTimerTests(SynchronousTestCase):
    """One deadline that moves."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.expired: list[tuple[Phase, float]] = []
        self.timer = PhaseTimer(self.clock, lambda phase: self.expired.append((phase, self.clock.seconds())))

    def pump(self, *steps: float) -> None:
        """Let time pass in steps."""
        self.clock.pump(steps)

    def test_expires(self) -> None:
        """The phase is told when its time is over, once."""
        self.timer.start(Phase.HEAD, 10)
        self.pump(9.9)
        self.assertEqual(self.expired, [])
        self.pump(0.1, 100)
        self.assertEqual(self.expired, [(Phase.HEAD, 10)])

    def test_later_and_sooner(self) -> None:
        """A deadline may move either way, and stop."""
        self.timer.start(Phase.KEEP_ALIVE, 10)
        self.timer.start(Phase.HEAD, 2)
        self.pump(2)
        self.assertEqual(self.expired, [(Phase.HEAD, 2)])
        self.timer.start(Phase.HEAD, 10)
        self.pump(5)
        self.timer.touch()
        self.pump(9)
        self.timer.stop()
        self.pump(100)
        self.timer.touch()
        self.pump(100)
        self.assertEqual(len(self.expired), 1)

    def test_few_calls(self) -> None:
        """Moving a deadline later makes no delayed call."""
        self.timer.start(Phase.BODY, 10)
        for _ in range(100):
            self.pump(1)
            self.timer.touch()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.timer.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_leaves_no_garbage(self) -> None:
        """Who closes its timer is forgotten without the collector's help."""

        class Owner:
            def __init__(self, clock: Clock) -> None:
                self.timer = PhaseTimer(clock, self.expired)

            def expired(self, phase: Phase) -> None: ...

        owner = Owner(self.clock)
        owner.timer.start(Phase.HEAD, 10)
        known = weakref.ref(owner)
        gc.disable()
        self.addCleanup(gc.enable)
        owner.timer.close()
        del owner
        self.assertIsNone(known())


class ClientTimeoutTests(RelayTestCase):
    """What a client is given time for."""

    def test_head_is_absolute(self) -> None:
        """A head that drips is answered 408 ten seconds after its first byte."""
        client = self.ask(b"GET / HTTP/1.1\r\n")
        for _ in range(9):
            self.pass_time(1)
            client.send(b"X: y\r\n")
        self.assertEqual(client.received, b"")
        self.pass_time(1)
        status, fields, _ = parse_response(client.received)
        self.assertEqual((status, fields[b"connection"]), (408, [b"close"]))
        self.assertEqual(self.ended(), "head_timeout")

    def test_empty_lines_do_not_extend_it(self) -> None:
        """Nor do empty lines before it."""
        client = self.ask(b"\r")
        self.pass_time(6)
        client.send(b"\n")
        self.pass_time(4)
        self.assertEqual(parse_response(client.received)[0], 408)

    def test_empty_line_behind_a_body(self) -> None:
        """An empty line behind a request, as old clients send it, does not begin the next."""
        client, node = self.download()
        node.send(OK_EMPTY)
        client.take()
        client.send(b"\r\n")
        self.pass_time(74)
        self.assertTrue(client.is_open)
        client.send(self.gateway_request())
        self.gateway().last.send(OK_EMPTY)
        self.assertEqual(parse_response(client.received)[0], 200)

    def test_second_head(self) -> None:
        """The time of each head begins with its first byte."""
        client, node = self.download()
        node.send(OK_EMPTY)
        client.take()
        self.pass_time(30)
        client.send(b"GET")
        self.pass_time(9.9)
        self.assertEqual(client.received, b"")
        self.pass_time(0.2)
        self.assertEqual(parse_response(client.received)[0], 408)

    def test_keep_alive(self) -> None:
        """An idle connection is closed in order and without a word, and that is no request."""
        client = self.client()
        self.pass_time(74.9)
        self.assertTrue(client.is_open)
        self.pass_time(0.2)
        self.assertTrue(client.is_closed)
        self.assertEqual((client.received, self.access_events), (b"", []))

    def test_keep_alive_begins_again(self) -> None:
        """Its time begins again behind each response."""
        client, node = self.download()
        self.pass_time(50)
        node.send(OK_EMPTY)
        self.pass_time(50)
        self.assertTrue(client.is_open)
        self.pass_time(25.1)
        self.assertTrue(client.is_closed)

    def test_body(self) -> None:
        """An upload that stalls is answered 408, and the node's request reset: it would freeze the node's writes."""
        client, node = self.upload()
        for _ in range(2):
            client.send(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
            self.pass_time(59.9)
        self.assertTrue(node.is_open)
        self.pass_time(0.2)
        self.assertTrue(node.is_aborted)
        self.assertEqual(parse_response(client.received)[0], 408)
        self.assertEqual(self.ended(), "body_timeout")

    def test_body_after_response_began(self) -> None:
        """Where the response has begun, both are reset."""
        client, node = self.upload()
        node.send(CHUNKED_HEAD + b"\r\n")
        self.pass_time(60)
        self.assertTrue(client.is_aborted)
        self.assertTrue(node.is_aborted)
        self.assertEqual(self.ended(), "body_timeout")

    def test_body_while_the_node_is_slow(self) -> None:
        """Time in which it is the node that does not take the body is not the client's."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 200000"))
        node = self.rpc().last
        node.stall()
        client.send(b"x" * 100_000)
        self.pass_time(1000)
        self.assertTrue(node.is_open)
        node.unstall()
        self.pass_time(59.9)
        self.assertTrue(node.is_open)
        self.pass_time(0.2)
        self.assertTrue(node.is_aborted)

    def test_body_while_waiting_for_100(self) -> None:
        """Nor is the time before the node says 100."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 3", b"Expect: 100-continue"))
        node = self.rpc().last
        self.pass_time(1000)
        self.assertTrue(node.is_open)
        node.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.pass_time(60)
        self.assertTrue(node.is_aborted)
        self.assertTrue(client.is_half_closed)

    def test_complete_body(self) -> None:
        """Behind the body no time of the client's passes: a call may take hours."""
        client, node = self.upload()
        client.send(b"0\r\n\r\n")
        self.pass_time(100_000)
        node.send(OK_EMPTY)
        self.assertEqual(parse_response(client.received)[0], 200)

    def test_lingering(self) -> None:
        """A client that goes on sending after its answer is reset in the end."""
        client = self.ask(b"GET / HTTP/1.1\r\n\r\n")
        self.assertTrue(client.is_half_closed)
        self.pass_time(5)
        self.assertTrue(client.is_aborted)

    def test_lingering_while_it_reads(self) -> None:
        """Not while it still takes what is its answer, though."""
        client = self.ask(b"GET / HTTP/1.1\r\n\r\n")
        for _ in range(3):
            self.pass_time(4.9)
            client.take_a_little()
        self.assertFalse(client.is_aborted)
        self.pass_slowly(10)
        self.assertTrue(client.is_aborted)

    def test_close(self) -> None:
        """A client that takes nothing of its last response is reset in the end; one that is only slow is not."""
        client = self.ask(self.gateway_request(b"/", b"Connection: close"))
        client.stall()
        self.gateway().last.send(OK_EMPTY)
        self.assertTrue(client.is_closed)
        self.pass_slowly(299)
        client.take_a_little()
        self.pass_slowly(300)
        self.assertFalse(client.is_aborted)
        self.pass_slowly(10)
        self.assertTrue(client.is_aborted)

    def test_send(self) -> None:
        """A client that takes nothing of its response for five minutes is reset; one that is only slow is not."""
        client, node = self.download()
        client.stall()
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000)
        for _ in range(3):
            self.pass_slowly(290)
            client.take_a_little()
        self.pass_slowly(300)
        self.assertTrue(node.is_open)
        self.pass_slowly(10)
        self.assertTrue(client.is_aborted)
        self.assertTrue(node.is_aborted)
        self.assertEqual(self.ended(), "send_timeout")

    def test_send_begins_again(self) -> None:
        """Each stall has its own time."""
        client, node = self.download()
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n")
        for _ in range(3):
            client.stall()
            node.send(b"x" * 100_000)
            self.pass_slowly(290)
            client.unstall()
            self.pass_slowly(50)
        self.assertTrue(client.is_open)

    def test_send_while_uploading(self) -> None:
        """So is one that only sends, and takes nothing of what is sent back, once nothing is awaited of it."""
        client, node = self.upload()
        client.stall()
        node.send(CHUNKED_HEAD + b"\r\n" + b"40000\r\n" + b"x" * 0x40000)
        for _ in range(20):
            self.pass_slowly(50)
            client.send(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
        self.assertTrue(node.is_open, "its body makes progress")
        client.send(b"0\r\n\r\n")
        self.pass_slowly(305)
        self.assertEqual(self.ended(), "send_timeout")


class NodeTimeoutTests(RelayTestCase):
    """What a gateway is given time for."""

    def test_first_byte(self) -> None:
        """504 for a gateway that does not answer."""
        client, node = self.download()
        self.pass_time(60)
        self.assertEqual(parse_response(client.received)[0], 504)
        self.assertTrue(node.is_aborted)
        self.assertTrue(client.is_open)
        self.assertEqual(self.ended(), "first_byte_timeout")

    def test_slow_upload(self) -> None:
        """Time in which it is the client that sends is not the node's."""
        self.edge = self.make_edge(body_bytes_per_s_min=0)
        client = self.ask(self.gateway_request(b"/", b"Content-Length: 4", method=b"POST"))
        for _ in range(3):
            self.pass_time(50)
            client.send(b"x")
        self.assertTrue(self.gateway().last.is_open)
        client.send(b"x")
        self.pass_time(60)
        self.assertEqual(parse_response(client.received)[0], 504)

    def test_no_100(self) -> None:
        """504 for a gateway that never says 100, nor anything else."""
        client = self.ask(self.gateway_request(b"/", b"Content-Length: 3", b"Expect: 100-continue", method=b"POST"))
        self.pass_time(60)
        self.assertEqual(parse_response(client.received)[0], 504)

    def test_idle(self) -> None:
        """A response that stalls is cut by a reset."""
        client, node = self.download()
        self.pass_time(59)
        node.send(CHUNKED_HEAD + b"\r\n")
        self.pass_time(59)
        node.send(b"1\r\na\r\n")
        self.pass_time(59)
        self.assertTrue(client.is_open)
        self.pass_time(1)
        self.assertTrue(client.is_aborted)
        self.assertTrue(node.is_aborted)
        self.assertEqual(self.ended(), "idle_timeout")

    def test_slow_reader(self) -> None:
        """Time in which it is the client that does not read is not the node's."""
        client, node = self.download()
        client.stall()
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000)
        self.pass_time(1000)
        self.assertTrue(client.is_open)
        client.unstall()
        self.pass_time(59)
        self.assertTrue(client.is_open)
        self.pass_time(1)
        self.assertTrue(client.is_aborted)

    def test_each_request_has_its_own(self) -> None:
        """Time on an earlier request of a connection does not count."""
        client, node = self.download()
        self.pass_time(40)
        node.send(OK_EMPTY)
        client.send(self.gateway_request())
        self.pass_time(40)
        node.send(OK_EMPTY)
        self.assertEqual(client.received.count(b"HTTP/1.1 200"), 2)

    def test_rpc_that_is_timed(self) -> None:
        """Unless the configuration gives RPC calls a time."""
        self.edge = self.make_edge(api_first_byte_timeout_s=20.0, api_idle_timeout_s=30.0)
        client = self.ask(self.api_request())
        self.pass_time(20)
        self.assertEqual(parse_response(client.received)[0], 504)
        self.assertEqual(self.ended(), "first_byte_timeout")
        client = self.ask(self.api_request())
        self.rpc().last.send(CHUNKED_HEAD + b"\r\n")
        self.pass_time(29)
        self.assertTrue(client.is_open)
        self.pass_time(1)
        self.assertTrue(client.is_aborted)
        self.assertEqual(self.ended(), "idle_timeout")

    def test_rpc_is_not_timed(self) -> None:
        """An RPC call may be silent for hours, before its head and in its body (pubsub/sub)."""
        client = self.ask(self.api_request(b"/api/v0/pubsub/sub"))
        node = self.rpc().last
        self.pass_time(10_000)
        node.send(CHUNKED_HEAD + b"\r\n")
        self.pass_time(10_000)
        node.send(b"1\r\na\r\n")
        self.assertTrue(client.received.endswith(b"1\r\na\r\n"))


class LeftoverTests(EdgeTestCase):
    """Nothing is left behind."""

    def test_no_delayed_calls(self) -> None:
        """When all connections are gone, so are their delayed calls."""
        self.publish()
        client = self.ask(self.gateway_request())
        self.gateway().last.send(OK_EMPTY)
        client.send(self.api_request(b"/api/v0/add", b"Content-Length: 5"))
        client.close()
        self.pass_time(5)
        self.pass_time(5)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.edge.counters.node_connections_open, 0)
        self.assertEqual(self.edge.counters.client_connections_open, 0)
        self.assertEqual(self.edge.counters.requests_in_flight, 0)
