"""From a request's body to a response's: decode, call what provides the method's interface, encode. Knows no transport.

The calls of a batch are carried out one after the other, in their order, whatever becomes of those before: so
`[CreateNetwork, StartNetwork]` does what it says. Who wants calls side by side sends them side by side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from nexus.control import jsonrpc, wire
from nexus.control.discovery import openrpc_document
from nexus.control.faults import fault_of
from nexus.control.jsonrpc import Call, Fault
from nexus.control.methods import DISCOVER, METHODS
from nexus.errors import NexusError
from nexus.interfaces import IEdgeStats, INetworkControl

log = Logger()


async def answer(control: INetworkControl, edge: IEdgeStats, body: bytes, clock: IReactorTime) -> bytes:
    """Carry out what `body` asks; the response's body, empty where nothing is to be answered. Never raises.

    Each call is logged with its outcome; what went wrong inside is logged with its traceback under an incident id, and
    the caller is told the id alone.
    """
    providers: dict[object, object] = {INetworkControl: control, IEdgeStats: edge}
    message = jsonrpc.decode(body)
    responses = []
    for part in message.parts:
        if isinstance(part, Call):
            response = await _answer_call(providers, part, clock)
            if part.id is not None:
                responses.append(response)
        else:
            log.info("control: refused a request: {detail}", detail=part.fault.data.get("detail"))
            responses.append(jsonrpc.encode_fault(part.id, part.fault))
    return jsonrpc.join(responses, message.is_batch)


async def _answer_call(providers: Mapping[object, object], call: Call, clock: IReactorTime) -> bytes:
    started = clock.seconds()
    request: Any = None
    fault: Fault | None = None
    result = b""
    try:
        if call.method == DISCOVER:
            result = openrpc_document()
        elif (method := METHODS.get(call.method)) is None:
            fault = _unknown(call.method)
        else:
            request = wire.decode_params(method.request, call.params)
            result = wire.encode(await getattr(providers[method.interface], method.attribute)(request))
    except Exception as error:
        fault = fault_of(error) if isinstance(error, NexusError) else None
        if fault is None:
            fault = _incident(call.method)
    log.info(
        "control: {method} {network} {outcome} in {duration_s:.3f} s",
        method=_shown(call.method),
        network=_shown(getattr(request, "network", "-")),
        outcome="ok" if fault is None else f"{fault.code} {fault.data.get('error', fault.message)}",
        duration_s=clock.seconds() - started,
    )
    call_id = call.id or b"null"
    return jsonrpc.encode_result(call_id, result) if fault is None else jsonrpc.encode_fault(call_id, fault)


def _shown(text: str) -> str:
    """A caller's text as one short word of a log line."""
    return text if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text) else repr(text[:64])


def _unknown(method: str) -> Fault:
    detail = f"there is no method {method[:64]!r}; nearest: {wire.nearest(method[:64], list(METHODS))}"
    return Fault(jsonrpc.METHOD_NOT_FOUND, "Method not found", {"field": "method", "detail": detail})


def _incident(method: str) -> Fault:
    """To be called while the exception is being handled."""
    incident = uuid4().hex[:12]
    log.failure("control: incident {incident}: {method} failed", incident=incident, method=method)
    detail = f"incident {incident}: Nexus's log tells what happened"
    return Fault(jsonrpc.INTERNAL_ERROR, "Internal error", {"field": "", "incident": incident, "detail": detail})
