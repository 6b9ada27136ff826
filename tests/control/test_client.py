"""The contract of `INetworkControl`, directly and across the wire, and what can go wrong on the way."""

from __future__ import annotations

from typing import TypeVar

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionRefusedError as TwistedConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import ResponseNeverReceived
from twisted.web.iweb import IAgent, IResponse
from twisted.web.resource import Resource
from twisted.web.server import Request
from zope.interface import implementer
from zope.interface.verify import verifyObject

from nexus.control.client import ControlClient, ControlRefusedError, ControlUnreachableError
from nexus.control.faults import ERROR_CODES, RemoteError
from nexus.control.methods import METHODS
from nexus.control.resource import control_factory
from nexus.errors import (
    ConflictError,
    DatabaseError,
    DeadlineError,
    ExhaustedError,
    ImageMissingError,
    InvalidError,
    NetworkNotFoundError,
    NexusError,
    NodeNotReadyError,
)
from nexus.interfaces import IEdgeStats, INetworkControl
from nexus.messages import EdgeStats, ListNetworks, NetworkName, Ping, StartedNetwork
from nexus.secrets import Secret
from tests.contracts.network_control import NetworkControlTests
from tests.control.memory_control import MemoryControl, MemoryEdgeStats

T = TypeVar("T")
KEY = Secret("a-key-of-the-control-api-in-tests-0")
URL = "http://127.0.0.1:5050"


def make_agent(control: INetworkControl) -> RequestTraversalAgent:
    """Carries requests to the control API in front of `control`, over transports in memory."""
    agent = RequestTraversalAgent(Resource())
    agent._serverFactory = control_factory(control, MemoryEdgeStats(), KEY, Clock())
    return agent


class MemoryControlTests(NetworkControlTests, TestCase):
    """The fake keeps the contract."""

    def make_control(self) -> INetworkControl:
        return MemoryControl()


class ControlClientContractTests(NetworkControlTests, TestCase):
    """The client keeps the contract of what is at the other end."""

    def make_control(self) -> INetworkControl:
        agent = make_agent(MemoryControl())
        return ControlClient(Clock(), URL, KEY, agent=agent)

    async def test_ping(self) -> None:
        """The client knows the instance's name after the first ping."""
        control = self.make_control()
        pong = await control.ping(Ping())
        self.assertEqual((control.instance, pong.instance), ("memory", "memory"))

    async def test_edge_stats(self) -> None:
        """The edge's figures come across as they are, the statuses among them numbers again."""
        client = ControlClient(Clock(), URL, KEY, agent=make_agent(MemoryControl()))
        for provider in (client, MemoryEdgeStats()):
            verifyObject(IEdgeStats, provider)
        told = await client.edge_stats(EdgeStats())
        self.assertEqual(told, await MemoryEdgeStats().edge_stats(EdgeStats()))
        self.assertEqual(told.counters.answers, {404: 2})


@implementer(IAgent)
class OneAnswerAgent:
    """Answers every request with one Deferred."""

    def __init__(self, answer: Deferred[IResponse]) -> None:
        self.answer = answer

    def request(
        self, method: bytes, uri: bytes, headers: object = None, bodyProducer: object = None
    ) -> Deferred[IResponse]:
        return self.answer


class FixedResource(Resource):
    """Something else that listens there."""

    isLeaf = True

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self._status = status
        self._body = body

    def render(self, request: Request) -> bytes:
        request.setResponseCode(self._status)
        return self._body


