"""The command `nexus`, as far as it needs no running Nexus. tests/functional/test_cli.py has the rest."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from pathlib import Path

import jwt as pyjwt
from twisted.trial.unittest import SynchronousTestCase

from nexus.cli import main
from nexus.config.file import load


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str


class CommandTestCase(SynchronousTestCase):
    """Runs commands in a directory of their own, with an environment of their own."""

    def setUp(self) -> None:
        """Enter an empty directory."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)
        ours = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")}
        self.patch(os, "environ", ours)

    def run_nexus(self, *arguments: str, environ: dict[str, str] | None = None) -> Outcome:
        """Run `nexus ARGUMENTS`. No traceback may reach the user, and an error is on stderr alone."""
        out, err = io.StringIO(), io.StringIO()
        patches = [
            self.patch(sys, "argv", ["nexus", *arguments]),
            self.patch(sys, "stdout", out),
            self.patch(sys, "stderr", err),
            self.patch(os, "environ", {**os.environ, **(environ or {})}),
        ]
        try:
            left = self.assertRaises(SystemExit, main)
        finally:
            for patch in reversed(patches):
                patch.restore()
        self.assertNotIn("Traceback", err.getvalue())
        status = left.code if isinstance(left.code, int) else 1
        self.assertEqual(err.getvalue() == "", status == 0, err.getvalue())
        return Outcome(status, out.getvalue(), err.getvalue())

    def succeed(self, *arguments: str, environ: dict[str, str] | None = None) -> str:
        """What `nexus ARGUMENTS` prints when it succeeds."""
        outcome = self.run_nexus(*arguments, environ=environ)
        self.assertEqual(outcome.status, 0, outcome.err)
        return outcome.out

    def fail_with(self, status: int, *arguments: str, environ: dict[str, str] | None = None) -> str:
        """The one line of error that `nexus ARGUMENTS` ends with, and nothing else."""
        outcome = self.run_nexus(*arguments, environ=environ)
        self.assertEqual((outcome.status, outcome.out), (status, ""))
        self.assertTrue(outcome.err.startswith("nexus: "), outcome.err)
        self.assertEqual(outcome.err.count("\n"), 1, outcome.err)
        return outcome.err


class InitTests(CommandTestCase):
    """`nexus init` and `nexus config check`."""

    def test_init(self) -> None:
        """It writes ./nexus.toml, says so, and the result can be used."""
        self.assertIn("nexus.toml", self.succeed("init"))
        self.assertIn("can be used", self.succeed("config", "check"))

    def test_init_tells_no_secret(self) -> None:
        """What it prints holds no secret."""
        out = self.succeed("init")
        config = load("nexus.toml", {})
        assert config.secrets.jwt is not None and config.secrets.control_key is not None
        self.assertNotIn(config.secrets.jwt.reveal(), out)
        self.assertNotIn(config.secrets.control_key.reveal(), out)

    def test_init_elsewhere(self) -> None:
        """--config, --data and addresses are taken."""
        self.succeed("init", "--config", "a/b.toml", "--data", "c", "--edge-listen", "127.0.0.1:81")
        config = load("a/b.toml", {})
        self.assertEqual(config.database.url, f"sqlite://{self.directory}/c/nexus.db")
        self.assertEqual([each.port for each in config.edge.listen], [81])

    def test_init_by_variable(self) -> None:
        """$NEXUS_CONFIG says where, without --config."""
        self.succeed("init", environ={"NEXUS_CONFIG": "other.toml"})
        self.assertTrue(Path("other.toml").exists())

    def test_init_twice(self) -> None:
        """A second one fails and leaves the file as it is."""
        self.succeed("init")
        before = Path("nexus.toml").read_bytes()
        self.assertIn("exists already", self.fail_with(1, "init"))
        self.assertEqual(Path("nexus.toml").read_bytes(), before)

    def test_init_with_bad_address(self) -> None:
        """An address that cannot be is refused, and no file left."""
        self.assertIn("edge.listen", self.fail_with(1, "init", "--edge-listen", "example.net"))
        self.assertFalse(Path("nexus.toml").exists())

    def test_check_finds_mistakes(self) -> None:
        """`config check` tells what is wrong, from the file or the environment."""
        self.succeed("init")
        self.assertIn("edge.domain", self.fail_with(1, "config", "check", environ={"NEXUS_EDGE__DOMAIN": "A"}))
        self.assertIn("No such file", self.fail_with(1, "config", "check", "--config", "absent.toml"))

    def test_nothing_there(self) -> None:
        """Without any configuration the remedy is named."""
        if Path("/etc/nexus/nexus.toml").exists():
            self.skipTest("this machine has a configuration of its own")
        self.assertIn("nexus init", self.fail_with(1, "config", "check"))


