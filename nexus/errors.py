"""What can go wrong, in the domain's words. Knows neither HTTP nor JSON-RPC: the borders translate.

Every error is a complete sentence for the person who reads it, names the field or thing at fault, and carries it as an
attribute too. None carries a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_QUOTED_MAX: Final = 100


def quoted(value: object) -> str:
    """`value`, a caller's, as errors and log lines echo it: on one line, and a long text by its beginning."""
    if isinstance(value, str) and len(value) > _QUOTED_MAX:
        return f"{value[:_QUOTED_MAX]!r}..."
    return repr(value)


class NexusError(Exception):
    """The base of every error that Nexus raises on purpose."""


class InvalidError(NexusError):
    """A value that cannot be accepted.

    :ivar field: the field at fault, as the caller spells it (`resources.cpus`).
    :ivar allowed: what would be accepted.
    """

    def __init__(self, field: str, problem: str, allowed: str) -> None:
        super().__init__(f"{field}: {problem}; allowed: {allowed}")
        self.field = field
        self.problem = problem
        self.allowed = allowed


def _log_tail(lines: Sequence[str]) -> str:
    return "; its last log lines:" + "".join(f"\n  | {line}" for line in lines) if lines else ""


class NetworkNotFoundError(NexusError):
    """There is no record of that network."""

    def __init__(self, network: str) -> None:
        super().__init__(f"no network named {network!r}")
        self.network = network
        self.field = "network"


class NetworkExistsError(NexusError):
    """A network of that name is on record already."""

    def __init__(self, network: str) -> None:
        super().__init__(f"a network named {network!r} exists already")
        self.network = network
        self.field = "network"


class ConflictError(NexusError):
    """The command does not fit the present state; the message says what to do first."""

    def __init__(self, network: str, problem: str, field: str = "network") -> None:
        super().__init__(f"network {network!r}: {problem}")
        self.network = network
        self.field = field


class ExhaustedError(NexusError):
    """A configured range has nothing left to lease.

    :ivar field: the configuration key of the range (`swarm.ports`, `containers.subnet`).
    """

    def __init__(self, field: str, what: str, range_text: str) -> None:
        super().__init__(f"no {what} left in {range_text}: widen {field}, or remove networks")
        self.field = field


class DatabaseError(NexusError):
    """The database could not be asked."""

    def __init__(self, operation: str, detail: str) -> None:
        super().__init__(f"database: {operation}: {detail}")
        self.operation = operation
        self.field = "database"


class DeadlineError(NexusError):
    """Something took longer than it was given.

    :ivar log_lines: where it was a container, its last lines, oldest first.
    """

    def __init__(self, operation: str, limit_s: float, log_lines: Sequence[str] = ()) -> None:
        super().__init__(f"{operation} did not finish within {limit_s:g} s" + _log_tail(log_lines))
        self.operation = operation
        self.limit_s = limit_s
        self.log_lines = tuple(log_lines)
        self.field = "timeout"


class NodeNotReadyError(NexusError):
    """A node did not come up, died on the way, or does not answer; its last log lines tell why.

    :ivar log_lines: the container's last lines, oldest first.
    """

    def __init__(self, network: str, problem: str, log_lines: Sequence[str] = ()) -> None:
        super().__init__(f"the node of network {network!r} {problem}" + _log_tail(log_lines))
        self.network = network
        self.problem = problem
        self.log_lines = tuple(log_lines)
        self.field = "network"


class EngineError(NexusError):
    """The container engine refused or failed.

    :ivar operation: what was asked of it (`create container nexus-x-demo-0`).
    """

    field = "engine"

    def __init__(self, operation: str, detail: str) -> None:
        super().__init__(f"{operation}: {detail}")
        self.operation = operation
        self.detail = detail


class EngineUnreachableError(EngineError):
    """No engine answers at the configured socket."""


class ImageMissingError(EngineError):
    """The engine does not have the image that a node needs."""


class NameTakenError(EngineError):
    """Another container, volume or network has the name."""


class PortTakenError(EngineError):
    """A port or address that was to be published is in use by something else."""


class NoSpaceError(EngineError):
    """The engine's disk is full."""


class CapsRefusedError(EngineError):
    """The engine cannot cap a container so: the host has less than that, or the container uses more."""


class ContainerNotFoundError(EngineError):
    """The container is gone."""


class ContainerConflictError(EngineError):
    """The container is not in a state that allows the operation (stopped, paused, being removed)."""


class ConfigError(NexusError):
    """A configuration that cannot be used.

    :ivar source: the file, or the environment variable.
    :ivar key: the path of the key at fault (`edge.listen`), empty where the whole file is.
    """

    def __init__(self, source: str, key: str, problem: str, allowed: str = "") -> None:
        where = f"{source}: {key}" if key else source
        super().__init__(f"{where}: {problem}" + (f"; allowed: {allowed}" if allowed else ""))
        self.source = source
        self.key = key
        self.problem = problem
        self.allowed = allowed
