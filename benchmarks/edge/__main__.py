"""`python -m benchmarks.edge`: runs the scenarios, keeps the results, and writes the document.

    --rounds 5        samples of each load
    --only small,jwt  some scenarios, by the beginning of their names; the others' results are kept
    --report          writes the document again from the results that are kept, and runs nothing

Takes a quarter of an hour. Everything stays on loopback; all that is started is ended. Exits with 1 where a request
failed or a body was not what was sent.
"""

from __future__ import annotations

import argparse
import getpass
import os
import resource
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.edge.backend import start_backend
from benchmarks.edge.circumstances import describe
from benchmarks.edge.measuring import Bench
from benchmarks.edge.plot import draw
from benchmarks.edge.processes import ROOT, ProcessEndedError, choose_cores
from benchmarks.edge.proxies import Setting
from benchmarks.edge.report import render
from benchmarks.edge.results import Results, read_results, write_results
from benchmarks.edge.running import Run, chosen

RESULTS: Final = ROOT / "var" / "benchmark.json"
DOCUMENT: Final = ROOT / "docs" / "performance.md"
PLOT: Final = ROOT / "docs" / "performance.svg"
NEEDED: Final = ("wrk", "haproxy", "nginx", "caddy", "taskset", "setpriv")
DESCRIPTORS_MIN: Final = 12_000


def write_document(results: Results) -> None:
    """Write the document and its picture."""
    DOCUMENT.write_text(render(results))
    PLOT.write_text(draw(results))
    print(f"wrote {DOCUMENT.relative_to(ROOT)} and {PLOT.relative_to(ROOT)}")


def run(names: frozenset[str], rounds: int, window_s: int, command: str) -> int:
    """Run the scenarios `names`; how many went wrong."""
    cores = choose_cores(frozenset(os.sched_getaffinity(0)))
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    results = read_results(RESULTS)
    directory = Path(tempfile.mkdtemp(prefix="nexus-benchmark-"))
    try:
        user = getpass.getuser()
        backend = start_backend(directory, cores.others, user, descriptors)
        try:
            setting = Setting(
                directory=directory,
                cores=cores.proxy,
                backend=backend,
                descriptors=descriptors,
                user=user,
                jwt_secret=secrets.token_urlsafe(48),
            )
            bench = Bench(setting=setting, cores=cores, window_s=window_s)
            this = Run(bench, describe(cores, command), results, rounds, names)
            this.everything(lambda: write_results(RESULTS, results))
        finally:
            backend.stop()
    finally:
        shutil.rmtree(directory)
    write_document(results)
    return this.failed


def main() -> int:
    """What the module says."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="samples of each load")
    parser.add_argument("--window", type=int, default=2, help="seconds that a load of many requests lasts")
    parser.add_argument("--only", default="", help="scenarios, by commas")
    parser.add_argument("--report", action="store_true", help="only write the document again")
    options = parser.parse_args()
    if options.report:
        write_document(read_results(RESULTS))
        return 0
    try:
        names = chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        raise SystemExit(f"benchmark: not installed: {', '.join(missing)}")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DESCRIPTORS_MIN:
        raise SystemExit(f"benchmark: needs {DESCRIPTORS_MIN} file descriptors: raise the limit (ulimit -Hn)")
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda number, frame: sys.exit(128 + number))
    command = "make bench" + (f" ROUNDS={options.rounds}" if options.rounds != 5 else "")
    command += f" ONLY={options.only}" if options.only else ""
    try:
        failed = run(names, max(1, options.rounds), max(1, options.window), command)
    except ProcessEndedError as error:
        raise SystemExit(f"benchmark: {error}") from None
    if failed:
        print(f"benchmark: {failed} went wrong: see above")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
