"""The configuration, as the operator who writes it sees it."""

from __future__ import annotations

import ipaddress
import os
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nexus.config.file import keys, load
from nexus.config.init import choose_instance, choose_subnet, data_directory, parse_routes, render, write_config
from nexus.config.sections import Config, TCPListen, UnixListen
from nexus.errors import ConfigError
from nexus.model import PortRange, Reach

SECRET = "s3cret-" * 10

MINIMAL = f"""
instance = "abc"
[edge]
listen = ["127.0.0.1:8080"]
[control]
listen = ["unix:/run/nexus/control.sock"]
[secrets]
jwt = "{SECRET}"
[database]
url = "sqlite:///var/lib/nexus/nexus.db"
"""


class ConfigTestCase(SynchronousTestCase):
    """Writes configuration files and reads them."""

    def write(self, text: str = MINIMAL, mode: int = 0o600) -> str:
        """A file with `text`."""
        path = Path(self.mktemp())
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def load(self, text: str = MINIMAL, environ: Mapping[str, str] | None = None) -> Config:
        """What a file with `text` and the environment give."""
        return load(self.write(text), environ or {})

    def refuse(self, text: str = MINIMAL, environ: Mapping[str, str] | None = None) -> ConfigError:
        """The error that a file with `text` and the environment give."""
        error: ConfigError = self.assertRaises(ConfigError, self.load, text, environ)
        return error


