"""The access log."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.logger import formatEvent
from twisted.trial.unittest import SynchronousTestCase

from nexus.edge import access_log
from nexus.edge.access_lines import PATH_BYTES_MAX
from nexus.edge.access_log import WAIT_S
from nexus.edge.timeouts import Phase
from tests.edge.fakes import CHUNKED_HEAD, NODE_BEARER, OK_EMPTY, EdgeTestCase


class AccessLogTests(EdgeTestCase):
    """One line for each request, here an object."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def test_fields(self) -> None:
        """Who asked what of which network, and how it went."""
        client = self.ask(self.api_request(b"/api/v0/add?arg=x", body=b"abc"))
        self.clock.advance(0.25)
        self.rpc().last.send(CHUNKED_HEAD + b"\r\n5\r\nhello\r\n")
        self.clock.advance(0.5)
        self.rpc().last.send(b"0\r\n\r\n")
        (event,) = self.access_events
        self.assertEqual(
            event,
            {
                "time": "1970-01-01T00:00:00.750Z",
                "network": "demo",
                "feature": "api",
                "user": "alice",
                "client": "192.0.2.7",
                "method": "POST",
                "path": "/api/v0/add",
                "status": 200,
                "bytes_in": 3,
                "bytes_out": 5,
                "duration_ms": 750.0,
                "first_byte_ms": 250.0,
                "ended": "complete",
            },
        )
        self.assertTrue(client.is_open)

    def test_one_each(self) -> None:
        """Pipelined requests, answers of our own and rejects have one each."""
        self.ask(self.gateway_request() + b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"nonsense\r\n\r\n")
        self.gateway().last.send(OK_EMPTY)
        self.assertEqual([event["status"] for event in self.access_events], [200, 404, 400])
        self.assertEqual(self.access_events[1]["network"], None)
        self.assertEqual(self.access_events[2]["ended"], "malformed_request")

    def test_bytes_of_our_own_answers(self) -> None:
        """The bodies of the edge's own answers count, rejects and status included; HEAD has none."""
        for request in (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: demo.status.localhost\r\n\r\n",
            b"HEAD / HTTP/1.1\r\nHost: demo.status.localhost\r\n\r\n",
            b"nonsense\r\n\r\n",
        ):
            client = self.ask(request)
            body = client.received.partition(b"\r\n\r\n")[2]
            self.assertEqual(self.access_events[-1]["bytes_out"], len(body))
            self.assertEqual(bool(body), not request.startswith(b"HEAD"))

    def test_no_name_of_a_strangers_making(self) -> None:
        """A path form that names what can be no network's name brings no network into the log, and a long path is
        told by its beginning."""
        junk = b"x" * 5000
        for name in (b"DEMO", b"%64emo", b'"}{', junk):
            self.ask(b"GET /network/%b/status HTTP/1.1\r\nHost: localhost\r\n\r\n" % name)
            self.assertIsNone(self.access_events[-1]["network"])
        path = self.access_events[-1]["path"]
        self.assertEqual(len(path), PATH_BYTES_MAX)
        self.assertTrue(path.endswith("xxx..."))

    def test_client_gone(self) -> None:
        """A client that left before an answer has status 0."""
        client = self.ask(self.gateway_request())
        client.close()
        (event,) = self.access_events
        self.assertEqual((event["status"], event["first_byte_ms"], event["ended"]), (0, None, "client_gone"))

    def test_no_secrets(self) -> None:
        """No query, token, bearer, cookie or userinfo in any event, whatever goes wrong."""
        token = self.token()
        line = b"Host: demo.api.localhost\r\nAuthorization: Bearer " + token + b"\r\nCookie: cookie-secret\r\n"
        for request in (
            b"POST /api/v0/id?api-auth=query-secret HTTP/1.1\r\n" + line + b"\r\n",
            b"POST http://demo.api.localhost/api/v0/id?query-secret HTTP/1.1\r\n" + line + b"\r\n",
            b"POST http://userinfo-secret@demo.api.localhost/ HTTP/1.1\r\n" + line + b"\r\n",
            b"POST /api/v0/shutdown?query-secret HTTP/1.1\r\n" + line + b"\r\n",
            b"POST /api/v0/id?query-secret HTTP/1.1\r\n" + line + b"Content-Length: x\r\n\r\n",
            b"POST /api/v0/id?query-secret HTTP/1.1\r\n" + line + b"bad\r\n\r\n",
            b"CONNECT userinfo-secret@x:80 HTTP/1.1\r\n" + line + b"\r\n",
            b"GET /ipfs/x?query-secret HTTP/1.1\r\nHost: demo.gateway.localhost\r\n\r\n",
        ):
            self.ask(request)
        for node in self.rpc().connections + self.gateway().connections:
            node.send(b"query-secret\r\n\r\n")
        self.assertEqual(len(self.access_events), 8)
        self.rpc().refuses = True
        self.ask(b"POST /api/v0/id?query-secret HTTP/1.1\r\n" + line + b"\r\n")
        for event in self.events:
            text = repr(event) + (formatEvent(event) or "")
            for secret in (b"-secret", token, NODE_BEARER.reveal().encode()):
                self.assertNotIn(secret.decode(), text)

    def test_absolute_form(self) -> None:
        """The path of an absolute target is told without its authority."""
        self.ask(b"GET http://demo.gateway.localhost/a/b?c HTTP/1.1\r\nHost: demo.gateway.localhost\r\n\r\n")
        self.gateway().last.send(OK_EMPTY)
        self.assertEqual(self.access_events[0]["path"], "/a/b")


