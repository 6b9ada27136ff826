"""Where this checkout keeps what `make up` makes, and how its daemon and commands are called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from nexus.config.file import load
from nexus.config.sections import Config, TCPListen, UnixListen
from nexus.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "nexus.toml"
VAR = ROOT / "var"
PID_FILE = VAR / "nexus.pid"
LOG_FILE = VAR / "nexus.log"
BIN = Path(sys.executable).parent


def say(text: str) -> None:
    """Tell what is going on."""
    print(f"==> {text}", flush=True)


def note(text: str) -> None:
    """Tell more of it."""
    print("\n".join(f"    {line}" for line in text.splitlines()), flush=True)


def fail(text: str) -> NoReturn:
    """One clear line on stderr, and out."""
    sys.stdout.flush()
    raise SystemExit(f"nexus: {text}")


def read_config(environ: Mapping[str, str]) -> Config:
    """This checkout's configuration, or one line and out."""
    try:
        return load(str(CONFIG), environ)
    except ConfigError as error:
        fail(str(error))


def environment() -> dict[str, str]:
    """The environment of the daemon and of commands: this process's, with EDGE_PORT and CONTROL_PORT laid over the
    addresses of the configuration, where they are given."""
    environ = {**os.environ, "NEXUS_CONFIG": str(CONFIG)}
    config = read_config(os.environ)
    listens: list[tuple[str, tuple[TCPListen | UnixListen, ...]]] = [
        ("EDGE", config.edge.listen),
        ("CONTROL", config.control.listen),
    ]
    for name, listen in listens:
        port = os.environ.get(f"{name}_PORT")
        if port:
            environ[f"NEXUS_{name}__LISTEN"] = ",".join(_with_port(address, port) for address in listen)
    return environ


def _with_port(listen: TCPListen | UnixListen, port: str) -> str:
    if isinstance(listen, UnixListen):
        return f"unix:{listen.path}"
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"{host}:{port}"


def run_nexus(*arguments: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the `nexus` command of this checkout."""
    return subprocess.run(
        [str(BIN / "nexus"), *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


def log_tail(lines: int = 15) -> str:
    """The daemon's last log lines."""
    try:
        return "\n".join(f"| {line}" for line in LOG_FILE.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
