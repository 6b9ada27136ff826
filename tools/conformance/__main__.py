"""Sends the table of hostile and odd messages through Nexus and other proxies, and writes docs/conformance.md.

Usage: python -m tools.conformance [--only NAME,...] [--subject TEXT] [--no-report]

Ends with 1 when Nexus is laxer than another proxy where a source demands something, does not pass what is legitimate
and another passes, or does otherwise than the table says. Takes about three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import shutil
import sys
import time
from pathlib import Path

from tests.edge.hostile.case import Case
from tests.edge.hostile.table import REQUESTS, RESPONSES
from tools.conformance.proxies import PROXIES
from tools.conformance.report import NEXUS, failures, write_report
from tools.conformance.run import try_all

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tools.conformance")
    parser.add_argument("--only", default="", help="names of proxies besides Nexus, separated by commas; default: all")
    parser.add_argument("--subject", default="", help="only cases whose subject has this text in it")
    parser.add_argument("--no-report", action="store_true", help="leave docs/conformance.md as it is")
    options = parser.parse_args()
    wanted = [name.lower() for name in options.only.split(",") if name]
    kinds = [kind for kind in PROXIES if kind.name == NEXUS or not options.only or kind.name.lower() in wanted]
    missing = [kind.name for kind in kinds if kind.name != NEXUS and shutil.which(kind.name.lower()) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)} (tools/ensure_peers.sh installs them)")
    table: list[Case] = [*REQUESTS, *RESPONSES]
    cases = [case for case in table if options.subject.lower() in case.subject.lower()]
    began = time.monotonic()
    results = asyncio.run(try_all(cases, kinds, print))
    is_whole = len(kinds) == len(PROXIES) and cases == table
    if is_whole and not options.no_report:
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        DOCUMENT.write_text(write_report(results, today), encoding="utf-8")
        print(f"wrote {DOCUMENT}")
    found = failures(results)
    for title, failing in found.items():
        for case in failing:
            place = cases.index(case)
            seen = ", ".join(f"{name}: {verdicts[place].text}" for name, verdicts in results.verdicts.items())
            print(f"{title}: {case.subject}: {case.name} ({seen})")
    print(f"{len(cases)} cases on {len(kinds)} proxies in {time.monotonic() - began:.0f} s: ", end="")
    print(", ".join(f"{len(failing)}: {title}" for title, failing in found.items()))
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
