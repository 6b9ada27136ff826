"""What the edge answers by itself: the whole table, row by row."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from twisted.internet.defer import Deferred

from nexus.model import NetworkState, NetworkStatus
from tests.edge.fakes import EdgeTestCase, parse_response, without_date
from tests.edge.memory import Peer

MULTIADDR = "/ip4/127.0.0.1/tcp/24000/p2p/12D3"
NETWORKS = ("unknown", "private", "public", "private-stopped", "public-stopped")
"""What the tables ask for. All but the first exist; alice is a member of them, mallory of none."""

STATUSES: list[tuple[str, str | None, tuple[int, ...]]] = [
    # feature, user, and a status for each of NETWORKS (0: forwarded)
    ("api", None, (401, 401, 401, 401, 401)),
    ("api", "mallory", (403, 403, 403, 403, 403)),
    ("api", "alice", (403, 0, 0, 503, 503)),
    ("gateway", None, (404, 404, 0, 404, 503)),
    ("gateway", "mallory", (404, 404, 0, 404, 503)),
    ("gateway", "alice", (404, 404, 0, 404, 503)),
    ("status", None, (404, 404, 200, 404, 200)),
    ("status", "mallory", (403, 403, 200, 403, 200)),
    ("status", "alice", (403, 200, 200, 200, 200)),
    ("swarm", None, (404, 404, 200, 404, 200)),
    ("swarm", "mallory", (403, 403, 200, 403, 200)),
    ("swarm", "alice", (403, 200, 200, 200, 200)),
]

INDISTINGUISHABLE = [
    # What must be the same bytes for an unknown network and for one that is not the asker's.
    ("api", None, NETWORKS),
    ("api", "mallory", NETWORKS),
    ("gateway", None, ("unknown", "private", "private-stopped")),
    ("gateway", "alice", ("unknown", "private", "private-stopped")),
    ("status", None, ("unknown", "private", "private-stopped")),
    ("status", "mallory", ("unknown", "private", "private-stopped")),
    ("swarm", None, ("unknown", "private", "private-stopped")),
    ("swarm", "mallory", ("unknown", "private", "private-stopped")),
]


class AnswersTestCase(EdgeTestCase):
    """Networks of every kind."""

    def setUp(self) -> None:
        super().setUp()
        for index, name in enumerate(NETWORKS[1:]):
            running = not name.endswith("-stopped")
            self.publish(name, host=f"10.0.1.{index}", public=name.startswith("public"), running=running)
            self.status.statuses[name] = NetworkStatus(
                network=name,
                state=NetworkState.ONLINE if running else NetworkState.OFFLINE,
                started_at=datetime(2026, 11, 23, tzinfo=UTC),
                uptime_s=1.5,
                peer_id="12D3",
                peers_connected=3,
                disk_used_bytes=4,
                disk_cap_bytes=5,
                swarm_multiaddrs=(MULTIADDR,),
            )

    def request(self, feature: str, network: str, user: str | None, *lines: bytes, method: bytes = b"GET") -> Peer:
        """What asks for one cell of the table."""
        path = b"/api/v0/id" if feature == "api" else b"/"
        head = [method + b" " + path + b" HTTP/1.1", f"Host: {network}.{feature}.localhost".encode(), *lines]
        if user is not None:
            head.append(b"Authorization: Bearer " + self.token(user))
        return self.ask(b"\r\n".join(head) + b"\r\n\r\n")


class TableTests(AnswersTestCase):
    """The table of the documentation."""

    def test_statuses(self) -> None:
        """Every cell."""
        for feature, user, statuses in STATUSES:
            for network, expected in zip(NETWORKS, statuses, strict=True):
                client = self.request(feature, network, user)
                status = parse_response(client.received)[0] if client.received else 0
                self.assertEqual(status, expected, f"{feature} {user} {network}")
                if status:
                    self.assertTrue(client.is_open)

    def test_indistinguishable(self) -> None:
        """What is not yours answers as what does not exist, byte for byte, whatever is preferred."""
        for feature, user, networks in INDISTINGUISHABLE:
            for accept in (b"*/*", b"application/json", b"text/html,*/*"):
                answers = {
                    without_date(self.request(feature, network, user, b"Accept: " + accept).received)
                    for network in networks
                }
                self.assertEqual(len(answers), 1, f"{feature} {user}")

    def test_bad_tokens(self) -> None:
        """A token that does not verify is none at all."""
        good = self.token()
        for value in (
            b"Bearer",
            b"Bearer ",
            b"Bearer x.y.z",
            b"Basic " + good,
            b"Bearer " + good[:-2],
            b"Bearer " + self.token(lifetime_s=-1),
            good,
            b"Bearer " + good + b" " + good,
        ):
            client = self.ask(
                b"POST /api/v0/id HTTP/1.1\r\nHost: public.api.localhost\r\nAuthorization: " + value + b"\r\n\r\n"
            )
            status, fields, _ = parse_response(client.received)
            self.assertEqual((status, fields[b"www-authenticate"]), (401, [b'Bearer realm="nexus"']), value)
            client = self.ask(
                b"GET / HTTP/1.1\r\nHost: private.status.localhost\r\nAuthorization: " + value + b"\r\n\r\n"
            )
            self.assertEqual(parse_response(client.received)[0], 404)

    def test_two_tokens(self) -> None:
        """Two Authorization fields are none, even where both are good."""
        client = self.request("api", "public", "alice", b"Authorization: Bearer " + self.token())
        self.assertEqual(parse_response(client.received)[0], 401)

    def test_scheme_in_any_case(self) -> None:
        """The scheme's case does not count (RFC 9110 section 11.1)."""
        client = self.ask(
            b"POST /api/v0/id HTTP/1.1\r\nHost: public.api.localhost\r\nAuthorization: bearer %b\r\n\r\n" % self.token()
        )
        self.assertEqual(client.received, b"")

    def test_retry_after(self) -> None:
        """A stopped network says when to come back."""
        client = self.request("gateway", "public-stopped", None)
        self.assertEqual(parse_response(client.received)[1][b"retry-after"], [b"5"])

    def test_methods(self) -> None:
        """`status` and `swarm` are only read; their other paths are nowhere."""
        client = self.request("status", "public", "alice", method=b"POST")
        status, fields, _ = parse_response(client.received)
        self.assertEqual((status, fields[b"allow"]), (405, [b"GET, HEAD"]))
        client = self.ask(b"GET /x HTTP/1.1\r\nHost: public.status.localhost\r\n\r\n")
        self.assertEqual(parse_response(client.received)[0], 404)

    def test_body_is_not_read(self) -> None:
        """An answer does not wait for the request's body; the connection then ends, and the client gets to read."""
        client = self.ask(
            b"POST /api/v0/add HTTP/1.1\r\nHost: public.api.localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000
        )
        status, fields, _ = parse_response(client.received)
        self.assertEqual((status, fields[b"connection"]), (401, [b"close"]))
        self.assertTrue(client.is_half_closed)
        client.send(b"x" * 100_000)
        self.assertFalse(client.is_aborted)
        client.close()
        self.assertTrue(client.transport.is_lost)