class FileTests(ConfigTestCase):
    """What is read from the file."""

    def test_minimal(self) -> None:
        """A file with what has no default is enough."""
        config = self.load()
        self.assertEqual(config.instance, "abc")
        self.assertEqual(config.edge.listen, (TCPListen("127.0.0.1", 8080),))
        self.assertEqual(config.control.listen, (UnixListen(Path("/run/nexus/control.sock")),))
        self.assertEqual(config.containers.image, "ipfs/kubo:v0.43.0")

    def test_every_type(self) -> None:
        """Numbers, ranges, subnets, words, lists and texts are read as what they are."""
        config = self.load(
            MINIMAL
            + """
[containers]
reach = "published"
subnet = "192.168.4.0/24"
quarantine_s = 3
api_ports = "30000-30009"
[resources]
memory_gb = 0.5
[jwt]
algorithms = ["HS512", "HS256"]
audience = ""
"""
        )
        self.assertEqual(config.containers.reach, Reach.PUBLISHED)
        self.assertEqual(config.containers.subnet, ipaddress.IPv4Network("192.168.4.0/24"))
        self.assertEqual(config.containers.quarantine_s, 3.0)
        self.assertEqual(config.containers.api_ports, PortRange(30000, 30009))
        self.assertEqual(config.resources.memory_gb, 0.5)
        self.assertEqual(config.jwt.algorithms, ("HS512", "HS256"))
        self.assertEqual(config.jwt.audience, "")

    def test_ipv6_listen(self) -> None:
        """An IPv6 address is written in brackets."""
        config = self.load(MINIMAL.replace('"127.0.0.1:8080"', '"[::1]:8080", "localhost:0"'))
        self.assertEqual(config.edge.listen, (TCPListen("::1", 8080), TCPListen("127.0.0.1", 0)))

    def test_missing_key(self) -> None:
        """A key without default that is missing is named, with what it may be."""
        error = self.refuse(MINIMAL.replace('instance = "abc"', ""))
        self.assertEqual(error.key, "instance")
        self.assertIn("is missing", str(error))
        self.assertIn("1-9 characters", str(error))

    def test_unknown_key(self) -> None:
        """A misspelt key is an error that names the nearest known one."""
        error = self.refuse(MINIMAL.replace('listen = ["127', 'listn = ["127'))
        self.assertEqual(error.key, "edge.listn")
        self.assertIn("edge.listen", error.allowed)

    def test_unknown_section(self) -> None:
        """A misspelt section is an error that names the nearest known one."""
        error = self.refuse(MINIMAL + "[container]\nthreads = 4\n")
        self.assertEqual(error.key, "container")
        self.assertIn("containers", error.allowed)

    def test_key_in_wrong_section(self) -> None:
        """A key in the wrong section is an error that names the right one."""
        error = self.refuse(MINIMAL + "[swarm]\nsubnet = '10.0.0.0/20'\n")
        self.assertIn("containers.subnet", error.allowed)

    def test_every_error_names_all(self) -> None:
        """An error names file, key path, value and what is allowed."""
        path = self.write(MINIMAL + "[containers]\nthreads = 0\n")
        error = self.assertRaises(ConfigError, load, path, {})
        for part in (path, "containers.threads", "0 is not acceptable", "a whole number from 1 to 64"):
            self.assertIn(part, str(error))

    def test_bad_values(self) -> None:
        """Values of the wrong type or out of range are refused at their own key."""
        for key, value in [
            ("edge.access_log", '"yes"'),
            ("edge.access_log", "1"),
            ("edge.access_log_file", '"access.log"'),
            ("edge.access_log_format", '"xml"'),
            ("edge.domain", '"127.0.0.1"'),
            ("edge.domain", '"Example.net"'),
            ("edge.domain", '"example.net."'),
            ("edge.domain", '"a..b"'),
            ("edge.domain", '""'),
            ("edge.upstreams_max", "true"),
            ("edge.upstreams_max", "1.0"),
            ("edge.head_timeout_s", "nan"),
            ("edge.head_timeout_s", "inf"),
            ("edge.head_timeout_s", "0"),
            ("edge.head_timeout_s", '"10"'),
            ("containers.socket", '"tcp://127.0.0.1:2375"'),
            ("containers.image", '"ipfs/kubo latest"'),
            ("containers.reach", '"overlay"'),
            ("containers.subnet", '"10.0.0.1/20"'),
            ("containers.subnet", '"8.8.8.0/24"'),
            ("containers.subnet", '"10.0.0.0/29"'),
            ("containers.subnet", '"10.0.0.0/8"'),
            ("containers.subnet", '"fd00::/64"'),
            ("containers.subnet", "10"),
            ("swarm.bind", '"::"'),
            ("swarm.bind", '"256.0.0.1"'),
            ("swarm.announce_address", '"-x"'),
            ("swarm.ports", '"5-4"'),
            ("swarm.ports", '"0-10"'),
            ("swarm.ports", '"24000"'),
            ("resources.cpus", "0.05"),
            ("resources.disk_gb", '"10"'),
            ("jwt.algorithms", '"HS256"'),
            ("jwt.algorithms", "[]"),
            ("jwt.algorithms", '["none"]'),
            ("jwt.algorithms", '["HS256", "HS256"]'),
            ("jwt.leeway_s", "301"),
            ("log.level", '"chatty"'),
        ]:
            section, _, name = key.partition(".")
            base = MINIMAL.replace("[edge]", f"[edge]\n{name} = {value}") if section == "edge" else MINIMAL
            text = base if section == "edge" else f"{MINIMAL}[{section}]\n{name} = {value}\n"
            error = self.refuse(text)
            self.assertEqual(error.key, key, (key, value))
            self.assertTrue(error.allowed, (key, value))

    def test_bad_listen_addresses(self) -> None:
        """Addresses that cannot be listened on are refused."""
        for address in (
            "8080",
            ":8080",
            "example.net:80",
            "::1:80",
            "[127.0.0.1]:80",
            "127.0.0.1:65536",
            "127.0.0.1:x",
            f"127.0.0.1:{'9' * 5000}",
        ):
            error = self.refuse(MINIMAL.replace("127.0.0.1:8080", address))
            self.assertEqual(error.key, "edge.listen", address)
            self.assertIn(address, str(error))

    def test_bad_control_sockets(self) -> None:
        """A control socket needs an absolute path that fits a socket's address."""
        for path in ("run/control.sock", "/run/", "/" + "x" * 107):
            error = self.refuse(MINIMAL.replace("/run/nexus/control.sock", path))
            self.assertEqual(error.key, "control.listen", path)

    def test_unreadable_files(self) -> None:
        """A file that is absent, a directory, not text or not TOML is one clear line."""
        Path(directory := self.mktemp()).mkdir()
        Path(binary := self.mktemp()).write_bytes(b"\xff\xfe")
        for path, words in [
            (self.mktemp(), "No such file"),
            (directory, "Is a directory"),
            (binary, "not UTF-8"),
            (self.write("instance = "), "not TOML"),
            (self.write("x = " + "[" * 5000), "not TOML"),
        ]:
            error = self.assertRaises(ConfigError, load, path, {})
            self.assertIn(path, str(error))
            self.assertIn(words, str(error))
            self.assertNotIn("\n", str(error))

    def test_secrets_that_others_can_read(self) -> None:
        """A file with secrets that group or others can read is refused, and the remedy told."""
        for mode in (0o640, 0o604, 0o660):
            path = self.write(mode=mode)
            error = self.assertRaises(ConfigError, load, path, {})
            self.assertIn(f"chmod 600 {path}", str(error))
        spaced = Path(self.mktemp()) / "a b"
        spaced.mkdir(parents=True)
        path = str(Path(self.write(mode=0o640)).rename(spaced / "nexus.toml"))
        self.assertIn(f"chmod 600 '{path}'", str(self.assertRaises(ConfigError, load, path, {})))

    def test_open_file_without_secrets(self) -> None:
        """A file without secrets may be read by all; they come from the environment then."""
        path = self.write(re.sub(r"jwt = .*", "", MINIMAL), mode=0o644)
        config = load(path, {"NEXUS_SECRETS__JWT": SECRET})
        self.assertIsNotNone(config.secrets.jwt)


