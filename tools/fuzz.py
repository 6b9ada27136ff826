"""Leads random lives of an edge, as long as one likes (see tests/edge/fuzzing).

Usage: python -m tools.fuzz [--seconds N] [--seed N] [--once]

Seeds are counted up from --seed (default: chosen at random); each is one life. What breaks a rule is told with its
seed, and `--once --seed N` leads that life again and tells its story. Ends with 1 when anything was found.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback

from tests.edge.fuzzing.life import Life

FINDS_MAX = 10
"""After so many it ends: most likely they are the same."""


def main(arguments: list[str] | None = None) -> int:
    """See the module.

    :param arguments: of the command line; default: the process's.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long; default: %(default)s")
    parser.add_argument("--seed", type=int, default=None, help="the first seed; default: at random")
    parser.add_argument("--once", action="store_true", help="lead one life only, and tell its story")
    options = parser.parse_args(arguments)
    first = random.SystemRandom().randrange(10**9) if options.seed is None else options.seed
    if options.once:
        return _replay(first)
    print(f"seeds from {first} on, for {options.seconds:g} s")
    ends_at = time.monotonic() + options.seconds
    seed, finds = first, 0
    while time.monotonic() < ends_at and finds < FINDS_MAX:
        try:
            Life(seed).live()
        except Exception as error:  # whatever it is, it is a find
            finds += 1
            print(f"seed {seed}: {type(error).__name__}: {error}")
            print(f"    again, with its story: .venv/bin/python -m tools.fuzz --once --seed {seed}")
        seed += 1
    print(f"{seed - first} lives, {finds} finds")
    return 1 if finds else 0


def _replay(seed: int) -> int:
    life = Life(seed)
    try:
        life.live()
    except Exception:  # the border: it is told, with what led to it
        print("\n".join(life.story))
        for failure in life.failures:
            print(failure["log_failure"].getTraceback())
        for host, client in life.clients:
            print(f"client {host} got {client.received!r}")
        for event in life.access_events:
            print({key: event[key] for key in ("client", "network", "method", "path", "status", "ended")})
        traceback.print_exc(file=sys.stdout)
        return 1
    print("\n".join(life.story))
    print(f"seed {seed}: nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
