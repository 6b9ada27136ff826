"""What heads lose and gain on their way."""

from __future__ import annotations

from tests.edge.fakes import NODE_BEARER, OK_EMPTY, EdgeTestCase, parse_request, parse_response


class RequestHeadTests(EdgeTestCase):
    """What a node is told."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def forwarded(self, *lines: bytes) -> dict[bytes, list[bytes]]:
        """The fields that reach the RPC for `lines`."""
        self.ask(self.api_request(b"/api/v0/id", *lines))
        return parse_request(self.rpc().last.received)[1]

    def gateway_forwarded(self, *lines: bytes) -> dict[bytes, list[bytes]]:
        """The fields that reach the gateway for `lines`."""
        self.ask(self.gateway_request(b"/", *lines))
        return parse_request(self.gateway().last.received)[1]

    def test_credentials(self) -> None:
        """The client's token and cookies stay here; the RPC gets its own bearer, the gateway none."""
        fields = self.forwarded(b"Cookie: a=b", b"Proxy-Authorization: Basic x")
        self.assertEqual(fields[b"authorization"], [b"Bearer " + NODE_BEARER.reveal().encode()])
        self.assertNotIn(b"cookie", fields)
        self.assertNotIn(b"proxy-authorization", fields)
        fields = self.gateway_forwarded(b"Authorization: Bearer " + self.token(), b"Cookie: a=b")
        self.assertNotIn(b"authorization", fields)
        self.assertEqual(fields[b"cookie"], [b"a=b"])

    def test_provenance(self) -> None:
        """Who a request comes from is ours to say."""
        fields = self.gateway_forwarded(
            b"X-Forwarded-For: 6.6.6.6",
            b"x-forwarded-host: evil",
            b"X-FORWARDED-PROTO: https",
            b"X-Forwarded-Prefix: /x",
            b"X-Forwarded-Port: 1",
            b"X_Forwarded_For: 6.6.6.6",
            b"X-Forwarded_For: 6.6.6.6",
            b"Forwarded: for=6.6.6.6",
            b"X-Real-IP: 6.6.6.6",
            b"Proxy: http://evil",
        )
        self.assertEqual(fields[b"x-forwarded-for"], [b"192.0.2.7"])
        self.assertEqual(fields[b"x-forwarded-host"], [b"demo.gateway.localhost"])
        self.assertEqual(fields[b"x-forwarded-proto"], [b"http"])
        self.assertEqual(
            {name for name in fields if b"forward" in name or b"real" in name or b"proxy" in name},
            {b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"},
        )

    def test_via(self) -> None:
        """The edge adds itself behind those before it."""
        self.assertEqual(self.gateway_forwarded(b"Via: 1.0 other")[b"via"], [b"1.0 other", b"1.1 nexus-test"])

    def test_hop_by_hop(self) -> None:
        """What belongs to the client's connection, or is nominated by any Connection line, ends here."""
        fields = self.gateway_forwarded(
            b"Connection: keep-alive, X-One",
            b"connection: x-TWO ,",
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: keep-alive",
            b"X-One: 1",
            b"X-Two: 2",
            b"X-Three: 3",
            b"Upgrade: h2c",
            b"HTTP2-Settings: x",
            b"TE: gzip",
        )
        self.assertEqual(set(fields) & {b"connection", b"keep-alive", b"proxy-connection", b"te"}, set())
        self.assertEqual(set(fields) & {b"x-one", b"x-two", b"upgrade", b"http2-settings"}, set())
        self.assertEqual(fields[b"x-three"], [b"3"])

    def test_nominating_ours(self) -> None:
        """A client cannot nominate away what the edge adds, nor what the edge decides by."""
        fields = self.forwarded(
            b"Connection: close, Host, Authorization, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Via",
            b"Connection: Content-Length, Transfer-Encoding",
            b"Content-Length: 0",
        )
        for name in (b"host", b"authorization", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"via"):
            self.assertIn(name, fields)
        self.assertEqual(fields[b"content-length"], [b"0"])

    def test_underscores(self) -> None:
        """A name with `_` that reads like one with `-` is dropped; another is somebody's own."""
        fields = self.gateway_forwarded(
            b"Transfer_Encoding: chunked", b"Content_Length: 5", b"X_Mine: 1", b"X-Yours: 2", b"X_Yours: 3"
        )
        self.assertEqual(set(fields) & {b"transfer_encoding", b"content_length", b"x_yours"}, set())
        self.assertEqual((fields[b"x_mine"], fields[b"x-yours"]), ([b"1"], [b"2"]))

    def test_end_to_end(self) -> None:
        """Everything else passes in its order and spelling."""
        client = self.ask(
            self.gateway_request(b"/", b"ACCEPT: a", b"Range: bytes=0-1", b"If-None-Match: x", b"X-a: 1", b"X-a: 2")
        )
        self.assertIn(
            b"ACCEPT: a\r\nRange: bytes=0-1\r\nIf-None-Match: x\r\nX-a: 1\r\nX-a: 2\r\n", self.gateway().last.received
        )
        self.assertEqual(client.received, b"")

    def test_loop(self) -> None:
        """A request that has been here is not sent around again."""
        client = self.ask(self.gateway_request(b"/", b"Via: 1.1 a", b"Via: 1.1 nexus-TEST"))
        self.assertEqual(parse_response(client.received)[0], 508)
        self.ask(self.gateway_request(b"/", b"Via: 1.1 nexus-test2"))
        self.assertEqual(len(self.gateway().connections), 1)


class ResponseHeadTests(EdgeTestCase):
    """What a client is told."""

    def test_hop_by_hop(self) -> None:
        """What belongs to the node's connection ends here, and its software is nobody's business."""
        self.publish()
        client = self.ask(self.gateway_request())
        self.gateway().last.send(
            b"HTTP/1.1 200 Fine\r\nServer: kubo/0.43.0\r\nConnection: X-One, keep-alive\r\nX-One: 1\r\nX-Two: 2\r\n"
            b"Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nETag: x\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        _, fields, _ = parse_response(client.received)
        self.assertEqual(set(fields), {b"x-two", b"etag", b"content-length", b"date"})
        self.assertTrue(client.received.startswith(b"HTTP/1.1 200 Fine\r\n"))

    def test_repeated_fields(self) -> None:
        """Repeated fields stay apart."""
        self.publish()
        client = self.ask(self.gateway_request())
        self.gateway().last.send(OK_EMPTY[:-2] + b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n")
        self.assertEqual(parse_response(client.received)[1][b"set-cookie"], [b"a=1", b"b=2"])
