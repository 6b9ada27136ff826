"""What the engine's failures mean. The SDK's exceptions end here: beyond it there are only `EngineError`s.

The fragments are the engine's own words (Docker 20.10 to 29; the API promises status codes, not texts, so each meaning
that a status code does not give alone is looked up in the text).
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from typing import Final

import requests
import urllib3.exceptions
from docker.errors import DockerException

from nexus.errors import (
    CapsRefusedError,
    ContainerConflictError,
    ContainerNotFoundError,
    EngineError,
    EngineUnreachableError,
    ImageMissingError,
    NameTakenError,
    NoSpaceError,
    PortTakenError,
)

ENGINE_FAILURES: Final = (
    DockerException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)
"""All that the SDK raises when the engine refuses, fails or is not there."""

_EXPLANATION_MAX: Final = 500
_BOUND_ADDRESS: Final = re.compile(r"(?:Bind for |listen tcp\d? |bind host port for )(?P<address>\S+?:\d+)\b")

_MEANINGS: Final[tuple[tuple[str, type[EngineError], str], ...]] = (
    ("no space left on device", NoSpaceError, "the engine's disk is full: free some space there"),
    ("disk quota exceeded", NoSpaceError, "the engine's disk quota is used up: free some space there"),
    ("no such image", ImageMissingError, "the engine does not have the image: pull or build it first"),
    ("port is already allocated", PortTakenError, "{address} is published by another container already"),
    ("address already in use", PortTakenError, "{address} is in use already"),
    ("ports are not available", PortTakenError, "a port to be published is in use already"),
    ("cannot assign requested address", EngineError, "{address} is not an address of this host"),
    (
        "unable to set memory limit",
        CapsRefusedError,
        "the container uses more memory than that now: let it use less, or stop it first",
    ),
    ("minimum memory limit", CapsRefusedError, "that is too little memory"),
    ("range of cpus", CapsRefusedError, "this host has fewer CPUs"),
    ("is already in use by container", NameTakenError, "another container has the name"),
    ("already exists", NameTakenError, "the name is taken"),
    ("networks have same bridge name", NameTakenError, "another network has a bridge interface of that name"),
    ("no such container", ContainerNotFoundError, "the container is gone"),
    ("no such exec instance", ContainerConflictError, "the container stopped meanwhile"),
    ("has active endpoints", ContainerConflictError, "containers are still connected to it"),
    ("volume is in use", ContainerConflictError, "a container still uses it"),
    ("is not running", ContainerConflictError, "the container is not running"),
    ("is paused", ContainerConflictError, "the container is paused"),
)


def translate(
    operation: str, error: BaseException, *, socket: str = "the socket", timeout_s: float = 60
) -> EngineError:
    """The error that tells what `error`, raised while the engine did `operation`, means.

    :param socket: where the engine is looked for.
    :param timeout_s: how long the engine was given to answer.
    """
    if isinstance(error, EngineError):
        return error
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _refusal(operation, error.response)
    if timed_out(error):
        return EngineError(operation, f"the engine did not answer within {timeout_s:g} s")
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, requests.RequestException):
            return _unreachable(operation, cause.errno, socket.removeprefix("unix://"))
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        path = socket.removeprefix("unix://")
        return EngineUnreachableError(operation, f"the engine closed the connection at {path}: is it restarting?")
    return EngineError(operation, _plain(str(error)) or type(error).__name__)


def timed_out(error: BaseException) -> bool:
    """Whether `error` says that the engine did not answer in time, at whatever layer that was noticed."""
    return any(
        isinstance(cause, TimeoutError | requests.Timeout | urllib3.exceptions.TimeoutError) for cause in _causes(error)
    )


def explanation(response: requests.Response) -> str:
    """What the engine says of its refusal, on one line."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    message = answer.get("message") if isinstance(answer, dict) else response.text
    return _plain(str(message or response.reason or ""))


def _refusal(operation: str, response: requests.Response) -> EngineError:
    said = explanation(response)
    lower = said.lower()
    for fragment, kind, meaning in _MEANINGS:
        if fragment in lower:
            bound = _BOUND_ADDRESS.search(said)
            address = bound["address"] if bound else "the container's address"
            return kind(operation, f"{meaning.format(address=address)} (the engine says: {said})")
    if response.status_code == 409:
        return ContainerConflictError(operation, said)
    return EngineError(operation, said or f"the engine answered {response.status_code}")


def _unreachable(operation: str, number: int, socket: str) -> EngineError:
    if number == errno.ENOENT:
        detail = f"there is no socket at {socket}: install and start the engine, or configure where its socket is"
    elif number == errno.ECONNREFUSED:
        detail = f"nothing listens at {socket}: start the engine (systemctl start docker)"
    elif number in (errno.EACCES, errno.EPERM):
        detail = (
            f"permission denied at {socket}: add this user to the socket's group (usually docker), then log in again"
        )
    elif number == errno.ENOSPC:
        return NoSpaceError(operation, "no space left on device")
    else:
        detail = (
            f"the connection to the engine at {socket} broke ({errno.errorcode.get(number, number)}): is it restarting?"
        )
    return EngineUnreachableError(operation, detail)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error`, what it was raised from, and what is wrapped in its arguments, each once."""
    queue: list[BaseException | None] = [error]
    seen: set[int] = set()
    while queue:
        current = queue.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        queue += [argument for argument in current.args if isinstance(argument, BaseException)]
        queue += [current.__cause__, current.__context__]


def _plain(text: str) -> str:
    words = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return words if len(words) <= _EXPLANATION_MAX else words[:_EXPLANATION_MAX] + "..."
