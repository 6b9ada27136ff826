"""The control API over HTTP, byte by byte."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from nexus.control.jsonrpc import BODY_BYTES_MAX
from nexus.control.resource import DISCARDED_BYTES_MAX, control_factory
from nexus.interfaces import INetworkControl
from nexus.messages import NetworkName, StoppedNetwork
from nexus.model import NetworkState
from nexus.secrets import Secret
from tests.control.memory_control import MemoryControl, MemoryEdgeStats

KEY = "the-control-key-of-this-test-0123456789"
PING = b'{"jsonrpc":"2.0","method":"Ping","id":1}'


class SlowControl(MemoryControl):
    """Stops networks when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.stops: list[Deferred[StoppedNetwork]] = []

    def stop_network(self, request: NetworkName) -> Deferred[StoppedNetwork]:
        self.stops.append(Deferred())
        return self.stops[-1]


class Connection:
    """A client's connection to the control API."""

    def __init__(self, control: INetworkControl, *, is_local: bool = False, key: str | None = KEY) -> None:
        self.reactor = MemoryReactorClock()
        factory = control_factory(control, MemoryEdgeStats(), Secret(key) if key is not None else None, self.reactor)
        address: Any = UNIXAddress("/run/nexus/control") if is_local else IPv4Address("TCP", "127.0.0.1", 5050)
        self.transport = StringTransport(hostAddress=address, peerAddress=address)
        self.protocol: Any = factory.buildProtocol(address)
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, fields and body of what came back, which is one response."""
        head, separator, body = self.transport.value().partition(b"\r\n\r\n")
        assert separator, head
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(status.split()[1]), fields, body


def request(body: bytes = PING, method: str = "POST", target: str = "/", **changes: str | None) -> bytes:
    """A request that is all right, but for what is changed; None leaves a field out."""
    fields: dict[str, str | None] = {
        "Host": "127.0.0.1:5050",
        "Authorization": f"Bearer {KEY}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1") + body


class TCPTests(SynchronousTestCase):
    """On loopback TCP."""

    def ask(self, data: bytes, **options: Any) -> tuple[int, dict[str, str], bytes]:
        connection = Connection(MemoryControl(), **options)
        connection.send(data)
        return connection.answer()

    def assert_status(self, status: int, data: bytes, **options: Any) -> dict[str, str]:
        got, fields, body = self.ask(data, **options)
        self.assertEqual(got, status, body)
        self.assertEqual(fields["content-type"], "text/plain; charset=utf-8")
        self.assertTrue(body.startswith(f"{status}: ".encode()), body)
        return fields

    def test_result(self) -> None:
        """A call is answered with 200 and JSON that nobody keeps."""
        status, fields, body = self.ask(request())
        self.assertEqual((status, fields["content-type"]), (200, "application/json"))
        self.assertEqual(fields["cache-control"], "no-store")
        self.assertEqual(fields["content-length"], str(len(body)))
        self.assertNotIn("server", fields)
        self.assertEqual(json.loads(body)["result"]["instance"], "memory")

    def test_errors_of_calls(self) -> None:
        """JSON-RPC's errors have status 200."""
        for body, code in ((b"nonsense", -32700), (b"[]", -32600), (PING.replace(b"Ping", b"Pong"), -32601)):
            status, _, text = self.ask(request(body))
            self.assertEqual((status, json.loads(text)["error"]["code"]), (200, code))

    def test_notification(self) -> None:
        """What is not answered has status 204 and no body."""
        status, fields, body = self.ask(request(b'{"jsonrpc":"2.0","method":"Ping"}'))
        self.assertEqual((status, body), (204, b""))
        self.assertNotIn("content-type", fields)

    def test_keep_alive(self) -> None:
        """One connection carries many calls."""
        connection = Connection(MemoryControl())
        connection.send(request() * 3)
        self.assertEqual(connection.transport.value().count(b"HTTP/1.1 200 OK"), 3)

    def test_key(self) -> None:
        """Without the key, or with another, nothing is answered, and the challenge names the scheme."""
        for value in (
            None,
            "",
            "Bearer",
            "Bearer ",
            "Bearer another",
            f"Bearer {KEY}x",
            f"Bearer {KEY[:-1]}",
            f"Basic {KEY}",
            KEY,
            "Bearer \xfc",
        ):
            fields = self.assert_status(401, request(Authorization=value))
            self.assertTrue(fields["www-authenticate"].startswith("Bearer"))

    def test_two_keys(self) -> None:
        """Two Authorization fields are as none."""
        self.assert_status(
            401, request().replace(b"Content-Type", f"Authorization: Bearer {KEY}\r\nContent-Type".encode())
        )

    def test_scheme_in_any_case(self) -> None:
        """The scheme's case is no matter (RFC 9110, section 11.1)."""
        self.assertEqual(self.ask(request(Authorization=f"bearer {KEY}"))[0], 200)

    def test_no_key_configured(self) -> None:
        """Without a key in the configuration nobody is let in by TCP."""
        self.assert_status(401, request(), key=None)
        self.assert_status(401, request(Authorization=None), key=None)
        self.assert_status(401, request(Authorization="Bearer "), key=None)

    def test_origin(self) -> None:
        """Whatever a web page sends is refused, with the right key too."""
        for origin in ("null", "http://localhost:5050", "https://evil.example", ""):
            self.assert_status(403, request(Origin=origin))

    def test_foreign_host(self) -> None:
        """A name that somebody else's DNS may point here is refused."""
        for host in (
            None,
            "",
            "evil.example",
            "evil.example:5050",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "0.0.0.0",
            "[::]",
            "[fe80::1]",
            "localhost:",
            "localhost:x",
            "::1",
        ):
            self.assert_status(403, request(Host=host))
        self.assert_status(403, request().replace(b"Content-Type", b"Host: localhost\r\nContent-Type"))

    def test_own_hosts(self) -> None:
        """Loopback names and literals are ours, with any port."""
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:80", "127.0.0.2:1"):
            self.assertEqual(self.ask(request(Host=host))[0], 200, host)

    def test_methods(self) -> None:
        """Only POST, and no preflight."""
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "post"):
            status, fields, _ = self.ask(request(b"", method=method))
            self.assertEqual((status, fields["allow"]), (405, "POST"))
            self.assertNotIn("access-control-allow-origin", fields)

    def test_content_type(self) -> None:
        """Only JSON: a form can't say that."""
        for kind in (None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            self.assert_status(415, request(Content_Type=kind))
        self.assert_status(415, request(Content_Encoding="gzip"))
        for kind in ("application/json", "Application/JSON;charset=utf-8", "application/json ; charset=UTF-8"):
            self.assertEqual(self.ask(request(Content_Type=kind))[0], 200)

    def test_path(self) -> None:
        """The API is at the root."""
        self.assert_status(404, request(target="/rpc"))
        self.assert_status(404, request(target="/api/v0/id"))

    def test_longest_body(self) -> None:
        """A body of just the limit is read."""
        body = PING.ljust(BODY_BYTES_MAX)
        self.assertEqual(self.ask(request(body))[0], 200)
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        self.assertEqual(self.ask(request(b"", Transfer_Encoding="chunked", Content_Length=None) + chunked)[0], 200)

    def test_announced_too_long(self) -> None:
        """A body that is announced as too long is refused before any of it comes, and never asked for."""
        connection = Connection(MemoryControl())
        connection.send(request(b"", Content_Length=str(BODY_BYTES_MAX + 1), Expect="100-continue"))
        status, fields, _ = connection.answer()
        self.assertEqual((status, fields["connection"]), (413, "close"))
        self.assertNotIn(b"100 Continue", connection.transport.value())

    def test_too_long(self) -> None:
        """A body that turns out too long is refused when it does; what still comes is dropped, not carried out."""
        connection = Connection(MemoryControl())
        connection.send(request(b"", Transfer_Encoding="chunked", Content_Length=None))
        for _ in range(BODY_BYTES_MAX // 65536):
            connection.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
        self.assertEqual(connection.transport.value(), b"")
        connection.send(b"1\r\n \r\n")
        self.assertEqual(connection.answer()[0], 413)
        connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(PING), PING))
        self.assertEqual(connection.transport.value().count(b"HTTP/1.1"), 1)
        self.assertTrue(connection.transport.disconnecting)

    def test_much_too_long(self) -> None:
        """Who goes on sending is cut off."""
        connection = Connection(MemoryControl())
        connection.send(request(b"", Content_Length=str(10**12)))
        for _ in range(DISCARDED_BYTES_MAX // 65536):
            connection.send(b" " * 65536)
        self.assertFalse(connection.transport.disconnected)
        connection.send(b" ")
        self.assertTrue(connection.transport.disconnected)

    def test_client_that_leaves(self) -> None:
        """A command goes on when its caller is gone."""
        control = SlowControl()
        connection = Connection(control)
        connection.send(request(b'{"jsonrpc":"2.0","method":"StopNetwork","params":{"network":"demo"},"id":1}'))
        connection.protocol.connectionLost(Failure(ConnectionLost()))
        (stop,) = control.stops
        self.assertFalse(stop.called)
        stop.callback(StoppedNetwork(network="demo", state=NetworkState.OFFLINE))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_long_command(self) -> None:
        """A command may take longer than a connection may idle."""
        control = SlowControl()
        connection = Connection(control)
        connection.send(request(b'{"jsonrpc":"2.0","method":"StopNetwork","params":{"network":"demo"},"id":1}'))
        connection.reactor.advance(1000)
        self.assertFalse(connection.transport.disconnecting)
        control.stops[0].callback(StoppedNetwork(network="demo", state=NetworkState.OFFLINE))
        self.assertEqual(connection.answer()[0], 200)

    def test_idle(self) -> None:
        """A connection that asks nothing is closed."""
        connection = Connection(MemoryControl())
        connection.reactor.advance(61)
        self.assertTrue(connection.transport.disconnecting)


class UnixTests(SynchronousTestCase):
    """On a unix socket, whose mode says who may connect."""

    def ask(self, data: bytes) -> int:
        connection = Connection(MemoryControl(), is_local=True, key=None)
        connection.send(data)
        return connection.answer()[0]

    def test_no_key(self) -> None:
        """No key is needed, and a wrong one does no harm."""
        self.assertEqual(self.ask(request(Authorization=None)), 200)
        self.assertEqual(self.ask(request(Authorization="Bearer wrong")), 200)

    def test_any_host(self) -> None:
        """A unix socket has no name that DNS could change."""
        for host in ("nexus", "unix", "", None):
            self.assertEqual(self.ask(request(Host=host)), 200)

    def test_the_rest_holds(self) -> None:
        """Origins, other methods and other types are refused here too."""
        self.assertEqual(self.ask(request(Origin="null")), 403)
        self.assertEqual(self.ask(request(b"", method="GET")), 405)
        self.assertEqual(self.ask(request(Content_Type="text/plain")), 415)
