"""What was measured, kept in a file: a run of some scenarios leaves the others' results as they were."""

from __future__ import annotations

import statistics
from pathlib import Path

import msgspec

from benchmarks.edge.measuring import Sample

NEXUS = "Nexus"
REFERENCE = "HAProxy"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The circumstances of a run.

    :ivar date: of its beginning, as ISO 8601 has it.
    :ivar pinning: which cores are whose, in words.
    :ivar versions: by program.
    """

    date: str
    command: str
    processor: str
    cores: int
    memory_gib: float
    kernel: str
    pinning: str
    versions: dict[str, str]


class Outcome(msgspec.Struct, kw_only=True):
    """What one scenario gave.

    :ivar samples: by proxy, one for each round that it went well.
    :ivar failures: by proxy, what went wrong.
    :ivar skipped: why nothing was measured, if so.
    """

    about: About
    samples: dict[str, list[Sample]] = {}
    failures: dict[str, str] = {}
    skipped: str = ""


class Results(msgspec.Struct, kw_only=True):
    """The last outcome of every scenario that was ever run here, by its name."""

    scenarios: dict[str, Outcome] = {}

    def median(self, scenario: str, proxy: str, metric: str) -> float | None:
        """The median of one metric; None where it was not measured."""
        outcome = self.scenarios.get(scenario)
        if outcome is None or proxy in outcome.failures:
            return None
        values = [sample[metric] for sample in outcome.samples.get(proxy, ()) if metric in sample]
        return statistics.median(values) if values else None

    def ratio(self, scenario: str, proxy: str, metric: str, to: str = REFERENCE) -> float | None:
        """The metric's median as a multiple of that of the proxy `to`."""
        value, reference = self.median(scenario, proxy, metric), self.median(scenario, to, metric)
        return None if value is None or not reference else value / reference


def read_results(path: Path) -> Results:
    """Those in the file at `path`; none where it is not there.

    :raises ValueError: where it holds something else.
    """
    if not path.exists():
        return Results()
    return msgspec.json.decode(path.read_bytes(), type=Results)


def write_results(path: Path, results: Results) -> None:
    """Write them to `path`, for people to read as well."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
