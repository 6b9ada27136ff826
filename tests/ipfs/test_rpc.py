"""Calls to a node's RPC: a node is a tenant's, and may answer anything."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError, TimeoutError
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IAgent
from zope.interface import implementer

from nexus.ipfs.rpc import KuboRPC, RPCError, RPCRefusedError, kubo_agent
from nexus.model import Address
from nexus.secrets import Secret
from nexus.testing.kubo import FakeKubo

T = TypeVar("T")

ADDRESS = Address("10.213.4.40", 5001)
BEARER = Secret("bearer-text")


@implementer(IAgent)
class SilentAgent:
    """Never answers."""

    def request(self, *_: Any, **__: Any) -> Deferred[Any]:
        return Deferred()


class KuboRPCTests(SynchronousTestCase):
    """`KuboRPC`, against a fake of the RPC."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.kubo = FakeKubo("bearer-text", "12D3KooWFake")
        self.agent = RequestTraversalAgent(self.kubo)
        self.rpc = KuboRPC(self.clock, cast("IAgent", self.agent))

    def call(self, call: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        called = Deferred.fromCoroutine(call)
        self.agent.flush()
        return called

    def test_answers(self) -> None:
        """What a well node tells is read."""
        self.kubo.peers = ["a", "b"]
        self.assertTrue(self.successResultOf(self.call(self.rpc.is_ready(ADDRESS, BEARER))))
        identity = self.successResultOf(self.call(self.rpc.identity(ADDRESS, BEARER)))
        self.assertEqual((identity.peer_id, identity.agent_version), ("12D3KooWFake", "kubo/0.43.0/nexus"))
        self.assertEqual(self.successResultOf(self.call(self.rpc.connected_peers(ADDRESS, BEARER))), 2)
        self.assertEqual(self.successResultOf(self.call(self.rpc.repository_bytes(ADDRESS, BEARER))), 21_000)

    def test_no_peers(self) -> None:
        """Kubo's `null` for an empty list is no peers."""
        self.kubo.answers["swarm/peers"] = (200, b'{"Peers":null}')
        self.assertEqual(self.successResultOf(self.call(self.rpc.connected_peers(ADDRESS, BEARER))), 0)

    def test_cheap(self) -> None:
        """The size of the repository is asked for in the way that walks no blocks."""
        self.successResultOf(self.call(self.rpc.repository_bytes(ADDRESS, BEARER)))
        self.assertEqual(self.kubo.asked, ["repo/stat"])
        self.assertEqual(self.kubo.queries, [b"size-only=true"])

    def test_refused(self) -> None:
        """A bearer that is refused is told as that, and not repeated."""
        self.kubo.bearer = "another"
        failure = self.failureResultOf(self.call(self.rpc.is_ready(ADDRESS, BEARER)), RPCRefusedError)
        self.assertNotIn("bearer-text", str(failure.value))

    def test_nonsense(self) -> None:
        """Answers that are not what Kubo answers are errors, whatever they are instead."""
        for body in (b"", b"no", b"[]", b"5", b'{"Peers":5,"RepoSize":true}', b"\xff" * 100, b"[" * 100_000):
            for command in ("swarm/peers", "repo/stat"):
                self.kubo.answers[command] = (200, body)
            self.failureResultOf(self.call(self.rpc.connected_peers(ADDRESS, BEARER)), RPCError)
            self.failureResultOf(self.call(self.rpc.repository_bytes(ADDRESS, BEARER)), RPCError)

    def test_statuses(self) -> None:
        """A status that is not 200 is an error, a redirect too: nothing is followed."""
        for status in (500, 404, 302):
            self.kubo.answers["id"] = (status, json.dumps({"ID": "x"}).encode())
            self.failureResultOf(self.call(self.rpc.identity(ADDRESS, BEARER)), RPCError)

    def test_endless(self) -> None:
        """An answer that does not end is given up."""
        self.kubo.answers["id"] = (200, b'{"ID":"' + b"x" * 5_000_000 + b'"}')
        failure = self.failureResultOf(self.call(self.rpc.identity(ADDRESS, BEARER)), RPCError)
        self.assertIn("longer", str(failure.value))

    def test_silent(self) -> None:
        """A node that takes a request and never answers is given up, and is not ready."""
        rpc = KuboRPC(self.clock, SilentAgent())
        asking = Deferred.fromCoroutine(rpc.identity(ADDRESS, BEARER))
        waiting = Deferred.fromCoroutine(rpc.is_ready(ADDRESS, BEARER))
        self.assertNoResult(asking)
        self.clock.advance(5)
        error = self.failureResultOf(asking, RPCError).value
        self.assertEqual(str(error), "id was not answered within 5 s")
        self.assertFalse(self.successResultOf(waiting))


class KuboAgentTests(SynchronousTestCase):
    """`kubo_agent`: how nodes are dialled."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.rpc = KuboRPC(self.reactor, kubo_agent(self.reactor))

    def dial(self, address: Address) -> tuple[Deferred[bool], Any]:
        """A call under way, and the attempt to connect."""
        asking = Deferred.fromCoroutine(self.rpc.is_ready(address, BEARER))
        return asking, self.reactor.tcpClients[-1]

    def test_straight(self) -> None:
        """An address is dialled as it is, and soon given up."""
        _, (host, port, _, timeout_s, _) = self.dial(ADDRESS)
        self.assertEqual((host, port), ("10.213.4.40", 5001))
        self.assertLess(timeout_s, 1)

    def test_cancelled(self) -> None:
        """Who gives up a call is told so, however far it had come: a dial, a request, half an answer."""
        for steps in range(3):
            asking, (_, _, factory, _, _) = self.dial(ADDRESS)
            if steps:
                protocol = factory.buildProtocol(None)
                transport = StringTransportWithDisconnection()
                transport.protocol = protocol
                protocol.makeConnection(transport)
                self.assertIn(b"POST /api/v0/diag/healthy HTTP/1.1\r\n", transport.value())
                self.assertIn(b"Authorization: Bearer bearer-text\r\n", transport.value())
            if steps == 2:
                protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            self.assertNoResult(asking)
            asking.cancel()
            self.failureResultOf(asking, CancelledError)
            if steps:
                self.assertFalse(transport.connected)

    def test_closed_port(self) -> None:
        """A closed port is told at once, without waiting for another address of a name."""
        for error in (ConnectionRefusedError, TimeoutError):
            asking, (_, _, factory, _, _) = self.dial(ADDRESS)
            factory.clientConnectionFailed(self.reactor.connectors[-1], Failure(error()))
            self.assertFalse(self.successResultOf(asking))
