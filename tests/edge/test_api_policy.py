"""Which RPC paths are offered."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.api_policy import PathVerdict, judge_path, strip_cli_token
from tests.edge.fakes import EdgeTestCase, parse_response

REFUSED = [
    "shutdown",
    "shutdown/",
    "%73hutdown",
    "s%68utdown",
    "config",
    "config/Identity",
    "config/API.Authorizations",
    "config/replace",
    "config/edit",
    "config/profile",
    "config/profile/apply",
    "config/Show",
    "config/x/show",
    "c%6Fnfig/x",
    "p2p",
    "p2p/listen",
    "p2p/%6cisten",
    "p2p/stream/ls",
    "pin/remote",
    "pin/remote/ls",
    "pin/remote/service/add",
    "mount",
    "mount/x",
    "bootstrap",
    "bootstrap/list",
    "bootstrap/add/default",
    "swarm/filters",
    "swarm/filters/add",
    "diag",
    "diag/sys",
    "diag/cmds/clear",
    "diag/profile",
    "log",
    "log/tail",
    "log/level",
]
OFFERED = [
    "id",
    "version",
    "add",
    "cat/QmX",
    "block/get/bafy",
    "config/show",
    "config/show/",
    "config/show/x",
    "pin/add",
    "pin/ls",
    "pin/remotely",
    "swarm/peers",
    "swarm/connect",
    "logs",
    "diagnose",
    "mountain",
    "shutdowns",
    "files/ls",
    "pubsub/sub",
    "dag/import",
    "key/gen",
    "a%20b",
    "x%252fy",
]
MALFORMED = [
    r"/api/v0//id",
    r"//api/v0/id",
    r"/api//v0/id",
    r"/api/v0/id//",
    r"/api/v0/./id",
    r"/api/v0/../v0/id",
    r"/api/v0/id/..",
    r"/api/v0/%2e%2e/id",
    r"/api/v0/%2E/id",
    r"/api/v0/.%2e/id",
    r"/api/v0%2fid",
    r"/api/v0/config%2Fshow",
    r"/api/v0/id%00",
    r"/api/v0/%5cid",
    r"/api/v0/\id",
    r"/api/v0/%",
    r"/api/v0/%4",
    r"/api/v0/%zz",
    r"/api/v0/id%",
    r"/%2e/api/v0/id",
]
NOT_RPC = ["/", "/webui", "/debug/pprof/", "/version", "/api", "/api/v0", "/api/v1/id", "/API/v0/id", "/ipfs/x"]


class JudgePathTests(SynchronousTestCase):
    """A path's verdict is that of its decoded segments."""

    def test_offered(self) -> None:
        """What is not refused passes, arguments in the path included."""
        for command in OFFERED:
            self.assertIs(judge_path(b"/api/v0/" + command.encode()), PathVerdict.OFFERED, command)

    def test_refused(self) -> None:
        """What gives the host or the node away is refused, however it is spelled."""
        for command in REFUSED:
            self.assertIs(judge_path(b"/api/v0/" + command.encode()), PathVerdict.REFUSED, command)

    def test_only_the_rpc(self) -> None:
        """Nothing else of that port is offered."""
        for path in NOT_RPC:
            self.assertIs(judge_path(path.encode()), PathVerdict.REFUSED, path)

    def test_malformed(self) -> None:
        """What two readers could take apart differently is not read at all."""
        for path in MALFORMED:
            self.assertIs(judge_path(path.encode()), PathVerdict.MALFORMED, path)


class StripCliTokenTests(SynchronousTestCase):
    """The ipfs CLI repeats its token in the query."""

    def test_stripped(self) -> None:
        """In every encoding and place, and nothing else is touched."""
        for query, expected in (
            (b"?api-auth=bearer%3AT", b""),
            (b"?api-auth", b""),
            (b"?api-auth=", b""),
            (b"?arg=x&api-auth=T&arg=y", b"?arg=x&arg=y"),
            (b"?%61pi-auth=T&a=b", b"?a=b"),
            (b"?a=b&api%2Dauth=T", b"?a=b"),
            (b"?a=b&%61%70%69%2d%61%75%74%68=T&api-auth=T", b"?a=b"),
            (b"?a=b&&c=%zz", b"?a=b&&c=%zz"),
            (b"?xapi-auth=1&api-authx=2&x=api-auth", b"?xapi-auth=1&api-authx=2&x=api-auth"),
            (b"?", b"?"),
            (b"", b""),
        ):
            self.assertEqual(strip_cli_token(b"/api/v0/id" + query), b"/api/v0/id" + expected, query)


class PolicyTests(EdgeTestCase):
    """The rules, end to end."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def test_refused_commands(self) -> None:
        """403 in text, also to a member, and nothing reaches the node."""
        for command in REFUSED:
            client = self.ask(self.api_request(b"/api/v0/" + command.encode()))
            status, fields, _ = parse_response(client.received)
            self.assertEqual((status, fields[b"content-type"]), (403, [b"text/plain; charset=utf-8"]), command)
            self.assertEqual(self.rpc().connections, [])

    def test_malformed_paths(self) -> None:
        """400, and nothing reaches the node."""
        for path in MALFORMED:
            client = self.ask(self.api_request(path.encode()))
            self.assertEqual(parse_response(client.received)[0], 400, path)
        self.assertEqual(self.rpc().connections, [])

    def test_never_404(self) -> None:
        """The ipfs CLI turns a 404 into "Command not found.": the edge never answers one to `api`."""
        for path in (b"/", b"/webui", b"/api/v0", b"/api/v1/id"):
            client = self.ask(self.api_request(path))
            self.assertEqual(parse_response(client.received)[0], 403)

    def test_path_form(self) -> None:
        """The rules hold in the path form."""
        client = self.ask(
            b"POST /network/demo/api/v0/shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n\r\n"
            % self.token()
        )
        self.assertEqual(parse_response(client.received)[0], 403)
        client = self.ask(
            b"POST /network/demo/api/../api/v0/id HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n\r\n"
            % self.token()
        )
        self.assertEqual(parse_response(client.received)[0], 400)

    def test_cli_token(self) -> None:
        """The token in the query reaches neither node nor log."""
        self.ask(self.api_request(b"/api/v0/cat?arg=x&api-auth=bearer%3Asecret"))
        self.assertTrue(self.rpc().last.received.startswith(b"POST /api/v0/cat?arg=x HTTP/1.1\r\n"))
