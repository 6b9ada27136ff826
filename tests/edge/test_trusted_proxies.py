"""Proxies before the edge that are believed when they say who a request comes from."""

from __future__ import annotations

import ipaddress

from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.trusted_proxies import AddressSet, told_client
from tests.edge.fakes import OK_EMPTY, RelayTestCase, parse_request, parse_response

TRUSTED = frozenset(map(ipaddress.ip_network, ("10.0.0.0/8", "2001:db8:1::/48")))

CASES: list[tuple[list[bytes], str, bytes]] = [
    ([], "10.0.0.1", b"10.0.0.1"),
    ([b""], "10.0.0.1", b"10.0.0.1"),
    ([b"203.0.113.9"], "203.0.113.9", b"203.0.113.9, 10.0.0.1"),
    # What is left of the last untrusted address was the client's own to write.
    ([b"1.1.1.1, 203.0.113.9"], "203.0.113.9", b"1.1.1.1, 203.0.113.9, 10.0.0.1"),
    ([b"10.0.0.9, 203.0.113.9"], "203.0.113.9", b"10.0.0.9, 203.0.113.9, 10.0.0.1"),
    ([b"203.0.113.9, 10.0.0.2,10.0.0.3"], "203.0.113.9", b"203.0.113.9, 10.0.0.2,10.0.0.3, 10.0.0.1"),
    ([b"203.0.113.9", b"10.0.0.2"], "203.0.113.9", b"203.0.113.9, 10.0.0.2, 10.0.0.1"),
    ([b"10.0.0.3, 10.0.0.2"], "10.0.0.3", b"10.0.0.3, 10.0.0.2, 10.0.0.1"),
    ([b"2001:DB8::9"], "2001:db8::9", b"2001:DB8::9, 10.0.0.1"),
    ([b"2001:db8:2::9, 2001:db8:1::1"], "2001:db8:2::9", b"2001:db8:2::9, 2001:db8:1::1, 10.0.0.1"),
    ([b"::ffff:203.0.113.9"], "203.0.113.9", b"::ffff:203.0.113.9, 10.0.0.1"),
    ([b"203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9", b"203.0.113.9, ::ffff:10.0.0.2, 10.0.0.1"),
    ([b"203.0.113.9:4711"], "203.0.113.9", b"203.0.113.9:4711, 10.0.0.1"),
    ([b"[2001:db8::9]:4711"], "2001:db8::9", b"[2001:db8::9]:4711, 10.0.0.1"),
    # Where no address is: it is the proxy that says so.
    ([b"unknown"], "10.0.0.1", b"unknown, 10.0.0.1"),
    ([b"203.0.113.9, unknown"], "10.0.0.1", b"203.0.113.9, unknown, 10.0.0.1"),
    ([b"203.0.113.9, _hidden, 10.0.0.2"], "10.0.0.2", b"203.0.113.9, _hidden, 10.0.0.2, 10.0.0.1"),
    ([b"203.0.113.9,"], "10.0.0.1", b"203.0.113.9,, 10.0.0.1"),
    ([b"203.0.113.0/24"], "10.0.0.1", b"203.0.113.0/24, 10.0.0.1"),
    ([b"203.0.113.009"], "10.0.0.1", b"203.0.113.009, 10.0.0.1"),
    ([b"\xff\xfe"], "10.0.0.1", b"\xff\xfe, 10.0.0.1"),
    ([b"::1%eth0\n"], "10.0.0.1", b"::1%eth0\n, 10.0.0.1"),
]
"""X-Forwarded-For as it comes from 10.0.0.1, who the client is, and X-Forwarded-For as it goes on."""


class ToldClientTests(SynchronousTestCase):
    """What is taken from a trusted proxy."""

    def setUp(self) -> None:
        self.trusted = AddressSet(TRUSTED)

    def test_client(self) -> None:
        """The last address that is no trusted proxy's."""
        for values, host, hops in CASES:
            told = told_client("10.0.0.1", {b"x-forwarded-for": tuple(values)}, self.trusted)
            self.assertEqual((told.host, told.hops), (host, hops), values)

    def test_scheme(self) -> None:
        """http or https; the nearest proxy's word counts."""
        for values, scheme in (
            ([b"https"], b"https"),
            ([b"HTTPS"], b"https"),
            ([b"http, https"], b"https"),
            ([b"https", b"http"], b"http"),
            ([b"javascript"], b"http"),
            ([b""], b"http"),
        ):
            self.assertEqual(
                told_client("10.0.0.1", {b"x-forwarded-proto": tuple(values)}, self.trusted).scheme, scheme
            )
        self.assertEqual(told_client("10.0.0.1", {}, self.trusted).scheme, b"http")

    def test_authority(self) -> None:
        """One that could be a Host."""
        for values, authority in (
            ([b"files.example:8443"], b"files.example:8443"),
            ([b"[2001:db8::9]"], b"[2001:db8::9]"),
            ([b"a.example, b.example"], b""),
            ([b"a.example", b"b.example"], b""),
            ([b"a.example/path"], b""),
            ([b"a.example:99999"], b""),
            ([b"x" * 300], b""),
            ([b""], b""),
        ):
            told = told_client("10.0.0.1", {b"x-forwarded-host": tuple(values)}, self.trusted)
            self.assertEqual(told.authority, authority, values)

    def test_set(self) -> None:
        """An address is held, or it is not."""
        self.assertFalse(AddressSet(()).holds("10.0.0.1"))
        for host, holds in (("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.0.0.1", False), ("unknown", False)):
            self.assertEqual(self.trusted.holds(host), holds, host)


class RequestTests(RelayTestCase):
    """Requests through 192.0.2.7, which is trusted, and from elsewhere."""

    LINES = (
        b"X-Forwarded-For: 198.51.100.66, 203.0.113.9",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: files.example",
        b"X-Forwarded-Port: 8443",
        b"X-Forwarded-Prefix: /evil",
        b"X-Real-IP: 198.51.100.66",
        b"Forwarded: for=198.51.100.66",
    )

    def setUp(self) -> None:
        super().setUp()
        self.edge = self.make_edge(
            trusted_proxies=frozenset({ipaddress.ip_network("192.0.2.7")}), connections_per_client_max=1
        )

    def test_believed(self) -> None:
        """The node is told what the proxy says, with the proxy behind it; the log has the client."""
        client = self.ask(self.gateway_request(b"/", *self.LINES))
        node = self.gateway().last
        _, fields, _ = parse_request(node.received)
        told = {name: values for name, values in fields.items() if name.startswith((b"x-", b"forwarded"))}
        self.assertEqual(
            told,
            {
                b"x-forwarded-for": [b"198.51.100.66, 203.0.113.9, 192.0.2.7"],
                b"x-forwarded-proto": [b"https"],
                b"x-forwarded-host": [b"files.example"],
            },
        )
        self.assertEqual(fields[b"host"], [b"demo.gateway.localhost"], "it does not route")
        node.send(OK_EMPTY)
        self.assertEqual(self.access_events[-1]["client"], "203.0.113.9")
        self.assertEqual(parse_response(client.received)[0], 200)

    def test_request_by_request(self) -> None:
        """Each request of a connection has its own client; one that says nothing comes from the proxy."""
        client = self.ask(self.gateway_request(b"/", *self.LINES))
        node = self.gateway().last
        node.send(OK_EMPTY)
        node.take()
        client.send(self.gateway_request())
        node.send(OK_EMPTY)
        _, fields, _ = parse_request(node.received)
        self.assertEqual(fields[b"x-forwarded-for"], [b"192.0.2.7"])
        self.assertEqual(fields[b"x-forwarded-proto"], [b"http"])
        self.assertEqual(fields[b"x-forwarded-host"], [b"demo.gateway.localhost"])
        client.send(self.gateway_request(b"/", b"X-Forwarded-For: 203.0.113.77"))
        node.send(OK_EMPTY)
        client.send(b"nonsense\r\n\r\n")
        self.assertEqual(
            [event["client"] for event in self.access_events],
            ["203.0.113.9", "192.0.2.7", "203.0.113.77", "192.0.2.7"],
        )

    def test_not_believed(self) -> None:
        """From anybody else all of it is removed."""
        client = self.client(host="192.0.2.8")
        client.send(self.gateway_request(b"/", *self.LINES))
        _, fields, _ = parse_request(self.gateway().last.received)
        self.assertEqual(fields[b"x-forwarded-for"], [b"192.0.2.8"])
        self.assertEqual(fields[b"x-forwarded-proto"], [b"http"])
        self.assertEqual(fields[b"x-forwarded-host"], [b"demo.gateway.localhost"])
        self.assertNotIn(b"x-real-ip", fields)
        self.assertNotIn(b"forwarded", fields)

    def test_not_counted_by_client(self) -> None:
        """A trusted proxy's connections are many clients', and do not count as one's."""
        self.assertTrue(all(self.client().is_open for _ in range(5)))
        self.assertTrue(self.client(host="192.0.2.8").is_open)
        self.assertFalse(self.client(host="192.0.2.8").is_open)
