"""Peers that leave, and messages that are cut."""

from __future__ import annotations

from tests.edge.fakes import CHUNKED_HEAD, OK_EMPTY, RelayTestCase, parse_response
from tests.edge.memory import Peer


class AbortTests(RelayTestCase):
    """A cut message never looks like a whole one."""

    def test_client_leaves_during_upload(self) -> None:
        """The node's request is reset the moment that the client goes, by FIN or RST."""
        for leave in (Peer.close, Peer.reset):
            client, node = self.upload()
            client.send(b"3\r\nabc\r\n")
            leave(client)
            self.assertTrue(node.is_aborted)
            self.assertEqual(self.ended(), "client_gone")

    def test_client_leaves_during_response(self) -> None:
        """Likewise while the response is coming, or has not begun."""
        for response in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"):
            for leave in (Peer.close, Peer.reset):
                client, node = self.download()
                node.send(response)
                leave(client)
                self.assertTrue(node.is_aborted)
                self.assertEqual(self.ended(), "client_gone")
                self.assertTrue(client.is_lost)

    def test_client_closes_its_half_during_response(self) -> None:
        """It counts as gone, and a close-delimited response that it reads on is cut by a reset: an end would look
        whole."""
        client = self.ask(b"GET / HTTP/1.0\r\nHost: demo.gateway.localhost\r\n\r\n")
        node = self.gateway().last
        node.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        client.close()
        self.assertTrue(client.is_aborted)
        self.assertTrue(node.is_aborted)
        self.assertEqual(self.ended(), "client_gone")

    def test_client_closes_its_half_behind_its_requests(self) -> None:
        """What was answered before the end was seen goes out, and then the connection closes in order."""
        for request, status in ((b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404), (b"nonsense\r\n\r\n", 400)):
            client = self.client()
            client.stall()
            client.send(request)
            client.close()
            self.assertFalse(client.is_lost, "the answer is still to be taken")
            self.assertFalse(client.is_aborted)
            client.unstall()
            self.assertTrue(client.is_lost)
            self.assertEqual(parse_response(client.received)[0], status)
        client = self.client()
        client.send(b"GET / HT")
        client.close()
        self.assertTrue(client.is_closed)
        self.assertEqual(client.received, b"")

    def test_client_leaves_while_it_is_not_read(self) -> None:
        """An upload that the node does not take is looked after: its client's leaving is found out, and the node's
        request reset, within seconds."""
        for leave in (Peer.close, Peer.reset):
            client = self.ask(self.api_request(b"/api/v0/add", b"Content-Length: 200000"))
            node = self.rpc().last
            node.stall()
            client.send(*[b"x" * 10000] * 10)
            self.assertFalse(client.transport.is_reading)
            self.pass_time(600)
            self.assertTrue(node.is_open, "waiting is no fault")
            leave(client)
            self.pass_time(5)
            self.assertTrue(node.is_aborted)
            self.assertTrue(client.is_aborted)
            self.assertEqual(self.ended(), "client_gone")

    def test_client_leaves_behind_pipelined_requests(self) -> None:
        """Likewise where it is not read for what it has pipelined behind a silent call."""
        client = self.ask(self.api_request())
        client.send(*[self.api_request(b"/" + b"x" * 1000)] * 30)
        self.assertFalse(client.transport.is_reading)
        client.close()
        self.pass_time(5)
        self.assertTrue(self.rpc().last.is_aborted)
        self.assertEqual(self.ended(), "client_gone")

    def test_client_leaves_during_dial(self) -> None:
        """A dial that nobody waits for any more is given up."""
        self.gateway().holds = True
        client = self.ask(self.gateway_request())
        client.close()
        self.assertEqual(self.gateway().cancelled, 1)
        self.assertEqual(self.ended(), "client_gone")

    def test_client_leaves_behind_what_is_left_of_its_pipeline(self) -> None:
        """Likewise where there is still too much when the next of them has its turn."""
        client = self.ask(self.api_request() + self.api_request())
        client.send(self.api_request(b"/" + b"x" * 20_000))
        node = self.rpc().last
        node.send(OK_EMPTY)
        self.assertFalse(client.transport.is_reading)
        client.reset()
        self.pass_time(5)
        self.assertTrue(node.is_aborted)
        self.assertEqual(self.ended(), "client_gone")

    def test_client_leaves_behind_requests_pipelined_in_mid_dial(self) -> None:
        """Likewise where they came behind a body that waited for the dial."""
        self.rpc().holds = True
        client = self.ask(self.api_request(body=b"abc") + self.api_request(b"/" + b"x" * 20_000))
        node = self.rpc().accept()
        self.assertFalse(client.transport.is_reading)
        self.pass_time(600)
        client.close()
        self.pass_time(5)
        self.assertTrue(node.is_aborted)
        self.assertEqual(self.ended(), "client_gone")

    def test_node_leaves_in_mid_body(self) -> None:
        """A response cut short resets the client, for every framing, by FIN or RST of the node."""
        for head, leaves in (
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", (Peer.close, Peer.reset)),
            (CHUNKED_HEAD + b"\r\n9\r\nabc", (Peer.close, Peer.reset)),
            (CHUNKED_HEAD + b"\r\n3\r\nabc\r\n", (Peer.close, Peer.reset)),
            (CHUNKED_HEAD + b"\r\n3\r\nabc\r\n0\r\n", (Peer.close, Peer.reset)),
            (b"HTTP/1.1 200 OK\r\n\r\nabc", (Peer.reset,)),
        ):
            for leave in leaves:
                client, node = self.download()
                node.send(head)
                leave(node)
                self.assertTrue(client.is_aborted, head)
                self.assertFalse(client.received.endswith(b"0\r\n\r\n"))
                self.assertEqual(self.ended(), "node_gone")

    def test_node_leaves_an_http_1_0_client(self) -> None:
        """The client of a close-delimited response is reset, since an end would look whole."""
        client = self.ask(b"GET / HTTP/1.0\r\nHost: demo.gateway.localhost\r\n\r\n")
        node = self.gateway().last
        node.send(CHUNKED_HEAD + b"\r\n3\r\nabc\r\n")
        node.close()
        self.assertTrue(client.is_aborted)

    def test_node_leaves_before_answering(self) -> None:
        """502 while an answer is possible."""
        for sent in (b"", b"HTTP/1.1 200 OK\r\nConte", b"HTTP/1.1 103 Early Hints\r\n\r\n"):
            client, node = self.download()
            node.send(sent)
            client.take()
            node.close()
            self.assertEqual(parse_response(client.received)[0], 502)
            self.assertEqual(self.ended(), "node_gone")
            self.assertTrue(client.is_open)

    def test_node_leaves_during_upload(self) -> None:
        """502 in mid-upload, and the client gets to read it although its body is not read."""
        client, node = self.upload()
        client.send(b"3\r\nabc\r\n")
        node.reset()
        status, fields, _ = parse_response(client.received)
        self.assertEqual((status, fields[b"connection"]), (502, [b"close"]))
        self.assertTrue(client.is_half_closed)
        self.pass_time(5)
        self.assertTrue(client.is_aborted)

    def test_malformed_upload(self) -> None:
        """A body that breaks its framing in mid-upload is answered 400, and the node's request reset."""
        client, node = self.upload()
        client.send(b"3\r\nabc\r\nZZ\r\n")
        self.assertEqual(parse_response(client.received)[0], 400)
        self.assertTrue(node.is_aborted, "the node must not take the upload for complete")
        self.assertEqual(self.ended(), "malformed_request")

    def test_malformed_upload_after_response_began(self) -> None:
        """Where the response has begun, both are reset."""
        client, node = self.upload()
        node.send(CHUNKED_HEAD + b"\r\n")
        client.send(b"3\nabc")
        self.assertTrue(client.is_aborted)
        self.assertTrue(node.is_aborted)
