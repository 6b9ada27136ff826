"""Networks that the configuration names, as the operator who writes them down sees them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from twisted.logger import capturedLogs, formatEvent

from nexus.config.file import load
from nexus.config.sections import StaticNetwork
from nexus.config.static_file import read_static_networks
from nexus.errors import ConfigError, ConflictError
from nexus.model import AccessRules, Address, NetworkState, RouteTarget
from nexus.registry import Registry
from nexus.secrets import Secret
from nexus.static_networks import publish_static_networks, replace_static_networks
from tests.test_config import MINIMAL, ConfigTestCase
from tests.test_registry import make_target

DEMO = """
[[edge.static]]
name = "demo"
api = "127.0.0.1:5001"
gateway = "[::1]:8080"
users = ["ann", "bob"]
gateway_public = true
api_allowed_origins = ["https://app.example"]
rpc_bearer = "tell-nobody"
"""


class StaticTestCase(ConfigTestCase):
    """Reads static networks from both places."""

    def file(self, *lines: Mapping[str, Any] | str, mode: int = 0o600) -> str:
        """A file of JSON lines; its absolute path."""
        path = Path(self.mktemp()).absolute()
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        path.chmod(mode)
        return str(path)

    def publish(self, text: str = "", file: str | None = None) -> Registry:
        """The routes that tables and file make."""
        environ = {} if file is None else {"NEXUS_EDGE__STATIC_FILE": file}
        registry = Registry()
        publish_static_networks(read_static_networks(self.load(MINIMAL + text, environ)), registry)
        return registry

    def refuse_file(self, *lines: Mapping[str, Any] | str, text: str = "", mode: int = 0o600) -> str:
        """What is said of a file that cannot be used; `FILE` stands for its path."""
        path = self.file(*lines, mode=mode)
        return str(self.assertRaises(ConfigError, self.publish, text, path)).replace(path, "FILE")


class RouteTests(StaticTestCase):
    """What becomes of a static network."""

    def test_everything(self) -> None:
        """Each key of a table is in the route."""
        route = self.publish(DEMO).route("demo")
        assert route is not None
        self.assertEqual(route.state, NetworkState.ONLINE)
        self.assertEqual(
            route.rules,
            AccessRules(
                users=frozenset(("ann", "bob")),
                gateway_public=True,
                api_allowed_origins=frozenset(("https://app.example",)),
            ),
        )
        target = RouteTarget(
            index=0,
            api=Address("127.0.0.1", 5001),
            gateway=Address("::1", 8080),
            rpc_bearer=Secret("tell-nobody"),
            container_id="",
        )
        self.assertEqual(route.targets, (target,))

    def test_file(self) -> None:
        """A line of the file means what a table with the same keys does; blank lines mean nothing."""
        line = {
            "name": "demo",
            "api": "127.0.0.1:5001",
            "gateway": "[::1]:8080",
            "users": ["ann", "bob"],
            "gateway_public": True,
            "api_allowed_origins": ["https://app.example"],
            "rpc_bearer": "tell-nobody",
        }
        self.assertEqual(self.publish(file=self.file("", line, "  ")).routes(), self.publish(DEMO).routes())

    def test_both(self) -> None:
        """Tables and file add up."""
        registry = self.publish(DEMO, self.file({"name": "other", "gateway": "10.0.0.1:80"}))
        self.assertEqual({route.network for route in registry.routes()}, {"demo", "other"})


ADDRESS = "allowed: IP:PORT, never a host name ([::1]:5001 for IPv6)"


class MistakeTests(StaticTestCase):
    """Each mistake is one line: where, what, and what to write instead."""

    MISTAKES: ClassVar[list[tuple[dict[str, Any], str, str]]] = [
        # the keys of a network that is otherwise right, where the mistake is, what is said of it
        ({"api": "localhost:5001"}, ".api", f"'localhost:5001' is not an IP address and a port that can ... {ADDRESS}"),
        ({"api": "ipfs.example:5001"}, ".api", ADDRESS),
        ({"api": "127.0.0.1"}, ".api", "'127.0.0.1' is not an IP address and a port"),
        ({"api": "127.0.0.1:"}, ".api", "is not an IP address and a port"),
        ({"api": "127.0.0.1:0"}, ".api", "'127.0.0.1:0' has no port from 1 to 65535"),
        ({"api": "127.0.0.1:65536"}, ".api", "has no port from 1 to 65535"),
        ({"api": "127.0.0.1:5001/api/v0"}, ".api", "is not an IP address and a port"),
        ({"api": "http://127.0.0.1:5001"}, ".api", ADDRESS),
        ({"api": "/ip4/127.0.0.1/tcp/5001"}, ".api", ADDRESS),
        ({"api": "127.0.0.1:\u0661"}, ".api", "is not an IP address and a port"),
        ({"api": "127.1:5001"}, ".api", ADDRESS),
        ({"api": "127.0.0.01:5001"}, ".api", ADDRESS),
        ({"api": "127.0.0.1\u0000:5001"}, ".api", ADDRESS),
        ({"api": "0.0.0.0:5001"}, ".api", ADDRESS),
        ({"api": "224.0.0.1:5001"}, ".api", ADDRESS),
        ({"api": "255.255.255.255:5001"}, ".api", ADDRESS),
        ({"api": ""}, ".api", "is not an IP address"),
        ({"api": 5001}, ".api", "5001 is not a text"),
        ({"gateway": "::1:8080"}, ".gateway", ADDRESS),
        ({"gateway": "[::1:8080"}, ".gateway", ADDRESS),
        ({"gateway": "[127.0.0.1]:8080"}, ".gateway", ADDRESS),
        ({"gateway": "[::]:8080"}, ".gateway", ADDRESS),
        ({"gateway": "[ff02::1]:8080"}, ".gateway", ADDRESS),
        ({"users": "ann"}, ".users", "'ann' is not a list; allowed: a list of: 1-256 printable characters"),
        ({"users": ["ann", ""]}, ".users[1]", "'' is not acceptable"),
        ({"users": ["a\nb"]}, ".users[0]", "is not acceptable"),
        ({"users": [1]}, ".users[0]", "1 is not a text"),
        ({"gateway_public": "yes"}, ".gateway_public", "'yes' is not true or false"),
        ({"gateway_public": 1}, ".gateway_public", "1 is not true or false"),
        ({"api_allowed_origins": ["https://app.example/"]}, ".api_allowed_origins[0]", "no path"),
        ({"api_allowed_origins": ["*"]}, ".api_allowed_origins[0]", "'*' is not acceptable"),
        ({"name": "Demo"}, ".name", "'Demo' is not a network name; allowed: 1-63 characters of a-z"),
        ({"name": "api"}, ".name", "'api' is reserved"),
        ({"name": 7}, ".name", "7 is not a text"),
        ({"gatway": "127.0.0.1:8080"}, ".gatway", "is no key; allowed: gateway is the nearest known name"),
        ({"zzz": 1}, ".zzz", "is no key; allowed: name, api, gateway, users"),
        ({"rpc_bearer": "tell nobody"}, ".rpc_bearer", "the value (not shown) is not acceptable; allowed: 1-512"),
        ({"rpc_bearer": "tell-nobody\r\nX: y"}, ".rpc_bearer", "not shown"),
        ({"rpc_bearer": ["tell-nobody"]}, ".rpc_bearer", "not shown"),
    ]
    RIGHT: ClassVar[dict[str, Any]] = {"name": "demo", "gateway": "10.0.0.1:8080"}

    def assert_line(self, error: str, where: str, words: str) -> None:
        """The error is one line that begins with the place and says all `words` (dots part them), and no secret."""
        self.assertTrue(error.startswith(f"{where}: "), (error, where))
        for part in words.split(" ... "):
            self.assertIn(part, error)
        self.assertNotIn("\n", error)
        self.assertNotIn("tell", error)

    def test_in_a_table(self) -> None:
        """In the configuration the table's place is told, and the key."""
        good = '[[edge.static]]\nname = "good"\napi = "127.0.0.1:1"\n'
        for keys, where, words in self.MISTAKES:
            lines = [f"{name} = {json.dumps(value)}" for name, value in {**self.RIGHT, **keys}.items()]
            path = self.write(MINIMAL + good + "[[edge.static]]\n" + "\n".join(lines) + "\n")
            error = str(self.assertRaises(ConfigError, load, path, {}))
            self.assert_line(error, f"{path}: edge.static[1]{where}", words)

    def test_in_a_line(self) -> None:
        """In the file the line is told, and the key."""
        for keys, where, words in self.MISTAKES:
            error = self.refuse_file({"name": "good", "api": "127.0.0.1:1"}, "", {**self.RIGHT, **keys})
            self.assert_line(error, f"FILE:3: {where.removeprefix('.')}", words)

    def test_missing(self) -> None:
        """A network has a name and at least one address."""
        for keys, where, words in (
            ({"api": "127.0.0.1:1"}, "name", "is missing"),
            ({"name": "demo"}, "", "'demo' has neither api nor gateway; allowed: an address in one of them, or both"),
            ({}, "name", "is missing"),
        ):
            self.assert_line(self.refuse_file(keys), f"FILE:1: {where}".removesuffix(": "), words)

    def test_not_a_table(self) -> None:
        """What is no list of tables is told as such, and its secrets are not shown."""
        for text in (
            '[edge.static]\nname = "demo"\nrpc_bearer = "tell-nobody"\n',
            '[edge.static.demo]\nrpc_bearer = "tell-nobody"\n',
        ):
            error = self.refuse(MINIMAL + text)
            self.assertEqual(error.key, "edge.static")
            self.assert_line(
                str(error),
                f"{error.source}: edge.static",
                "not a list; allowed: tables in double brackets ([[...]]), each with name, api",
            )
        error = self.refuse(MINIMAL.replace("[edge]", '[edge]\nstatic = ["tell-nobody"]'))
        self.assert_line(str(error), f"{error.source}: edge.static[0]", "is not a table ... with name, api")

    def test_not_json(self) -> None:
        """A line that is no JSON object is told, with the column where that can be said."""
        for line, words in (
            ('{"name": "demo" "api": "127.0.0.1:1"}', "is not JSON: Expecting ',' delimiter at column 17"),
            ("name = demo", "is not JSON: ... ; allowed: one JSON object on each line"),
            ('{"name": "demo", ', "is not JSON"),
            ("[" * 100_000, "nested too deep"),
            ("[]", "is not an object; allowed: one JSON object on each line"),
            ('"tell-nobody"', "is not an object"),
            (
                '{"name": "demo", "name": "other", "api": "127.0.0.1:1"}',
                "'name' is there twice; allowed: each key once",
            ),
        ):
            self.assert_line(self.refuse_file(line), "FILE:1", words)

    def test_not_text(self) -> None:
        """A file that is something else altogether is one line, too."""
        path = Path(self.file("{}"))
        path.write_bytes(b"\x1f\x8b\x08\x00\xff\n")
        error = str(self.assertRaises(ConfigError, self.publish, "", str(path)))
        self.assert_line(error, f"{path}:1", "is not UTF-8 text")

    def test_unreadable_file(self) -> None:
        """A file that is not there, or none, is told at the key that names it; a relative path is refused."""
        Path(directory := self.mktemp()).mkdir()
        for path, words in (
            (str(Path(self.mktemp()).absolute()), "cannot be read: No such file"),
            (str(Path(directory).absolute()), "cannot be read: Is a directory"),
            ("networks.jsonl", "'networks.jsonl' is not acceptable; allowed: the absolute path of a file"),
        ):
            error: ConfigError = self.assertRaises(ConfigError, self.publish, "", path)
            self.assertEqual(error.key, "edge.static_file")
            self.assertIn(words, str(error))

    def test_one_name_twice(self) -> None:
        """Two networks of one name are an error that names both places, within a source and between the two."""
        error = self.refuse(MINIMAL + DEMO + DEMO.replace("demo", "other") + DEMO)
        self.assert_line(str(error), f"{error.source}: edge.static[2].name", "'demo' is the name of edge.static[0] too")
        line = {"name": "demo", "api": "127.0.0.1:1"}
        self.assert_line(
            self.refuse_file({**line, "name": "x"}, line, line), "FILE:3: name", "is the name of FILE:2 too"
        )
        text = DEMO.replace("demo", "other") + DEMO
        self.assert_line(
            self.refuse_file(line, text=text), "FILE:1: name", "'demo' is the name of edge.static[1] in  ...  too"
        )

    def test_secrets_that_others_can_read(self) -> None:
        """A bearer wants a file that is its owner's alone; without one the file may be open."""
        line = {"name": "demo", "api": "127.0.0.1:1"}
        secret = {**line, "name": "other", "rpc_bearer": "tell-nobody"}
        self.assert_line(
            self.refuse_file(line, secret, mode=0o640), "FILE:2: rpc_bearer", "mode 0640); allowed: chmod 600 FILE"
        )
        self.publish(file=self.file(line, mode=0o644))
        open_text = re.sub(r"jwt = .*", "", MINIMAL)
        path = self.write(open_text + DEMO, mode=0o644)
        error = str(self.assertRaises(ConfigError, load, path, {"NEXUS_SECRETS__JWT": "j" * 40}))
        self.assert_line(error, f"{path}: edge.static[0].rpc_bearer", f"chmod 600 {path}")
        load(self.write(open_text + DEMO.replace("rpc_bearer", "# "), mode=0o644), {"NEXUS_SECRETS__JWT": "j" * 40})


