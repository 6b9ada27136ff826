"""The PROXY protocol: who a connection comes from, told by a load balancer, and by nobody else."""

from __future__ import annotations

import ipaddress
import socket
import struct

from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.errors import MalformedError
from nexus.edge.proxy_protocol import V1_BYTES_MAX, V2_BYTES_MAX, read_proxy_header
from tests.edge.fakes import OK_EMPTY, RelayTestCase, parse_request, parse_response

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(command: int = 0x21, kind: int = 0x11, body: bytes = b"", length: int | None = None) -> bytes:
    """A header of version 2 (section 2.2)."""
    return SIGNATURE + struct.pack("!BBH", command, kind, len(body) if length is None else length) + body


def v4_addresses(source: str = "203.0.113.9") -> bytes:
    """Addresses and ports of TCP over IPv4."""
    return socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 56324, 80)


def v6_addresses(source: str = "2001:db8::9") -> bytes:
    """Addresses and ports of TCP over IPv6."""
    both = [socket.inet_pton(socket.AF_INET6, host) for host in (source, "2001:db8::1")]
    return b"".join(both) + struct.pack("!HH", 56324, 80)


GOOD: list[tuple[bytes, str | None]] = [
    (b"PROXY TCP4 203.0.113.9 198.51.100.1 56324 80\r\n", "203.0.113.9"),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
    (b"PROXY TCP4 203.0.113.9 198.51.100.1 0 0\r\n", "203.0.113.9"),
    (b"PROXY TCP6 2001:db8::9 2001:db8::1 56324 80\r\n", "2001:db8::9"),
    (b"PROXY TCP6 2001:0DB8:0000:0000:0000:0000:0000:0009 ::1 1 2\r\n", "2001:db8::9"),
    (b"PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n", "::ffff:203.0.113.9"),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN " + b"f" * 80 + b"\r\n", None),
    # The longest there can be, as the specification writes it out (section 2.1).
    (b"PROXY UNKNOWN " + b" ".join([b":".join([b"ffff"] * 8)] * 2) + b" 65535 65535\r\n", None),
    (v2(body=v4_addresses()), "203.0.113.9"),
    (v2(kind=0x21, body=v6_addresses()), "2001:db8::9"),
    (v2(kind=0x31, body=bytes(216)), None),
    (v2(kind=0x00), None),
    (v2(kind=0x00, body=b"whatever"), None),
    (v2(body=v4_addresses() + b"\x03\x00\x04abcd"), "203.0.113.9"),
    (v2(body=v4_addresses() + bytes(V2_BYTES_MAX - 16 - 12)), "203.0.113.9"),
    (v2(command=0x20, kind=0x00), None),
    (v2(command=0x20, kind=0xFF, body=b"anything"), None),
    (v2(command=0x20, body=v4_addresses()), None),
]
"""Headers, and whom each tells."""

