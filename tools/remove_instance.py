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
from nexus.ipfs.client import NodeClient
from nexus.ipfs.rpc import kubo_agent
from nexus.ipfs.spec import Hosting
from nexus.leases import dynamic_part
from tools.checkout import read_config, say


async def remove(reactor: Any) -> None:
    """Remove everything that carries the instance's label."""
    config = read_config(os.environ)
    say(f"Removing nodes, volumes and bridge of instance {config.instance}")
    runtime = DockerRuntime(reactor, config.containers.socket, config.containers.threads)
    hosting = Hosting(
        instance=config.instance,
        domain=config.edge.domain,
        image=config.containers.image,
        subnet=str(config.containers.subnet),
        dynamic_range=str(dynamic_part(config.containers.subnet)),
        swarm_bind=config.swarm.bind,
        announce_address=config.swarm.announce_address,
        stop_grace_s=config.containers.stop_grace_s,
    )
    nodes = NodeClient(
        reactor, runtime, kubo_agent(reactor), hosting, ready_timeout_s=config.containers.ready_timeout_s
    )
    try:
        await nodes.remove_everything()
    except NexusError as error:
        print(f"nexus: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        await runtime.close()


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(remove(reactor)))