class EnvironmentTests(StaticTestCase):
    """Static networks by environment variables."""

    def test_variable(self) -> None:
        """The variable is a TOML array of tables, and replaces the file's."""
        text = '[{name = "other", api = "127.0.0.1:1", rpc_bearer = "b"}]'
        config = self.load(MINIMAL + DEMO, {"NEXUS_EDGE__STATIC": text})
        self.assertEqual([network.name for network in read_static_networks(config)], ["other"])
        self.assertEqual(self.load(MINIMAL + DEMO, {"NEXUS_EDGE__STATIC": "[]"}).edge.static, ())

    def test_mistakes(self) -> None:
        """The variable is blamed, and the place in it; secrets in it are not shown."""
        for text, key in (
            ('[{name = "other", api = "localhost:1", rpc_bearer = "tell-nobody"}]', "edge.static[0].api"),
            ('[{name = "x", api = "1.1.1.1:1"}, {name = "x", api = "1.1.1.1:1"}]', "edge.static[1].name"),
            ("tell-nobody", "edge.static[0]"),
        ):
            error = self.refuse(environ={"NEXUS_EDGE__STATIC": text})
            self.assertEqual((error.source, error.key), ("environment variable NEXUS_EDGE__STATIC", key))
            self.assertNotIn("tell-nobody", str(error))


