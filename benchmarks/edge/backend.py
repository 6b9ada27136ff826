"""What the proxies stand before: one nginx that serves everything from memory or by sendfile, and a sink for uploads.

The sink is our own since nginx discards a body in reads of 4 KiB, and would be what an upload waits for.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.edge.processes import ROOT, Process, free_port

SMALL_BODY: Final = (
    b"Hello from the backend of a benchmark: these are one hundred and twenty-eight bytes, as small files are.".ljust(
        128, b"."
    )
)
KIB: Final = 1024
MIB: Final = 1024 * KIB
FILES: Final = {"64k": 64 * KIB, "1m": MIB, "256m": 256 * MIB}
STALLED_BYTES: Final = 1024 * MIB
"""The length of the file that nobody reads to its end; sparse."""

_CONFIG = """
user {user};
worker_processes 1;
daemon off;
pid {directory}/backend.pid;
error_log {directory}/backend.log warn;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    sendfile on;
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    open_file_cache max=16 inactive=600s;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type text/plain;
    root {directory}/files;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200 "{small}"; }}
        location /varied/ {{
            add_header ETag '"$request_id"';
            return 200 "{small}";
        }}
        location /files/ {{ alias {directory}/files/; }}
    }}
    # Reached at any address of 127.0.0.0/8, one for each network.
    server {{
        listen *:{everywhere_port} backlog=4096;
        location / {{
            allow 127.0.0.0/8;
            deny all;
            empty_gif;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Backend:
    """Both servers, while they run.

    :ivar port: nginx: `/` for a small body, `/varied/` for one whose head differs each time, `/files/NAME` for `FILES`.
    :ivar everywhere_port: nginx too, at every address of 127.0.0.0/8.
    :ivar sink_port: takes uploads, and answers with their length; below `/api/v0/hash` with their SHA-256 too.
    :ivar files: the directory of the files.
    """

    port: int
    everywhere_port: int
    sink_port: int
    files: Path
    processes: tuple[Process, ...]

    def cpu_s(self) -> float:
        """The CPU seconds that they have used so far."""
        return sum(process.cpu_s() for process in self.processes)

    def stop(self) -> None:
        """End them."""
        for process in self.processes:
            process.stop()

    def sha256(self, name: str) -> str:
        """The hash of one of the files."""
        with (self.files / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def make_files(directory: Path) -> None:
    """Write the files that the backend serves."""
    directory.mkdir()
    for name, length in FILES.items():
        with (directory / name).open("wb") as file:
            for _ in range(0, length, MIB):
                file.write(os.urandom(min(length, MIB)))
    with (directory / "1g").open("wb") as file:
        file.truncate(STALLED_BYTES)


def start_backend(directory: Path, cores: frozenset[int], user: str, descriptors: int) -> Backend:
    """Run the backend on `cores`, with its files in `directory`."""
    files = directory / "files"
    make_files(files)
    port, everywhere_port, sink_port = free_port(), free_port(), free_port()
    config = directory / "backend.conf"
    config.write_text(
        _CONFIG.format(
            user=user,
            directory=directory,
            descriptors=descriptors,
            connections=descriptors - 100,
            port=port,
            everywhere_port=everywhere_port,
            small=SMALL_BODY.decode(),
        )
    )
    nginx = Process(["nginx", "-c", str(config)], cores, directory, directory / "backend.out")
    command = [sys.executable, "-m", "benchmarks.edge.sink", str(sink_port)]
    sink = Process(command, cores, ROOT, directory / "sink.out")
    backend = Backend(port, everywhere_port, sink_port, files, (nginx, sink))
    try:
        nginx.wait_for_port(port)
        sink.wait_for_port(sink_port)
    except BaseException:
        backend.stop()
        raise
    return backend
