"""What the engine answers: its JSON read into our values. Pure; fields as in Docker Engine API 1.41."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nexus.container import (
    Caps,
    Container,
    ContainerDetail,
    ContainerEvent,
    ContainerEventKind,
    Volume,
)
from nexus.model import ContainerState

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ENDED: Final = frozenset({ContainerState.EXITED, ContainerState.DEAD, ContainerState.RESTARTING})
_EVENT_ATTRIBUTES: Final = frozenset({"image", "name", "exitCode", "execDuration"})
"""What the engine mixes with a container's labels in an event's attributes."""

_ESCAPES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement (ECMA-48 section 5.4)
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC strings (section 5.6)
    r"|\x1b[ -/]*[0-~]"  # every other escape sequence
)


def parse_time(text: str) -> datetime | None:
    """The engine's RFC 3339 time with nanoseconds; None for Go's zero time, which stands for "never"."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def container(entry: Mapping[str, Any]) -> Container:
    """One entry of `GET /containers/json`."""
    names = entry.get("Names") or ["/"]
    return Container(
        id=entry["Id"],
        name=names[0].removeprefix("/"),
        image=entry["Image"],
        state=ContainerState(entry["State"]),
        labels=dict(entry.get("Labels") or {}),
        created_at=_EPOCH + timedelta(seconds=entry["Created"]),
    )


def container_detail(answer: Mapping[str, Any]) -> ContainerDetail:
    """`GET /containers/{id}/json`. The address is what the container has, else what it was given."""
    state, config, host = answer["State"], answer["Config"], answer["HostConfig"]
    status = ContainerState(state["Status"])
    created_at = parse_time(answer["Created"])
    return ContainerDetail(
        id=answer["Id"],
        name=answer["Name"].removeprefix("/"),
        image=config["Image"],
        state=status,
        labels=dict(config.get("Labels") or {}),
        created_at=created_at or _EPOCH,
        started_at=parse_time(state["StartedAt"]),
        finished_at=parse_time(state["FinishedAt"]),
        exit_code=state["ExitCode"] if status in _ENDED else None,
        oom_killed=bool(state["OOMKilled"]),
        restart_count=answer.get("RestartCount", 0),
        error=state.get("Error", ""),
        address=_address(answer["NetworkSettings"].get("Networks") or {}),
        caps=Caps(
            nano_cpus=host.get("NanoCpus") or 0,
            memory_bytes=host.get("Memory") or 0,
            pids=host.get("PidsLimit") or 0,
        ),
    )


def _address(networks: Mapping[str, Mapping[str, Any]]) -> str | None:
    for network in networks.values():
        given = network.get("IPAMConfig") or {}
        address = network.get("IPAddress") or given.get("IPv4Address")
        if address:
            return str(address)
    return None


def volume(entry: Mapping[str, Any]) -> Volume:
    """One volume, as listed or inspected."""
    return Volume(name=entry["Name"], labels=dict(entry.get("Labels") or {}))


def container_event(message: Mapping[str, Any]) -> ContainerEvent | None:
    """One message of `GET /events`; None where it is of a kind that nobody waits for."""
    if message.get("Type") != "container":
        return None
    try:
        kind = ContainerEventKind(message.get("Action", ""))
    except ValueError:
        return None
    actor = message["Actor"]
    return ContainerEvent(
        kind=kind,
        container_id=actor["ID"],
        labels={name: value for name, value in actor["Attributes"].items() if name not in _EVENT_ATTRIBUTES},
        at=_EPOCH + timedelta(microseconds=message["timeNano"] // 1000),
    )


def log_lines(output: bytes, lines: int) -> Sequence[str]:
    """The last `lines` lines of a container's output, safe to print: a tenant's process must not be able to move the
    reader's cursor, colour the terminal or reverse the text's direction."""
    if lines <= 0:
        return []
    text = _ESCAPES.sub("", output.decode("utf-8", "replace"))
    printable = ("".join(_printable(character) for character in line) for line in text.splitlines())
    return [line.rstrip() for line in printable][-lines:]


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else ""


def demultiplex(output: bytes) -> bytes:
    """stdout and stderr of a container without a terminal, in the order they came: the engine sends frames, each with
    8 bytes before it, of which the last four are its length (API documentation, "Attach to a container")."""
    parts, position = [], 0
    while position + 8 <= len(output):
        end = position + 8 + int.from_bytes(output[position + 4 : position + 8], "big")
        parts.append(output[position + 8 : end])
        position = end
    return b"".join(parts)
