"""Browsers and `api`."""

from __future__ import annotations

from tests.edge.fakes import CHUNKED_HEAD, EdgeTestCase, parse_request, parse_response, without_date
from tests.edge.memory import Peer

LISTED = b"https://app.example"
FOREIGN = b"https://evil.example"


class CORSTests(EdgeTestCase):
    """A network that lists one origin."""

    def setUp(self) -> None:
        super().setUp()
        self.publish(origins=["https://app.example"])

    def preflight(self, origin: bytes, host: bytes = b"demo.api.localhost") -> Peer:
        """What a browser asks before a call."""
        return self.ask(
            b"OPTIONS /api/v0/add HTTP/1.1\r\nHost: %b\r\nOrigin: %b\r\nAccess-Control-Request-Method: POST\r\n"
            b"Access-Control-Request-Headers: authorization\r\n\r\n" % (host, origin)
        )

    def test_preflight(self) -> None:
        """Answered without a token, and without the node, for a listed origin."""
        status, fields, _ = parse_response(self.preflight(LISTED).received)
        self.assertEqual(status, 204)
        self.assertEqual(fields[b"access-control-allow-origin"], [LISTED])
        self.assertEqual(fields[b"access-control-allow-methods"], [b"POST"])
        self.assertIn(b"Authorization", fields[b"access-control-allow-headers"][0])
        self.assertIn(b"Origin", fields[b"vary"][0])
        self.assertEqual(self.rpc().connections, [])

    def test_preflight_refused(self) -> None:
        """An unlisted origin and an unknown network look the same."""
        refused = self.preflight(FOREIGN).received
        status, fields, _ = parse_response(refused)
        self.assertEqual(status, 403)
        self.assertNotIn(b"access-control-allow-origin", fields)
        for origin, host in ((FOREIGN, b"nobody.api.localhost"), (LISTED, b"nobody.api.localhost")):
            self.assertEqual(without_date(self.preflight(origin, host).received), without_date(refused))

    def test_listed(self) -> None:
        """Kubo sees no browser, and the browser what the edge says, not what Kubo does."""
        client = self.ask(
            self.api_request(
                b"/api/v0/id", b"Origin: " + LISTED, b"Referer: https://app.example/x", b"User-Agent: Mozilla/5.0"
            )
        )
        node = self.rpc().last
        _, fields, _ = parse_request(node.received)
        self.assertEqual(set(fields) & {b"origin", b"referer"}, set())
        self.assertEqual(fields[b"user-agent"], [b"nexus"], "Kubo refuses a browser that has no origin")
        node.send(
            CHUNKED_HEAD + b"Access-Control-Allow-Origin: http://localhost:5001\r\nVary: Origin\r\n"
            b"access-control-allow-headers: X-Stream-Output\r\n\r\n0\r\n\r\n"
        )
        _, fields, _ = parse_response(client.received)
        self.assertEqual(fields[b"access-control-allow-origin"], [LISTED])
        self.assertNotIn(b"access-control-allow-headers", fields)
        self.assertIn(b"Origin", fields[b"vary"])
        for name in (b"X-Chunked-Output", b"X-Content-Length", b"X-Stream-Output"):
            self.assertIn(name, fields[b"access-control-expose-headers"][0])

    def test_vary_is_said_once(self) -> None:
        """What a node says itself of how its answer varies is not repeated; something else is added to."""
        for said, expected in (
            (b"Vary: Origin\r\n", [b"Origin"]),
            (b"Vary: Accept, origin\r\n", [b"Accept, origin"]),
            (b"Vary: Accept\r\n", [b"Accept", b"Origin"]),
            (b"Connection: Vary\r\nVary: Origin\r\n", [b"Origin"]),
            (b"", [b"Origin"]),
        ):
            client = self.ask(self.api_request(b"/api/v0/id", b"Origin: " + LISTED))
            self.rpc().last.send(b"HTTP/1.1 200 OK\r\n" + said + b"Content-Length: 0\r\n\r\n")
            self.assertEqual(parse_response(client.received)[1][b"vary"], expected, said)

    def test_unlisted(self) -> None:
        """403 for a member's own token too, and several origins are none that is listed."""
        for line in (b"Origin: " + FOREIGN, b"Origin: null", b"Origin: %b\r\nOrigin: %b" % (LISTED, LISTED)):
            client = self.ask(self.api_request(b"/api/v0/id", line))
            status, fields, _ = parse_response(client.received)
            self.assertEqual(status, 403)
            self.assertNotIn(b"access-control-allow-origin", fields)
        self.assertEqual(self.rpc().connections, [])

    def test_answers_are_readable(self) -> None:
        """An answer of the edge's own to a listed origin can be read by its page."""
        client = self.ask(b"POST /api/v0/id HTTP/1.1\r\nHost: demo.api.localhost\r\nOrigin: %b\r\n\r\n" % LISTED)
        status, fields, _ = parse_response(client.received)
        self.assertEqual((status, fields[b"access-control-allow-origin"]), (401, [LISTED]))

    def test_browser_without_origin(self) -> None:
        """Kubo refuses a browser's POST without an Origin: its User-Agent is replaced."""
        self.ask(self.api_request(b"/api/v0/id", b"User-Agent: Mozilla/5.0 (X11)", b"Referer: https://x/"))
        _, fields, _ = parse_request(self.rpc().last.received)
        self.assertEqual(fields[b"user-agent"], [b"nexus"])
        self.assertNotIn(b"referer", fields)
        self.assertNotIn(b"origin", fields)

    def test_other_agents(self) -> None:
        """Other programs' names pass."""
        self.ask(self.api_request(b"/api/v0/id", b"User-Agent: go-ipfs-cmds/http"))
        self.assertEqual(parse_request(self.rpc().last.received)[1][b"user-agent"], [b"go-ipfs-cmds/http"])

    def test_plain_options(self) -> None:
        """OPTIONS that is no preflight needs a token."""
        client = self.ask(b"OPTIONS /api/v0/id HTTP/1.1\r\nHost: demo.api.localhost\r\n\r\n")
        self.assertEqual(parse_response(client.received)[0], 401)

    def test_gateway(self) -> None:
        """The gateway's own cross-origin fields pass; the node is not told the origin."""
        client = self.ask(self.gateway_request(b"/ipfs/x", b"Origin: " + FOREIGN, b"Referer: https://evil.example/"))
        node = self.gateway().last
        _, fields, _ = parse_request(node.received)
        self.assertNotIn(b"origin", fields)
        self.assertNotIn(b"referer", fields)
        node.send(b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(parse_response(client.received)[1][b"access-control-allow-origin"], [b"*"])
