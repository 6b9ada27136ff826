"""Bodies in, bodies out: what calls become."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from nexus.control.dispatch import answer
from nexus.control.methods import METHODS
from nexus.control.wire import names_of
from nexus.errors import NetworkNotFoundError
from nexus.interfaces import IEdgeStats, INetworkControl
from nexus.messages import CreateNetwork, NetworkName, StartedNetwork
from tests.control.memory_control import MemoryControl, MemoryEdgeStats


class SlowControl(MemoryControl):
    """Starts networks when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: list[Deferred[StartedNetwork]] = []

    def start_network(self, request: NetworkName) -> Deferred[StartedNetwork]:
        self.starts.append(Deferred())
        return self.starts[-1]


class DispatchTests(SynchronousTestCase):
    """The control API without a transport."""

    def setUp(self) -> None:
        self.clock = Clock()

    def ask(self, control: INetworkControl, body: Any) -> Any:
        """The answer to `body` (JSON values), which is there at once."""
        text = self.successResultOf(
            Deferred.fromCoroutine(answer(control, MemoryEdgeStats(), json.dumps(body).encode(), self.clock))
        )
        return json.loads(text) if text else None

    def call(self, method: str, params: Any = None, call_id: Any = 1) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "method": method, "id": call_id}
        return body if params is None else {**body, "params": params}

    def test_call(self) -> None:
        """A call answers with its message's fields."""
        told = self.ask(MemoryControl(), self.call("CreateNetwork", {"network": "demo", "users": ["alice"]}, "a"))
        self.assertEqual((told["jsonrpc"], told["id"]), ("2.0", "a"))
        self.assertEqual(told["result"]["network"]["users"], ["alice"])
        self.assertEqual(told["result"]["network"]["created_at"], "2026-01-02T03:04:05Z")
        self.assertIsNone(told["result"]["network"]["swarm_key"])

    def test_every_method(self) -> None:
        """Every method of the interface is there by its name, and answers with its answer's fields."""
        for method in METHODS.values():
            control = MemoryControl()
            if method.name != "CreateNetwork":
                self.successResultOf(control.create_network(CreateNetwork(network="demo")))
                self.successResultOf(control.start_network(NetworkName(network="demo")))
            params: dict[str, Any] = {"network": "demo"} if "network" in names_of(method.request) else {}
            if method.name == "DeleteNetwork":
                params["remove"] = True
            told = self.ask(control, self.call(method.name, params))
            self.assertEqual(list(told["result"]), names_of(method.answer), method.name)
        attributes = {(method.interface, method.attribute) for method in METHODS.values()}
        promised = {(interface, name) for interface in (INetworkControl, IEdgeStats) for name in interface.names()}
        self.assertEqual(attributes | {(INetworkControl, "instance")}, promised)

    def test_error(self) -> None:
        """An error has its code, its sentence, and the field at fault."""
        told = self.ask(MemoryControl(), self.call("StartNetwork", {"network": "demo"}))
        self.assertEqual(
            told["error"],
            {
                "code": -32001,
                "message": "no network named 'demo'",
                "data": {"error": "NetworkNotFoundError", "field": "network", "network": "demo"},
            },
        )

    def test_unfit_parameters(self) -> None:
        """Parameters of a wrong type or value are -32602 and name the field."""
        for params, field in (
            ({"network": "demo", "resources": {"cpus": "2"}}, "resources.cpus"),
            ({"network": "demo", "resources": {"cpus": 0}}, "resources.cpus"),
            ({"network": "Demo"}, "network"),
            (["demo"], "params"),
            ({}, "network"),
        ):
            error = self.ask(MemoryControl(), self.call("CreateNetwork", params))["error"]
            self.assertEqual((error["code"], error["data"]["field"]), (-32602, field))
            self.assertIn("allowed", error["data"])

    def test_unknown_method(self) -> None:
        """A method that is none is told with the nearest; case matters here."""
        error = self.ask(MemoryControl(), self.call("startNetwork"))["error"]
        self.assertEqual((error["code"], error["message"]), (-32601, "Method not found"))
        self.assertIn("nearest: StartNetwork", error["data"]["detail"])
        for method in ("start_network", "__init__", "instance", "_find", "rpc.unknown", ""):
            self.assertEqual(self.ask(MemoryControl(), self.call(method))["error"]["code"], -32601)

    def test_notification(self) -> None:
        """A notification is carried out and not answered, not even when it fails."""
        control = MemoryControl()
        self.assertIsNone(
            self.ask(control, {"jsonrpc": "2.0", "method": "CreateNetwork", "params": {"network": "demo"}})
        )
        self.assertIn("demo", control._hosted)
        for method, params in (("CreateNetwork", {"network": "demo"}), ("Nonsense", {}), ("Ping", {"x": 1})):
            self.assertIsNone(self.ask(control, {"jsonrpc": "2.0", "method": method, "params": params}))

    def test_null_id(self) -> None:
        """A null id is an id: the call is answered."""
        self.assertIn("result", self.ask(MemoryControl(), self.call("Ping", call_id=None)))

    def test_batch_in_order(self) -> None:
        """The calls of a batch see what those before them did."""
        told = self.ask(
            MemoryControl(),
            [
                self.call("CreateNetwork", {"network": "demo"}, 1),
                self.call("CreateNetwork", {"network": "demo"}, 2),
                self.call("StartNetwork", {"network": "demo"}, 3),
                {"jsonrpc": "2.0", "method": "StopNetwork", "params": {"network": "demo"}},
                self.call("GetNetwork", {"network": "demo"}, 4),
            ],
        )
        self.assertEqual([response["id"] for response in told], [1, 2, 3, 4])
        self.assertEqual(told[1]["error"]["code"], -32002)
        self.assertEqual((told[2]["result"]["state"], told[3]["result"]["state"]), ("online", "offline"))

    def test_batch_waits(self) -> None:
        """A batch's next call begins when the one before it has ended, well or not."""
        control = SlowControl()
        body = [self.call("StartNetwork", {"network": name}, name) for name in "ab"]
        asked = Deferred.fromCoroutine(answer(control, MemoryEdgeStats(), json.dumps(body).encode(), self.clock))
        self.assertEqual(len(control.starts), 1)
        control.starts[0].errback(ZeroDivisionError())
        self.assertEqual(len(control.starts), 2)
        control.starts[1].errback(ZeroDivisionError())
        told = json.loads(self.successResultOf(asked))
        self.assertEqual([response["error"]["code"] for response in told], [-32603, -32603])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_incident(self) -> None:
        """A fault inside is logged with its traceback under an id, and the caller is told the id alone."""
        control = SlowControl()
        asked = Deferred.fromCoroutine(
            answer(
                control, MemoryEdgeStats(), json.dumps(self.call("StartNetwork", {"network": "a"})).encode(), self.clock
            )
        )
        with capturedLogs() as events:
            control.starts[0].errback(ZeroDivisionError("sesame"))
        text = self.successResultOf(asked)
        error = json.loads(text)["error"]
        self.assertEqual((error["code"], error["message"]), (-32603, "Internal error"))
        self.assertNotIn(b"sesame", text)
        (event,) = [event for event in events if event["log_level"] is LogLevel.critical]
        self.assertEqual(event["incident"], error["data"]["incident"])
        self.assertIn("sesame", event["log_failure"].getErrorMessage())
        self.flushLoggedErrors(ZeroDivisionError)

    def test_log(self) -> None:
        """Each call is logged with method, network, outcome and time, and no parameter besides."""
        control = SlowControl()
        started = json.dumps(self.call("StartNetwork", {"network": "demo"})).encode()
        with capturedLogs() as events:
            self.ask(control, self.call("CreateNetwork", {"network": "demo", "swarm_key": "sesame"}))
            asked = Deferred.fromCoroutine(answer(control, MemoryEdgeStats(), started, self.clock))
            self.clock.advance(2.5)
            control.starts[0].errback(NetworkNotFoundError("demo"))
            self.ask(control, self.call("Ping"))
        self.successResultOf(asked)
        self.assertEqual(
            [(event["method"], event["network"], event["outcome"], event["duration_s"]) for event in events],
            [
                ("CreateNetwork", "demo", "-32602 InvalidError", 0),
                ("StartNetwork", "demo", "-32001 NetworkNotFoundError", 2.5),
                ("Ping", "-", "ok", 0),
            ],
        )
        self.assertNotIn("sesame", repr(events))

    def test_log_is_not_written_by_callers(self) -> None:
        """What a caller calls a method or a network cannot break a log line, nor fill the log."""
        with capturedLogs() as events:
            self.ask(MemoryControl(), self.call("x\nforged" * 1000))
            self.ask(MemoryControl(), self.call("StartNetwork", {"network": "y\nforged" * 1000}))
        for event in events:
            line = formatEvent(event)
            self.assertNotIn("\n", line)
            self.assertLess(len(line), 250)

    def test_discover(self) -> None:
        """rpc.discover describes every method, by OpenRPC."""
        document = self.ask(MemoryControl(), self.call("rpc.discover"))["result"]
        self.assertEqual(document["openrpc"], "1.3.2")
        self.assertEqual([method["name"] for method in document["methods"]], list(METHODS))
        (create,) = [method for method in document["methods"] if method["name"] == "CreateNetwork"]
        params = {param["name"]: param for param in create["params"]}
        self.assertTrue(params["network"]["required"])
        self.assertFalse(params["users"]["required"])
        self.assertEqual(params["users"]["schema"]["items"], {"type": "string"})
        text = json.dumps(document)
        for reference in {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}:
            self.assertIn(reference, document["components"]["schemas"])
        self.assertIn(-32001, [error["code"] for error in create["errors"]])