class FormTests(AnswersTestCase):
    """How an answer is written."""

    def form(self, feature: str, accept: bytes | None, user: str | None = None) -> tuple[bytes, bytes]:
        """Content type and body of an answer about an unknown network."""
        lines = () if accept is None else (b"Accept: " + accept,)
        _, fields, body = parse_response(self.request(feature, "unknown", user, *lines).received)
        self.assertEqual(fields[b"content-length"], [b"%d" % len(body)])
        self.assertEqual(fields[b"cache-control"], [b"no-store"])
        return fields[b"content-type"][0], body

    def test_text(self) -> None:
        """Text by default, and for a browser at `api`, since the ipfs CLI prints it."""
        for feature, accept in (("api", None), ("api", b"text/html,*/*"), ("gateway", None), ("gateway", b"*/*")):
            media_type, body = self.form(feature, accept)
            self.assertEqual(media_type, b"text/plain; charset=utf-8")
            self.assertTrue(body.endswith(b".\n"))

    def test_json(self) -> None:
        """JSON in Kubo's error form where it is asked for."""
        for feature in ("api", "gateway", "status"):
            media_type, body = self.form(feature, b"application/json;q=0.9, */*")
            self.assertEqual(media_type, b"application/json; charset=utf-8")
            self.assertEqual(json.loads(body)["Type"], "error")

    def test_page(self) -> None:
        """A small page for a browser on the other features."""
        media_type, body = self.form("gateway", b"text/html,application/xhtml+xml,*/*;q=0.8")
        self.assertEqual(media_type, b"text/html; charset=utf-8")
        self.assertIn(b"<h1>404 Not Found</h1>", body)

    def test_head(self) -> None:
        """HEAD is told the length and gets no body."""
        client = self.request("gateway", "unknown", None, method=b"HEAD")
        _, fields, body = parse_response(client.received)
        self.assertNotEqual(fields[b"content-length"], [b"0"])
        self.assertEqual(body, b"")
        self.assertTrue(client.is_open)

    def test_close(self) -> None:
        """An answer to the last request of a connection says so."""
        client = self.request("gateway", "unknown", None, b"Connection: close")
        self.assertEqual(parse_response(client.received)[1][b"connection"], [b"close"])
        self.assertTrue(client.is_closed)


