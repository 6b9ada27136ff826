"""The websocket handshake at both ends (RFC 6455 section 4.2)."""

from __future__ import annotations

from tests.edge.fakes import OK_EMPTY, RelayTestCase, parse_request, parse_response
from tests.edge.memory import Peer

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The pair of RFC 6455 section 1.3."""

ASKS = (
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Key: " + KEY,
    b"Sec-WebSocket-Version: 13",
)
SWITCHES = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: " + ACCEPT)


def switching(*lines: bytes) -> bytes:
    """A 101 with `lines`."""
    return b"HTTP/1.1 101 Switching Protocols\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


class WebsocketTestCase(RelayTestCase):
    """A network whose gateway speaks websocket."""

    def asking(self, *lines: bytes, early: bytes = b"") -> tuple[Peer, Peer]:
        """A client that has asked for it, and the node's end."""
        client = self.ask(self.gateway_request(b"/ws", *ASKS, *lines) + early)
        return client, self.gateway().last

    def tunnel(self, *lines: bytes) -> tuple[Peer, Peer]:
        """Both ends of a tunnel, with the handshake taken."""
        client, node = self.asking(*lines)
        node.send(switching(*SWITCHES))
        node.take()
        client.take()
        return client, node


class RequestTests(WebsocketTestCase):
    """Which requests ask a node to change the protocol."""

    def test_asked(self) -> None:
        """A complete request is passed on, with the fields of the handshake and its Origin, which the node judges."""
        _, node = self.asking(
            b"Origin: https://app.example", b"Sec-WebSocket-Protocol: chat", b"Sec-WebSocket-Extensions: x; y=1"
        )
        line, fields, _ = parse_request(node.received)
        self.assertEqual(line, b"GET /ws HTTP/1.1")
        self.assertEqual((fields[b"upgrade"], fields[b"connection"]), ([b"websocket"], [b"Upgrade"]))
        self.assertEqual((fields[b"sec-websocket-key"], fields[b"sec-websocket-version"]), ([KEY], [b"13"]))
        self.assertEqual(fields[b"sec-websocket-protocol"], [b"chat"])
        self.assertEqual(fields[b"sec-websocket-extensions"], [b"x; y=1"])
        self.assertEqual(fields[b"origin"], [b"https://app.example"])

    def test_spellings(self) -> None:
        """Names are read as the lists that they are, in any case, on any line; other protocols are left out."""
        for upgrade in (b"Upgrade: WebSocket", b"Upgrade: h2c, websocket", b"Upgrade: h2c\r\nUpgrade: websocket, x/1"):
            for connection in (b"connection: keep-alive, UPGRADE", b"Connection: x\r\nConnection: upgrade"):
                self.ask(self.gateway_request(b"/ws", upgrade, connection, *ASKS[2:]))
                _, fields, _ = parse_request(self.gateway().last.received)
                self.assertEqual(fields.get(b"upgrade"), [b"websocket"], upgrade)
                self.assertEqual(fields[b"connection"], [b"Upgrade"])

    def test_incomplete(self) -> None:
        """Whatever is missing or twice there, the request goes on as an ordinary one; a 101 to it is no answer."""
        upgrade, connection, key, version = ASKS
        for lines in (
            (connection, key, version),
            (upgrade, key, version),
            (upgrade, connection, version),
            (upgrade, connection, key),
            (b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABk", key, version),
            (b"Upgrade: h2", connection, key, version),
            (b"Upgrade: websocket/13", connection, key, version),
            (b"Upgrade: websockets", connection, key, version),
            (upgrade, connection, key, key, version),
            (upgrade, connection, key, version, version),
            (upgrade, connection, key, b"Sec-WebSocket-Version: 8"),
            (upgrade, connection, key, b"Sec-WebSocket-Version: 13, 8"),
            (upgrade, connection, b"Sec-WebSocket-Key: ", version),
            (upgrade, connection, b"Sec-WebSocket-Key: c2hvcnQ=", version),
            (upgrade, connection, b"Sec-WebSocket-Key: " + KEY + b"==", version),
            (upgrade, connection, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j*Q==", version),
            (upgrade, b"Connection: Upgrade, Sec-WebSocket-Key", key, version),
        ):
            client = self.ask(self.gateway_request(b"/ws", *lines))
            node = self.gateway().last
            _, fields, _ = parse_request(node.received)
            self.assertEqual(set(fields) & {b"upgrade", b"connection", b"http2-settings"}, set(), lines)
            node.send(switching(*SWITCHES))
            self.assertEqual(parse_response(client.received)[0], 502, lines)
            self.assertTrue(node.is_aborted)

    def test_no_get(self) -> None:
        """Another method, a body or HTTP/1.0 cannot ask for it."""
        for request in (
            self.gateway_request(b"/ws", *ASKS, method=b"POST"),
            self.gateway_request(b"/ws", *ASKS, method=b"OPTIONS"),
            self.gateway_request(b"/ws", *ASKS, b"Content-Length: 1") + b"x",
            self.gateway_request(b"/ws", *ASKS, b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
            self.gateway_request(b"/ws", *ASKS).replace(b"HTTP/1.1", b"HTTP/1.0"),
        ):
            self.ask(request)
            self.assertNotIn(b"upgrade", parse_request(self.gateway().last.received)[1], request)

    def test_not_offered_by_the_rpc(self) -> None:
        """Kubo's RPC has no websocket: a request for one is an ordinary call there."""
        client = self.ask(self.api_request(b"/api/v0/id", *ASKS, method=b"GET"))
        node = self.rpc().last
        self.assertNotIn(b"upgrade", parse_request(node.received)[1])
        node.send(switching(*SWITCHES))
        self.assertEqual(parse_response(client.received)[0], 502)

    def test_decided_before(self) -> None:
        """Who may not reach the node is answered as ever."""
        self.publish(public=False)
        client = self.ask(self.gateway_request(b"/ws", *ASKS))
        self.assertEqual(parse_response(client.received)[0], 404)


class ResponseTests(WebsocketTestCase):
    """Which answers change the protocol."""

    def test_switched(self) -> None:
        """The client gets the node's 101, with what the node chose, and nothing that belongs to the node's
        connection."""
        client, node = self.asking()
        node.send(
            b"HTTP/1.1 101 Web Socket\r\nUPGRADE: WebSocket\r\nconnection: keep-alive, upgrade\r\nKeep-Alive: x\r\n"
            b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
        )
        status, fields, rest = parse_response(client.received)
        self.assertEqual((status, rest), (101, b""))
        self.assertEqual((fields[b"upgrade"], fields[b"connection"]), ([b"websocket"], [b"Upgrade"]))
        self.assertEqual(fields[b"sec-websocket-accept"], [ACCEPT])
        self.assertEqual(fields[b"sec-websocket-protocol"], [b"chat"])
        self.assertNotIn(b"keep-alive", fields)

    def test_wrong(self) -> None:
        """A 101 that is not exactly what was asked for is no answer: 502, and nothing behind it is passed on."""
        upgrade, connection, accept = SWITCHES
        for lines in (
            (),
            (connection, accept),
            (upgrade, accept),
            (upgrade, connection),
            (b"Upgrade: h2c", connection, accept),
            (b"Upgrade: websocket, h2c", connection, accept),
            (upgrade, upgrade, connection, accept),
            (upgrade, b"Connection: close", accept),
            (upgrade, connection, accept, accept),
            (upgrade, connection, b"Sec-WebSocket-Accept: " + ACCEPT.lower()),
            (upgrade, connection, b"Sec-WebSocket-Accept: " + KEY),
            (upgrade, connection, accept, b"Content-Length: 0"),
            (upgrade, connection, accept, b"Content-Length: 5"),
            (upgrade, connection, accept, b"Transfer-Encoding: chunked"),
        ):
            client, node = self.asking()
            node.send(switching(*lines) + b"early")
            self.assertEqual(parse_response(client.received)[0], 502, lines)
            self.assertTrue(node.is_aborted)
            self.assertNotIn(b"early", client.received)
            self.assertTrue(client.is_open)
        client, node = self.asking()
        node.send(switching(*SWITCHES).replace(b"HTTP/1.1", b"HTTP/1.0"))
        self.assertEqual(parse_response(client.received)[0], 502)

    def test_ordinary_answer(self) -> None:
        """A node that does not change the protocol answers as ever, and both connections go on."""
        client, node = self.asking()
        node.send(b"HTTP/1.1 403 Forbidden\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno")
        status, fields, body = parse_response(client.take())
        self.assertEqual((status, body), (403, b"no"))
        self.assertNotIn(b"upgrade", fields)
        node.take()
        client.send(self.gateway_request())
        self.assertIn(b"GET /ipfs/cid", node.received)

    def test_after_interim_responses(self) -> None:
        """Other interim responses may come before."""
        client, node = self.asking()
        node.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + switching(*SWITCHES) + b"hello")
        hints, _, rest = client.received.partition(b"\r\n\r\n")
        self.assertTrue(hints.startswith(b"HTTP/1.1 103 "))
        self.assertEqual((parse_response(rest)[0], parse_response(rest)[2]), (101, b"hello"))

    def test_bytewise(self) -> None:
        """The 101 may come one byte at a time, and a tunnel byte behind it is no part of it."""
        client, node = self.asking()
        node.send_bytewise(switching(*SWITCHES) + b"hi")
        self.assertEqual(parse_response(client.received)[2], b"hi")

    def test_stale_connection(self) -> None:
        """A request that finds its reused connection closed asks again on a fresh one."""
        client, node = self.download()
        node.send(OK_EMPTY)
        client.take()
        client.send(self.gateway_request(b"/ws", *ASKS))
        node.close()
        self.gateway().last.send(switching(*SWITCHES))
        self.assertEqual(parse_response(client.received)[0], 101)
