"""A fresh checkout, as a newcomer has it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

_MADE = shutil.ignore_patterns(
    ".git", ".venv", "var", "nexus.toml", "_trial_temp*", "build", "dist", "site", "*.egg-info", "__pycache__",
    "*.pyc", "dropin.cache", ".*_cache", ".hypothesis", ".coverage*",
)  # fmt: skip


def copy_checkout(destination: Path) -> None:
    """Copy this checkout to `destination`, without anything that was made in it."""
    shutil.copytree(ROOT, destination, ignore=_MADE, symlinks=True)


def clean_environment() -> dict[str, str]:
    """This process's environment, without what would lead a fresh checkout astray: other configurations, this `make`,
    and this interpreter."""
    ours = ("NEXUS_", "MAKE", "MFLAGS", "PYTHON", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
