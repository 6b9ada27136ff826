"""Section one of a newcomer's day: the checkout's commands, in a fresh checkout, beside whatever else runs here."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.checkout import clean_environment, copy_checkout
from tests.acceptance.nexus_process import docker, free_port

SECOND_RUN_S = 30.0


class MakeTests(SynchronousTestCase):
    """`make up`, `make down`, `make clean`."""

    def setUp(self) -> None:
        """A fresh checkout, and ports that nobody uses."""
        self.checkout = Path(self.mktemp()).absolute()
        copy_checkout(self.checkout)
        self.addCleanup(shutil.rmtree, self.checkout)
        self.addCleanup(self.make, "clean", {"YES": "1"})
        self.ports = {"EDGE_PORT": str(free_port()), "CONTROL_PORT": str(free_port())}

    def make(self, target: str, variables: Mapping[str, str] | None = None, *, status: int = 0) -> str:
        """What `make TARGET` prints, without a terminal."""
        environ = clean_environment()
        done = subprocess.run(
            ["make", "--no-print-directory", target],
            cwd=self.checkout,
            env={**environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        self.assertEqual((done.returncode == 0), status == 0, done.stdout)
        self.assertNotIn("Traceback", done.stdout)
        return done.stdout

    def test_up_down_clean(self) -> None:
        """From nothing to a network that works, twice; down keeps its node; clean leaves nothing but images."""
        told = self.make("up", self.ports)
        gateway = self.find(r"gateway +(http://\S+)", told)
        self.assertIn(f":{self.ports['EDGE_PORT']}/ipfs/", gateway)
        self.assertEqual(self.read(gateway), b"Hello from a private IPFS network.\n")
        for words in ("A member joins", "/p2p/", "swarm.key", "Three things to try next", "nexus token"):
            self.assertIn(words, told)
        instance = self.find(r'(?m)^instance = "(\w+)"$', (self.checkout / "nexus.toml").read_text())
        self.assertEqual((self.checkout / "nexus.toml").stat().st_mode & 0o777, 0o600)
        containers = self.of_instance(instance, "ps", "-q")
        self.assertEqual(len(containers), 1)

        began = time.monotonic()
        again = self.make("up")
        self.assertLess(time.monotonic() - began, SECOND_RUN_S)
        self.assertEqual(self.find(r"gateway +(http://\S+)", again), gateway)

        self.make("down")
        self.assertRaises(OSError, self.read, gateway)
        self.assertEqual(self.of_instance(instance, "ps", "-q"), containers)
        self.assertIn("does not run", self.make("down"))

        with socket.create_server(("127.0.0.1", int(self.ports["EDGE_PORT"]))):
            busy = self.make("up", status=2)
        self.assertIn("EDGE_PORT=", busy)
        self.assertIn(self.ports["EDGE_PORT"], busy)

        # What a killed daemon leaves: a number that is another process's by now.
        (self.checkout / "var" / "nexus.pid").write_text(str(os.getpid()))
        self.make("up")
        self.assertEqual(self.read(gateway), b"Hello from a private IPFS network.\n")
        self.assertEqual(self.of_instance(instance, "ps", "-q"), containers)

        self.assertIn("YES=1", self.make("clean", status=2))
        self.assertTrue((self.checkout / "nexus.toml").exists())
        self.make("clean", {"YES": "1"})
        for kind in (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q")):
            self.assertEqual(self.of_instance(instance, *kind), [], kind)
        for name in ("nexus.toml", "var", ".venv"):
            self.assertFalse((self.checkout / name).exists(), name)
        self.assertIn("nothing to remove", self.make("clean"))
        docker("image", "inspect", "ipfs/kubo:v0.43.0")

    def find(self, pattern: str, text: str) -> str:
        """The group that `pattern` finds in `text`."""
        match = re.search(pattern, text)
        if match is None:
            self.fail(f"{pattern} is not in:\n{text}")
        return match[1]

    def read(self, url: str) -> bytes:
        """The body of a gateway's URL; not every resolver knows `*.localhost`."""
        host, path = self.find(r"http://([^/]+)/", url), "/" + url.split("/", 3)[3]
        address = f"http://127.0.0.1:{host.rpartition(':')[2]}{path}"
        with urllib.request.urlopen(urllib.request.Request(address, headers={"Host": host}), timeout=30) as response:
            body: bytes = response.read()
            return body

    def of_instance(self, instance: str, *command: str) -> list[str]:
        """What `docker COMMAND` lists of an instance."""
        return docker(*command, "--filter", f"label=nexus.instance={instance}").split()