class SearchTests(ConfigTestCase):
    """Where the file is looked for."""

    def test_option_first(self) -> None:
        """--config comes before $NEXUS_CONFIG."""
        config = load(self.write(), {"NEXUS_CONFIG": self.write(MINIMAL.replace("abc", "xyz"))})
        self.assertEqual(config.instance, "abc")

    def test_variable_second(self) -> None:
        """$NEXUS_CONFIG comes before ./nexus.toml."""
        self.enter_directory_with(MINIMAL.replace("abc", "here"))
        config = load(None, {"NEXUS_CONFIG": self.write(MINIMAL.replace("abc", "xyz"))})
        self.assertEqual(config.instance, "xyz")

    def test_working_directory_third(self) -> None:
        """Without either, ./nexus.toml is read, and its absolute path remembered."""
        directory = self.enter_directory_with(MINIMAL)
        config = load(None, {})
        self.assertEqual(config.source, str(directory / "nexus.toml"))

    def test_nothing_found(self) -> None:
        """Without any file the error says where it looked and what to do."""
        self.enter_directory_with(None)
        if Path("/etc/nexus/nexus.toml").exists():
            self.skipTest("this machine has a configuration of its own")
        error = self.assertRaises(ConfigError, load, None, {})
        for part in ("nexus.toml", "/etc/nexus/nexus.toml", "nexus init", "$NEXUS_CONFIG"):
            self.assertIn(part, str(error))

    def enter_directory_with(self, text: str | None) -> Path:
        """Make a directory, with a nexus.toml if there is `text`, the working directory for this test."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        if text is not None:
            os.replace(self.write(text), directory / "nexus.toml")
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(directory)
        return directory


class EnvironmentTests(ConfigTestCase):
    """What is read from environment variables."""

    def test_overrides(self) -> None:
        """A variable overrides its key, read by the key's type."""
        config = self.load(
            environ={
                "NEXUS_INSTANCE": "xyz",
                "NEXUS_EDGE__ACCESS_LOG": "false",
                "NEXUS_EDGE__HEAD_TIMEOUT_S": "2.5",
                "NEXUS_CONTAINERS__THREADS": "2",
                "NEXUS_CONTAINERS__REACH": "published",
                "NEXUS_RESOURCES__CPUS": "0.5",
                "NEXUS_JWT__AUDIENCE": "",
            }
        )
        self.assertEqual(config.instance, "xyz")
        self.assertIs(config.edge.access_log, False)
        self.assertEqual(config.edge.head_timeout_s, 2.5)
        self.assertEqual(config.containers.threads, 2)
        self.assertEqual(config.containers.reach, Reach.PUBLISHED)
        self.assertEqual(config.resources.cpus, 0.5)
        self.assertEqual(config.jwt.audience, "")

    def test_lists(self) -> None:
        """A list is separated by commas, or a TOML array; a bracketed address is no array."""
        both = (TCPListen("::1", 80), TCPListen("127.0.0.1", 81))
        for text in ("[::1]:80,127.0.0.1:81", "[::1]:80, 127.0.0.1:81", '["[::1]:80", "127.0.0.1:81"]'):
            self.assertEqual(self.load(environ={"NEXUS_EDGE__LISTEN": text}).edge.listen, both, text)

    def test_bad_value(self) -> None:
        """An error names the variable, the key, the value and what is allowed."""
        error = self.refuse(environ={"NEXUS_CONTAINERS__THREADS": "many"})
        for part in ("NEXUS_CONTAINERS__THREADS", "containers.threads", "'many'", "from 1 to 64"):
            self.assertIn(part, str(error))

    def test_blame_of_the_variable(self) -> None:
        """Where a variable's value does not fit another key, the variable is blamed."""
        for variable, value in [
            ("NEXUS_RESOURCES__MEMORY_GB", "0.1"),
            ("NEXUS_CONTAINERS__API_PORTS", "24990-25010"),
            ("NEXUS_CONTROL__LISTEN", "0.0.0.0:7600"),
        ]:
            self.assertIn(variable, str(self.refuse(environ={variable: value})))

    def test_unknown_variable(self) -> None:
        """A variable that looks like a key and is none is an error that names the nearest."""
        for variable, nearest in [
            ("NEXUS_EDGE__LISTN", "NEXUS_EDGE__LISTEN"),
            ("NEXUS_EDGE_LISTEN", "NEXUS_EDGE__LISTEN"),
            ("NEXUS_INSTANCES", "NEXUS_INSTANCE"),
        ]:
            self.assertIn(nearest, str(self.refuse(environ={variable: "x"})))
        self.assertIn("NEXUS_X__Y", str(self.refuse(environ={"NEXUS_X__Y": "x"})))

    def test_foreign_variables(self) -> None:
        """Other programs' variables, such as those of a container orchestrator, are left alone."""
        environ = {"NEXUS_SERVICE_HOST": "10.0.0.1", "NEXUS_PORT": "tcp://10.0.0.1:80", "NEXUS_HOME": "/x", "PATH": "/"}
        self.assertEqual(self.load(environ=environ).instance, "abc")

    def test_every_key_has_a_variable(self) -> None:
        """Each key's variable spells its path, with two underscores between levels."""
        variables = {key.variable for key in keys()}
        self.assertEqual(len(variables), len(keys()))
        self.assertIn("NEXUS_CONTAINERS__READY_TIMEOUT_S", variables)


