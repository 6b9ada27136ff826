"""Starts this checkout's daemon in the background through `twistd`, or stops it. The nodes keep running either way.

Usage: python -m tools.daemon start|stop
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tools.checkout import BIN, CONFIG, LOG_FILE, PID_FILE, ROOT, environment, fail, log_tail, note, run_nexus, say

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.1
PORT_MAX = 65535


def running_pid() -> int | None:
    """The process id of this checkout's daemon, if it runs; never that of another process that got its number."""
    try:
        pid = int(PID_FILE.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(CONFIG) in command else None


def ping(environ: dict[str, str]) -> dict[str, object] | None:
    """What the control API answers to Ping, if it does."""
    done = run_nexus("ctl", "Ping", environ=environ)
    answer: dict[str, object] | None = json.loads(done.stdout) if done.returncode == 0 else None
    return answer


def start() -> None:
    """Start the daemon unless it runs; returns when its control API answers."""
    if not CONFIG.exists():
        say("Writing a configuration")
        options = [
            f"--{name}-listen=127.0.0.1:{os.environ[f'{name.upper()}_PORT']}"
            for name in ("edge", "control")
            if os.environ.get(f"{name.upper()}_PORT")
        ]
        done = run_nexus("init", "--config", str(CONFIG), *options, environ=dict(os.environ))
        if done.returncode != 0:
            fail(done.stderr.strip().removeprefix("nexus: "))
        note(done.stdout.strip())
    environ = environment()
    pid = running_pid()
    if pid is not None:
        say(f"The daemon runs already (process {pid}, log {LOG_FILE.relative_to(ROOT)})")
    else:
        say(f"Starting the daemon (log {LOG_FILE.relative_to(ROOT)})")
        _launch(environ)
    _await_answer(environ)


def _launch(environ: dict[str, str]) -> None:
    # Left by a daemon that was killed; its number may be another process's by now, which twistd would take for ours.
    PID_FILE.unlink(missing_ok=True)
    launched = subprocess.run(
        [str(BIN / "twistd"), "--pidfile", str(PID_FILE), "--logfile", str(LOG_FILE), "nexus", "--config", str(CONFIG)],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if launched.returncode == 0:
        return
    words = launched.stdout.strip().removeprefix("nexus: ")
    fail(with_remedy(words, environ) if words else f"twistd ended with status {launched.returncode}")


def with_remedy(words: str, environ: Mapping[str, str]) -> str:
    """What twistd said, and where a port is busy a command that takes another one."""
    busy = re.search(r":\d+: something else listens there already.*\b(edge|control)\.listen\b", words)
    return f"{words}; another port for now: {make_up_elsewhere(busy[1].upper(), environ)}" if busy else words


def make_up_elsewhere(name: str, environ: Mapping[str, str]) -> str:
    """The command that tries the next port for EDGE or CONTROL, and keeps what was asked for of the other."""
    usual = {"EDGE": 8080, "CONTROL": 7600}
    given = {each: environ.get(f"{each}_PORT", "") for each in usual}
    taken = int(given[name]) if given[name].isdecimal() else usual[name]
    given[name] = str(taken + 1 if taken < PORT_MAX else usual[name])
    return " ".join(["make up", *(f"{each}_PORT={port}" for each, port in given.items() if port)])


def _await_answer(environ: dict[str, str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while ping(environ) is None:
        if running_pid() is None:
            note(log_tail())
            fail(f"the daemon ended: its last log lines are above, all of them in {LOG_FILE}")
        if time.monotonic() > deadline:
            note(log_tail())
            fail(f"the daemon does not answer: its last log lines are above, all of them in {LOG_FILE}")
        time.sleep(POLL_INTERVAL_S)


def stop() -> None:
    """Stop the daemon if it runs; returns when it has ended."""
    pid = running_pid()
    if pid is None:
        say("The daemon does not run")
        return
    say(f"Stopping the daemon (process {pid}); it leaves the nodes running")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while running_pid() is not None:
        if time.monotonic() > deadline:
            note(log_tail())
            fail(f"the daemon did not end within {STOP_TIMEOUT_S:g} s: kill -9 {pid}")
        time.sleep(POLL_INTERVAL_S)


if __name__ == "__main__":
    try:
        {"start": start, "stop": stop}[sys.argv[1]]()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
