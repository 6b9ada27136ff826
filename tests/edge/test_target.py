"""Where a Host and a path lead."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.errors import MalformedError
from nexus.edge.target import Redirect, Target, resolve
from nexus.model import Feature
from tests.edge.fakes import OK_EMPTY, EdgeTestCase, parse_request, parse_response


def to(network: str, feature: Feature, path: bytes, prefix: bytes = b"") -> Target:
    """A target."""
    return network, feature, path, prefix


CID = b"bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"


class HostFormTests(SynchronousTestCase):
    """`{network}.{feature}.{domain}`."""

    def test_features(self) -> None:
        """Each feature has its host; the path is untouched, whatever it holds."""
        for feature in Feature:
            host = b"demo.%b.localhost" % feature.value.encode()
            for path in (b"/", b"/a//b/../%2f?q#".rstrip(b"#"), b"/network/other/api/v0/id", b"//x"):
                self.assertEqual(resolve(path, host, "localhost"), to("demo", feature, path))

    def test_spelling(self) -> None:
        """Case, port and one trailing dot do not count."""
        for host in (
            b"DEMO.Api.LocalHost",
            b"demo.api.localhost:8080",
            b"demo.api.localhost.",
            b"demo.api.localhost.:80",
        ):
            self.assertEqual(resolve(b"/", host, "localhost"), to("demo", Feature.API, b"/"))

    def test_domain_of_several_labels(self) -> None:
        """The domain may have any number of labels."""
        self.assertEqual(
            resolve(b"/", b"demo.api.nexus.example.com", "nexus.example.com"), to("demo", Feature.API, b"/")
        )

    def test_content_subdomains(self) -> None:
        """`{cid}.ipfs.` and `{cid}.ipns.` lead to the same network's gateway."""
        for namespace in (b"ipfs", b"ipns"):
            host = b"%b.%b.demo.gateway.localhost:8080" % (CID, namespace)
            self.assertEqual(resolve(b"/x", host, "localhost"), to("demo", Feature.GATEWAY, b"/x"))

    def test_foreign(self) -> None:
        """421 for every other host."""
        for host in (
            b"example.com",
            b"demo.localhost",
            b"api.localhost",
            b"demo.api.localhost.evil.com",
            b"x.demo.api.localhost",
            b"x.ipfs.demo.api.localhost",
            b"x.ipld.demo.gateway.localhost",
            b"y.x.ipfs.demo.gateway.localhost",
            b"de_mo.api.localhost",
            b"-demo.api.localhost",
            b".api.localhost",
            b"demo.api.localhost..",
            b"127.1",
            b"1.2.3.4.5",
        ):
            with self.assertRaises(MalformedError) as caught:
                resolve(b"/", host, "localhost")
            self.assertEqual(caught.exception.status, 421, host)

    def test_absolute_form(self) -> None:
        """Accepted where it names the same authority, and made origin-form."""
        for target, path in (
            (b"http://demo.api.localhost/x?y", b"/x?y"),
            (b"HTTP://DEMO.api.localhost", b"/"),
            (b"https://demo.api.localhost?q", b"/?q"),
        ):
            self.assertEqual(resolve(target, b"demo.api.localhost", "localhost"), to("demo", Feature.API, path))


class PathFormTests(SynchronousTestCase):
    """`/network/{network}/{feature}/...` on the bare domain or an IP."""

    def test_api(self) -> None:
        """`api` stays in the path, since it is the first segment of Kubo's own."""
        for host in (b"localhost:80", b"127.0.0.1:8080", b"[::1]:8080", b"[::1]"):
            for prefix in (b"/network/demo", b"/networks/demo"):
                self.assertEqual(
                    resolve(prefix + b"/api/v0/id?x=/y", host, "localhost"),
                    to("demo", Feature.API, b"/api/v0/id?x=/y", prefix),
                )

    def test_others(self) -> None:
        """Other features are stripped whole."""
        self.assertEqual(
            resolve(b"/network/demo/gateway/ipfs/x?y", b"127.0.0.1", "localhost"),
            to("demo", Feature.GATEWAY, b"/ipfs/x?y", b"/network/demo/gateway"),
        )
        self.assertEqual(
            resolve(b"/network/demo/status", b"localhost", "localhost"),
            to("demo", Feature.STATUS, b"/", b"/network/demo/status"),
        )

    def test_gateway_is_redirected(self) -> None:
        """On the bare domain the gateway answers at its own host, with query and port."""
        self.assertEqual(
            resolve(b"/network/demo/gateway/ipfs/x?y=z", b"localhost:8080", "localhost"),
            Redirect("demo", b"//demo.gateway.localhost:8080/ipfs/x?y=z"),
        )
        self.assertEqual(
            resolve(b"/networks/demo/gateway", b"LOCALHOST.", "localhost"),
            Redirect("demo", b"//demo.gateway.localhost/"),
        )

    def test_nothing_there(self) -> None:
        """Other paths lead nowhere, and no decoding makes one of them lead anywhere."""
        for path in (
            b"/",
            b"/network",
            b"/network/",
            b"/network/demo",
            b"/network/demo/",
            b"/network//api/v0/id",
            b"/network/demo/webui",
            b"/network/demo/API/v0/id",
            b"/network/demo/%61pi/v0/id",
            b"/%6eetwork/demo/api/v0/id",
            b"//network/demo/api/v0/id",
            b"/network/demo?/api/v0/id",
            b"/network/de..mo/gateway/",
        ):
            self.assertIsNone(resolve(path, b"localhost", "localhost"), path)

    def test_encoded_name_is_another(self) -> None:
        """An encoded name is not decoded: nobody has it, and nobody has what can be no name."""
        for name in (b"%64emo", b"DEMO", b"de_mo", b"-demo", b"x" * 64):
            target = resolve(b"/network/%b/api/v0/id" % name, b"localhost", "localhost")
            self.assertEqual(target, to("", Feature.API, b"/api/v0/id", b"/network/%b" % name))