class SecretTests(ConfigTestCase):
    """No secret is shown."""

    def test_not_in_repr(self) -> None:
        """A configuration that is printed shows no secret."""
        config = self.load(MINIMAL.replace("[database]", f'control_key = "{"k" * 40}"\n[database]'))
        self.assertNotIn(SECRET, repr(config))
        self.assertNotIn("k" * 40, repr(config))

    def test_not_in_errors(self) -> None:
        """An error about a secret does not show it, whatever is wrong with it."""
        for environ in (
            {"NEXUS_SECRETS__JWT": "tell-nobody"},
            {"NEXUS_SECRETS__CONTROL_KEY": "tell-nobody"},
            {
                "NEXUS_JWT__ALGORITHMS": "EdDSA",
                "NEXUS_JWT__PUBLIC_KEY": PUBLIC,
                "NEXUS_JWT__PRIVATE_KEY": "tell-nobody",
            },
            {"NEXUS_DATABASE__URL": "postgresql://nexus:tell-nobody@localhost/nexus"},
        ):
            self.assertNotIn("tell-nobody", str(self.refuse(environ=environ)))
        error = self.refuse(MINIMAL.replace(f'"{SECRET}"', '["tell-nobody"]'))
        self.assertNotIn("tell-nobody", str(error))

    def test_short_hmac_secret(self) -> None:
        """An HMAC secret is at least as long as the hash."""
        for algorithm, length in (("HS256", 32), ("HS512", 64)):
            environ = {"NEXUS_JWT__ALGORITHMS": algorithm}
            self.load(environ=environ | {"NEXUS_SECRETS__JWT": "x" * length})
            error = self.refuse(environ=environ | {"NEXUS_SECRETS__JWT": "x" * (length - 1)})
            self.assertEqual(error.key, "secrets.jwt")

    def test_missing_hmac_secret(self) -> None:
        """HS256 without a secret is refused; an asymmetric algorithm needs none."""
        text = re.sub(r"jwt = .*", "", MINIMAL)
        self.assertEqual(self.refuse(text).key, "secrets.jwt")
        self.load(text, {"NEXUS_JWT__ALGORITHMS": "EdDSA", "NEXUS_JWT__PUBLIC_KEY": PUBLIC})


