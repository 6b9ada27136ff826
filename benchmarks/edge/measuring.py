"""What a scenario works with, and how a load's cost is counted."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.edge.backend import SMALL_BODY
from benchmarks.edge.pacing import Latencies, Pace, PaceError
from benchmarks.edge.processes import ROOT, Cores, pinned, piped_client
from benchmarks.edge.proxies import GATEWAY_HOST, GATEWAY_PATH, Proxy, Setting
from benchmarks.edge.transfers import Job, TransferError, Transferred

T = TypeVar("T")
Sample = dict[str, float]
"""What one run of one scenario with one proxy gave, by metric; `METRICS` in report.py says what each is."""

TRANSFER_TIMEOUT_S = 180.0
PACE_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every scenario is given.

    :ivar window_s: how long a load of many requests lasts.
    """

    setting: Setting
    cores: Cores
    window_s: int

    def script(self, name: str, write: Callable[[], str]) -> Path:
        """The path of a file with the text that `write` gives, written when it is first asked for."""
        path = self.setting.directory / name
        if not path.exists():
            path.write_text(write())
        return path


@dataclass(frozen=True, slots=True)
class Cost:
    """What a load used.

    :ivar proxy_cpu_s: CPU seconds of the proxy's processes.
    :ivar proxy_busy: the part of its core that the proxy used: less than nearly 1 says that it waited for others.
    :ivar others_busy: the part of the other cores that client and backend used.
    """

    proxy_cpu_s: float
    proxy_busy: float
    others_busy: float

    def sample(self, count: float, seconds: float) -> Sample:
        """The metrics of `count` requests that took `seconds`."""
        return {
            "cpu_us": self.proxy_cpu_s * 1e6 / count,
            "per_s": count / seconds,
            "proxy_busy": self.proxy_busy,
            "others_busy": self.others_busy,
        }


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cost_of(bench: Bench, proxy: Proxy, work: Callable[[], T]) -> tuple[T, Cost]:
    """What `work`, which runs a client to its end, gave and cost."""
    backend = bench.setting.backend
    started = time.perf_counter()
    proxy_s, backend_s, client_s = proxy.process.cpu_s(), backend.cpu_s(), _children_cpu_s()
    result = work()
    proxy_s = proxy.process.cpu_s() - proxy_s
    others_s = backend.cpu_s() - backend_s + _children_cpu_s() - client_s
    elapsed_s = time.perf_counter() - started
    proxy.process.check()
    return result, Cost(proxy_s, proxy_s / elapsed_s, others_s / elapsed_s / len(bench.cores.others))


def transfer(bench: Bench, job: Job) -> Transferred:
    """Run the client of large bodies.

    :raises TransferError: where a body did not arrive as it should have.
    """
    command = [sys.executable, "-m", "benchmarks.edge.transfers", json.dumps(asdict(job))]
    try:
        done = subprocess.run(
            pinned(command, bench.cores.others),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TRANSFER_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TransferError(f"not done within {TRANSFER_TIMEOUT_S:g} s") from None
    if done.returncode != 0:
        raise TransferError(done.stderr.strip())
    return Transferred(**json.loads(done.stdout))


def small_pace(ports: Sequence[int], per_s: float) -> Pace:
    """The small request, so often to each of `ports`."""
    return Pace(
        ports=tuple(ports),
        request=f"GET {GATEWAY_PATH} HTTP/1.1\r\nHost: {GATEWAY_HOST}\r\n\r\n",
        per_s=per_s,
        answer_end=SMALL_BODY.decode(),
    )


def pace(bench: Bench, told: Pace, meanwhile: Callable[[], None]) -> list[Latencies]:
    """Run the client of a fixed rate for as long as `meanwhile` takes; the figures of each port.

    :raises PaceError: where a request was not answered as it should have been.
    """
    with piped_client("benchmarks.edge.pacing", json.dumps(asdict(told)), bench.cores) as client:
        try:
            meanwhile()
            output, errors = client.communicate(timeout=PACE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise PaceError(f"not all was answered within {PACE_TIMEOUT_S:g} s") from None
        finally:
            client.kill()
    if client.returncode != 0:
        raise PaceError(errors.strip())
    return [Latencies(**each) for each in json.loads(output)]
