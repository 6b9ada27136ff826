"""How long small requests take at a modest rate, at rest and while nodes start and stop through the control API.

Nexus and HAProxy have requests in turns, in the same seconds, on the same core.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.edge.control import call
from benchmarks.edge.measuring import Bench, Sample, pace, small_pace
from benchmarks.edge.nexus_proxy import IMAGE, Nexus
from benchmarks.edge.peers import HAProxy

PER_S: Final = 500.0
QUIET_S: Final = 10.0
BUSY_S: Final = 65.0
"""A little more than the minute that the daemon's greatest lag is of."""
NODES: Final = 3
"""So many nodes start, and then stop, at once, over and over."""


def missing() -> str:
    """Why nodes cannot be run here; empty where they can."""
    command = ["docker", "image", "inspect", "--format", "{{.Id}}", IMAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no Docker engine answers: {error}"
    return "" if done.returncode == 0 else done.stderr.strip() or f"no image {IMAGE}"


def run(bench: Bench, nexus: Nexus, haproxy: HAProxy) -> dict[str, dict[str, Sample]]:
    """The samples of both phases, by scenario and proxy.

    :raises PaceError: where a request was not answered as it should have been.
    :raises ControlError: where a node could not be started or stopped.
    """
    quiet = _paced(bench, (nexus, haproxy), lambda: time.sleep(QUIET_S))
    busy = _paced(bench, (nexus, haproxy), lambda: start_and_stop(nexus.control_socket))
    lag = call(nexus.control_socket, "EdgeStats")["loop_lag"]
    busy[Nexus.name] |= {"lag_ms": lag["max_s"] * 1000, "lag_p99_ms": lag["p99_s"] * 1000}
    return {"latency_quiet": quiet, "latency_busy": busy}


def _paced(bench: Bench, proxies: tuple[Nexus | HAProxy, ...], meanwhile: Callable[[], None]) -> dict[str, Sample]:
    told = pace(bench, small_pace([proxy.ports.plain for proxy in proxies], PER_S), meanwhile)
    return {
        proxy.name: {"p50_ms": each.p50_ms, "p99_ms": each.p99_ms, "max_ms": each.max_ms, "count": each.requests}
        for proxy, each in zip(proxies, told, strict=True)
    }


def start_and_stop(control_socket: Path) -> None:
    """Start some nodes at once, stop them at once, and so on, for `BUSY_S`.

    :raises ControlError: where one could not be.
    """
    names = [f"node{number}" for number in range(NODES)]
    for name in names:
        call(control_socket, "CreateNetwork", network=name)
    ends_at = time.monotonic() + BUSY_S
    while time.monotonic() < ends_at:
        for method in ("StartNetwork", "StopNetwork"):
            _at_once(control_socket, method, names)
    _at_once(control_socket, "RemoveNetwork", names)


def _at_once(control_socket: Path, method: str, names: list[str]) -> None:
    failures: list[Exception] = []

    def one(name: str) -> None:
        try:
            call(control_socket, method, network=name)
        except Exception as error:  # told by the thread that waits for this one
            failures.append(error)

    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
