"""Another host, as far as TCP is concerned: a network namespace with a link of its own, which can be cut.

Needs root; where it cannot be made, tests are skipped with the reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Final

from twisted.trial.unittest import SkipTest, TestCase

EDGE_ADDRESS: Final = "198.51.100.1"
"""Of the link's end where the tests run (RFC 5737: addresses for documentation)."""

_REMOTE_ADDRESS: Final = "198.51.100.2"


class RemoteHost:
    """Made for `case`, and removed with it."""

    def __init__(self, case: TestCase) -> None:
        self._case = case
        self._name = f"nx{os.getpid()}"
        if os.geteuid() != 0:
            raise SkipTest("network namespaces are made by root")
        try:
            self._ip("netns", "add", self._name)
            case.addCleanup(self._ip, "netns", "del", self._name)
            self._ip("link", "add", self._name, "type", "veth", "peer", "name", "eth0", "netns", self._name)
            case.addCleanup(self._ip, "link", "del", self._name)
            self._ip("address", "add", f"{EDGE_ADDRESS}/30", "dev", self._name)
            self._ip("link", "set", self._name, "up")
            self._ip("-n", self._name, "address", "add", f"{_REMOTE_ADDRESS}/30", "dev", "eth0")
            self._ip("-n", self._name, "link", "set", "eth0", "up")
        except subprocess.CalledProcessError as error:
            raise SkipTest(f"no network namespace can be made: {error.stderr.decode().strip()}") from None
        except OSError as error:
            raise SkipTest(f"no network namespace can be made: {error}") from None

    def run(self, script: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Run a Python script there."""
        command = ["ip", "netns", "exec", self._name, sys.executable, "-c", textwrap.dedent(script), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._case.addCleanup(self._end, process)
        return process

    def vanish(self) -> None:
        """From now on nothing comes from there: no answer, no acknowledgement, no reset."""
        self._ip("-n", self._name, "route", "add", "blackhole", f"{EDGE_ADDRESS}/32")

    def _ip(self, *arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.communicate()
