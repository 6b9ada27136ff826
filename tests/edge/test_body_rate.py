"""The least rate of a request's body: drips end, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.body_rate import BodyRate
from tests.edge.fakes import CHUNKED_HEAD, OK_EMPTY, RelayTestCase, parse_response
from tests.edge.memory import Peer


class BodyRateTests(SynchronousTestCase):
    """128 bytes a second over 30 s."""

    def slow_at(self, arrivals: Iterable[tuple[float, int]]) -> float | None:
        """When a body with these arrivals (time, bytes) is too slow; None if it never is."""
        rate = BodyRate(128, 30)
        rate.wait(0.0)
        for now, count in arrivals:
            if rate.is_too_slow(count, now):
                return now
        return None

    def test_drip(self) -> None:
        """A byte a second is too slow when the window is over."""
        self.assertEqual(self.slow_at((float(now), 1) for now in range(1, 100)), 30.0)

    def test_just_fast_enough(self) -> None:
        """128 bytes a second are enough, for ever; 127 are not."""
        self.assertIsNone(self.slow_at((float(now), 128) for now in range(1, 1000)))
        self.assertEqual(self.slow_at((float(now), 127) for now in range(1, 1000)), 30.0)

    def test_a_window_that_is_not_over(self) -> None:
        """Whatever comes in less time is never too slow: ten bytes in a second, or in 29."""
        self.assertIsNone(self.slow_at([(1.0, 10)]))
        self.assertIsNone(self.slow_at([(float(now), 1) for now in range(30)]))

    def test_bursts(self) -> None:
        """A pause is made good by what comes at its end."""
        self.assertIsNone(self.slow_at((float(now), 64 * 1024) for now in range(50, 1000, 50)))
        self.assertIsNone(self.slow_at([(40.0, 5120), (80.0, 5120)]))
        self.assertEqual(self.slow_at([(40.0, 5120), (80.0, 5119)]), 80.0)

    def test_each_window_by_itself(self) -> None:
        """What came fast at first does not pay for a drip later."""
        drip = ((float(now), 1) for now in range(2, 100))
        self.assertEqual(self.slow_at([(1.0, 10_000_000), *drip]), 60.0)

    def test_time_that_does_not_count(self) -> None:
        """While somebody else is waited for, no time passes."""
        rate = BodyRate(128, 30)
        for now in range(0, 1000, 10):
            rate.wait(float(now))
            self.assertFalse(rate.is_too_slow(128, now + 0.5))
            rate.hold(now + 1.0)
            self.assertFalse(rate.is_too_slow(0, now + 9.0))

    def test_told_twice(self) -> None:
        """To be told again what is known changes nothing."""
        rate = BodyRate(128, 30)
        rate.hold(0.0)
        rate.wait(10.0)
        rate.wait(20.0)
        self.assertFalse(rate.is_too_slow(1, 39.9))
        rate.hold(39.9)
        rate.hold(500.0)
        self.assertFalse(rate.is_too_slow(1, 600.0))
        rate.wait(600.0)
        self.assertTrue(rate.is_too_slow(1, 600.2))


class DrippingClientTests(RelayTestCase):
    """A client that drips its body."""

    def drip(self, client: Peer, seconds: int) -> None:
        """A byte of payload each second."""
        for _ in range(seconds):
            self.clock.advance(1)
            client.send(b"1\r\nx\r\n")

    def test_drip(self) -> None:
        """It is answered 408, and the node's request reset."""
        client, node = self.upload()
        self.drip(client, 29)
        self.assertTrue(node.is_open)
        self.drip(client, 1)
        self.assertTrue(node.is_aborted)
        self.assertEqual(parse_response(client.received)[0], 408)
        self.assertTrue(client.is_half_closed)
        self.assertEqual(self.ended(), "body_rate")

    def test_known_length(self) -> None:
        """Likewise where its length is known."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 1000"))
        for _ in range(30):
            self.clock.advance(1)
            client.send(b"x")
        self.assertEqual(self.ended(), "body_rate")

    def test_behind_the_answer(self) -> None:
        """Where the node has begun to answer, both are reset; where it has answered, the client gets to read that."""
        client, node = self.upload()
        node.send(CHUNKED_HEAD + b"\r\n")
        self.drip(client, 30)
        self.assertTrue(client.is_aborted)
        client, node = self.upload()
        node.send(OK_EMPTY)
        self.drip(client, 30)
        self.assertTrue(client.is_half_closed)
        self.assertEqual(self.edge.counters.ended, {"body_rate": 2})

    def test_a_body_that_is_complete(self) -> None:
        """The last byte is never too late, as long as it comes in its time."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 2"))
        self.pass_time(29)
        client.send(b"x")
        self.pass_time(29)
        client.send(b"x")
        self.rpc().last.send(OK_EMPTY)
        self.assertEqual(parse_response(client.received)[0], 200)

    def test_while_the_node_is_slow(self) -> None:
        """Time in which the node takes nothing does not count."""
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 1000000"))
        node = self.rpc().last
        for _ in range(10):
            node.stall()
            client.send(b"x" * 70_000)
            self.pass_time(1000)
            node.unstall()
            client.send(b"x")
            self.pass_time(2)
        client.send(b"x")
        self.assertTrue(node.is_open)

    def test_while_waiting_for_100(self) -> None:
        """Nor does the time before the node says 100, or before there is a node."""
        self.rpc().holds = True
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 1000", b"Expect: 100-continue"))
        self.pass_time(2)
        node = self.rpc().accept()
        self.pass_time(1000)
        node.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.pass_time(1)
        client.send(b"x")
        self.assertTrue(node.is_open)

    def test_no_limit(self) -> None:
        """0 is no limit."""
        self.edge = self.make_edge(body_bytes_per_s_min=0)
        client, node = self.upload()
        self.drip(client, 1000)
        self.assertTrue(node.is_open)
