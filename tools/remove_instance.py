"""Removes every container, volume and bridge of this checkout's instance from the engine; the daemon must be stopped.

Usage: python -m tools.remove_instance
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from nexus.containers.runtime import DockerRuntime
from nexus.errors import NexusError
from nexus.service import make_nodes
from tools.checkout import read_config, say


async def remove(reactor: Any) -> None:
    """Remove everything that carries the instance's label."""
    config = read_config(os.environ)
    say(f"Removing nodes, volumes and bridge of instance {config.instance}")
    runtime = DockerRuntime(reactor, config.containers.socket, config.containers.threads)
    nodes = make_nodes(config, reactor, runtime)
    try:
        await nodes.remove_everything()
    except NexusError as error:
        print(f"nexus: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        await runtime.close()


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(remove(reactor)))
