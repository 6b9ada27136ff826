"""Long and two-way transfers through the whole product: real Kubo behind the real edge."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.nexus_process import NexusProcess

MEBIBYTE = 2**20


class StreamTests(SynchronousTestCase):
    """What nginx breaks, and what buffers would hide."""

    def setUp(self) -> None:
        """A running Nexus with one network, online."""
        self.nexus = NexusProcess()
        self.addCleanup(self.nexus.clean)
        self.nexus.start()
        self.nexus.rpc(
            "CreateNetwork", network="demo", users=["demo"], gateway_public=True, resources={"cpus": 2, "memory_gb": 2}
        )
        self.nexus.rpc("StartNetwork", network="demo")
        self.token = self.nexus.token("demo")

    def resident_mib(self) -> float:
        """Nexus's resident memory."""
        for line in Path(f"/proc/{self.nexus.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmRSS")

    def open_api(self, path: str, *headers: str) -> socket.socket:
        """A connection on which the head of a POST to `path` was sent."""
        connection = socket.create_connection(("127.0.0.1", self.nexus.edge_port), timeout=60)
        self.addCleanup(connection.close)
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: demo.api.localhost:{self.nexus.edge_port}",
            f"Authorization: Bearer {self.token}",
            *headers,
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection

    def test_a_gibibyte_up_and_down_at_flat_memory(self) -> None:
        """1 GiB in, through the api, and out again, through the gateway; Nexus's memory hardly moves."""
        size = 1024 * MEBIBYTE
        block = secrets.token_bytes(MEBIBYTE)
        boundary = secrets.token_hex(8)
        opening = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        closing = f"\r\n--{boundary}--\r\n".encode()
        before = self.resident_mib()
        peak = before

        connection = self.nexus.connect(timeout_s=300)
        self.addCleanup(connection.close)
        connection.putrequest("POST", "/api/v0/add?cid-version=1&chunker=size-1048576", skip_host=True)
        connection.putheader("Host", f"demo.api.localhost:{self.nexus.edge_port}")
        connection.putheader("Authorization", f"Bearer {self.token}")
        connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
        connection.putheader("Content-Length", str(len(opening) + size + len(closing)))
        connection.endheaders()
        connection.send(opening)
        for number in range(size // MEBIBYTE):
            # Each block differs in its first bytes, so that Kubo stores it.
            connection.send(number.to_bytes(8, "big") + block[8:])
            if number % 64 == 0:
                peak = max(peak, self.resident_mib())
        connection.send(closing)
        response = connection.getresponse()
        answer = response.read()
        self.assertEqual(response.status, 200, answer)
        cid = json.loads(answer.splitlines()[-1])["Hash"]

        download = self.nexus.connect(timeout_s=300)
        self.addCleanup(download.close)
        download.request("GET", f"/ipfs/{cid}", headers={"Host": f"demo.gateway.localhost:{self.nexus.edge_port}"})
        response = download.getresponse()
        self.assertEqual((response.status, response.length), (200, size))
        received = 0
        while received < size:
            number = received // MEBIBYTE
            piece = _exactly(response.read, MEBIBYTE)
            self.assertEqual(piece, number.to_bytes(8, "big") + block[8:], f"block {number}")
            received += len(piece)
            if number % 64 == 0:
                peak = max(peak, self.resident_mib())
        self.assertLess(peak - before, 32, f"memory grew from {before:.0f} to {peak:.0f} MiB")

    def test_progress_before_the_upload_ends(self) -> None:
        """`add?progress=true` answers while the request is still coming, and the rest of the upload still counts."""
        boundary = "b"
        connection = self.open_api(
            "/api/v0/add?progress=true",
            f"Content-Type: multipart/form-data; boundary={boundary}",
            "Transfer-Encoding: chunked",
        )
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'.encode()
        _send_chunk(connection, head + bytes(MEBIBYTE))
        reader = connection.makefile("rb")
        self.addCleanup(reader.close)
        self.assertIn(b" 200 ", reader.readline())
        while reader.readline() != b"\r\n":
            pass
        first = _read_chunk(reader)
        self.assertIn(b'"Bytes"', first)
        _send_chunk(connection, bytes(MEBIBYTE) + f"\r\n--{boundary}--\r\n".encode())
        connection.sendall(b"0\r\n\r\n")
        answer = first
        while chunk := _read_chunk(reader):
            answer += chunk
        last = json.loads(answer.splitlines()[-1])
        # A few hundred bytes of directory and framing come on top of the content.
        self.assertGreaterEqual(int(last["Size"]), 2 * MEBIBYTE)

    def test_a_late_error_arrives_as_a_trailer(self) -> None:
        """A truncated upload is answered 200 by Kubo; only the trailer says that it failed, and it must arrive."""
        connection = self.open_api(
            "/api/v0/add", "Content-Type: multipart/form-data; boundary=b", "Transfer-Encoding: chunked", "TE: trailers"
        )
        _send_chunk(connection, b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ncut sho')
        connection.sendall(b"0\r\n\r\n")
        reader = connection.makefile("rb")
        self.addCleanup(reader.close)
        head = b""
        while (line := reader.readline()) != b"\r\n":
            head += line.lower()
        self.assertIn(b"trailer: x-stream-error", head)
        while _read_chunk(reader):
            pass
        trailers = b""
        while (line := reader.readline()) not in (b"\r\n", b""):
            trailers += line
        self.assertIn(b"x-stream-error:", trailers.lower())

    def test_a_stop_ends_what_is_open(self) -> None:
        """What streams from a network when it is stopped is cut, never ended cleanly."""
        connection = self.open_api("/api/v0/log/tail", "Content-Length: 0")
        self.assertIn(b" 403 ", connection.recv(4096))
        connection = self.open_api(
            "/api/v0/add?progress=true", "Content-Type: multipart/form-data; boundary=b", "Transfer-Encoding: chunked"
        )
        _send_chunk(
            connection,
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + bytes(MEBIBYTE),
        )
        self.assertIn(b" 200 ", connection.recv(4096))
        self.nexus.rpc("StopNetwork", network="demo")
        with self.assertRaises(ConnectionResetError):
            while connection.recv(65536):
                pass


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    """`size` bytes of a response."""
    pieces, missing = [], size
    while missing:
        piece = read(missing)
        if not piece:
            raise AssertionError(f"the body ended {missing} bytes early")
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _send_chunk(connection: socket.socket, data: bytes) -> None:
    connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))


def _read_chunk(reader: BinaryIO) -> bytes:
    """One chunk; empty for the last one, whose trailers are still to be read."""
    size = int(reader.readline().split(b";")[0], 16)
    data: bytes = reader.read(size)
    if size:
        reader.readline()
    return data
