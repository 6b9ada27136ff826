"""The machine and the versions that figures belong to."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.edge.processes import PAGE_BYTES, ROOT, Cores
from benchmarks.edge.results import About

_COMMANDS = {
    "HAProxy": ["haproxy", "-v"],
    "nginx": ["nginx", "-v"],
    "Caddy": ["caddy", "version"],
    "wrk": ["wrk", "--version"],
}
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)+")


def _version_of(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = _VERSION.search(done.stdout + done.stderr)
    return found[0] if found else "of an unknown version"


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return f" (commit {done.stdout.strip()})" if done.returncode == 0 else ""


def parse_processor(cpuinfo: str) -> str:
    """The processor's name, from the text of /proc/cpuinfo."""
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _pinning(cores: Cores) -> str:
    if cores.proxy == cores.others:
        return "nothing is pinned: there is only one core"
    others = ", ".join(map(str, sorted(cores.others)))
    plural = "s" if len(cores.others) > 1 else ""
    return f"the proxy on core {max(cores.proxy)}, clients and backend on core{plural} {others}"


def describe(cores: Cores, command: str) -> About:
    """The circumstances of a run that begins now by `command`."""
    programs = {name: _version_of(words) for name, words in _COMMANDS.items()}
    libraries = {name: version(name) for name in ("Twisted", "uvloop")}
    ours = {"Nexus": version("nexus-ipfs") + _commit(), "Python": platform.python_version()}
    return About(
        date=datetime.now(UTC).isoformat(timespec="minutes"),
        command=command,
        processor=parse_processor(Path("/proc/cpuinfo").read_text()),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES / 1024**3,
        kernel=platform.release(),
        pinning=_pinning(cores),
        versions=ours | libraries | programs,
    )
