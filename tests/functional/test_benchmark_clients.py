"""The benchmark's own clients and its sink, over real sockets: what went wrong is never measured as right."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.edge import sink
from benchmarks.edge.holding import Hold, HoldError, check, open_one
from benchmarks.edge.transfers import Job, TransferError, run

BODY = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(BODY).hexdigest()


def serve(case: SynchronousTestCase, answer: Callable[[socket.socket], None]) -> int:
    """A server that has each connection answered by `answer`, in turn; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    case.addCleanup(listening.close)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            # Clients leave when they have seen enough.
            with connection, contextlib.suppress(ConnectionError):
                connection.settimeout(10)
                answer(connection)

    threading.Thread(target=accept, daemon=True).start()
    port: int = listening.getsockname()[1]
    return port


def make_download(port: int, **changes: object) -> Job:
    """A download of `BODY`."""
    values: dict[str, object] = {"bodies": 2, "connections": 1, "length": len(BODY), "sha256": SHA256, **changes}
    return Job(port=port, request="GET / HTTP/1.1\r\nHost: h\r\n\r\n", **values)  # type: ignore[arg-type]


def answering(*parts: bytes) -> Callable[[socket.socket], None]:
    """Answers two requests with `parts`, or as many as the client stays for."""

    def answer(connection: socket.socket) -> None:
        for _ in range(2):
            if not connection.recv(65536):
                return
            for part in parts:
                connection.sendall(part)

    return answer


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)


class DownloadTests(SynchronousTestCase):
    """Large bodies on their way down."""

    def test_right(self) -> None:
        """Bodies that are right are counted, hashed or only by their length."""
        self.assertEqual(run(make_download(serve(self, answering(HEAD, BODY)))).bodies, 2)
        self.assertEqual(run(make_download(serve(self, answering(HEAD, BODY)), sha256="")).bodies, 2)

    def test_other_bytes(self) -> None:
        """One byte that differs is an error."""
        port = serve(self, answering(HEAD, BODY[:-1] + b"x"))
        self.assertIn("other bytes", str(self.assertRaises(TransferError, run, make_download(port))))

    def test_cut(self) -> None:
        """A body that ends early is an error, whether or not it is hashed."""

        def cut(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(HEAD + BODY[:-1])

        for sha256 in (SHA256, ""):
            error = self.assertRaises(TransferError, run, make_download(serve(self, cut), sha256=sha256))
            self.assertIn("1 bytes before", str(error))

    def test_other_status_or_length(self) -> None:
        """An answer that is no 200, or promises another length, is an error."""
        refused = serve(self, answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"))
        self.assertIn("503", str(self.assertRaises(TransferError, run, make_download(refused))))
        shorter = serve(self, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nshort"))
        self.assertIn("5 bytes instead", str(self.assertRaises(TransferError, run, make_download(shorter))))


class UploadTests(SynchronousTestCase):
    """Large bodies on their way up, to the sink."""

    def setUp(self) -> None:
        """A sink, and a file to send."""
        self.file = Path(self.mktemp())
        self.file.write_bytes(BODY)

    def _upload(self, path: str, **changes: object) -> Job:
        def take(connection: socket.socket) -> None:
            upload = sink.Upload(connection)
            while upload.readable():
                pass

        head = f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(BODY)}\r\n\r\n"
        values: dict[str, object] = {"bodies": 3, "connections": 1, "length": len(BODY), "body": str(self.file)}
        return Job(port=serve(self, take), request=head, **{**values, **changes})  # type: ignore[arg-type]

    def test_right(self) -> None:
        """What arrived is told back, by its length and by its hash."""
        self.assertEqual(run(self._upload("/add")).bodies, 3)
        self.assertEqual(run(self._upload("/hash", sha256=SHA256)).bodies, 3)

    def test_other_bytes(self) -> None:
        """A hash that differs from what was sent is an error."""
        error = self.assertRaises(TransferError, run, self._upload("/hash", sha256="0" * 64))
        self.assertIn("other bytes", str(error))


class HoldTests(SynchronousTestCase):
    """Connections that are held open."""

    def _hold(self, port: int, awaits: str) -> Hold:
        return Hold(port=port, steps=(1,), request="GET / HTTP/1.1\r\nHost: h\r\n\r\n", awaits=awaits)  # type: ignore[arg-type]

    def test_refused(self) -> None:
        """A connection whose request was refused is not held for a good one, whatever of the answer was awaited."""
        refused = answering(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")
        for awaits in ("its head", "all of it"):
            error = self.assertRaises(HoldError, open_one, self._hold(serve(self, refused), awaits))
            self.assertIn("429", str(error))

    def test_answered_too_early(self) -> None:
        """A request that should still be waiting for its body must not have been answered."""
        ready = threading.Event()

        def answer(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
            ready.set()
            connection.recv(65536)

        hold = self._hold(serve(self, answer), "nothing")
        held = open_one(hold)
        self.addCleanup(held.close)
        ready.wait(10)
        self.assertIn("did not last", str(self.assertRaises(HoldError, check, hold, [held])))

    def test_held(self) -> None:
        """One that is as it should be passes."""

        def wait(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.recv(65536)

        hold = self._hold(serve(self, wait), "nothing")
        held = open_one(hold)
        self.addCleanup(held.close)
        check(hold, [held])
