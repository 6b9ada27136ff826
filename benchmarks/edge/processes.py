"""Processes that the benchmark starts: pinned to cores, measured through proc(5), ended by their id."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CLOCK_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
ROOT: Final = Path(__file__).resolve().parent.parent.parent
"""Where `python -m` finds the harness."""
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 15.0


class ProcessEndedError(Exception):
    """A process ended, or did not begin to serve; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the proxy runs on, and which all the rest; equal where the machine has only one."""

    proxy: frozenset[int]
    others: frozenset[int]


def choose_cores(available: frozenset[int]) -> Cores:
    """The last core for the proxy, since the first takes most interrupts; all the others for clients and backend."""
    proxy = frozenset((max(available),))
    return Cores(proxy, available - proxy or proxy)


def parse_cpu_s(stat: str) -> float:
    """The seconds of CPU, user and system, of all threads of a process, from the text of /proc/PID/stat."""
    # The command's name, in parentheses, may hold blanks and parentheses itself. utime and stime are fields 14 and 15.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S


def parse_rss_bytes(statm: str) -> int:
    """The resident bytes of a process, from the text of /proc/PID/statm."""
    return int(statm.split()[1]) * PAGE_BYTES


def tree(pid: int) -> list[int]:
    """`pid` and all its descendants."""
    pids = [pid]
    for parent in pids:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            pids += map(int, children.read_text().split())
    return pids


def cpu_s(pid: int) -> float:
    """The CPU seconds that `pid` and its descendants have used so far."""
    return sum(parse_cpu_s(Path(f"/proc/{each}/stat").read_text()) for each in tree(pid))


def rss_bytes(pid: int) -> int:
    """The bytes of memory that `pid` and its descendants hold now."""
    return sum(parse_rss_bytes(Path(f"/proc/{each}/statm").read_text()) for each in tree(pid))


def pinned(command: Sequence[str], cores: frozenset[int]) -> list[str]:
    """`command`, on `cores`, and ended by the kernel should the benchmark die before it can."""
    listed = ",".join(map(str, sorted(cores)))
    return ["taskset", "--cpu-list", listed, "setpriv", "--pdeathsig", "TERM", *command]


def piped_client(module: str, told: str, cores: Cores) -> subprocess.Popen[str]:
    """A client of the harness, `python -m module told`, on the other cores than the proxy's, with pipes to speak by."""
    return subprocess.Popen(
        pinned([sys.executable, "-m", module, told], cores.others),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Process:
    """A server in the foreground, with its output in a file.

    :param log: where its output goes.
    """

    def __init__(
        self,
        command: Sequence[str],
        cores: frozenset[int],
        directory: Path,
        log: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = Path(command[0]).name
        self._log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                pinned(command, cores),
                cwd=directory,
                env={**os.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def wait_for_port(self, port: int) -> None:
        """Return once it accepts connections on `port` of 127.0.0.1.

        :raises ProcessEndedError: where it ends before, or takes too long.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            self.check()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise ProcessEndedError(f"{self.name} did not begin to serve:\n{self.log_tail()}")

    def check(self) -> None:
        """See that it still runs.

        :raises ProcessEndedError: otherwise.
        """
        if self._popen.poll() is not None:
            raise ProcessEndedError(f"{self.name} ended with {self._popen.returncode}:\n{self.log_tail()}")

    def log_tail(self, lines: int = 20) -> str:
        """The last of its output."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def cpu_s(self) -> float:
        """The CPU seconds that it and its children have used so far."""
        return cpu_s(self.pid)

    def rss_bytes(self) -> int:
        """The memory that it and its children hold now."""
        return rss_bytes(self.pid)

    def stop(self) -> None:
        """End it, and every child that it leaves."""
        if self._popen.poll() is not None:
            return
        family = tree(self.pid)
        self._popen.terminate()
        try:
            self._popen.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            for pid in reversed(family):
                os.kill(pid, signal.SIGKILL)
            self._popen.wait()


def free_port() -> int:
    """A TCP port that nothing listens on now; below those that the kernel gives to clients, and Nexus to nodes."""
    while True:
        port = 10_000 + secrets.randbelow(10_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