class TogetherTests(ConfigTestCase):
    """What has to hold between keys."""

    def test_tcp_control_needs_key(self) -> None:
        """The control API on TCP needs a key, on a unix socket it does not."""
        environ = {"NEXUS_CONTROL__LISTEN": "127.0.0.1:7600"}
        self.assertEqual(self.refuse(environ=environ).key, "secrets.control_key")
        self.load(environ=environ | {"NEXUS_SECRETS__CONTROL_KEY": "k" * 32})

    def test_control_is_loopback_only(self) -> None:
        """The control API does not leave this host."""
        for address in ("0.0.0.0:7600", "192.0.2.1:7600", "[::]:7600"):
            environ = {"NEXUS_CONTROL__LISTEN": address, "NEXUS_SECRETS__CONTROL_KEY": "k" * 32}
            self.assertEqual(self.refuse(environ=environ).key, "control.listen")
        self.load(environ={"NEXUS_CONTROL__LISTEN": "[::1]:7600", "NEXUS_SECRETS__CONTROL_KEY": "k" * 32})

    def test_overlapping_ports(self) -> None:
        """Ranges of ports have no port in common, with each other or with what Nexus listens on."""
        self.assertEqual(
            self.refuse(environ={"NEXUS_CONTAINERS__GATEWAY_PORTS": "25999-26100"}).key, "containers.gateway_ports"
        )
        self.assertEqual(self.refuse(environ={"NEXUS_EDGE__LISTEN": "127.0.0.1:24500"}).key, "edge.listen")

    def test_keys_fit_their_algorithms(self) -> None:
        """A public key is of the algorithm's kind and strong enough."""
        right: dict[str, PrivateKeyTypes] = {
            "RS256": rsa.generate_private_key(65537, 2048),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        }
        wrong: dict[str, list[PrivateKeyTypes]] = {
            "RS256": [rsa.generate_private_key(65537, 1024), right["ES256"]],  # noqa: S505
            "ES256": [ec.generate_private_key(ec.SECP384R1()), right["EdDSA"]],
            "EdDSA": [right["RS256"]],
        }
        for algorithm, key in right.items():
            environ = {"NEXUS_JWT__ALGORITHMS": algorithm}
            self.load(environ=environ | {"NEXUS_JWT__PUBLIC_KEY": public_pem(key)})
            for bad in (*map(public_pem, wrong[algorithm]), private_pem(key), "not PEM"):
                error = self.refuse(environ=environ | {"NEXUS_JWT__PUBLIC_KEY": bad})
                self.assertEqual(error.key, "jwt.public_key")
                self.assertIn(algorithm, str(error))
            self.assertEqual(self.refuse(environ=environ).key, "jwt.public_key")

    def test_private_key_belongs_to_public_key(self) -> None:
        """The private key that signs is the public key's."""
        key, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
        environ = {"NEXUS_JWT__ALGORITHMS": "EdDSA", "NEXUS_JWT__PUBLIC_KEY": public_pem(key)}
        self.load(environ=environ | {"NEXUS_JWT__PRIVATE_KEY": private_pem(key)})
        error = self.refuse(environ=environ | {"NEXUS_JWT__PRIVATE_KEY": private_pem(other)})
        self.assertEqual(error.key, "jwt.private_key")


