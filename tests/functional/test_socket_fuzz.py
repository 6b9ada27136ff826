"""Mangled messages over real sockets, many at once, on a daemon on its own transports."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import time
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.nexus_process import NexusProcess
from tests.edge.fuzzing import marks
from tests.edge.fuzzing.life import ODD_REQUESTS, ODD_RESPONSES, RESPONSES
from tests.edge.fuzzing.mutation import mangle, split
from tests.edge.hostile.case import End
from tests.edge.strict import Message, read_responses
from tools.conformance.trial import NEXT
from tools.conformance.wire import NEXT_TARGET, Backend, Script, connect

SEED = 20
LANES = 12
ROUNDS = 40
SETTLE_S = 20.0
REQUESTS = [
    b"GET /x HTTP/1.1\r\nHost: demo.gateway.localhost\r\n\r\n",
    b"GET /x HTTP/1.0\r\nHost: demo.gateway.localhost\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: demo.gateway.localhost\r\n\r\n" * 3,
    b"PUT /x HTTP/1.1\r\nHost: demo.gateway.localhost\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT /x HTTP/1.1\r\nHost: demo.gateway.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"PUT /x HTTP/1.1\r\nHost: demo.gateway.localhost\r\nContent-Length: 400000\r\n\r\n" + b"x" * 100_000,
    b"GET /x HTTP/1.1\r\nHost: demo.gateway.localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + b"y" * 1000,
]
ANSWERS = [
    *(response.replace(marks.PLACE, b"none") for response in RESPONSES),
    b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b"z" * 400_000,
]


class MangledBackend(Backend):
    """Answers something else each time."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random

    def script_for(self, message: Message) -> Script | None:
        """See `Backend.script_for`."""
        random = self._random
        data = random.choice(ANSWERS if random.random() < 0.8 else ODD_RESPONSES)
        if random.random() < 0.3:
            data = mangle(random, data, ANSWERS)
        return Script(data, random.choice((End.NONE, End.FIN, End.FIN, End.RST)))


async def client(port: int, random: Random) -> None:
    """One connection of a client that sends something, waits for a moment, and leaves this way or that."""
    data = random.choice(REQUESTS if random.random() < 0.8 else ODD_REQUESTS)
    if random.random() < 0.4:
        data = mangle(random, data, [*REQUESTS, *ODD_REQUESTS])
    wire = await connect(port)
    for piece in split(random, data, pieces_max=5):
        if wire.end != "open":
            break
        wire.transport.write(piece)
        await asyncio.sleep(random.choice((0, 0, 0.001, 0.01)))
    if random.random() < 0.2:
        wire.transport.pause_reading()
    await asyncio.sleep(random.choice((0, 0.01, 0.05)))
    wire.finish(random.choice((End.FIN, End.RST, End.RST)))
    await asyncio.sleep(0.02)
    with contextlib.suppress(RuntimeError):  # it may be gone by now
        wire.transport.resume_reading()
    wire.reset()


class SocketFuzzTests(SynchronousTestCase):
    """A daemon with one static network, whose node is this test."""

    def setUp(self) -> None:
        self.nexus = NexusProcess({"containers.socket": "unix:///nonexistent/docker.sock", "edge.access_log": False})
        self.addCleanup(shutil.rmtree, self.nexus.directory, ignore_errors=True)
        self.addCleanup(self.nexus.kill)

    def test_mangled(self) -> None:
        """Nothing is logged as a failure, nothing stays open, and whoever comes next is served."""
        asyncio.run(self.storm())
        log = self.nexus.log_path.read_text(errors="replace")
        failures = [part[:2000] for part in re.split(r"\n(?=\d{4}-)", log) if re.search("Traceback|Unhandled", part)]
        self.assertEqual(failures[:3], [], f"{len(failures)} failures are logged")
        self.nexus.stop()

    async def storm(self) -> None:
        """Let all clients come, look at what is left, and ask once more."""
        backend = MangledBackend(Random(SEED))  # noqa: S311
        await backend.start()
        with self.nexus.config_path.open("a") as file:
            address = json.dumps(f"127.0.0.1:{backend.port}")
            file.write(f'[[edge.static]]\nname = "demo"\ngateway = {address}\ngateway_public = true\n')
        await asyncio.to_thread(self.nexus.start)
        try:
            await asyncio.gather(*(self.lane(Random(SEED + number)) for number in range(1, LANES + 1)))  # noqa: S311
            await self.wait_until_quiet()
            wire = await connect(self.nexus.edge_port)
            wire.transport.write(NEXT)
            deadline = time.monotonic() + SETTLE_S
            while not read_responses(wire.received) and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            responses = read_responses(wire.received)
            self.assertEqual([(each.status, each.body) for each in responses], [(200, NEXT_TARGET)])
            wire.reset()
        finally:
            backend.close()

    async def lane(self, random: Random) -> None:
        """One client after the other."""
        for _ in range(ROUNDS):
            await client(self.nexus.edge_port, random)

    async def wait_until_quiet(self) -> None:
        """No request is under way, and no client connected, a little while after all have left."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            counters = (await asyncio.to_thread(self.nexus.rpc, "EdgeStats"))["counters"]
            left = {name: counters[name] for name in ("requests_in_flight", "client_connections_open", "tunnels_open")}
            if not any(left.values()):
                self.assertGreater(counters["requests"], LANES * ROUNDS // 3)
                return
            self.assertLess(time.monotonic(), deadline, left)
            await asyncio.sleep(0.1)