BAD: list[bytes] = [
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01\x02\x00",
    b"PROXY\r\n",
    b"PROXY \r\n",
    b"proxy TCP4 203.0.113.9 198.51.100.1 56324 80\r\n",
    b"PROXY TCP5 203.0.113.9 198.51.100.1 56324 80\r\n",
    b"PROXY TCP 203.0.113.9 198.51.100.1 56324 80\r\n",
    b"PROXY UDP4 203.0.113.9 198.51.100.1 56324 80\r\n",
    b"PROXY TCP4 203.0.113.9 198.51.100.1 56324 80\n",
    b"PROXY TCP4 203.0.113.9 198.51.100.1 56324 80 \r\n",
    b"PROXY TCP4 203.0.113.9 198.51.100.1 56324 80 more\r\n",
    b"PROXY  TCP4 203.0.113.9 198.51.100.1 56324 80\r\n",
    b"PROXY TCP4\t203.0.113.9 198.51.100.1 56324 80\r\n",
    b"PROXY TCP4 203.0.113.9 198.51.100.1 56324\r\n",
    b"PROXY TCP4 203.0.113.9 198.51.100.1 56324 65536\r\n",
    b"PROXY TCP4 203.0.113.9 198.51.100.1 99999 80\r\n",
    b"PROXY TCP4 203.0.113.9 198.51.100.1 -1 80\r\n",
    b"PROXY TCP4 203.0.113.9 198.51.100.1 +1 80\r\n",
    b"PROXY TCP4 203.0.113.9 198.51.100.1 080 80\r\n",
    b"PROXY TCP4 203.0.113.256 198.51.100.1 56324 80\r\n",
    b"PROXY TCP4 203.0.113 198.51.100.1 56324 80\r\n",
    b"PROXY TCP4 0203.0.113.9 198.51.100.1 56324 80\r\n",
    b"PROXY TCP4 203.0.113.9 nonsense 56324 80\r\n",
    b"PROXY TCP4 2001:db8::9 2001:db8::1 56324 80\r\n",
    b"PROXY TCP6 203.0.113.9 198.51.100.1 56324 80\r\n",
    b"PROXY TCP6 2001:db8::9%eth0 2001:db8::1 56324 80\r\n",
    b"PROXY TCP6 2001:db8:::9 2001:db8::1 56324 80\r\n",
    b"PROXY TCP6 [2001:db8::9] 2001:db8::1 56324 80\r\n",
    b"PROXY UNKNOWN\n",
    b"PROXY UNKNOWNX\r\n",
    b"PROXY UNKNOWN \x00\r\n",
    b"PROXY UNKNOWN " + b"f" * V1_BYTES_MAX,
    b"PROXY TCP4 " + b"1" * V1_BYTES_MAX,
    SIGNATURE[:11] + b"\r",
    v2(command=0x11, body=v4_addresses()),
    v2(command=0x22, body=v4_addresses()),
    v2(command=0x01, body=v4_addresses()),
    v2(kind=0x12, body=v4_addresses()),
    v2(kind=0x10, body=v4_addresses()),
    v2(kind=0x41, body=v4_addresses()),
    v2(kind=0x01),
    v2(body=v4_addresses()[:-1]),
    v2(body=b""),
    v2(kind=0x21, body=v4_addresses()),
    v2(kind=0x31, body=bytes(215)),
    v2(body=v4_addresses(), length=V2_BYTES_MAX - 15),
    v2(body=v4_addresses(), length=0xFFFF),
    v2(command=0x20, length=0xFFFF),
]
"""What is no header."""


class HeaderTests(SynchronousTestCase):
    """What is read from the bytes."""

    def test_good(self) -> None:
        """Each header tells its client, whatever comes behind it."""
        for data, host in GOOD:
            self.assertEqual(read_proxy_header(data), (len(data), host), data)
            self.assertEqual(read_proxy_header(data + b"GET / HTTP/1.1\r\n"), (len(data), host), data)

    def test_in_pieces(self) -> None:
        """Until it is complete, a header is neither good nor bad."""
        for data, _ in GOOD:
            for end in range(len(data)):
                self.assertIsNone(read_proxy_header(data[:end]), data[:end])

    def test_bad(self) -> None:
        """What is no header is refused, and if not at its first byte, then at its last."""
        for data in BAD:
            with self.assertRaises(MalformedError, msg=data) as raised:
                read_proxy_header(data)
            self.assertEqual(raised.exception.ended, "proxy_header")

    def test_bounded(self) -> None:
        """Nobody waits for a header that is too long."""
        for start, most in ((b"PROXY ", V1_BYTES_MAX), (SIGNATURE + b"\x21\x11\x10\x00", V2_BYTES_MAX)):
            with self.assertRaises(MalformedError):
                read_proxy_header(start.ljust(most, b"x"))


