"""Limits, and what stands before the edge, on real sockets."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import cast

from twisted.internet.threads import deferToThread
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SkipTest

from nexus.coroutines import returns_deferred
from nexus.edge import access_log
from nexus.edge.refusal import LINGERING_MAX
from tests.acceptance.nexus_process import free_port
from tests.functional.test_edge_sockets import EdgeSocketsTestCase, read_head, read_to_end
from tests.on_uvloop import on_uvloop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class RefusedTests(EdgeSocketsTestCase):
    """Connections that are too many."""

    def serve(self, node: socket.socket) -> None:
        """Answer each request."""
        while read_head(node)[0]:
            node.sendall(OK)

    @returns_deferred
    async def test_answer_is_read(self) -> None:
        """A client that sends its request at once, as all do, gets to read why it is refused."""

        def ask() -> list[tuple[bytes, str]]:
            self.connect()
            answers = []
            for _ in range(20):
                client = self.connect()
                client.sendall(self.gateway_request() * 100)
                answers.append(read_to_end(client))
                client.close()
            return answers

        self.start(self.serve, client_connections_max=1)
        await self.listen()
        for data, end in await deferToThread(ask):
            self.assertTrue(data.startswith(b"HTTP/1.1 503 "), data)
            self.assertEqual(end, "fin")

    @returns_deferred
    async def test_flood(self) -> None:
        """A flood of connections is refused, who is in is served meanwhile, and when it is over others are let in."""
        count = LINGERING_MAX + 500

        def flood() -> list[bytes]:
            client = self.connect()
            refused = [self.connect() for _ in range(count)]
            client.sendall(self.gateway_request())
            served = [read_head(client)[0]]
            while sum(self.edge.counters.connections_refused.values()) < count:
                time.sleep(0.01)  # those that are still to be accepted would be let in when this one is gone
            for each in refused:
                each.close()
            client.close()
            while self.edge.counters.client_connections_open:
                time.sleep(0.01)  # the edge sees the end soon; the client has no event for it
            later = self.connect()
            later.sendall(self.gateway_request())
            return [*served, read_head(later)[0]]

        self.start(self.serve, client_connections_max=1)
        await self.listen()
        heads = await deferToThread(flood)
        self.assertEqual([head[:15] for head in heads], [b"HTTP/1.1 200 OK"] * 2)
        self.assertEqual(self.edge.counters.connections_refused, {"client_connections_max": count})


RefusedTestsOnUvloop = on_uvloop(RefusedTests, __name__)


class HAProxyTests(EdgeSocketsTestCase):
    """A real load balancer before the edge."""

    def setUp(self) -> None:
        if shutil.which("haproxy") is None:
            raise SkipTest("haproxy is not installed")
        self.patch(access_log, "RECORDS_MAX", 1)
        self.clients: list[str] = []
        observer = cast(ILogObserver, self._observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def _observe(self, event: LogEvent) -> None:
        if event.get("log_namespace") == "nexus.edge.access":
            self.clients.append(event["lines"].split()[1])

    def balance(self, mode: str, options: str) -> int:
        """Run HAProxy before the edge; its port."""
        port = free_port()
        directory = Path(tempfile.mkdtemp(prefix="nexus-haproxy-"))
        self.addCleanup(shutil.rmtree, directory)
        config = directory / "haproxy.cfg"
        config.write_text(
            f"defaults\n mode {mode}\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"
            f"listen edge\n bind 127.0.0.1:{port}\n{' option forwardfor' if mode == 'http' else ''}\n"
            f" server nexus 127.0.0.1:{self.port} {options}\n"
        )
        process = subprocess.Popen(["haproxy", "-db", "-f", str(config)], stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return port

    def ask(self, port: int) -> bytes:
        """What the node answers to a request from 127.0.0.9 through the port."""
        deadline = time.monotonic() + 20
        while True:
            client = socket.socket()
            self.addCleanup(client.close)
            client.settimeout(20)
            client.bind(("127.0.0.9", 0))
            try:
                client.connect(("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)  # HAProxy does not tell when it listens
        client.sendall(b"GET /x HTTP/1.1\r\nHost: demo.gateway.localhost\r\nConnection: close\r\n\r\n")
        return read_to_end(client)[0]

    @staticmethod
    def echo(node: socket.socket) -> None:
        """Answer each request with who it is said to come from."""
        while head := read_head(node)[0]:
            told = next(line for line in head.split(b"\r\n") if line.startswith(b"X-Forwarded-For: "))
            node.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))

    @returns_deferred
    async def test_proxy_protocol(self) -> None:
        """Both versions of the PROXY protocol tell the client's address."""
        self.start(self.echo, proxy_protocol_from=frozenset({ipaddress.ip_network("127.0.0.1")}))
        await self.listen()
        for options in ("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options unique-id,crc32c"):
            data = await deferToThread(self.ask, self.balance("tcp", options))
            self.assertTrue(data.endswith(b"\r\n\r\nX-Forwarded-For: 127.0.0.9"), (options, data))
        self.assertEqual(self.clients, ["127.0.0.9"] * 3)

    @returns_deferred
    async def test_forwarded_for(self) -> None:
        """An HTTP proxy that is trusted tells it as well."""
        self.start(self.echo, trusted_proxies=frozenset({ipaddress.ip_network("127.0.0.1")}))
        await self.listen()
        data = await deferToThread(self.ask, self.balance("http", ""))
        self.assertTrue(data.endswith(b"\r\n\r\nX-Forwarded-For: 127.0.0.9, 127.0.0.1"), data)
        self.assertEqual(self.clients, ["127.0.0.9"])

    @returns_deferred
    async def test_not_announced(self) -> None:
        """A PROXY header that nobody announced is refused."""
        self.start(self.echo)
        await self.listen()
        data = await deferToThread(self.ask, self.balance("tcp", "send-proxy-v2"))
        self.assertTrue(data.startswith(b"HTTP/1.1 400 "), data)
