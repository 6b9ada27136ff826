"""The package as `pip install` of a release has it: no checkout, nothing editable."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.checkout import ROOT, clean_environment, copy_checkout


class InstallTests(SynchronousTestCase):
    """An operator who installs Nexus into a virtual environment."""

    def test_clean_environment(self) -> None:
        """twistd finds the plugin, the command works, and schema and assets are there."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        self.addCleanup(shutil.rmtree, directory)
        # pip builds in the source tree, where other tests read.
        copy_checkout(directory / "source")
        run(sys.executable, "-m", "venv", str(directory / "venv"))
        bin_ = directory / "venv" / "bin"
        constraints = str(ROOT / "requirements-dev.lock")
        run(str(bin_ / "python"), "-m", "pip", "install", "--quiet", "-c", constraints, str(directory / "source"))

        self.assertRegex(run(str(bin_ / "twistd"), "--help"), r"(?m)^ +nexus +Private IPFS networks")
        self.assertRegex(run(str(bin_ / "nexus"), "version"), r"\A\d+\.\d+\.\d+\n\Z")
        self.assertIn("StartNetwork", run(str(bin_ / "nexus"), "ctl", "help"))
        config = str(directory / "nexus.toml")
        run(str(bin_ / "nexus"), "init", "--config", config)
        self.assertIn("can be used", run(str(bin_ / "nexus"), "config", "check", "--config", config))
        listed = run(
            str(bin_ / "python"),
            "-c",
            "import importlib.resources as r\n"
            "print(*(p.name for p in (r.files('nexus.database') / 'schema' / 'sqlite').iterdir()))\n"
            "print(*(p.name for p in (r.files('nexus.ipfs') / 'assets').iterdir()))\n"
            "import nexus.service\n",
        )
        self.assertRegex(listed, r"(?m)^.*\.sql.*$")
        self.assertRegex(listed, r"(?m)^.*\.sh.*$")


def run(*command: str) -> str:
    """What `command` prints, run where no checkout is."""
    done = subprocess.run(
        command, cwd="/", env=clean_environment(), capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