class ConnectionTests(RelayTestCase):
    """Connections from 192.0.2.7, whose PROXY headers are believed."""

    def setUp(self) -> None:
        super().setUp()
        self.edge = self.make_edge(
            proxy_protocol_from=frozenset({ipaddress.ip_network("192.0.2.7")}),
            trusted_proxies=frozenset({ipaddress.ip_network("203.0.113.0/28")}),
            connections_per_client_max=2,
        )

    def test_told(self) -> None:
        """The client is who the header tells, for the node and for the log."""
        for header, host in ((GOOD[0][0], b"203.0.113.9"), (v2(kind=0x21, body=v6_addresses()), b"2001:db8::9")):
            self.edge = self.make_edge(proxy_protocol_from=frozenset({ipaddress.ip_network("192.0.2.0/24")}))
            client = self.client()
            client.send_bytewise(header)
            client.send(self.gateway_request())
            node = self.gateway().last
            self.assertEqual(parse_request(node.received)[1][b"x-forwarded-for"], [host])
            node.send(OK_EMPTY)
            self.assertEqual(self.access_events[-1]["client"], host.decode())

    def test_with_the_request(self) -> None:
        """The request may come in the header's segment."""
        client = self.ask(v2(body=v4_addresses("203.0.113.99")) + self.gateway_request())
        node = self.gateway().last
        node.send(OK_EMPTY)
        client.send(self.gateway_request())
        self.assertEqual(node.received.count(b"X-Forwarded-For: 203.0.113.99\r\n"), 2)

    def test_not_told(self) -> None:
        """A connection of the balancer's own, such as a health check, comes from the balancer."""
        self.ask(v2(command=0x20, kind=0) + self.gateway_request())
        self.assertIn(b"X-Forwarded-For: 192.0.2.7\r\n", self.gateway().last.received)

    def test_required(self) -> None:
        """A connection without a header is refused: what could be left out could be forged."""
        client = self.ask(self.gateway_request())
        self.assertEqual(parse_response(client.received)[0], 400)
        self.assertTrue(client.is_half_closed)
        self.assertEqual((self.ended(), self.gateway().connections), ("proxy_header", []))

    def test_from_anybody_else(self) -> None:
        """From any other address a header is a malformed request."""
        for header, _ in GOOD:
            client = self.client(host="192.0.2.8")
            client.send(header)
            client.send(self.gateway_request())
            self.assertEqual(parse_response(client.received)[0], 400)
            client.close()
        self.assertEqual(self.gateway().connections, [])

    def test_twice(self) -> None:
        """A second header is one as well."""
        client = self.ask(GOOD[0][0] * 2 + b"\r\n")
        self.assertEqual(parse_response(client.received)[0], 400)

    def test_in_its_time(self) -> None:
        """408 for a header that does not come; dripping does not extend its time."""
        client = self.client()
        client.send(b"PROXY ")
        self.pass_time(9)
        client.send(b"TCP4 ")
        self.pass_time(1)
        self.assertEqual(parse_response(client.received)[0], 408)
        silent = self.client()
        self.pass_time(10)
        self.assertEqual(parse_response(silent.received)[0], 408)

    def test_then_idle(self) -> None:
        """Behind it the client has the time of an idle connection."""
        client = self.ask(GOOD[0][0])
        self.pass_time(74)
        client.send(self.gateway_request())
        self.assertTrue(client.is_open)

    def test_limit_by_client(self) -> None:
        """Connections are counted for who is told, not for the balancer; and given up as any others."""
        header = v2(body=v4_addresses("203.0.113.99"))
        clients = [self.ask(header) for _ in range(3)]
        self.assertEqual([client.received[:13] for client in clients], [b"", b"", b"HTTP/1.1 429 "])
        self.assertTrue(clients[2].is_half_closed)
        self.assertEqual(self.edge.counters.connections_refused, {"connections_per_client_max": 1})
        self.assertTrue(self.ask(v2(body=v4_addresses("203.0.113.98"))).is_open)
        clients[2].close()
        clients[0].close()
        self.assertTrue(self.ask(header).is_open)
        self.assertFalse(self.ask(header).is_open)

    def test_a_trusted_proxy_behind_it(self) -> None:
        """Who is told may be a trusted proxy: then its X-Forwarded-For counts, and nobody else's."""
        for host, told in (("203.0.113.9", b"198.51.100.7, 203.0.113.9"), ("203.0.113.99", b"203.0.113.99")):
            client = self.ask(
                v2(body=v4_addresses(host)) + self.gateway_request(b"/", b"X-Forwarded-For: 198.51.100.7")
            )
            self.assertEqual(parse_request(self.gateway().last.received)[1][b"x-forwarded-for"], [told])
            client.close()

    def test_drain(self) -> None:
        """A connection whose header has not begun is idle."""
        client = self.client()
        drained = self.edge.drain()
        self.assertTrue(client.is_closed)
        client.settle()
        self.successResultOf(drained)
