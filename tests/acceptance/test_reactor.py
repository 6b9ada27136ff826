"""The reactor that `twistd nexus` runs on, chosen and not; and what happens when descriptors run out, on each."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.nexus_process import BIN, NexusProcess, heed_interrupts, wait_for
from tests.on_uvloop import ROOT

NO_ENGINE = {"containers.socket": "unix:///nonexistent/docker.sock"}


class ReactorTestCase(SynchronousTestCase):
    """A Nexus that needs no engine."""

    def setUp(self) -> None:
        self.nexus = NexusProcess(NO_ENGINE)
        self.addCleanup(self.nexus.clean)

    def log(self) -> str:
        """All that was logged."""
        return self.nexus.log_path.read_text()


class ChoiceTests(ReactorTestCase):
    """Who chooses the reactor."""

    def test_default(self) -> None:
        """It is uvloop, the edge's transports are uvloop's, and the log says so."""
        self.nexus.start()
        self.assertEqual(self.nexus.request("GET", "localhost", "/")[0], 404)
        self.nexus.stop()
        self.assertIn("the reactor is UvloopReactor; the edge's transports are uvloop's", self.log())

    def test_chosen(self) -> None:
        """`--reactor` keeps its meaning."""
        for name, told in (
            ("epoll", "EPollReactor; the edge's transports are Twisted's"),
            ("uvloop", "UvloopReactor; the edge's transports are uvloop's"),
        ):
            self.nexus.start(f"--reactor={name}")
            self.assertEqual(self.nexus.request("GET", "localhost", "/")[0], 404)
            self.nexus.stop()
            self.assertIn(f"the reactor is {told}", self.log())

    def test_listed(self) -> None:
        """twistd knows uvloop by name."""
        done = subprocess.run([str(BIN / "twistd"), "--help-reactors"], capture_output=True, text=True, check=True)
        self.assertIn("uvloop", done.stdout)

    def test_without_uvloop(self) -> None:
        """Where uvloop is missing Nexus runs on Twisted's default reactor, and says so."""
        hidden = self.nexus.directory / "hidden"
        hidden.mkdir()
        (hidden / "uvloop.py").write_text("raise ImportError('hidden')\n")
        before = os.environ.get("PYTHONPATH", "")
        self.addCleanup(os.environ.__setitem__, "PYTHONPATH", before)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(hidden), before)))
        self.nexus.start()
        self.assertEqual(self.nexus.request("GET", "localhost", "/")[0], 404)
        self.nexus.stop()
        self.assertIn("uvloop is not installed", self.log())
        self.assertIn("the edge's transports are Twisted's", self.log())

    def test_daemon_command(self) -> None:
        """`nexus daemon` runs on uvloop, too, and ends on Ctrl-C."""
        heed_interrupts(self)
        with self.nexus.log_path.open("wb") as log:
            process = subprocess.Popen(
                [str(BIN / "nexus"), "daemon", "--config", str(self.nexus.config_path)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.addCleanup(process.kill)
        wait_for("nexus daemon", lambda: "the edge's transports are uvloop's" in self.log())
        process.send_signal(signal.SIGINT)
        process.wait(30)
        self.assertIn("nexus has stopped", self.log())


class DaemonisedTests(SynchronousTestCase):
    """`twistd nexus` without -n: it forks when its reactor is installed."""

    def test_daemonised(self) -> None:
        """It serves requests, calls the engine from its threads, and ends in order by SIGTERM and by SIGINT."""
        heed_interrupts(self)
        for reactor, number in (("uvloop", signal.SIGTERM), ("uvloop", signal.SIGINT), ("epoll", signal.SIGTERM)):
            nexus = NexusProcess()
            self.addCleanup(nexus.clean)
            pid_file = nexus.directory / "nexus.pid"
            subprocess.run(
                [
                    str(BIN / "twistd"),
                    f"--reactor={reactor}",
                    f"--pidfile={pid_file}",
                    f"--logfile={nexus.log_path}",
                    "nexus",
                    "--config",
                    str(nexus.config_path),
                ],
                cwd=nexus.directory,
                check=True,
                timeout=60,
            )
            pid = int(pid_file.read_text())
            try:
                wait_for("its socket", nexus.control_socket.exists)
                nexus.rpc("CreateNetwork", network="demo", users=["demo"])
                nexus.rpc("StartNetwork", network="demo")
                token = nexus.token()
                self.assertTrue(nexus.add("demo", os.urandom(4 * 1024 * 1024), token))
                nexus.rpc("RemoveNetwork", network="demo")
            finally:
                os.kill(pid, number)
                wait_for("its end", lambda pid=pid: not Path(f"/proc/{pid}").exists())
            self.assertIn("nexus has stopped", nexus.log_path.read_text())


class ImportTests(SynchronousTestCase):
    """What an import must not do."""

    def test_no_module_installs_a_reactor(self) -> None:
        """Whatever of Nexus is imported, twistd's --reactor still has its meaning."""
        package = ROOT / "nexus"
        names = [
            ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for path in sorted(package.rglob("*.py"))
            if path.name != "__init__.py"
        ]
        statement = (
            "import importlib, sys\n"
            f"for name in {names!r}:\n"
            "    before = 'twisted.internet.reactor' in sys.modules\n"
            "    importlib.import_module(name)\n"
            "    if not before and 'twisted.internet.reactor' in sys.modules: print(name)\n"
        )
        done = subprocess.run([sys.executable, "-c", statement], cwd=ROOT, capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "")


class ExhaustionTests(ReactorTestCase):
    """Descriptors run out."""

    FREE = 30

    def ask(self) -> bytes:
        """What a new connection is answered; nothing where it is closed at once."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.nexus.edge_port), 5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return client.recv(12)
        return b""

    def cpu_s(self) -> float:
        """The processor time that the daemon has taken."""
        fields = Path(f"/proc/{self.nexus.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_quiet(self) -> bool:
        """Whether the daemon hardly takes any processor time."""
        before = self.cpu_s()
        time.sleep(0.5)
        return self.cpu_s() - before < 0.1

    def test_clients(self) -> None:
        """Too many clients: those that are served stay so, the others are turned away without a busy loop, and when
        some have gone, new ones are served."""
        for reactor in ("uvloop", "epoll"):
            self.nexus.start(f"--reactor={reactor}")
            limit = len(os.listdir(f"/proc/{self.nexus.pid}/fd")) + self.FREE
            resource.prlimit(self.nexus.pid, resource.RLIMIT_NOFILE, (limit, limit))
            clients = [self.connect() for _ in range(2 * self.FREE)]
            self.assertEqual(self.ask(), b"", reactor)
            wait_for(f"{reactor} to be quiet", self.is_quiet, timeout_s=20)
            served = [client for client in clients if is_served(client)]
            self.assertGreater(len(served), self.FREE // 2, reactor)
            self.assertLess(len(served), 2 * self.FREE - 10, reactor)
            for client in clients:
                client.close()
            wait_for("new clients", lambda: self.ask() == b"HTTP/1.1 404", timeout_s=10)
            self.nexus.stop()

    def connect(self) -> socket.socket:
        """One more client."""
        client = socket.create_connection(("127.0.0.1", self.nexus.edge_port), 5)
        self.addCleanup(client.close)
        return client


def is_served(client: socket.socket) -> bool:
    """Whether a request on a connection is answered."""
    with contextlib.suppress(OSError):
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return client.recv(65536).startswith(b"HTTP/1.1 404")
    return False
