"""Requests and responses, relayed both ways at once."""

from __future__ import annotations

from tests.edge.fakes import CHUNKED_HEAD, OK_EMPTY, RelayTestCase, parse_request, parse_response


class ResponseTests(RelayTestCase):
    """How a response's body is framed for the client."""

    def test_small_get(self) -> None:
        """A gateway request reaches the node, and its response the client; both connections stay."""
        client = self.ask(self.gateway_request(b"/ipfs/cid?x=1"))
        node = self.gateway().last
        line, fields, rest = parse_request(node.received)
        self.assertEqual(line, b"GET /ipfs/cid?x=1 HTTP/1.1")
        self.assertEqual(fields[b"host"], [b"demo.gateway.localhost"])
        self.assertEqual(rest, b"")
        node.send(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "x"\r\n\r\nhello')
        status, fields, body = parse_response(client.received)
        self.assertEqual((status, body), (200, b"hello"))
        self.assertEqual(fields[b"etag"], [b'"x"'])
        self.assertTrue(client.is_open)
        self.assertTrue(node.is_open)
        self.assertEqual(self.ended(), "complete")

    def test_bytewise(self) -> None:
        """Heads and bodies may come one byte at a time, in both directions."""
        client = self.client()
        client.send_bytewise(
            self.api_request(b"/api/v0/add", b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\nA: b\r\n\r\n"
        )
        node = self.rpc().last
        self.assertTrue(node.received.endswith(b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"))
        node.send_bytewise(CHUNKED_HEAD + b"Trailer: X-Stream-Error\r\n\r\n2\r\nok\r\n0\r\nX-Stream-Error: e\r\n\r\n")
        _, _, body = parse_response(client.received)
        self.assertEqual(body, b"1\r\no\r\n1\r\nk\r\n0\r\nX-Stream-Error: e\r\n\r\n")
        self.assertTrue(client.is_open)

    def test_chunked_is_streamed(self) -> None:
        """Each piece of a chunked response reaches the client as it comes, extensions taken off."""
        client, node = self.download()
        node.send(CHUNKED_HEAD + b"\r\n4;a=b\r\nab")
        self.assertTrue(client.received.endswith(b"\r\n\r\n2\r\nab\r\n"))
        node.send(b"cd\r\n")
        self.assertTrue(client.received.endswith(b"2\r\ncd\r\n"))
        node.send(b"0\r\n\r\n")
        self.assertTrue(client.received.endswith(b"0\r\n\r\n"))
        self.assertTrue(node.is_open)

    def test_close_delimited_becomes_chunked(self) -> None:
        """A body that ends with the node's connection is chunked for an HTTP/1.1 client, which stays connected."""
        client, node = self.download()
        node.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        node.close()
        _, fields, body = parse_response(client.received)
        self.assertEqual(fields[b"transfer-encoding"], [b"chunked"])
        self.assertEqual(body, b"3\r\nabc\r\n0\r\n\r\n")
        self.assertTrue(client.is_open)

    def test_http_1_0_client(self) -> None:
        """An HTTP/1.0 client gets a chunked response as bytes that end with its connection, and no interim response."""
        client = self.ask(b"GET /ipfs/x HTTP/1.0\r\nHost: demo.gateway.localhost\r\nConnection: keep-alive\r\n\r\n")
        node = self.gateway().last
        self.assertTrue(node.received.startswith(b"GET /ipfs/x HTTP/1.1\r\n"))
        self.assertIn(b"Via: 1.0 nexus-test\r\n", node.received)
        node.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + CHUNKED_HEAD + b"\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n")
        status, fields, body = parse_response(client.received)
        self.assertEqual((status, body), (200, b"abc"))
        self.assertNotIn(b"transfer-encoding", fields)
        self.assertEqual(fields[b"connection"], [b"close"])
        self.assertTrue(client.is_closed)

    def test_http_1_0_client_known_length(self) -> None:
        """An HTTP/1.0 client is told the length where there is one."""
        client = self.ask(b"GET /ipfs/x HTTP/1.0\r\nHost: demo.gateway.localhost\r\n\r\n")
        self.gateway().last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
        self.assertEqual(parse_response(client.received)[1][b"content-length"], [b"3"])
        self.assertTrue(client.is_closed)

    def test_http_1_0_node(self) -> None:
        """An HTTP/1.0 node is understood, and its connection not used again."""
        client, node = self.download()
        node.send(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc")
        self.assertTrue(node.is_closed)
        self.assertTrue(client.is_open)

    def test_head(self) -> None:
        """A response to HEAD has no body, whatever length it tells, and the connections go on."""
        client = self.ask(self.gateway_request(method=b"HEAD"))
        node = self.gateway().last
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        status, fields, body = parse_response(client.received)
        self.assertEqual((status, fields[b"content-length"], body), (200, [b"5"], b""))
        self.assertTrue(node.is_open)
        client.send(self.gateway_request())
        self.assertEqual(node.received.count(b" HTTP/1.1\r\n"), 2)

    def test_bodiless_statuses(self) -> None:
        """204 and 304 have no body; 204 tells no length, 304 may."""
        for head, length in (
            (b"204 No Content\r\n", None),
            (b"204 No Content\r\nContent-Length: 0\r\n", None),
            (b"304 Not Modified\r\nContent-Length: 9\r\n", [b"9"]),
            (b"304 Not Modified\r\n", None),
            (b"205 Reset Content\r\nContent-Length: 0\r\n", [b"0"]),
        ):
            client, node = self.download()
            node.send(b"HTTP/1.1 " + head + b"\r\n")
            _, fields, body = parse_response(client.received)
            self.assertEqual((fields.get(b"content-length"), body), (length, b""), head)
            self.assertNotIn(b"transfer-encoding", fields)
            self.assertTrue(client.is_open)
            self.assertTrue(node.is_open)

    def test_interim_responses(self) -> None:
        """100 and 103 reach an HTTP/1.1 client before the final response, without hop-by-hop fields."""
        client, node = self.download()
        node.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nKeep-Alive: x\r\n\r\n")
        self.assertEqual(client.take(), b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        node.send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK_EMPTY)
        self.assertTrue(client.received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"))

    def test_date_is_added(self) -> None:
        """A response without a Date gets one; one that has it keeps it."""
        client, node = self.download()
        node.send(OK_EMPTY)
        self.assertEqual(parse_response(client.received)[1][b"date"], [b"Thu, 01 Jan 1970 00:00:00 GMT"])
        client, node = self.download()
        node.send(b"HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(parse_response(client.received)[1][b"date"], [b"then"])


class FullDuplexTests(RelayTestCase):
    """The response does not wait for the request, nor the request for the response."""

    def test_response_during_upload(self) -> None:
        """Progress that the node tells while the upload goes on reaches the client at once (add?progress=true)."""
        client, node = self.upload()
        client.send(b"3\r\nabc\r\n")
        self.assertEqual(node.take(), b"3\r\nabc\r\n")
        node.send(CHUNKED_HEAD + b"Connection: close\r\n\r\n2\r\n10\r\n")
        status, fields, body = parse_response(client.received)
        self.assertEqual((status, body), (200, b"2\r\n10\r\n"))
        self.assertNotIn(b"connection", fields)
        client.send(b"3\r\ndef\r\n")
        self.assertEqual(node.take(), b"3\r\ndef\r\n", "Connection: close in a response does not cut the upload")
        client.send(b"0\r\n\r\n")
        self.assertEqual(node.take(), b"0\r\n\r\n")
        node.send(b"2\r\n20\r\n0\r\n\r\n")
        self.assertTrue(client.received.endswith(b"2\r\n20\r\n0\r\n\r\n"))
        self.assertTrue(client.is_open)
        self.assertTrue(node.is_closed)
        self.assertEqual(self.ended(), "complete")

    def test_response_ends_before_request(self) -> None:
        """A response may be complete before the request is; the rest of the request still reaches the node."""
        client, node = self.upload()
        node.send(OK_EMPTY)
        self.assertEqual(parse_response(client.received)[0], 200)
        self.assertEqual(self.access_events, [])
        client.send(b"3\r\nabc\r\n0\r\n\r\n")
        self.assertEqual(node.take(), b"3\r\nabc\r\n0\r\n\r\n")
        self.assertEqual(self.ended(), "complete")
        client.send(self.api_request())
        self.assertIn(b"POST /api/v0/id", node.take(), "both connections go on")

    def test_node_closes_after_early_end(self) -> None:
        """A node that answers and closes in mid-upload: the client has its answer, and gets to read it."""
        client, node = self.upload()
        client.send(b"3\r\nabc\r\n")
        node.send(b"HTTP/1.1 413 Too Big\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        node.close()
        self.assertEqual(parse_response(client.received)[2], b"no")
        self.assertTrue(client.is_half_closed)
        client.send(b"3\r\ndef\r\n" * 1000)
        self.assertFalse(client.is_aborted)
        client.close()
        self.assertEqual(self.ended(), "complete")

    def test_node_ends_its_half_in_mid_upload(self) -> None:
        """A response that ends with the node's half is complete, and the node still gets the rest of the upload."""
        client, node = self.upload()
        client.send(b"3\r\nabc\r\n")
        node.send(b"HTTP/1.0 200 OK\r\n\r\nhash")
        node.close()
        self.assertTrue(client.received.endswith(b"4\r\nhash\r\n0\r\n\r\n"))
        node.take()
        client.send(b"3\r\ndef\r\n0\r\n\r\n")
        self.assertEqual(node.take(), b"3\r\ndef\r\n0\r\n\r\n")
        self.assertEqual(self.ended(), "complete")
        self.assertTrue(node.is_closed)
        self.assertTrue(client.is_open)

    def test_node_ends_its_half_behind_its_response(self) -> None:
        """So it is where the response was complete before."""
        client, node = self.upload()
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        node.close()
        client.send(b"3\r\nabc\r\n0\r\n\r\n")
        self.assertEqual(node.take(), b"3\r\nabc\r\n0\r\n\r\n")
        self.assertEqual(self.ended(), "complete")
        self.assertTrue(client.is_open)

    def test_node_ends_its_half_and_is_gone_then(self) -> None:
        """A node that discards the rest ends the exchange when it says so; the client gets to read its answer."""
        client, node = self.upload()
        node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        node.close()
        client.send(b"3\r\nabc\r\n")
        node.lose()
        self.assertTrue(client.is_half_closed)
        self.assertEqual(self.ended(), "complete")
        client.send(b"3\r\ndef\r\n")
        self.pass_time(5)
        self.assertTrue(client.is_aborted)

    def test_node_does_not_take_the_rest(self) -> None:
        """A node that has answered and takes no more of the upload is given its time, and reset; the client keeps its
        answer."""
        client, node = self.upload()
        node.stall()
        client.send(*[b"4000\r\n" + b"x" * 0x4000 + b"\r\n"] * 10)
        node.send(OK_EMPTY)
        self.pass_time(59)
        self.assertTrue(node.is_open)
        self.pass_time(1)
        self.assertTrue(node.is_aborted)
        self.assertTrue(client.is_half_closed)
        self.assertEqual(self.ended(), "request_rest_timeout")

    def test_client_does_not_send_the_rest(self) -> None:
        """A client that has its answer and sends no more of its upload keeps it, and the node's request is reset."""
        client, node = self.upload()
        client.send(b"3\r\nabc\r\n")
        node.send(OK_EMPTY)
        self.pass_time(60)
        self.assertTrue(node.is_aborted)
        self.assertTrue(client.is_half_closed)
        self.assertFalse(client.is_aborted)
        self.assertEqual(self.ended(), "body_timeout")

    def test_refused_in_mid_upload(self) -> None:
        """A node that refuses an upload and says that it closes: the client is told so too, and can stop sending (RFC
        9112 section 9.6). Success says nothing of that kind (Kubo's add)."""
        for status, told in ((b"413 Too Big", [b"close"]), (b"200 OK", None)):
            client, node = self.upload()
            node.send(b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
            self.assertEqual(parse_response(client.received)[1].get(b"connection"), told)
            client.send(b"0\r\n\r\n")
            self.assertEqual(client.is_open, told is None)

    def test_trailers_both_ways_at_once(self) -> None:
        """Trailers of both pass, whichever message ends first."""
        for response_first in (False, True):
            client = self.ask(self.api_request(b"/api/v0/add", b"Transfer-Encoding: chunked", b"Trailer: X-Sum"))
            node = self.rpc().last
            node.take()
            node.send(CHUNKED_HEAD + b"Trailer: X-Stream-Error\r\n\r\n")
            ends = [
                lambda client=client: client.send(b"0\r\nX-Sum: 1\r\n\r\n"),
                lambda node=node: node.send(b"0\r\nX-Stream-Error: e\r\n\r\n"),
            ]
            for end in reversed(ends) if response_first else ends:
                end()
            self.assertEqual(node.take(), b"0\r\nX-Sum: 1\r\n\r\n")
            self.assertTrue(client.received.endswith(b"\r\n0\r\nX-Stream-Error: e\r\n\r\n"))
            self.assertTrue(client.is_open and node.is_open)

    def test_surplus_after_early_end(self) -> None:
        """What a node sends behind its response, while the upload goes on, reaches nobody."""
        client, node = self.upload()
        node.send(OK_EMPTY)
        seen = client.received
        node.send(OK_EMPTY)
        self.assertEqual(client.received, seen)
        self.assertTrue(node.is_aborted)
        self.assertTrue(client.is_half_closed)

    def test_known_length_upload(self) -> None:
        """A body of known length passes as it is."""
        client = self.ask(self.api_request(b"/api/v0/block/put", b"Content-Length: 6") + b"abc")
        node = self.rpc().last
        _, fields, body = parse_request(node.received)
        self.assertEqual((fields[b"content-length"], body), ([b"6"], b"abc"))
        client.send(b"def")
        self.assertTrue(node.received.endswith(b"abcdef"))
        node.send(OK_EMPTY)
        self.assertTrue(client.is_open)

    def test_body_waits_for_dial(self) -> None:
        """A body that comes before the node has accepted waits, up to a bound, and then reaches it."""
        self.rpc().holds = True
        client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 40000"))
        client.send(*[b"x" * 10000] * 4)
        self.assertFalse(client.transport.is_reading)
        node = self.rpc().accept()
        client.settle()
        self.assertTrue(node.received.endswith(b"x" * 40000))
        self.assertTrue(client.transport.is_reading)

    def test_empty_post(self) -> None:
        """A POST without a length, and one of length 0, are complete requests and stay what they are."""
        self.ask(self.api_request())
        self.assertNotIn(b"Content-Length", self.rpc().last.received)
        self.ask(self.api_request(b"/api/v0/id", b"Content-Length: 0"))
        self.assertIn(b"Content-Length: 0\r\n", self.rpc().last.received)


class TrailerTests(RelayTestCase):
    """Trailers pass both ways, announced, and never as what they must not say."""

    def test_late_error(self) -> None:
        """Kubo's late error comes through as the trailer that it is."""
        client, node = self.upload()
        client.send(b"0\r\n\r\n")
        node.send(
            CHUNKED_HEAD + b"Trailer: X-Stream-Error\r\n\r\n1\r\na\r\n0\r\nX-Stream-Error: multipart: EOF\r\n\r\n"
        )
        _, fields, body = parse_response(client.received)
        self.assertEqual(fields[b"trailer"], [b"X-Stream-Error"])
        self.assertNotIn(b"x-stream-error", fields)
        self.assertEqual(body, b"1\r\na\r\n0\r\nX-Stream-Error: multipart: EOF\r\n\r\n")

    def test_response_trailers_are_sanitised(self) -> None:
        """A trailer cannot say what a header field of its name could not (CVE-2026-88004)."""
        client, node = self.upload()
        client.send(b"0\r\n\r\n")
        node.send(
            CHUNKED_HEAD + b"Connection: X-Mine\r\nTrailer: X-Ok, Content-Length, Set-Cookie\r\n\r\n0\r\nX-Ok: 1\r\n"
            b"Content-Length: 5\r\nSet-Cookie: a=b\r\nX-Mine: 1\r\nAccess-Control-Allow-Origin: *\r\n"
            b"Connection: x\r\n\r\n"
        )
        _, fields, body = parse_response(client.received)
        self.assertEqual(fields[b"trailer"], [b"X-Ok"])
        self.assertEqual(body, b"0\r\nX-Ok: 1\r\n\r\n")

    def test_unannounced_trailers(self) -> None:
        """Trailers that neither side spoke of are dropped; a client that says `TE: trailers` gets them."""
        for lines, expected in (((), b"0\r\n\r\n"), ((b"TE: trailers",), b"0\r\nX-Late: 1\r\n\r\n")):
            client, node = self.download(*lines)
            node.send(CHUNKED_HEAD + b"\r\n0\r\nX-Late: 1\r\n\r\n")
            self.assertEqual(parse_response(client.received)[2], expected)

    def test_te_is_told(self) -> None:
        """The node is told that trailers are read, hop by hop."""
        _, node = self.download(b"TE: gzip, trailers", b"Connection: TE")
        _, fields, _ = parse_request(node.received)
        self.assertEqual((fields[b"te"], fields[b"connection"]), ([b"trailers"], [b"TE"]))

    def test_request_trailers(self) -> None:
        """A client's announced trailers reach the node, sanitised; others do not."""
        client = self.ask(
            self.api_request(b"/api/v0/add", b"Transfer-Encoding: chunked", b"Trailer: X-Sum, Authorization")
        )
        node = self.rpc().last
        self.assertEqual(parse_request(node.take())[1][b"trailer"], [b"X-Sum"])
        client.send(
            b"0\r\nX-Sum: 1\r\nAuthorization: Bearer x\r\nX-Forwarded-For: 1\r\nHost: h\r\nX_Forwarded_Host: h\r\n\r\n"
        )
        self.assertEqual(node.take(), b"0\r\nX-Sum: 1\r\n\r\n")
        client, node = self.upload()
        client.send(b"0\r\nX-Sum: 1\r\n\r\n")
        self.assertEqual(node.take(), b"0\r\n\r\n")