class ManyTests(StaticTestCase):
    """Very many networks."""

    def test_shared_rules(self) -> None:
        """Networks with equal rules share them, and a node's two addresses one IP, so that each costs little."""
        lines = [
            {
                "name": f"net-{number}",
                "api": f"10.0.0.{number}:5001",
                "gateway": f"10.0.0.{number}:8080",
                "users": ["a"],
            }
            for number in range(1, 20)
        ]
        routes = self.publish(file=self.file(*lines)).routes()
        self.assertEqual(len({id(route.rules) for route in routes}), 1)
        addresses = [address for route in routes for address in (route.targets[0].api, route.targets[0].gateway)]
        self.assertEqual(len({id(address.host) for address in addresses if address is not None}), 19)


class ReplaceTests(StaticTestCase):
    """The configuration is read anew while Nexus runs."""

    def setUp(self) -> None:
        """Three networks are routed."""
        self.registry = self.publish(
            file=self.file(
                {"name": "same", "api": "10.0.0.1:1", "users": ["ann"]},
                {"name": "changed", "api": "10.0.0.2:1", "users": ["ann"]},
                {"name": "gone", "api": "10.0.0.3:1"},
            )
        )
        self.before = {route.network: route for route in self.registry.routes()}
        self.networks = self.read(
            {"name": "same", "api": "10.0.0.1:1", "users": ["ann"]},
            {"name": "changed", "api": "10.0.0.3:1", "users": ["ann"]},
            {"name": "new", "gateway": "10.0.0.4:1"},
        )

    def read(self, *lines: Mapping[str, Any]) -> list[StaticNetwork]:
        """The networks of a file with `lines`."""
        return list(read_static_networks(self.load(environ={"NEXUS_EDGE__STATIC_FILE": self.file(*lines)})))

    def replace(self) -> list[str]:
        """Carry it out; what is logged."""
        with capturedLogs() as events:
            for _ in replace_static_networks(self.networks, self.registry):
                pass
        return [formatEvent(event) or "" for event in events]

    def test_differences(self) -> None:
        """What is new is routed, what is gone is not, what changed has a new generation, and what did not is left."""
        self.assertEqual(self.replace(), ["static networks: 1 added, 1 changed, 1 removed, 3 in all"])
        after = {route.network: route for route in self.registry.routes()}
        self.assertEqual(set(after), {"same", "changed", "new"})
        self.assertIs(after["same"], self.before["same"])
        self.assertGreater(after["changed"].generation, self.before["changed"].generation)

    def test_rules_alone(self) -> None:
        """A change of rules disturbs no connection."""
        self.networks = self.read({"name": "same", "api": "10.0.0.1:1", "users": ["bob"]})
        self.replace()
        (route,) = self.registry.routes()
        self.assertEqual((route.generation, route.rules.users), (self.before["same"].generation, frozenset({"bob"})))

    def test_freed_address(self) -> None:
        """What has gone has gone before anything new is routed: an address is never two networks' at once."""
        self.networks = self.read({"name": "heir", "api": "10.0.0.3:1"})
        for _ in replace_static_networks(self.networks, self.registry):
            known = {route.network for route in self.registry.routes()}
            self.assertFalse({"heir", "gone"} <= known)

    def test_name_on_record(self) -> None:
        """A name that is on record is refused, and nothing is changed; the hosted network is as it was."""
        hosted = self.registry.publish("new", rules=AccessRules(), state=NetworkState.OFFLINE, targets=())
        self.assertRaises(ConflictError, self.replace)
        self.assertEqual({route.network: route for route in self.registry.routes()}, {**self.before, "new": hosted})

    def test_name_taken_meanwhile(self) -> None:
        """So is one that is created on the way: it keeps its name, and the log tells."""
        self.networks = self.read({"name": "early", "api": "10.0.0.5:1"}, {"name": "late", "api": "10.0.0.6:1"})
        node = replace(make_target(), container_id="a-container")
        with capturedLogs() as events:
            for _ in replace_static_networks(self.networks, self.registry):
                if self.registry.route("early") is not None and self.registry.route("late") is None:
                    hosted = self.registry.publish(
                        "late", rules=AccessRules(), state=NetworkState.ONLINE, targets=(node,)
                    )
        self.assertIs(self.registry.route("late"), hosted)
        self.assertIn("network late was created meanwhile", str(formatEvent(events[0])))