class FailingControl(MemoryControl):
    """Cannot start a network."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def start_network(self, request: NetworkName) -> Deferred[StartedNetwork]:
        return fail(self._error)


class ControlClientErrorTests(SynchronousTestCase):
    """Errors, as the caller meets them."""

    def start_with(self, error: Exception) -> NexusError:
        """What a caller of StartNetwork gets when the server fails with `error`."""
        agent = make_agent(FailingControl(error))
        client = ControlClient(Clock(), URL, KEY, agent=agent)
        got = self.failureResultOf(client.start_network(NetworkName(network="demo")), NexusError).value
        assert isinstance(got, NexusError)
        return got

    def test_same_errors(self) -> None:
        """Nexus's errors arrive as what they were: class, sentence, field and all they carry."""
        for error in (
            NetworkNotFoundError("demo"),
            InvalidError("resources.cpus", "0 is out of range", "a number from 0.1 to 1024"),
            ConflictError("demo", "it is offline", "remove"),
            ExhaustedError("swarm.ports", "swarm port", "24000-24999"),
            ImageMissingError("create container nexus-x-demo-0", "no such image"),
            NodeNotReadyError("demo", "died on the way", ["first line", "last: ünïcode"]),
            NodeNotReadyError("demo", "does not answer"),
            DeadlineError("start", 60.0, ["a line"]),
            DatabaseError("update network demo", "the disk is full"),
        ):
            got = self.start_with(error)
            self.assertIs(type(got), type(error))
            self.assertEqual(str(got), str(error))
            self.assertEqual(vars(got), {**vars(error), "field": error.field})

    def test_every_error_has_a_code(self) -> None:
        """No error of Nexus's that a command can raise lacks a row in the table."""
        missing = {kind.__name__ for kind in _subclasses(NexusError) if kind.__module__ == "nexus.errors"}
        missing -= {row.kind.__name__ for row in ERROR_CODES}
        self.assertEqual(missing, {"ConfigError"})

    def test_incident(self) -> None:
        """A fault of ours is told by an incident id, and nothing else of it."""
        got = self.start_with(ZeroDivisionError("sesame"))
        assert isinstance(got, RemoteError)
        self.assertEqual(got.code, -32603)
        self.assertIn(got.data["incident"], str(got))
        self.assertNotIn("sesame", str(got))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_wrong_key(self) -> None:
        """A wrong key is told, and not shown."""
        agent = make_agent(MemoryControl())
        client = ControlClient(Clock(), URL, Secret("another-key"), agent=agent)
        error = self.failureResultOf(client.ping(Ping()), ControlRefusedError).value
        self.assertEqual(error.status, 401)
        self.assertIn(URL, str(error))
        self.assertNotIn("another-key", str(error))

    def test_nobody(self) -> None:
        """Where nobody listens one is asked whether Nexus runs."""
        agent = OneAnswerAgent(fail(TwistedConnectionRefusedError()))
        error = self.failureResultOf(
            ControlClient(Clock(), URL, KEY, agent=agent).ping(Ping()), ControlUnreachableError
        ).value
        self.assertIn(f"no Nexus answers at {URL}: is it running?", str(error))

    def test_lost(self) -> None:
        """A connection that ended before the answer leaves open whether the command was carried out."""
        agent = OneAnswerAgent(fail(ResponseNeverReceived([Failure(ZeroDivisionError())])))
        client = ControlClient(Clock(), URL, KEY, agent=agent)
        error = self.failureResultOf(client.start_network(NetworkName(network="demo")), ControlUnreachableError).value
        self.assertIn("StartNetwork, which may have been carried out", str(error))

    def test_too_slow(self) -> None:
        """A call that takes too long ends with the limit that it had."""
        clock = Clock()
        client = ControlClient(clock, URL, KEY, timeout_s=20, agent=OneAnswerAgent(Deferred()))
        asked = client.list_networks(ListNetworks())
        clock.advance(19.9)
        self.assertNoResult(asked)
        clock.advance(0.2)
        error = self.failureResultOf(asked, DeadlineError).value
        self.assertEqual((error.limit_s, str(error)), (20, f"ListNetworks at {URL} did not finish within 20 s"))

    def test_somebody_else(self) -> None:
        """What is no Nexus is told as that."""
        for status, body in ((404, b"not here"), (200, b"<html>"), (200, b'{"jsonrpc":"2.0","result":1,"id":77}')):
            agent = RequestTraversalAgent(FixedResource(status, body))
            error = self.failureResultOf(
                ControlClient(Clock(), URL, KEY, agent=agent).ping(Ping()), ControlRefusedError
            ).value
            self.assertEqual(error.status, status)

    def test_url(self) -> None:
        """An address of another form is refused."""
        for url in ("https://127.0.0.1:1", "127.0.0.1:5050", "unix:relative", ""):
            with self.assertRaises(InvalidError):
                ControlClient(MemoryReactorClock(), url)

    def test_call(self) -> None:
        """Any method can be called by its name."""
        agent = make_agent(MemoryControl())
        client = ControlClient(Clock(), URL, KEY, agent=agent)
        pong = self.successResultOf(client.call("Ping", Ping()))
        self.assertIsInstance(pong, METHODS["Ping"].answer)


def _subclasses(kind: type[NexusError]) -> set[type[NexusError]]:
    children = set(kind.__subclasses__())
    return children.union(*(_subclasses(child) for child in children))
