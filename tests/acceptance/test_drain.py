"""How a Nexus stops: nobody new is let in, what is open is finished, and what cannot be is said to be cut."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.nexus_process import NexusProcess
from tests.functional.test_edge_sockets import Backend, read_head, read_to_end

REQUEST = b"GET /x HTTP/1.1\r\nHost: demo.gateway.localhost\r\n\r\n"


class DrainTests(SynchronousTestCase):
    """A Nexus before a node that answers when the test says so."""

    def start(self, drain_timeout_s: float, serve: Callable[[socket.socket], None]) -> NexusProcess:
        """A running Nexus, with `serve` for its node."""
        node = Backend(serve)
        self.addCleanup(node.close)
        nexus = NexusProcess(
            {"containers.socket": "unix:///nonexistent/docker.sock", "edge.drain_timeout_s": drain_timeout_s}
        )
        self.addCleanup(shutil.rmtree, nexus.directory)
        self.addCleanup(nexus.kill)
        with nexus.config_path.open("a") as file:
            file.write(f'[[edge.static]]\nname = "demo"\ngateway = "127.0.0.1:{node.address.port}"\n')
            file.write("gateway_public = true\n")
        nexus.start()
        return nexus

    def connect(self, nexus: NexusProcess) -> socket.socket:
        """A client."""
        client = socket.create_connection(("127.0.0.1", nexus.edge_port), timeout=20)
        self.addCleanup(client.close)
        return client

    def begin(self, nexus: NexusProcess) -> socket.socket:
        """A client whose response has begun."""
        client = self.connect(nexus)
        client.sendall(REQUEST)
        data = b""
        while not data.endswith(b"hello\r\n"):
            data += client.recv(1000)
        return client

    def stop(self, nexus: NexusProcess) -> None:
        """Ask Nexus to stop, and return when it has begun to: idle connections are closed then."""
        idle = self.connect(nexus)
        idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b"There is nothing here" not in idle.recv(1000):
            pass
        os.kill(nexus.pid, signal.SIGTERM)
        read_to_end(idle)

    def test_finished(self) -> None:
        """A response under way comes to its end, nobody else is let in, and with that end Nexus has stopped."""
        is_stopping = threading.Event()

        def serve(node: socket.socket) -> None:
            self.begin_response(node)
            is_stopping.wait(20)
            node.sendall(b"0\r\n\r\n")

        nexus = self.start(60.0, serve)
        client = self.begin(nexus)
        self.stop(nexus)
        self.assertRaises(ConnectionRefusedError, self.connect, nexus)
        is_stopping.set()
        self.assertEqual(read_to_end(client), (b"0\r\n\r\n", "fin"))
        nexus.wait_until_ended()
        self.assertNotIn("cut ", nexus.log_path.read_text())

    def test_told(self) -> None:
        """Who is answered while Nexus stops is told that the connection closes."""
        asked, is_stopping = threading.Event(), threading.Event()

        def serve(node: socket.socket) -> None:
            read_head(node)
            asked.set()
            is_stopping.wait(20)
            node.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        nexus = self.start(60.0, serve)
        client = self.connect(nexus)
        client.sendall(REQUEST)
        asked.wait(20)
        self.stop(nexus)
        is_stopping.set()
        data, end = read_to_end(client)
        self.assertIn(b"\r\nConnection: close\r\n", data)
        self.assertEqual((data[-2:], end), (b"ok", "fin"))

    def test_cut(self) -> None:
        """What does not end in time is reset, and the log says of which network; a second signal ends that time."""

        def serve(node: socket.socket) -> None:
            self.begin_response(node)
            with contextlib.suppress(ConnectionResetError):
                node.recv(1)

        for drain_timeout_s, more_signals in ((1.0, 0), (60.0, 1)):
            nexus = self.start(drain_timeout_s, serve)
            clients = [self.begin(nexus) for _ in range(2)]
            self.stop(nexus)
            for _ in range(more_signals):
                os.kill(nexus.pid, signal.SIGTERM)
            self.assertEqual([read_to_end(client)[1] for client in clients], ["rst", "rst"])
            nexus.wait_until_ended()
            log = nexus.log_path.read_text()
            self.assertRegex(log, r"cut 2 requests .*\{'demo': 2\}")
            self.assertNotIn("Traceback", log)

    @staticmethod
    def begin_response(node: socket.socket) -> None:
        """The node's first piece."""
        read_head(node)
        node.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