class InitTests(ConfigTestCase):
    """What `nexus init` writes."""

    def init(self, routes: list[ipaddress.IPv4Network] | None = None, seed: int = 1) -> Path:
        """Write a configuration into a new directory."""
        path = Path(self.mktemp()).absolute() / "nexus.toml"
        write_config(path, path.parent / "var", routes=routes or [], choice=random.Random(seed))  # noqa: S311
        return path

    def test_can_be_loaded(self) -> None:
        """What it writes is a configuration, with data beside it."""
        path = self.init()
        config = load(str(path), {})
        self.assertEqual(config.database.url, f"sqlite://{path.parent}/var/nexus.db")
        self.assertIn(TCPListen("127.0.0.1", 7600), config.control.listen)

    def test_modes(self) -> None:
        """The file and the data directory are their owner's alone, whatever the umask."""
        self.addCleanup(os.umask, os.umask(0))
        path = self.init()
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual((path.parent / "var").stat().st_mode & 0o777, 0o700)

    def test_never_overwrites(self) -> None:
        """A file that is there stays as it is, also where it is a dangling link."""
        path = self.init()
        before = path.read_text()
        error = self.assertRaises(
            ConfigError,
            write_config,
            path,
            path.parent / "var",
            routes=[],
            choice=random.Random(2),  # noqa: S311
        )
        self.assertIn("exists already", str(error))
        self.assertEqual(path.read_text(), before)
        link = path.parent / "link.toml"
        link.symlink_to(path.parent / "nowhere")
        self.assertRaises(
            ConfigError,
            write_config,
            link,
            path.parent / "var",
            routes=[],
            choice=random.Random(2),  # noqa: S311
        )
        self.assertFalse((path.parent / "nowhere").exists())

    def test_fresh_secrets(self) -> None:
        """Two configurations share no secret, even where all else came out the same."""
        one, other = (load(str(self.init(seed=1)), {}) for _ in range(2))
        self.assertEqual(one.instance, other.instance)
        self.assertNotEqual(one.secrets.control_key, other.secrets.control_key)
        self.assertNotEqual(one.secrets.jwt, other.secrets.jwt)

    def test_secret_serves_every_hmac_algorithm(self) -> None:
        """The written secret is long enough for HS512 too."""
        load(str(self.init()), {"NEXUS_JWT__ALGORITHMS": "HS512"})

    def test_comments_tell_the_defaults(self) -> None:
        """What is commented out can be uncommented and changes nothing."""
        path = self.init()
        plain = load(str(path), {})
        text = re.sub(r"(?m)^# (\w+ = [^(\n]*)$", r"\1", path.read_text())
        path.write_text(text)
        self.assertEqual(load(str(path), {}), plain)

    def test_every_key_is_there(self) -> None:
        """Every key stands in the file, under its section, set or commented out."""
        section, found = "", set()
        for line in self.init().read_text().splitlines():
            if match := re.fullmatch(r"\[(\w+)\]", line):
                section = f"{match[1]}."
            elif match := re.match(r"(?:# )?(\w+) = ", line):
                found.add(section + match[1])
        self.assertEqual(found, {key.path for key in keys()})

    def test_awkward_paths(self) -> None:
        """Blanks, quotes and other letters in the path do no harm."""
        path = Path(self.mktemp()).absolute() / 'my "data" \\ é' / "nexus.toml"
        path.parent.mkdir(parents=True)
        write_config(path, path.parent / "var", routes=[], choice=random.Random(1))  # noqa: S311
        self.assertEqual(load(str(path), {}).database.url, f"sqlite://{path.parent}/var/nexus.db")

    def test_long_paths(self) -> None:
        """Where the data directory's path is too long for a socket, the control API is on TCP alone."""
        text = render(
            Path("/" + "x" * 100),
            edge_listen="127.0.0.1:8080",
            control_listen="127.0.0.1:7600",
            instance="abc",
            subnet=ipaddress.IPv4Network("10.64.0.0/20"),
        )
        self.assertEqual(self.load(text).control.listen, (TCPListen("127.0.0.1", 7600),))

    def test_data_directory(self) -> None:
        """Data are beside the file in a checkout, and in /var/lib for a configuration in /etc."""
        self.assertEqual(data_directory(Path("/etc/nexus/nexus.toml")), Path("/var/lib/nexus"))
        self.assertEqual(data_directory(Path("/srv/x/nexus.toml")), Path("/srv/x/var"))

    def test_unwritable(self) -> None:
        """Where nothing can be written, one line says so."""
        Path(file := self.mktemp()).touch()
        error = self.assertRaises(
            ConfigError,
            write_config,
            Path(file) / "nexus.toml",
            Path(file) / "var",
            routes=[],
            choice=random.Random(1),  # noqa: S311
        )
        self.assertIn(file, str(error))


