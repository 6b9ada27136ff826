"""JSON-RPC 2.0 (jsonrpc.org/specification, 2013-01-04): bytes to calls, answers to bytes. Pure: no I/O, no Nexus.

Stricter than the text where it leaves room: member names are unique (RFC 7493 section 2.3), an id is a string, a
number or null, and a message has limits. An id is never interpreted: its very bytes are echoed, so that numbers of any
size and fractions come back as they were sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final, NoReturn

import msgspec

from nexus.errors import quoted

BODY_BYTES_MAX: Final = 1024 * 1024
"""What a request's body may have; whoever reads it sees to that."""
BATCH_MAX: Final = 50
"""How many calls a batch may have."""
DEPTH_MAX: Final = 32
"""How deep arrays and objects may nest, the batch's array and the call's object counted."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

_NULL: Final = b"null"
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_STEPS: Final = bytes(set(range(256)) - set(_STEPS))


@dataclass(frozen=True, slots=True)
class Fault:
    """An error object (section 5.1).

    :ivar data: JSON values; left out where empty.
    """

    code: int
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A request object that is well-formed.

    :ivar params: the JSON text of an object or array, or None where it was left out.
    :ivar id: the JSON text of the id, or None: a notification, which nobody is to answer.
    """

    method: str
    params: bytes | None
    id: bytes | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What stood in a call's place and is none."""

    fault: Fault
    id: bytes = _NULL


@dataclass(frozen=True, slots=True)
class Message:
    """A request's body, decoded. A batch that is refused as a whole is one refusal, and not `is_batch`."""

    parts: Sequence[Call | Refusal]
    is_batch: bool = False


class _Unfit(Exception):
    """Good JSON, but not a message."""


class _Envelope(msgspec.Struct):
    """The members that a request object may have; others are ignored. Empty: left out."""

    jsonrpc: msgspec.Raw = msgspec.Raw(b"")
    method: msgspec.Raw = msgspec.Raw(b"")
    params: msgspec.Raw = msgspec.Raw(b"")
    id: msgspec.Raw = msgspec.Raw(b"")


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode


def decode(body: bytes) -> Message:
    """The calls in `body`. Never raises: what is wrong is a `Refusal` in its place."""
    try:
        _check(body)
        if not body.lstrip(b" \t\r\n").startswith(b"["):
            return Message([_read_call(body)])
        items = _decode_batch(body)
        if not items:
            raise _Unfit("a batch must hold a call")
        if len(items) > BATCH_MAX:
            raise _Unfit(f"a batch may hold {BATCH_MAX} calls, not {len(items)}")
        return Message([_read_call(bytes(item)) for item in items], is_batch=True)
    except _Unfit as error:
        return Message([_invalid(str(error))])
    except ValueError as error:
        return Message([Refusal(Fault(PARSE_ERROR, "Parse error", {"detail": str(error)}))])


def encode_result(call_id: bytes, result: bytes) -> bytes:
    """The response to a call that succeeded.

    :param result: JSON text.
    """
    return b'{"jsonrpc":"2.0","result":' + result + b',"id":' + call_id + b"}"


def encode_fault(call_id: bytes, fault: Fault) -> bytes:
    """The response to a call that failed, or was none."""
    error: dict[str, Any] = {"code": fault.code, "message": fault.message}
    if fault.data:
        error["data"] = fault.data
    return b'{"jsonrpc":"2.0","error":' + msgspec.json.encode(error) + b',"id":' + call_id + b"}"


def join(responses: Sequence[bytes], is_batch: bool) -> bytes:
    """The body that holds all responses to one message; empty where nothing is to be answered (section 6)."""
    if not responses:
        return b""
    return b"[" + b",".join(responses) + b"]" if is_batch else responses[0]


def encode_call(method: str, params: bytes, call_id: int) -> bytes:
    """A request body with one call.

    :param params: the JSON text of an object.
    """
    head = b'{"jsonrpc":"2.0","method":' + msgspec.json.encode(method)
    return head + b',"params":' + params + b',"id":' + str(call_id).encode() + b"}"


class _Error(msgspec.Struct):
    code: int
    message: str
    data: Any = None


class _Response(msgspec.Struct):
    id: int | None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: _Error | None = None


def decode_response(body: bytes, call_id: int) -> bytes | Fault:
    """The JSON text of the result, or the error, that answers call `call_id`.

    :raises ValueError: when `body` is no such response.
    """
    response = msgspec.json.decode(body, type=_Response)
    if response.error is not None:
        data = response.error.data
        return Fault(response.error.code, response.error.message, data if isinstance(data, dict) else {})
    result = bytes(response.result)
    if response.id != call_id or not result:
        raise ValueError(f"not a response to call {call_id}")
    return result


def _check(body: bytes) -> None:
    """That `body` is UTF-8 JSON without doubled names, and not too deep."""
    try:
        json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_skip,
            parse_float=_skip,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise _Unfit(f"it nests deeper than {DEPTH_MAX}") from None
    brackets = _STRING.sub(b"", body).translate(None, _NO_STEPS)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > DEPTH_MAX:
        raise _Unfit(f"it nests deeper than {DEPTH_MAX}")


def _unique(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _Unfit(f"the member {quoted(twice)} comes twice in one object")


def _skip(text: str) -> None:
    """A number, whatever its size."""


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _invalid(detail: str, call_id: bytes = _NULL) -> Refusal:
    return Refusal(Fault(INVALID_REQUEST, "Invalid Request", {"detail": detail}), call_id)


def _read_call(item: bytes) -> Call | Refusal:
    try:
        envelope = _decode_envelope(item)
    except msgspec.ValidationError:
        return _invalid("a call is an object")
    call_id = bytes(envelope.id)
    if call_id and call_id != _NULL and call_id[:1] not in b'"-0123456789':
        return _invalid("id must be a string, a number or null")
    answer_id = call_id or _NULL
    if _text(envelope.jsonrpc) != "2.0":
        return _invalid('jsonrpc must be "2.0"', answer_id)
    method = _text(envelope.method)
    if method is None:
        return _invalid("method must be a string", answer_id)
    params = bytes(envelope.params)
    if params and params[:1] not in b"{[":
        return _invalid("params must be an object or an array", answer_id)
    return Call(method, params or None, call_id or None)


def _text(raw: msgspec.Raw) -> str | None:
    """The string that `raw` is, if it is one."""
    return msgspec.json.decode(raw, type=str) if bytes(raw).startswith(b'"') else None
