"""`FakeKubo`: the part of a Kubo node's RPC that Nexus asks; and an agent that reaches one in each running container of
a `MemoryRuntime`. With both, `nexus.ipfs.client.NodeClient` works whole in memory.

What is imitated was seen on Kubo 0.43: a POST with the node's bearer is answered with JSON, without it 403 and a text,
another method 405, an unknown command 404. tests/functional/test_node_life.py shows the same on the real one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionRefusedError
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from twisted.web.resource import Resource
from twisted.web.server import Request
from zope.interface import implementer

from nexus.model import KUBO_RPC_PORT
from nexus.testing.memory_engine import MemoryContainer
from nexus.testing.runtime import MemoryRuntime

SETTINGS_PATH: Final = "/container-init.d/settings.json"
"""Where the node's container has its configuration."""

_PEER_ID_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class FakeKubo(Resource):
    """One node's RPC. Tests may change everything.

    :ivar bearer: what the RPC wants.
    :ivar peer_id: who it says it is.
    :ivar peers: the peer ids that it is connected to.
    :ivar repository_bytes: how large it says that its repository is.
    :ivar knows_diag_healthy: False is a Kubo before 0.42.
    :ivar answers: what it answers to a command (`id`) instead, as (status, body).
    :ivar asked: the commands that it was asked, in order, refused ones too; and with them `queries`.
    """

    isLeaf = True

    def __init__(self, bearer: str, peer_id: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bearer = bearer
        self.peer_id = peer_id
        self.peers: list[str] = []
        self.repository_bytes = 21_000
        self.knows_diag_healthy = True
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.queries: list[bytes] = []

    def render(self, request: Request) -> bytes:
        command = request.path.decode().removeprefix("/api/v0/")
        self.asked.append(command)
        self.queries.append(request.uri.partition(b"?")[2])
        status, body = self._answer(command, request)
        request.setResponseCode(status)
        return body

    def _answer(self, command: str, request: Request) -> tuple[int, bytes]:
        if request.method != b"POST":
            return 405, b"405 - Method Not Allowed\n"
        if request.getHeader("Authorization") != f"Bearer {self.bearer}":
            return 403, b"Kubo RPC Access Denied: Please provide a valid authorization token.\n"
        if command in self.answers:
            return self.answers[command]
        known: dict[str, Callable[[], Any]] = {
            "id": lambda: {"ID": self.peer_id, "AgentVersion": "kubo/0.43.0/nexus", "Addresses": []},
            "swarm/peers": lambda: {
                "Peers": [{"Addr": "/ip4/192.0.2.1/tcp/4001", "Peer": peer} for peer in self.peers]
            },
            "repo/stat": lambda: {"RepoSize": self.repository_bytes, "StorageMax": 10**10, "NumObjects": 0},
        }
        if self.knows_diag_healthy:
            known["diag/healthy"] = lambda: "ok"
        if command not in known:
            return 404, b"404 page not found\n"
        return 200, json.dumps(known[command]()).encode()


@implementer(IAgent)
class FakeKuboAgent:
    """Requests to the address of a running container reach the `FakeKubo` in it; all others find a closed port.

    A container's bearer is that of the settings which it was made from, and its peer id lives as long as its volume.

    :ivar booting: networks whose nodes run, but do not answer yet.
    """

    def __init__(self, runtime: MemoryRuntime) -> None:
        self.booting: set[str] = set()
        self._runtime = runtime
        self._kubos: dict[str, FakeKubo] = {}
        self._peer_ids: list[tuple[object, str]] = []

    def kubo(self, network: str) -> FakeKubo:
        """The node of `network`.

        :raises LookupError: if none runs.
        """
        for container in self._runtime.engine.containers.values():
            if container.runs and container.spec.labels.get("nexus.network") == network:
                return self._kubo_in(container)
        raise LookupError(network)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """See `IAgent`."""
        url = urlsplit(uri.decode("ascii"))
        container = self._reached(url.hostname or "", url.port or 80)
        if container is None or container.spec.labels.get("nexus.network") in self.booting:
            return fail(ConnectionRefusedError())  # type: ignore[no-untyped-call]
        traversal = RequestTraversalAgent(self._kubo_in(container))  # type: ignore[no-untyped-call]
        response: Deferred[IResponse] = traversal.request(  # type: ignore[no-untyped-call]
            method, uri, headers, bodyProducer
        )
        traversal.flush()  # type: ignore[no-untyped-call]
        return response

    def _reached(self, host: str, port: int) -> MemoryContainer | None:
        for container in self._runtime.engine.containers.values():
            published = {
                (public.host_ip, public.host_port)
                for public in container.spec.ports
                if public.container_port == KUBO_RPC_PORT
            }
            if container.runs and ((host, port) in published or (container.address, KUBO_RPC_PORT) == (host, port)):
                return container
        return None

    def _kubo_in(self, container: MemoryContainer) -> FakeKubo:
        if container.id not in self._kubos:
            settings = json.loads(container.files[SETTINGS_PATH].content)
            secret = settings["API"]["Authorizations"]["nexus"]["AuthSecret"]
            self._kubos[container.id] = FakeKubo(secret.removeprefix("bearer:"), self._peer_id(container))
        return self._kubos[container.id]

    def _peer_id(self, container: MemoryContainer) -> str:
        volume = self._runtime.engine.volumes[next(iter(container.spec.volumes))]
        for known, peer_id in self._peer_ids:
            if known is volume:
                return peer_id
        number = len(self._peer_ids)
        peer_id = f"12D3KooWFake{_PEER_ID_ALPHABET[number // 33 % 33]}{_PEER_ID_ALPHABET[number % 33]}"
        self._peer_ids.append((volume, peer_id))
        return peer_id
