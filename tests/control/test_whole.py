"""The control API in front of the orchestrator, in memory down to the engine: its promises hold across the wire."""

from __future__ import annotations

from typing import TypeVar

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource

from nexus.control.client import ControlClient
from nexus.control.resource import control_factory
from nexus.interfaces import INetworkControl
from nexus.secrets import generate_secret
from tests.contracts.network_control import NetworkControlTests
from tests.control.memory_control import MemoryEdgeStats
from tests.orchestrator.test_whole import WholeTestCase

T = TypeVar("T")


class OrchestratorAcrossTheWireTests(NetworkControlTests, WholeTestCase):
    """The client keeps what the orchestrator promises."""

    def make_control(self) -> INetworkControl:
        key = generate_secret()
        self.agent = RequestTraversalAgent(Resource())
        self.agent._serverFactory = control_factory(self.make_orchestrator(), MemoryEdgeStats(), key, self.clock)
        return ControlClient(self.clock, "http://localhost:5050", key, agent=self.agent)

    def settle(self, asked: Deferred[T]) -> Deferred[T]:
        for _ in range(1000):
            self.agent.flush()
            if asked.called:
                break
            self.clock.advance(0.1)
        return asked
