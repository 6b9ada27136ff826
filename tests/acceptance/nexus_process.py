"""A Nexus as a service manager sees it: a configuration of its own, `twistd nexus` in a subprocess, and its ports.

Everything is made in a directory of its own, with an instance name, ports and a subnet of its own, so that tests run
beside each other and beside a running Nexus; `clean` removes every container, volume and bridge of the instance.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

BIN = Path(sys.executable).parent
"""Where the commands of the environment that runs the tests are."""

START_TIMEOUT_S = 60.0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_subnet() -> str:
    """A /24 for a bridge that, most probably, nobody else on this machine chose."""
    return f"10.{128 + secrets.randbelow(127)}.{secrets.randbelow(256)}.0/24"


def free_port_ranges(count: int = 3, size: int = 20) -> list[str]:
    """Adjacent ranges of ports below the ephemeral ones, chosen at random; leases pass over those in use."""
    base = 10000 + secrets.randbelow(20000)
    return [f"{first}-{first + size - 1}" for first in range(base, base + count * size, size)]


def heed_interrupts(case: SynchronousTestCase) -> None:
    """Let the children of `case` heed SIGINT. Tests in a script's background run with it ignored, which a child would
    inherit."""
    case.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))


class NexusProcess:
    """One Nexus and its files.

    :param settings: configuration keys (`containers.quarantine_s`) to set on top of the defaults for tests.
    :ivar directory: its files; below the system's temporary directory, since a unix socket's path must be short.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        directory = self.directory = Path(tempfile.mkdtemp(prefix="nexus-"))
        self.instance = f"t{secrets.token_hex(3)}"
        self.config_path = directory / "nexus.toml"
        self.control_socket = directory / "control.sock"
        self.edge_port = free_port()
        self.control_port = free_port()
        self.control_key = secrets.token_urlsafe(32)
        self._process: subprocess.Popen[bytes] | None = None
        self.log_path = directory / "nexus.log"
        self._write_config(settings or {})

    def _write_config(self, settings: Mapping[str, Any]) -> None:
        swarm_ports, api_ports, gateway_ports = free_port_ranges()
        values: dict[str, Any] = {
            "instance": self.instance,
            "edge.listen": [f"127.0.0.1:{self.edge_port}"],
            "edge.domain": "localhost",
            "control.listen": [f"unix:{self.control_socket}", f"127.0.0.1:{self.control_port}"],
            "secrets.control_key": self.control_key,
            "secrets.jwt": secrets.token_urlsafe(48),
            "database.url": f"sqlite:///{self.directory / 'nexus.db'}",
            "containers.subnet": free_subnet(),
            "containers.api_ports": api_ports,
            "containers.gateway_ports": gateway_ports,
            "swarm.ports": swarm_ports,
        } | dict(settings)
        tables: dict[str, dict[str, Any]] = {"": {}}
        for path, value in values.items():
            table, _, key = path.rpartition(".")
            tables.setdefault(table, {})[key] = value
        lines = []
        for table, entries in tables.items():
            lines += [f"[{table}]"] if table else []
            # JSON's strings, numbers, booleans and arrays of them are TOML too.
            lines += [f"{key} = {json.dumps(value)}" for key, value in entries.items()]
        self.config_path.touch(mode=0o600)
        self.config_path.write_text("\n".join(lines) + "\n")

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self._process is not None
        return self._process.pid

    def start(self, *options: str, wait: bool = True) -> None:
        """Run `twistd -n OPTIONS nexus` and wait until its control socket answers."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [str(BIN / "twistd"), "-n", "--pidfile=", *options, "nexus", "--config", str(self.config_path)],
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        if wait:
            self.wait_until_up()

    def wait_until_up(self) -> None:
        """Return when Ping is answered; fail with the log when the process ends before, or it takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                raise AssertionError(f"nexus ended with {self._process.returncode}:\n{self.log_tail()}")
            try:
                self.rpc("Ping")
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)  # there is no event to wait for before its socket exists
            else:
                return
        raise AssertionError(f"nexus did not come up:\n{self.log_tail()}")

    def stop(self) -> None:
        """SIGTERM, as a service manager would, and wait for an orderly end.

        twistd ends itself by the signal that it was sent, once it has shut down, as a well-behaved process should.
        """
        status = self._end(signal.SIGTERM)
        if status not in (0, -signal.SIGTERM) or "nexus has stopped" not in self.log_tail():
            raise AssertionError(f"nexus ended with {status}, not in an orderly way:\n{self.log_tail()}")

    def wait_until_ended(self) -> None:
        """Return when the process has ended by itself."""
        assert self._process is not None
        self._process.wait(30)

    def hang_up(self) -> None:
        """kill -HUP."""
        os.kill(self.pid, signal.SIGHUP)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"nexus did not end on {number.name}:\n{self.log_tail()}") from None

    def clean(self) -> None:
        """End the daemon and remove all that its instance made, of the engine and of files."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        label = f"label=nexus.instance={self.instance}"
        containers = docker("ps", "-aq", "--filter", label).split()
        if containers:
            docker("rm", "-f", "-v", *containers)
        volumes = docker("volume", "ls", "-q", "--filter", label).split()
        if volumes:
            docker("volume", "rm", *volumes)
        networks = docker("network", "ls", "-q", "--filter", label).split()
        if networks:
            docker("network", "rm", *networks)

    def log_tail(self, lines: int = 60) -> str:
        """The log's last lines."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def rpc(self, method: str, **params: Any) -> Any:
        """Call the control API through its unix socket; the result.

        :raises RPCError: for an error.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        connection = _UnixHTTPConnection(str(self.control_socket), timeout=180)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json", "Host": "localhost"})
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in answer:
            raise RPCError(answer["error"])
        return answer["result"]

    def command(self, *arguments: str, check: bool = True, env: Mapping[str, str] | None = None) -> Command:
        """Run `nexus ARGUMENTS` against this configuration."""
        environment = {**os.environ, "NEXUS_CONFIG": str(self.config_path), **(env or {})}
        done = subprocess.run(
            [str(BIN / "nexus"), *arguments],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"nexus {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def token(self, user: str = "demo", expires: str = "1h") -> str:
        """An access token of `user`."""
        return self.command("token", "--user", user, "--expires", expires).stdout.strip()

    def connect(self, timeout_s: float = 60) -> http.client.HTTPConnection:
        """A connection to the edge."""
        return http.client.HTTPConnection("127.0.0.1", self.edge_port, timeout=timeout_s)

    def request(
        self, method: str, host: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request to the edge with `host` (without the port) as its Host; status, headers, body."""
        connection = self.connect()
        try:
            connection.request(method, path, body, {"Host": f"{host}:{self.edge_port}", **(headers or {})})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def kubo(self, network: str, command: str, token: str, body: bytes | None = None, **headers: str) -> bytes:
        """Call a Kubo command through the edge's `api`; its answer's body. Fails unless the status is 200."""
        status, _, answer = self.request(
            "POST",
            f"{network}.api.localhost",
            f"/api/v0/{command}",
            body,
            {"Authorization": f"Bearer {token}", **headers},
        )
        assert status == 200, (status, answer)
        return answer

    def add(self, network: str, content: bytes, token: str) -> str:
        """Add a file through the edge; its CID."""
        boundary = secrets.token_hex(8)
        body = (
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n'
                f"Content-Type: application/octet-stream\r\n\r\n"
            ).encode()
            + content
            + f"\r\n--{boundary}--\r\n".encode()
        )
        content_type = f"multipart/form-data; boundary={boundary}"
        answer = self.kubo(network, "add?cid-version=1", token, body, **{"Content-Type": content_type})
        cid: str = json.loads(answer.splitlines()[-1])["Hash"]
        return cid

    def container_id(self, network: str) -> str:
        """The container of a network's node; empty if there is none."""
        return docker("ps", "-aq", "--no-trunc", "--filter", f"name=^nexus-{self.instance}-{network}-0$").strip()


Command = subprocess.CompletedProcess[str]


class RPCError(Exception):
    """The control API answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: dict[str, Any] = error.get("data") or {}


class _UnixHTTPConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the unix socket instead of a TCP port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def docker(*arguments: str) -> str:
    """What `docker ARGUMENTS` prints."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def wait_for(what: str, condition: Any, timeout_s: float = 60.0, interval_s: float = 0.05) -> Any:
    """Poll `condition` until it is true, for things outside this process that send no event; its value."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(interval_s)
    raise AssertionError(f"{what}: not within {timeout_s:g} s")


@contextmanager
def measured() -> Iterator[list[float]]:
    """Seconds that the block took, in a list of one."""
    taken: list[float] = []
    begun = time.monotonic()
    yield taken
    taken.append(time.monotonic() - begun)