class TokenTests(CommandTestCase):
    """`nexus token`."""

    def setUp(self) -> None:
        """With a configuration."""
        super().setUp()
        self.succeed("init")

    def test_prints_the_token_alone(self) -> None:
        """A token and a newline, nothing else; it speaks for the user, for as long as was asked."""
        out = self.succeed("token", "--user", "ann", "--expires", "2h")
        self.assertRegex(out, r"\A[\w-]+\.[\w-]+\.[\w-]+\n\Z")
        payload = out.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        self.assertEqual((claims["sub"], claims["aud"]), ("ann", "localhost"))
        self.assertEqual(claims["exp"] - claims["iat"], 7200)

    def test_is_signed_by_the_secret(self) -> None:
        """It verifies with the configured secret."""
        secret = load("nexus.toml", {}).secrets.jwt
        assert secret is not None
        out = self.succeed("token", "--user", "ann", "--expires", "1h").strip()
        self.assertEqual(pyjwt.decode(out, secret.reveal(), algorithms=["HS256"], audience="localhost")["sub"], "ann")

    def test_lifetimes(self) -> None:
        """Seconds, minutes, hours and days are known; anything else is a wrong call."""
        for span in ("30s", "15m", "1h", "3650d"):
            self.succeed("token", "--user", "ann", "--expires", span)
        for span in ("0s", "1", "h", "1w", "-1h", "1.5h", "3651d", "1h30m"):
            self.assertIn("lifetime", self.fail_with(2, "token", "--user", "ann", "--expires", span))

    def test_users(self) -> None:
        """A name that no token could carry is a wrong call."""
        for user in ("", "a\nb", "x" * 257):
            self.fail_with(2, "token", "--user", user, "--expires", "1h")
        self.assertIn("--user", self.fail_with(2, "token", "--expires", "1h"))

    def test_without_signing_key(self) -> None:
        """Where Nexus only checks tokens, the error says which key is missing."""
        public = (
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
            "-----END PUBLIC KEY-----\n"
        )
        environ = {"NEXUS_JWT__ALGORITHMS": "EdDSA", "NEXUS_JWT__PUBLIC_KEY": public}
        error = self.fail_with(1, "token", "--user", "ann", "--expires", "1h", environ=environ)
        self.assertIn("jwt.private_key", error)


class CtlTests(CommandTestCase):
    """`nexus ctl`, before it calls anybody."""

    def test_help(self) -> None:
        """The methods are listed, and each explained, without a configuration."""
        listed = self.succeed("ctl", "help")
        for method in ("Ping", "StartNetwork", "UpdateNetwork", "StopNetwork", "RemoveNetwork", "NetworkStats"):
            self.assertIn(method, listed)
        self.assertIn("gateway_public", self.succeed("ctl", "help", "create_network"))

    def test_wrong_calls(self) -> None:
        """A method, parameter or value that cannot be is a wrong call, with what is nearest or allowed."""
        for arguments, words in [
            (["StartNetworks", "network=x"], "StartNetwork"),
            (["StartNetwork"], "network"),
            (["StartNetwork", "netwrk=x"], "network"),
            (["StartNetwork", "x"], "NAME=VALUE"),
            (["StartNetwork", "=x"], "NAME=VALUE"),
            (["StartNetwork", "network=x", "network=y"], "twice"),
            (["CreateNetwork", "network=x", "users=ann"], "users"),
            (["CreateNetwork", "network=x", "gateway_public=yes"], "gateway_public"),
            (["help", "Nothing"], "Nothing"),
        ]:
            self.assertIn(words, self.fail_with(2, "ctl", *arguments))

    def test_missing_key_file(self) -> None:
        """A key file that is not there is named."""
        error = self.fail_with(1, "ctl", "Ping", "--url", "http://127.0.0.1:1", "--key-file", "absent")
        self.assertIn("absent", error)


class OtherTests(CommandTestCase):
    """What is left."""

    def test_version(self) -> None:
        """The version is printed, and nothing else."""
        self.assertTrue(re.fullmatch(r"\d+\.\d+\.\d+\n", self.succeed("version")))

    def test_help(self) -> None:
        """--help tells the commands."""
        told = self.succeed("--help")
        for command in ("init", "daemon", "ctl", "token", "dev", "config", "version"):
            self.assertIn(command, told)

    def test_unknown_command(self) -> None:
        """A command that is not there is a wrong call."""
        self.assertIn("--help", self.fail_with(2, "strat"))

    def test_no_command(self) -> None:
        """Without a command its help is shown, as for a wrong call."""
        outcome = self.run_nexus()
        self.assertEqual((outcome.status, outcome.out), (2, ""))
        self.assertIn("Commands:", outcome.err)