class RoutedTests(EdgeTestCase):
    """The forms, end to end."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def test_api_path_form(self) -> None:
        """`/network/n/api/v0/id` reaches `/api/v0/id`."""
        self.ask(
            b"POST /network/demo/api/v0/id?arg=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n"
            % self.token()
        )
        line, fields, _ = parse_request(self.rpc().last.received)
        self.assertEqual(line, b"POST /api/v0/id?arg=1 HTTP/1.1")
        self.assertEqual(fields[b"x-forwarded-host"], [b"localhost"])

    def test_redirect(self) -> None:
        """307 to the gateway's host."""
        client = self.ask(b"GET /network/demo/gateway/ipfs/x?y HTTP/1.1\r\nHost: localhost:8080\r\n\r\n")
        status, fields, _ = parse_response(client.received)
        self.assertEqual((status, fields[b"location"]), (307, [b"//demo.gateway.localhost:8080/ipfs/x?y"]))
        self.assertTrue(client.is_open)

    def test_location_is_prefixed(self) -> None:
        """On an IP the gateway passes, and where it redirects within itself the prefix comes back."""
        for location, expected in (
            (b"/ipfs/x/", b"/network/demo/gateway/ipfs/x/"),
            (b"http://127.0.0.1:80/ipfs/x/", b"http://127.0.0.1:80/network/demo/gateway/ipfs/x/"),
            (b"http://127.0.0.1:80", b"http://127.0.0.1:80/network/demo/gateway"),
            (b"//127.0.0.1:80/x", b"//127.0.0.1:80/network/demo/gateway/x"),
            (b"http://127.0.0.1:8000/x", b"http://127.0.0.1:8000/x"),
            (b"https://example.com/x", b"https://example.com/x"),
            (b"//example.com/x", b"//example.com/x"),
            (b"x/", b"x/"),
        ):
            client = self.ask(b"GET /network/demo/gateway/ipfs/x HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n")
            node = self.gateway().last
            self.assertTrue(node.take().startswith(b"GET /ipfs/x HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"))
            node.send(b"HTTP/1.1 301 Moved\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location)
            self.assertEqual(parse_response(client.received)[1][b"location"], [expected])

    def test_location_of_the_host_form(self) -> None:
        """In the host form it passes untouched."""
        client = self.ask(self.gateway_request())
        self.gateway().last.send(b"HTTP/1.1 301 Moved\r\nLocation: /ipfs/x/\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(parse_response(client.received)[1][b"location"], [b"/ipfs/x/"])

    def test_content_subdomain(self) -> None:
        """The node is told the whole host that was asked for."""
        host = CID + b".ipfs.demo.gateway.localhost:8080"
        self.ask(b"GET /x HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
        _, fields, _ = parse_request(self.gateway().last.received)
        self.assertEqual((fields[b"host"], fields[b"x-forwarded-host"]), ([host], [host]))
        self.assertEqual(fields[b"x-forwarded-proto"], [b"http"])

    def test_options_asterisk(self) -> None:
        """`OPTIONS *` is answered by the edge (RFC 9110 section 9.3.7)."""
        client = self.ask(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(parse_response(client.received)[0], 204)
        client.send(self.gateway_request())
        self.gateway().last.send(OK_EMPTY)
        self.assertTrue(client.is_open)

    def test_max_forwards(self) -> None:
        """Counted down for OPTIONS, answered at 0 (RFC 9110 section 7.6.2)."""
        self.ask(self.gateway_request(b"/", b"Max-Forwards: 3", method=b"OPTIONS"))
        self.assertIn(b"Max-Forwards: 2\r\n", self.gateway().last.received)
        for hops, status in ((b"0", 204), (b"x", 400), (b"-1", 400)):
            client = self.ask(self.gateway_request(b"/", b"Max-Forwards: " + hops, method=b"OPTIONS"))
            self.assertEqual(parse_response(client.received)[0], status)
        self.assertEqual(len(self.gateway().connections), 1)