class SilentTests(EdgeTestCase):
    """The access log can be off."""

    access_log = False

    def test_off(self) -> None:
        """Then nothing is logged; the counters count on."""
        self.publish()
        self.ask(self.gateway_request())
        self.gateway().last.send(OK_EMPTY)
        self.assertEqual(self.access_events, [])
        self.assertEqual(self.edge.counters.ended, {"complete": 1})


class WordsTests(SynchronousTestCase):
    """What the documentation says of how requests end."""

    def test_all_of_them(self) -> None:
        """It has every timeout that can end a request, and no word that the edge does not know."""
        root = Path(__file__).resolve().parents[2]
        table = (root / "docs/access-log.md").read_text()
        rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
        told = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
        # These end connections that have no request under way.
        others = {Phase.KEEP_ALIVE, Phase.LINGER, Phase.CLOSE, Phase.LOOK}
        self.assertEqual({phase.value for phase in Phase if phase not in others} - told, set())
        sources = "".join(path.read_text() for path in sorted((root / "nexus/edge").glob("*.py")))
        self.assertEqual({word for word in told if f'"{word}"' not in sources}, set())


class BatchTests(EdgeTestCase):
    """When lines are written, by default to the process's log."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(access_log, "RECORDS_MAX", 3)
        self.edge = self.make_edge(access_log_format="text")

    def request(self, path: bytes) -> None:
        """One request, which is refused."""
        self.ask(b"GET %b?query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path)

    def texts(self) -> list[str]:
        """What the process's log reads."""
        return [str(formatEvent(event)) for event in self.events if event["log_namespace"] == "nexus.edge.access"]

    def test_after_a_moment(self) -> None:
        """A line waits for others for a moment; then all are one event, and nothing waits any more."""
        self.request(b"/1")
        self.clock.advance(WAIT_S - 0.001)
        self.request(b"/2{}")
        self.assertEqual(self.texts(), [])
        self.clock.advance(0.001)
        (text,) = self.texts()
        self.assertEqual([line.split()[5] for line in text.split("\n")], ["/1", "/2{}"])
        for client in list(self.edge._context.clients):
            client.abort()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many(self) -> None:
        """Many do not wait."""
        for path in (b"/1", b"/2", b"/3", b"/4"):
            self.request(path)
        self.assertEqual([text.count("\n") for text in self.texts()], [2])
        self.clock.advance(WAIT_S)
        self.assertEqual([text.count("\n") for text in self.texts()], [2, 0])

    def test_drained(self) -> None:
        """Nothing waits when the edge is drained, not even of those that it cut."""
        self.publish()
        self.ask(self.gateway_request(b"/cut"))
        self.request(b"/1")
        drained = self.edge.drain()
        self.edge.end_drain()
        self.pass_time(0)
        self.successResultOf(drained)
        (text,) = self.texts()
        self.assertEqual({line.split()[-1] for line in text.split("\n")}, {"complete", "drain_timeout"})

    def test_memory(self) -> None:
        """Of a long target no more waits than is of use."""
        self.request(b"/" + b"x" * 20_000)
        records = self.edge._context.access_log._records  # type: ignore[union-attr]
        self.assertLess(max(len(value) for value in records[0] if isinstance(value, bytes)), 4096)