class DocumentationTests(ConfigTestCase):
    """docs/configuration.md."""

    def test_every_key(self) -> None:
        """Each key has its row, in the order of the file, with its true default."""
        page = Path(__file__).parent.parent / "docs" / "configuration.md"
        rows = re.findall(r"(?m)^\| `([\w.]+)` \| (.*?) \| ", page.read_text())
        self.assertEqual([path for path, _ in rows], [key.path for key in keys()])
        defaults = self.load()
        for key, (path, told) in zip(keys(), rows, strict=True):
            if key.required:
                self.assertEqual(told, "*required*", path)
            elif told == "none":
                self.assertEqual(path in ("secrets.jwt",), value_of(defaults, path) is not None, path)
            else:
                text = f"{MINIMAL}[{path.partition('.')[0]}]\n{path.partition('.')[2]} = {told.strip('`')}\n"
                if path.startswith("edge."):
                    text = MINIMAL.replace("[edge]", f"[edge]\n{path.partition('.')[2]} = {told.strip('`')}")
                self.assertEqual(replace(self.load(text), source=defaults.source), defaults, path)


def value_of(config: Config, path: str) -> object:
    """The value of the key `path`."""
    section, _, name = path.partition(".")
    return getattr(getattr(config, section), name)


class ChoiceTests(SynchronousTestCase):
    """The instance's name and the nodes' subnet."""

    @given(st.randoms(use_true_random=False))
    def test_instance(self, choice: random.Random) -> None:
        """A name is six characters that fit a label, a letter first."""
        self.assertRegex(choose_instance(choice), r"\A[a-z][a-z0-9]{5}\Z")

    @given(
        st.randoms(use_true_random=False),
        st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(9, 32)), max_size=20),
    )
    def test_subnet_overlaps_no_route(self, choice: random.Random, routes: list[tuple[int, int]]) -> None:
        """The subnet is a /20 of 10.64.0.0/10 that this host has no route to."""
        taken = [ipaddress.IPv4Network(route, strict=False) for route in routes]
        if any(route.supernet_of(ipaddress.IPv4Network("10.64.0.0/10")) for route in taken):
            return
        subnet = choose_subnet(taken, choice)
        self.assertEqual(subnet.prefixlen, 20)
        self.assertTrue(subnet.subnet_of(ipaddress.IPv4Network("10.64.0.0/10")))
        self.assertFalse(any(subnet.overlaps(route) for route in taken))

    def test_no_subnet_left(self) -> None:
        """Where all is routed, the error says which key to write by hand."""
        routes = [ipaddress.IPv4Network("10.0.0.0/8")]
        error = self.assertRaises(ConfigError, choose_subnet, routes, random.Random(1))  # noqa: S311
        self.assertEqual(error.key, "containers.subnet")

    def test_parse_routes(self) -> None:
        """The kernel's table is read, the default route left out."""
        table = (
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
            "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
            "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
            "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        )
        self.assertEqual([str(route) for route in parse_routes(table)], ["172.17.0.0/16", "192.0.2.0/24"])


def public_pem(key: PrivateKeyTypes) -> str:
    """The public half of `key`."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: PrivateKeyTypes) -> str:
    """`key` itself."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


PUBLIC = public_pem(ed25519.Ed25519PrivateKey.generate())
