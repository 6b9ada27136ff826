"""Parameters into requests, strictly, with errors that name the field."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nexus.control import wire
from nexus.control.methods import METHODS
from nexus.errors import InvalidError
from nexus.messages import CreateNetwork, GetNetwork, NetworkName, Ping, ResourcesChange, UpdateNetwork


class DecodeParamsTests(SynchronousTestCase):
    """What a caller's parameters become."""

    def assert_refused(self, kind: type, params: str, field: str, *words: str) -> None:
        with self.assertRaises(InvalidError) as caught:
            wire.decode_params(kind, params.encode())
        self.assertEqual(caught.exception.field, field)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_defaults(self) -> None:
        """What is left out takes its default; no parameters at all are none."""
        self.assertEqual(wire.decode_params(CreateNetwork, b'{"network":"demo"}'), CreateNetwork(network="demo"))
        for params in (None, b"{}", b"[]"):
            self.assertEqual(wire.decode_params(Ping, params), Ping())

    def test_everything(self) -> None:
        """Every type that a parameter has; a whole number is a number."""
        params = b"""{"network": "demo", "users": ["alice"], "gateway_public": true, "swarm_key": "x",
                      "resources": {"cpus": 2, "memory_gb": 0.5, "disk_gb": null}}"""
        self.assertEqual(
            wire.decode_params(CreateNetwork, params),
            CreateNetwork(
                network="demo",
                users=["alice"],
                gateway_public=True,
                swarm_key="x",
                resources=ResourcesChange(cpus=2.0, memory_gb=0.5),
            ),
        )

    def test_null_is_left_out(self) -> None:
        """Null is the same as leaving out, where leaving out is allowed."""
        self.assertEqual(
            wire.decode_params(UpdateNetwork, b'{"network":"demo","users":null}'), UpdateNetwork(network="demo")
        )
        self.assertEqual(
            wire.decode_params(
                CreateNetwork, b'{"network":"demo","users":null,"gateway_public":null,"resources":null}'
            ),
            CreateNetwork(network="demo"),
        )
        self.assert_refused(NetworkName, '{"network":null}', "network", "null", "a text")

    def test_types_are_strict(self) -> None:
        """Nothing is taken for something else, and the error says field, what came and what is wanted."""
        self.assert_refused(NetworkName, '{"network":1}', "network", "is a whole number", "allowed: a text")
        self.assert_refused(GetNetwork, '{"network":"n","include_swarm_key":1}', "include_swarm_key", "true or false")
        self.assert_refused(
            GetNetwork, '{"network":"n","include_swarm_key":"true"}', "include_swarm_key", "is a text", "true or false"
        )
        self.assert_refused(CreateNetwork, '{"network":"n","users":"alice"}', "users", "is a text", "a list")
        self.assert_refused(CreateNetwork, '{"network":"n","users":["a",1]}', "users[1]", "a whole number", "a text")
        self.assert_refused(
            CreateNetwork, '{"network":"n","resources":{"cpus":"2"}}', "resources.cpus", "is a text", "a number"
        )
        self.assert_refused(
            CreateNetwork, '{"network":"n","resources":{"cpus":true}}', "resources.cpus", "true or false"
        )
        self.assert_refused(CreateNetwork, '{"network":"n","resources":[]}', "resources", "a list", "an object")

    def test_missing(self) -> None:
        """A parameter that must be there is named."""
        self.assert_refused(NetworkName, "{}", "network", "is missing", "text")

    def test_unknown(self) -> None:
        """A name that is none is refused with the nearest that is, inside objects too."""
        self.assert_refused(NetworkName, '{"name":"demo","network":"demo"}', "name", "no such parameter", "network")
        self.assert_refused(CreateNetwork, '{"network":"n","gatewayPublic":true}', "gatewayPublic", "gateway_public")
        self.assert_refused(CreateNetwork, '{"network":"n","resources":{"cpu":2}}', "resources.cpu", "allowed: cpus")
        self.assert_refused(Ping, '{"verbose":true}', "verbose", "no parameters")

    def test_long_unknown(self) -> None:
        """A name of any length is told by its beginning."""
        for name, field in (("x" * 1000, "x" * 64), ("resources", "resources." + "x" * 64)):
            with self.assertRaises(InvalidError) as caught:
                wire.decode_params(CreateNetwork, f'{{"{name}":{{"{"x" * 1000}":1}}}}'.encode())
            self.assertEqual(caught.exception.field, field)

    def test_positions(self) -> None:
        """Parameters by position are refused with the names."""
        self.assert_refused(NetworkName, '["demo"]', "params", "by name", "network")

    def test_too_large(self) -> None:
        """A number beyond what a number can be is refused by its field."""
        self.assert_refused(
            CreateNetwork, '{"network":"n","resources":{"cpus":1e999}}', "resources.cpus", "out of range"
        )

    def test_every_request(self) -> None:
        """Every method's request says what is wrong with its first parameter."""
        for method in METHODS.values():
            for name in wire.names_of(method.request)[:1]:
                self.assert_refused(method.request, f'{{"{name}":[[]]}}', name, "a list")
