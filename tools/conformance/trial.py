"""One case, tried on one proxy: what each side got."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tests.edge.hostile.case import Case, End, Kind, RequestCase, ResponseCase
from tests.edge.strict import Message, read_requests, read_responses
from tools.conformance.wire import NEXT_TARGET, Backend, Script, Wire, connect

QUIET_S = 0.03
"""How long nothing more may come before an exchange that looks complete is taken to be."""

SILENT_S = 0.4
"""How long nothing may come at all before it is taken that nothing will."""

NEXT_TIMEOUT_S = 3.0
_TICK_S = 0.004

NEXT = b"GET %b HTTP/1.1\r\nHost: demo.gateway.localhost\r\n\r\n" % NEXT_TARGET


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen.

    :ivar forwarded: what the backend got, by connections, each with how it ended.
    :ivar received: what the client got, interim responses too.
    :ivar client_end: how the client's connection ended: `open`, `fin` or `rst`.
    :ivar served_next: whether the next client got its own answer.
    """

    forwarded: tuple[tuple[tuple[Message, ...], str], ...]
    received: tuple[Message, ...]
    client_end: str
    served_next: bool

    @property
    def messages(self) -> list[Message]:
        """All that the backend got."""
        return [message for messages, _ in self.forwarded for message in messages]

    @property
    def final(self) -> list[Message]:
        """The final responses that the client got."""
        return [message for message in self.received if message.status >= 200]


async def observe(case: Case, port: int, backend: Backend) -> Observation:
    """Try `case` on the proxy that listens on `port`, in front of `backend`."""
    backend.forget()
    # A proxy gets to learn that its idle connections are gone.
    await asyncio.sleep(_TICK_S)
    client = await connect(port)
    if isinstance(case, ResponseCase):
        backend.script = Script(case.data, case.end)
        client.transport.write(case.request)
    else:
        client.transport.write(case.data)
        if case.end is not End.NONE:
            await asyncio.sleep(QUIET_S)
            client.finish(case.end)
    expected = len(case.statuses) if isinstance(case, RequestCase) else 1
    await _settle(case, client, backend, expected)
    forwarded = tuple((tuple(read_requests(connection.received)), connection.end) for connection in backend.connections)
    methods = _methods(case, forwarded)
    received = tuple(read_responses(client.received, methods, ended=client.end == "fin"))
    end = client.end
    served_next = await _serves_next(port)
    client.reset()
    return Observation(forwarded=forwarded, received=received, client_end=end, served_next=served_next)


def _methods(case: Case, forwarded: tuple[tuple[tuple[Message, ...], str], ...]) -> list[bytes]:
    """What the responses that a client got answer."""
    data = case.request if isinstance(case, ResponseCase) else case.data
    known = [message.line[0] for message in read_requests(data) if message.line[0]]
    seen = [message.line[0] for messages, _ in forwarded for message in messages if message.line[0]]
    return [*(known if len(known) >= len(seen) else seen), b"GET"]


async def _settle(case: Case, client: Wire, backend: Backend, expected: int) -> None:
    """Wait until the exchange is over, as far as one can tell."""
    data = case.request if isinstance(case, ResponseCase) else case.data
    method = data.split(b" ")[0]
    while True:
        await asyncio.sleep(_TICK_S)
        quiet = time.monotonic() - max(client.changed_at, backend.changed_at)
        if quiet >= SILENT_S:
            return
        if quiet < QUIET_S:
            continue
        if client.end != "open" and (case.kind is not Kind.CUT or not isinstance(case, RequestCase)):
            return
        responses = read_responses(client.received, [method] + [b"GET"] * 20)
        if sum(message.complete and message.status >= 200 for message in responses) >= max(1, expected):
            return


async def _serves_next(port: int) -> bool:
    """Whether another client now gets what it asks for."""
    client = await connect(port)
    client.transport.write(NEXT)
    deadline = time.monotonic() + NEXT_TIMEOUT_S
    while time.monotonic() < deadline and client.end == "open":
        responses = read_responses(client.received)
        if responses and responses[-1].complete:
            break
        await asyncio.sleep(_TICK_S)
    responses = read_responses(client.received)
    client.reset()
    return [(message.status, message.body) for message in responses] == [(200, NEXT_TARGET)]
