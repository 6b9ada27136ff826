"""Networks that the configuration names, as the operator who writes them down sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nexus.config.static_file import read_static_networks
from nexus.errors import ConfigError
from nexus.model import AccessRules, Address, NetworkState, RouteTarget
from nexus.registry import Registry
from nexus.secrets import Secret
from nexus.static_networks import publish_static_networks
from tests.test_config import MINIMAL, ConfigTestCase

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
