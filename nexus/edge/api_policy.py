"""Which Kubo RPC paths are offered (Kubo's core/commands). Pure.

Decided on decoded segments, since Kubo decodes before it looks a command up, and takes a segment behind a command as
its argument. What two readers could take apart differently is refused as malformed, never guessed at.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote_to_bytes

PREFIX: Final = (b"api", b"v0")

REFUSED_COMMANDS: Final = tuple(
    tuple(command.encode().split(b"/"))
    for command in (
        "shutdown",  # ends the node
        "config",  # shows the node's bearer, and persists across restarts; only `config/show` scrubs secrets
        "p2p",  # tunnels into the host's network
        "pin/remote",  # makes the node send requests to any URL
        "mount",
        "bootstrap",
        "swarm/filters",
        "diag",
        "log",
    )
)
"""Refused to everybody, with all that is below them, until roles come."""

OFFERED_COMMANDS: Final = ((b"config", b"show"),)
"""What is offered although something above it is refused."""

_AMBIGUOUS: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})|%2[fF]|%5[cC]|%00|\\|//")
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
    if _AMBIGUOUS.search(path):
        return PathVerdict.MALFORMED
    segments = unquote_to_bytes(path).split(b"/")[1:]
    if b"." in segments or b".." in segments:
        return PathVerdict.MALFORMED
    if tuple(segments[:2]) != PREFIX or len(segments) < 3:
        return PathVerdict.REFUSED
    command = tuple(segments[2:])
    if any(command[: len(offered)] == offered for offered in OFFERED_COMMANDS):
        return PathVerdict.OFFERED
    if any(command[: len(refused)] == refused for refused in REFUSED_COMMANDS):
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
