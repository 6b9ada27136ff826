"""wrk as the client of small requests: what it is told, in Lua, and what it tells."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.edge.processes import pinned

_MARK: Final = "benchmark: "
_SUMMARY: Final = """
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        '%s{"requests": %%d, "microseconds": %%d, "bytes": %%d, "errors": %%d, "p50_us": %%d, "p99_us": %%d}\\n',
        summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"""


class WrkError(Exception):
    """A run that counts for nothing: wrk failed, or some of its requests did."""


@dataclass(frozen=True, slots=True)
class WrkResult:
    """One run of wrk.

    :ivar bytes: of heads and bodies together.
    """

    requests: int
    seconds: float
    bytes: int
    errors: int
    p50_ms: float
    p99_ms: float


def parse_result(output: str) -> WrkResult:
    """What wrk told, from its whole output.

    :raises WrkError: where it does not tell.
    """
    told = [line for line in output.splitlines() if line.startswith(_MARK)]
    if not told:
        raise WrkError(f"wrk told nothing:\n{output}")
    values = json.loads(told[-1].removeprefix(_MARK))
    return WrkResult(
        requests=values["requests"],
        seconds=values["microseconds"] / 1e6,
        bytes=values["bytes"],
        errors=values["errors"],
        p50_ms=values["p50_us"] / 1e3,
        p99_ms=values["p99_us"] / 1e3,
    )


def check_result(result: WrkResult, body_bytes: int) -> None:
    """See that every request was answered, by a whole body of `body_bytes`.

    :raises WrkError: otherwise.
    """
    if result.errors:
        raise WrkError(f"{result.errors} of {result.requests} requests failed")
    if result.requests == 0:
        raise WrkError("no request was answered")
    if result.bytes < result.requests * body_bytes:
        raise WrkError(f"{result.bytes} bytes are too few for {result.requests} bodies of {body_bytes}")


def fixed(fields: Mapping[str, str]) -> str:
    """The script of a client that always sends the same request, with `fields`."""
    lines = (f"wrk.headers[{_quoted(name)}] = {_quoted(value)}\n" for name, value in fields.items())
    return "".join(lines) + _SUMMARY % _MARK


def varied(path: str, fields: Mapping[str, str], choices: Mapping[str, Iterable[str]]) -> str:
    """The script of a client whose requests differ in path, query and two fields' values.

    :param path: what every path begins with.
    :param choices: fields that take one of several values in turn.
    """
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    lists, parts = [], []
    for number, (name, values) in enumerate(choices.items()):
        lists.append(f"local c{number} = {{{','.join(map(_quoted, values))}}}\n")
        parts.append(f' .. "{name}: " .. c{number}[n % #c{number} + 1] .. "\\r\\n"')
    return (
        "".join(lists)
        + f"""
local n = 0
function request()
    n = n + 1
    return "GET {path}" .. n .. "?page=" .. n .. " HTTP/1.1\\r\\n" .. {_quoted(head)}
        .. "X-Request-Id: " .. n * 2654435761 % 4294967296 .. "\\r\\n"
        .. "If-None-Match: \\"" .. n .. "\\"\\r\\n"{"".join(parts)} .. "\\r\\n"
end
"""
        + _SUMMARY % _MARK
    )


def spread(path: str, hosts: str, count: int) -> str:
    """The script of a client that goes round `count` hosts, each named by the format `hosts` from 0 on."""
    return (
        f"""
local n = 0
function request()
    local host = string.format({_quoted(hosts)}, n * 7919 % {count})
    n = n + 1
    return "GET {path} HTTP/1.1\\r\\nHost: " .. host .. "\\r\\n\\r\\n"
end
"""
        + _SUMMARY % _MARK
    )


def _quoted(text: str) -> str:
    # Lua reads what JSON writes here.
    return json.dumps(text)


def run_wrk(
    script: Path, port: int, path: str, cores: frozenset[int], *, duration_s: int, connections: int = 64
) -> WrkResult:
    """Run wrk with one thread.

    :raises WrkError: where it fails.
    """
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{duration_s}s", "--timeout", "10s"]
    command = ["wrk", *options, "--script", str(script), f"http://127.0.0.1:{port}{path}"]
    done = subprocess.run(pinned(command, cores), capture_output=True, text=True, timeout=duration_s + 30, check=False)
    if done.returncode != 0:
        raise WrkError(f"wrk ended with {done.returncode}: {done.stdout}{done.stderr}")
    return parse_result(done.stdout)