class StatusTests(AnswersTestCase):
    """What `status` and `swarm` tell."""

    def test_member(self) -> None:
        """A member is told everything."""
        for feature in ("status", "swarm"):
            _, fields, body = parse_response(self.request(feature, "private", "alice").received)
            self.assertEqual(fields[b"content-type"], [b"application/json"])
            self.assertEqual(
                json.loads(body),
                {
                    "network": "private",
                    "state": "online",
                    "online": True,
                    "started_at": "2026-11-23T00:00:00+00:00",
                    "uptime_s": 1.5,
                    "peer_id": "12D3",
                    "peers_connected": 3,
                    "disk_used_bytes": 4,
                    "disk_cap_bytes": 5,
                    "swarm_multiaddrs": [MULTIADDR],
                },
            )

    def test_public(self) -> None:
        """Everybody else, of a public gateway, only whether it is online."""
        for network, online in (("public", True), ("public-stopped", False)):
            for user in (None, "mallory"):
                _, _, body = parse_response(self.request("status", network, user).received)
                self.assertEqual(json.loads(body), {"network": network, "online": online})

    def test_public_asks_nobody(self) -> None:
        """A stranger's question, as often as it comes, is answered from the route."""
        self.status.pending = []
        for user in (None, "mallory"):
            client = self.request("status", "public", user)
            self.assertEqual(parse_response(client.received)[0], 200)
        self.assertEqual(self.status.pending, [])
        self.publish("public", running=False)
        _, _, body = parse_response(self.request("status", "public", None).received)
        self.assertEqual(json.loads(body), {"network": "public", "online": False})

    def test_page(self) -> None:
        """A browser gets a page."""
        _, fields, body = parse_response(self.request("swarm", "private", "alice", b"Accept: text/html").received)
        self.assertEqual(fields[b"content-type"], [b"text/html; charset=utf-8"])
        self.assertIn(MULTIADDR.encode(), body)

    def test_head(self) -> None:
        """HEAD gets no body."""
        self.assertEqual(parse_response(self.request("status", "public", None, method=b"HEAD").received)[2], b"")

    def test_later(self) -> None:
        """The answer may take its time; pipelined requests wait for it."""
        pending: list[Deferred[NetworkStatus]] = []
        self.status.pending = pending
        client = self.request("status", "public", "alice")
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(client.received, b"")
        pending[0].callback(self.status.statuses["public"])
        client.settle()
        self.assertEqual(client.received.count(b"HTTP/1.1 "), 2)
        self.assertTrue(client.received.startswith(b"HTTP/1.1 200"))

    def test_client_leaves(self) -> None:
        """A question that nobody waits for any more is cancelled."""
        pending: list[Deferred[NetworkStatus]] = []
        self.status.pending = pending
        client = self.request("status", "public", "alice")
        client.close()
        self.assertEqual(self.status.cancelled, 1)
        self.assertEqual(client.received, b"")
        self.assertEqual(self.ended(), "client_gone")

    def test_failure(self) -> None:
        """A status that cannot be had is 503, and logged; one of a network that has just gone is 404."""
        self.status.failure = RuntimeError("broken")
        self.assertEqual(parse_response(self.request("status", "public", "alice").received)[0], 503)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.status.failure = None
        del self.status.statuses["public"]
        self.assertEqual(parse_response(self.request("status", "public", "alice").received)[0], 404)


class DialTests(EdgeTestCase):
    """Nodes that cannot be reached."""

    def setUp(self) -> None:
        super().setUp()
        self.route = self.publish()

    def test_refused(self) -> None:
        """502 at once, and whoever looks after nodes is told which generation it was."""
        self.gateway().refuses = True
        client = self.ask(self.gateway_request())
        self.assertEqual(parse_response(client.received)[0], 502)
        self.assertTrue(client.is_open)
        self.assertEqual(self.status.unreachable, [("demo", self.route.generation)])
        self.assertEqual(self.ended(), "dial_refused")

    def test_too_slow(self) -> None:
        """504 after the connect timeout, and told likewise."""
        self.rpc().holds = True
        client = self.ask(self.api_request())
        self.pass_time(2.9)
        self.assertEqual(client.received, b"")
        self.pass_time(0.2)
        self.assertEqual(parse_response(client.received)[0], 504)
        self.assertEqual(self.rpc().cancelled, 1)
        self.assertEqual(self.status.unreachable, [("demo", self.route.generation)])
        self.assertEqual(self.ended(), "connect_timeout")
