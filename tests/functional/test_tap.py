"""The service as twistd makes it: options in, a running Nexus out, in this process's reactor."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

from twisted.application.service import IService
from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import deferLater
from twisted.python.usage import UsageError
from twisted.trial.unittest import TestCase

from nexus.control.client import ControlClient, ControlUnreachableError
from nexus.coroutines import returns_deferred
from nexus.messages import ListNetworks, Ping
from nexus.tap import Options, makeService

START_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.05


class TapTests(TestCase):
    """`twistd nexus`."""

    def setUp(self) -> None:
        """A configuration of this test's own."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        # A path that a socket's address can hold, wherever the tests run.
        self.socket = Path("/tmp") / f"nexus-{secrets.token_hex(6)}.sock"  # noqa: S108
        self.addCleanup(self.socket.unlink, missing_ok=True)
        self.instance = f"t{secrets.token_hex(3)}"
        self.config_path = self.directory / "nexus.toml"
        self.config_path.touch(mode=0o600)
        self.config_path.write_text(
            f'instance = "{self.instance}"\n'
            '[edge]\nlisten = ["127.0.0.1:0"]\n'
            f'[control]\nlisten = ["unix:{self.socket}"]\n'
            f'[secrets]\njwt = "{secrets.token_urlsafe(48)}"\n'
            f'[database]\nurl = "sqlite://{self.directory}/nexus.db"\n'
            '[containers]\nsubnet = "10.127.240.0/24"\n'
        )
        ours = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")}
        self.patch(os, "environ", ours)

    def parse(self, *arguments: str) -> Options:
        """The options of `twistd nexus ARGUMENTS`."""
        options = Options()
        options.parseOptions(list(arguments))
        return options

    async def ping(self) -> str:
        """The instance that answers at the control socket, waiting until one does."""
        client = ControlClient(reactor, f"unix:{self.socket}")
        for _ in range(round(START_TIMEOUT_S / POLL_INTERVAL_S)):
            try:
                return (await client.ping(Ping())).instance
            except ControlUnreachableError:
                await deferLater(reactor, POLL_INTERVAL_S)  # its start has no event that is seen from outside
        raise AssertionError("it does not answer")

    @returns_deferred
    async def test_starts_and_stops(self) -> None:
        """It answers when it has started, and lets go of its socket when it has stopped."""
        service = makeService(self.parse("--config", str(self.config_path)))
        self.assertTrue(IService.providedBy(service))
        service.privilegedStartService()
        service.startService()
        try:
            self.assertEqual(await self.ping(), self.instance)
            client = ControlClient(reactor, f"unix:{self.socket}")
            self.assertEqual((await client.list_networks(ListNetworks())).networks, [])
        finally:
            await maybeDeferred(service.stopService)
        await self.assertFailure(client.ping(Ping()), ControlUnreachableError)

    @returns_deferred
    async def test_config_by_variable(self) -> None:
        """Without --config the environment says where the configuration is."""
        os.environ["NEXUS_CONFIG"] = str(self.config_path)
        self.assertEqual(self.parse().config.instance, self.instance)

    def test_bad_configuration(self) -> None:
        """A configuration that cannot be used ends the program with one line, before anything is made of it."""
        self.config_path.write_text("instance = 1\n")
        left = self.assertRaises(SystemExit, self.parse, "--config", str(self.config_path))
        self.assertIn(f"nexus: {self.config_path}: instance: 1 is not a text", str(left))

    def test_busy_address(self) -> None:
        """An address in use ends the program with one line that names its key."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            os.environ["NEXUS_EDGE__LISTEN"] = f"127.0.0.1:{other.getsockname()[1]}"
            options = self.parse("--config", str(self.config_path))
            left = self.assertRaises(SystemExit, makeService, options)
        self.assertIn("edge.listen", str(left))
        self.assertNotIn("\n", str(left))

    def test_unknown_option(self) -> None:
        """An option that is not there is a wrong call."""
        self.assertRaises(UsageError, self.parse, "--confg", "x")
