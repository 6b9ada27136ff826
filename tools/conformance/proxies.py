"""The proxies that are compared: Nexus, and others as Debian packages them, each a reverse proxy for one backend.

Each is configured as its own documentation shows a reverse proxy: streaming, with upgrades where they must be asked
for, and nothing made stricter or laxer.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Final

START_TIMEOUT_S: Final = 30.0
BIN: Final = Path(sys.executable).parent

_NEXUS: Final = """instance = "test"
[edge]
listen = ["127.0.0.1:{port}"]
access_log = false
[[edge.static]]
name = "demo"
gateway = "127.0.0.1:{backend_port}"
gateway_public = true
[control]
listen = ["unix:{directory}/control.sock"]
[secrets]
jwt = "{secret}"
[database]
url = "sqlite:///{directory}/nexus.db"
[containers]
socket = "unix://{directory}/no-engine.sock"
"""

_HAPROXY: Final = """global
    maxconn 200
defaults
    mode http
    timeout connect 3s
    timeout client 20s
    timeout server 20s
frontend all
    bind 127.0.0.1:{port}
    default_backend node
backend node
    server node 127.0.0.1:{backend_port}
"""

_NGINX: Final = """daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 200; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream node {{ server 127.0.0.1:{backend_port}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://node;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}
}}
"""

_CADDY: Final = """{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{backend_port} {{
        flush_interval -1
    }}
}}
"""


class Proxy(ABC):
    """A proxy in a process of its own.

    :ivar name: as it is shown.
    """

    name = ""

    def __init__(self, backend_port: int) -> None:
        self.port = _free_port()
        self._backend_port = backend_port
        self._directory = Path(tempfile.mkdtemp(prefix="nx-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def version(self) -> str:
        """As it says itself."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Write its configuration, and say how it is run."""

    def start(self) -> None:
        """Run it until it accepts connections.

        :raises RuntimeError: when it does not.
        """
        log = self._directory / "log"
        environment: Mapping[str, str] = {
            **os.environ,
            "HOME": str(self._directory),
            "XDG_CONFIG_HOME": str(self._directory),
        }
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self._directory,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)  # there is no event to wait for before it listens
        raise RuntimeError(f"{self.name} did not come up:\n{log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """End it, and remove its files."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _write(self, name: str, template: str) -> Path:
        path = self._directory / name
        path.touch(mode=0o600)
        text = template.format(
            port=self.port,
            backend_port=self._backend_port,
            directory=self._directory,
            secret=secrets.token_urlsafe(48),
        )
        path.write_text(text, encoding="utf-8")
        return path


class Nexus(Proxy):
    """Nexus as it is installed: `twistd nexus` with one static network."""

    name = "Nexus"

    @property
    def version(self) -> str:
        """See `Proxy.version`."""
        return _first_number(str(BIN / "nexus"), "version")

    def _command(self) -> list[str]:
        path = self._write("nexus.toml", _NEXUS)
        return [str(BIN / "twistd"), "-n", "--pidfile=", "nexus", "--config", str(path)]


class HAProxy(Proxy):
    """HAProxy."""

    name = "HAProxy"

    @property
    def version(self) -> str:
        """See `Proxy.version`."""
        return _first_number("haproxy", "-v")

    def _command(self) -> list[str]:
        return ["haproxy", "-db", "-f", str(self._write("haproxy.cfg", _HAPROXY))]


class Nginx(Proxy):
    """nginx."""

    name = "nginx"

    @property
    def version(self) -> str:
        """See `Proxy.version`."""
        return _first_number("nginx", "-v")

    def _command(self) -> list[str]:
        os.chmod(self._directory, 0o755)  # noqa: S103 - its worker is another user
        return ["nginx", "-e", str(self._directory / "error.log"), "-c", str(self._write("nginx.conf", _NGINX))]


class Caddy(Proxy):
    """Caddy."""

    name = "Caddy"

    @property
    def version(self) -> str:
        """See `Proxy.version`."""
        return _first_number("caddy", "version")

    def _command(self) -> list[str]:
        return ["caddy", "run", "--adapter", "caddyfile", "--config", str(self._write("Caddyfile", _CADDY))]


PROXIES: Final[tuple[type[Proxy], ...]] = (Nexus, HAProxy, Nginx, Caddy)


def _first_number(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r"[0-9]+(?:\.[0-9]+)+", done.stdout + done.stderr)
    return found[0] if found else "?"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
