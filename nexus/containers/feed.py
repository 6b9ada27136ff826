"""The engine's event feed over one connection: opened, read, and told why it ended. Blocking."""

from __future__ import annotations

import json
from typing import Final

from nexus.container import ContainerEventKind
from nexus.containers.events import Feed
from nexus.containers.translation import ENGINE_FAILURES, timed_out, translate
from nexus.containers.transport import connect
from nexus.errors import EngineUnreachableError

_OPERATION: Final = "watch containers"
QUIET_S: Final = 30.0
"""After so long without an event the feed is opened anew."""


def follow(socket: str, timeout_s: int, feed: Feed) -> None:
    """Read `feed` from the engine at `socket`: see `events.Follow`."""
    filters = {
        "type": ["container"],
        "event": [kind.value for kind in ContainerEventKind],
        "label": [f"{name}={value}" for name, value in feed.labels.items()],
    }
    is_open = False
    try:
        with (
            connect(socket, feed.wires, timeout_s=timeout_s, connections=1) as client,
            client.get(
                f"{client.base_url}/v{client.api_version}/events",
                params={"since": feed.since, "filters": json.dumps(filters)},
                stream=True,
                timeout=(timeout_s, QUIET_S),
            ) as answer,
        ):
            answer.raise_for_status()
            is_open = True
            feed.opened()
            unfinished = b""
            # None: each chunk as it comes, rather than when a buffer is full.
            for chunk in answer.iter_content(None):
                *lines, unfinished = (unfinished + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        feed.received(json.loads(line))
    except ENGINE_FAILURES as error:
        if is_open and timed_out(error):
            return
        raise translate(_OPERATION, error, socket=socket, timeout_s=timeout_s) from None
    raise EngineUnreachableError(_OPERATION, "the engine ended the event stream")
