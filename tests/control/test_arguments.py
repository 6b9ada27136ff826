"""`nexus ctl METHOD name=value ...`, from what is typed to a request, and the help."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from nexus.control.arguments import decode_arguments, describe, encode_answer, find_method
from nexus.control.methods import METHODS
from nexus.errors import InvalidError
from nexus.messages import (
    CreateNetwork,
    DeleteNetwork,
    ListNetworks,
    NetworkName,
    Ping,
    ResourcesChange,
    StoppedNetwork,
    UpdateNetwork,
)
from nexus.model import NetworkState


class DecodeArgumentsTests(SynchronousTestCase):
    """What is typed becomes a request."""

    def assert_refused(self, method: str, arguments: dict[str, str], field: str, *words: str) -> None:
        with self.assertRaises(InvalidError) as caught:
            decode_arguments(method, arguments)
        self.assertEqual(caught.exception.field, field)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_the_originals_spelling(self) -> None:
        """`StartNetwork Network=test-network` works as it did in the original."""
        self.assertEqual(
            decode_arguments("StartNetwork", {"Network": "test-network"}), NetworkName(network="test-network")
        )

    def test_spellings(self) -> None:
        """Names match in any case, with and without underscores and hyphens."""
        for method in ("UpdateNetwork", "updatenetwork", "update_network", "UPDATE-NETWORK"):
            for name in ("gateway_public", "GatewayPublic", "gatewaypublic", "gateway-public", "GATEWAY_PUBLIC"):
                self.assertEqual(
                    decode_arguments(method, {"NETWORK": "demo", name: "true"}),
                    UpdateNetwork(network="demo", gateway_public=True),
                )

    def test_texts_are_literal(self) -> None:
        """A parameter that is a text takes whatever is typed, JSON or not."""
        for text in ("demo", "1", "true", "null", '"demo"', "", "a=b", "/key/swarm/psk/1.0.0/\n/base16/\n00\n", "ü"):
            request = decode_arguments("CreateNetwork", {"network": text, "swarm_key": text})
            self.assertEqual((request.network, request.swarm_key), (text, text))

    def test_the_rest_is_json(self) -> None:
        """Truth values, lists, numbers and objects are JSON."""
        self.assertEqual(
            decode_arguments(
                "CreateNetwork",
                {
                    "network": "demo",
                    "users": '["alice", "bob"]',
                    "gateway_public": "false",
                    "bootstrap_peers": "[]",
                    "resources": '{"cpus": 2, "memory_gb": 0.5}',
                },
            ),
            CreateNetwork(network="demo", users=["alice", "bob"], resources=ResourcesChange(cpus=2, memory_gb=0.5)),
        )
        self.assertTrue(decode_arguments("DeleteNetwork", {"network": "demo", "remove": "true"}).remove)

    def test_parts(self) -> None:
        """A part of an object is named with a dot, in any spelling."""
        for names in (("resources.cpus", "resources.disk_gb"), ("Resources.CPUs", "RESOURCES.DiskGB")):
            self.assertEqual(
                decode_arguments("UpdateNetwork", {"network": "demo", names[0]: "2", names[1]: "1.5"}),
                UpdateNetwork(network="demo", resources=ResourcesChange(cpus=2, disk_gb=1.5)),
            )

    def test_nothing(self) -> None:
        """Methods without parameters take none."""
        self.assertEqual(decode_arguments("Ping", {}), Ping())
        self.assertEqual(decode_arguments("listnetworks", {}), ListNetworks())
        self.assertEqual(decode_arguments("DeleteNetwork", {"network": "demo"}), DeleteNetwork(network="demo"))

    def test_unknown_method(self) -> None:
        """A method that is none is told with the nearest."""
        self.assert_refused("StratNetwork", {}, "method", "'StratNetwork'", "StartNetwork")
        self.assert_refused("frobnicate", {}, "method", "Ping, CreateNetwork")

    def test_unknown_parameter(self) -> None:
        """A parameter that is none is told with the nearest."""
        self.assert_refused(
            "UpdateNetwork", {"network": "demo", "gateway_pubic": "true"}, "gateway_pubic", "gateway_public"
        )
        self.assert_refused(
            "UpdateNetwork", {"network": "demo", "resources.cpu": "1"}, "resources.cpu", "allowed: cpus"
        )
        self.assert_refused("UpdateNetwork", {"network.name": "demo"}, "network", "has no parts")
        self.assert_refused("Ping", {"network": "demo"}, "network", "no parameters")

    def test_missing_parameter(self) -> None:
        """A parameter that must be given is named."""
        self.assert_refused("StartNetwork", {}, "network", "is missing")

    def test_no_json(self) -> None:
        """What should be JSON and is not is told with an example."""
        self.assert_refused("CreateNetwork", {"network": "n", "users": "alice"}, "users", 'as ["alice", "bob"]')
        self.assert_refused("CreateNetwork", {"network": "n", "gateway_public": "yes"}, "gateway_public", "as true")
        self.assert_refused("CreateNetwork", {"network": "n", "resources.cpus": "two"}, "resources.cpus", "as 2")
        self.assert_refused("CreateNetwork", {"network": "n", "resources": "2 cpus"}, "resources", '{"cpus": 2}')
        self.assert_refused("CreateNetwork", {"network": "n", "gateway_public": ""}, "gateway_public", "as true")

    def test_wrong_type(self) -> None:
        """JSON of another type is refused as the server would."""
        self.assert_refused("CreateNetwork", {"network": "n", "users": "1"}, "users", "a list")
        self.assert_refused("CreateNetwork", {"network": "n", "gateway_public": "1"}, "gateway_public", "true or false")

    def test_twice(self) -> None:
        """One parameter in two spellings is refused, also as a whole and in parts."""
        self.assert_refused("StartNetwork", {"network": "a", "Network": "b"}, "network", "given twice")
        self.assert_refused(
            "UpdateNetwork", {"network": "n", "resources": "{}", "resources.cpus": "1"}, "resources", "given twice"
        )
        self.assert_refused(
            "UpdateNetwork", {"network": "n", "resources.cpus": "1", "resources": "{}"}, "resources", "given twice"
        )
        self.assert_refused(
            "UpdateNetwork", {"network": "n", "resources.cpus": "1", "resources.CPUs": "1"}, "resources.cpus", "twice"
        )


class DescribeTests(SynchronousTestCase):
    """The help, and answers as text."""

    def test_all(self) -> None:
        """Without a method each is listed with a line."""
        lines = describe().splitlines()
        self.assertEqual([line.split()[0] for line in lines], list(METHODS))
        self.assertTrue(all(len(line) <= 120 for line in lines), lines)

    def test_one(self) -> None:
        """A method is told with its parameters, their types, and its answer."""
        text = describe("create_network")
        self.assertTrue(text.startswith("CreateNetwork network=... [users=...]"), text)
        for words in ("network ", "list of texts", "true | false", "  resources", "    cpus", "number", "Answer"):
            self.assertIn(words, text)

    def test_every(self) -> None:
        """Every method can be told."""
        for method in METHODS.values():
            self.assertIn(method.documentation, describe(method.name))
            self.assertIs(find_method(method.attribute), method)

    def test_answer(self) -> None:
        """An answer is JSON, in one line or indented."""
        answer = StoppedNetwork(network="demo", state=NetworkState.OFFLINE)
        self.assertEqual(encode_answer(answer), '{"network":"demo","state":"offline"}')
        pretty = encode_answer(answer, pretty=True)
        self.assertEqual(pretty, '{\n  "network": "demo",\n  "state": "offline"\n}')
        self.assertEqual(json.loads(pretty), json.loads(encode_answer(answer)))
