"""Which Kubo RPC paths are offered (Kubo's core/commands). Pure.

Decided on decoded segments, since Kubo decodes before it looks a command up, and takes a segment behind a command as
its argument. What two readers could take apart differently is refused as malformed, never guessed at.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

REFUSED_COMMANDS: Final = frozenset(
    {
        b"shutdown",  # ends the node
        b"config",  # shows the node's bearer, and persists across restarts; only `config/show` scrubs secrets
        b"p2p",  # tunnels into the host's network
        b"pin/remote",  # makes the node send requests to any URL
        b"mount",
        b"bootstrap",
        b"swarm/filters",
        b"diag",
        b"log",
    }
)
"""Refused to everybody, with all that is below them, until roles come. None has more than two segments."""

OFFERED_COMMANDS: Final = frozenset({b"config/show"})
"""What is offered, with what is below, although something above it is refused. Each has two segments."""

_AMBIGUOUS: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})|%2[fF]|%5[cC]|%00|\\|//")
PATH_BYTES_REMEMBERED_MAX: Final = 256
"""The verdicts on shorter paths are remembered: a client's commands are few."""

_CLI_TOKEN: Final = b"api-auth"


class PathVerdict(Enum):
    """What becomes of an RPC path."""

    OFFERED = auto()
    REFUSED = auto()
    """A command that nobody may call, or no command at all: 403."""

    MALFORMED = auto()
    """Could mean two things: 400."""


def judge_path(path: bytes) -> PathVerdict:
    """What becomes of `path`, without its query, as the client sent it.

    Encoded slashes, backslashes and NULs, bad percent-encoding, empty and dot segments are malformed.
    """
    return (_judge_path if len(path) <= PATH_BYTES_REMEMBERED_MAX else _judge_path.__wrapped__)(path)


@lru_cache(maxsize=1024)
def _judge_path(path: bytes) -> PathVerdict:
    if _AMBIGUOUS.search(path):
        return PathVerdict.MALFORMED
    segments = unquote_to_bytes(path).split(b"/")
    if b"." in segments or b".." in segments:
        return PathVerdict.MALFORMED
    if len(segments) < 4 or segments[1] != b"api" or segments[2] != b"v0":
        return PathVerdict.REFUSED
    group = segments[3]
    command = group if len(segments) == 4 else b"%b/%b" % (group, segments[4])
    if command in OFFERED_COMMANDS:
        return PathVerdict.OFFERED
    if group in REFUSED_COMMANDS or command in REFUSED_COMMANDS:
        return PathVerdict.REFUSED
    return PathVerdict.OFFERED


def strip_cli_token(target: bytes) -> bytes:
    """`target` without the query parameter `api-auth`, in which the ipfs CLI repeats its token, whatever the
    encoding of its name. Everything else keeps its bytes."""
    path, mark, query = target.partition(b"?")
    if _CLI_TOKEN not in query and b"%" not in query:
        return target
    kept = [pair for pair in query.split(b"&") if not _names_cli_token(pair)]
    return path + mark + b"&".join(kept) if kept else path


def _names_cli_token(pair: bytes) -> bool:
    name = pair.partition(b"=")[0]
    return name == _CLI_TOKEN or (b"%" in name and unquote_to_bytes(name) == _CLI_TOKEN)
