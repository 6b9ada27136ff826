"""The command `nexus` against sockets: what it says when things go wrong on the way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.nexus_process import heed_interrupts

NEXUS = Path(sys.executable).parent / "nexus"


class CtlTests(SynchronousTestCase):
    """`nexus ctl`."""

    def listen(self) -> tuple[socket.socket, str]:
        """A server that a test answers by hand, and its URL."""
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(30)
        self.addCleanup(server.close)
        return server, f"http://127.0.0.1:{server.getsockname()[1]}"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `nexus ctl ARGUMENTS`."""
        process = subprocess.Popen(
            [str(NEXUS), "ctl", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def fail_with(self, status: int, process: subprocess.Popen[str]) -> str:
        """The one line that the process ends with."""
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out), (status, ""), err)
        self.assertNotIn("Traceback", err)
        self.assertLessEqual(err.count("\n"), 1, err)
        return err

    def answer(self, server: socket.socket, response: bytes) -> bytes:
        """Answer one request; its head."""
        connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            connection.sendall(response)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        return head

    def test_nobody_there(self) -> None:
        """Where nobody listens, the address is named, on TCP and on a unix socket."""
        server, url = self.listen()
        server.close()
        self.assertIn(url, self.fail_with(1, self.start("Ping", "--url", url)))
        path = f"unix:{Path(self.mktemp()).absolute()}"[:100]
        self.assertIn(path, self.fail_with(1, self.start("Ping", "--url", path)))

    def test_bad_url(self) -> None:
        """A URL of another form is a wrong call."""
        self.assertIn("unix:/PATH", self.fail_with(2, self.start("Ping", "--url", "ftp://127.0.0.1")))

    def test_key_is_sent(self) -> None:
        """The key in the file goes as a bearer, without the newline; a refusal is told."""
        key_file = Path(self.mktemp())
        key_file.write_text("the-key\n")
        server, url = self.listen()
        process = self.start("Ping", "--url", url, "--key-file", str(key_file))
        head = self.answer(server, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 11\r\n\r\nwrong key\r\n")
        self.assertIn(b"authorization: bearer the-key\r\n", head.lower())
        self.assertIn("wrong key", self.fail_with(1, process))

    def test_not_a_control_api(self) -> None:
        """Something else that listens there is told apart."""
        server, url = self.listen()
        process = self.start("Ping", "--url", url)
        self.answer(server, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        self.assertIn(url, self.fail_with(1, process))

    def test_interrupt(self) -> None:
        """Ctrl-C while it waits ends it at once, with status 130 and no word."""
        heed_interrupts(self)
        server, url = self.listen()
        process = self.start("Ping", "--url", url)
        connection, _ = server.accept()
        self.addCleanup(connection.close)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.fail_with(130, process), "")
        self.assertLess(time.monotonic() - began, 10)

    def test_reader_leaves(self) -> None:
        """Output that nobody reads on is no reason to complain."""
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            done = subprocess.run(
                [str(NEXUS), "ctl", "help"], stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=30, check=False
            )
        self.assertEqual((done.returncode, done.stderr), (1, ""))
