"""The one table between Nexus's errors and JSON-RPC's: read in both directions, and by docs/control-api.md.

An error crosses the wire as its code, its sentence, and `data`: the class, the field at fault, and the error's own
attributes; so the client raises the same error that the server did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nexus.control.jsonrpc import INVALID_PARAMS, Fault
from nexus.errors import (
    CapsRefusedError,
    ConflictError,
    ContainerConflictError,
    ContainerNotFoundError,
    DatabaseError,
    DeadlineError,
    EngineError,
    EngineUnreachableError,
    ExhaustedError,
    ImageMissingError,
    InvalidError,
    NameTakenError,
    NetworkExistsError,
    NetworkNotFoundError,
    NexusError,
    NodeNotReadyError,
    NoSpaceError,
    PortTakenError,
)


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One row: the error's class, its code, and the attributes that `data` carries beside `error` and `field`.

    Where `log_lines` is among them, they are the constructor's parameters, in its order.
    """

    kind: type[NexusError]
    code: int
    attributes: tuple[str, ...] = ()


_ENGINE: Final = ("operation", "detail")

ERROR_CODES: Final = (
    ErrorCode(InvalidError, INVALID_PARAMS, ("problem", "allowed")),
    ErrorCode(NetworkNotFoundError, -32001, ("network",)),
    ErrorCode(NetworkExistsError, -32002, ("network",)),
    ErrorCode(ConflictError, -32004, ("network",)),
    ErrorCode(ExhaustedError, -32005),
    ErrorCode(EngineError, -32006, _ENGINE),
    ErrorCode(EngineUnreachableError, -32006, _ENGINE),
    ErrorCode(ImageMissingError, -32006, _ENGINE),
    ErrorCode(NameTakenError, -32006, _ENGINE),
    ErrorCode(PortTakenError, -32006, _ENGINE),
    ErrorCode(NoSpaceError, -32006, _ENGINE),
    ErrorCode(CapsRefusedError, -32006, _ENGINE),
    ErrorCode(ContainerNotFoundError, -32006, _ENGINE),
    ErrorCode(ContainerConflictError, -32006, _ENGINE),
    ErrorCode(NodeNotReadyError, -32007, ("network", "problem", "log_lines")),
    ErrorCode(DeadlineError, -32008, ("operation", "limit_s", "log_lines")),
    ErrorCode(DatabaseError, -32009, ("operation",)),
)
_BY_KIND: Final = {row.kind: row for row in ERROR_CODES}
_BY_NAME: Final = {(row.code, row.kind.__name__): row for row in ERROR_CODES}


class RemoteError(NexusError):
    """The server answered an error that is none of the table's: it refused the call, or failed in a way of its own.

    :ivar code: JSON-RPC's.
    :ivar data: what it told besides.
    """

    def __init__(self, fault: Fault) -> None:
        detail = fault.data.get("detail")
        super().__init__(f"{fault.message}: {detail}" if detail else fault.message)
        self.code = fault.code
        self.data = dict(fault.data)
        self.field = str(fault.data.get("field", ""))


def fault_of(error: NexusError) -> Fault | None:
    """How `error` is answered; None for one that callers are not meant to see."""
    row = next((_BY_KIND[kind] for kind in type(error).__mro__ if kind in _BY_KIND), None)
    if row is None:
        return None
    data = {"error": row.kind.__name__, "field": getattr(error, "field", "")}
    data.update((name, getattr(error, name)) for name in row.attributes)
    return Fault(row.code, _sentence(error, row), data)


def error_of(fault: Fault) -> NexusError:
    """The error that `fault_of` was given at the other end."""
    row = _BY_NAME.get((fault.code, str(fault.data.get("error"))))
    if row is None or not all(name in fault.data for name in row.attributes):
        return RemoteError(fault)
    if "log_lines" in row.attributes:
        return row.kind(*(fault.data[name] for name in row.attributes))
    error = row.kind.__new__(row.kind, fault.message)
    vars(error).update({name: fault.data[name] for name in row.attributes}, field=fault.data.get("field", ""))
    return error


def _sentence(error: NexusError, row: ErrorCode) -> str:
    """What the error says, in one line: log lines are in `data`, and are not said twice."""
    if "log_lines" in row.attributes:
        error = row.kind(*(getattr(error, name) for name in row.attributes if name != "log_lines"))
    return str(error)
