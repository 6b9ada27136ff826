"""A Nexus in front of nodes that run already: no engine, no record, no container."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.nexus_process import NexusProcess, RPCError, free_port, wait_for

BEARER = "the-nodes-own-bearer"


class _Node(BaseHTTPRequestHandler):
    """Answers what it was asked, as JSON."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Any request."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = {"path": self.path, "authorization": self.headers.get("Authorization")}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class _NodeServer(ThreadingHTTPServer):
    """A node that takes it calmly when the edge resets a connection."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing."""


class StaticTestCase(SynchronousTestCase):
    """A Nexus whose engine's socket does not exist."""

    def setUp(self) -> None:
        self.nexus = self.make_nexus()
        self.directory = self.nexus.directory

    def make_nexus(self, **edge: Any) -> NexusProcess:
        """One that is not started yet, with more keys for `edge`."""
        settings = {f"edge.{name}": value for name, value in edge.items()}
        nexus = NexusProcess({"containers.socket": "unix:///nonexistent/docker.sock", **settings})
        self.addCleanup(shutil.rmtree, nexus.directory)
        self.addCleanup(nexus.kill)
        return nexus

    def make_node(self) -> str:
        """The address of a node that this test runs."""
        server = _NodeServer(("127.0.0.1", 0), _Node)
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"127.0.0.1:{server.server_port}"

    def add_table(self, **keys: Any) -> None:
        """Name one more network in the configuration."""
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in keys.items())
        with self.nexus.config_path.open("a") as file:
            file.write(f"[[edge.static]]\n{lines}")

    def write_file(self, networks: Iterable[dict[str, Any]]) -> Path:
        """A file of networks, its owner's alone."""
        path = self.directory / "networks.jsonl"
        path.touch(mode=0o600)
        path.write_text("".join(json.dumps(network) + "\n" for network in networks))
        return path

    def ask(self, host: str, path: str = "/", user: str | None = None) -> tuple[int, Any]:
        """Status and body of a request, as `user` if there is one."""
        headers = {} if user is None else {"Authorization": f"Bearer {self.nexus.token(user)}"}
        status, _, body = self.nexus.request("POST" if ".api." in host else "GET", host, path, headers=headers)
        try:
            return status, json.loads(body)
        except ValueError:
            return status, body.decode()


class ServingTests(StaticTestCase):
    """What customers and operators meet."""

    def setUp(self) -> None:
        super().setUp()
        self.node = self.make_node()
        self.add_table(name="both", api=self.node, gateway=self.node, users=["ann"], gateway_public=True)
        self.add_table(name="guarded", api=self.node, users=["ann"], gateway_public=True, rpc_bearer=BEARER)
        self.add_table(name="reading", gateway=self.node, users=["ann"], gateway_public=True)
        self.add_table(name="down", gateway=f"127.0.0.1:{free_port()}", gateway_public=True)
        self.nexus.start()

    def test_without_engine(self) -> None:
        """It comes up, and says in one line that there is no engine."""
        self.nexus.stop()
        log = self.nexus.log_tail(1000)
        self.assertEqual(log.count("/nonexistent/docker.sock"), 1, log)
        self.assertIn("the engine does not answer, and is asked again until it does; what is routed is served", log)
        self.assertNotIn("Traceback", log)

    def test_served(self) -> None:
        """API and gateway reach the node; a client's token does not, the node's own bearer does."""
        status, asked = self.ask("both.gateway.localhost", "/ipfs/cid")
        self.assertEqual((status, asked), (200, {"path": "/ipfs/cid", "authorization": None}))
        status, asked = self.ask("both.api.localhost", "/api/v0/id", "ann")
        self.assertEqual((status, asked), (200, {"path": "/api/v0/id", "authorization": None}))
        status, asked = self.ask("guarded.api.localhost", "/api/v0/id", "ann")
        self.assertEqual((status, asked["authorization"]), (200, f"Bearer {BEARER}"))

    def test_members_only(self) -> None:
        """Who may use what is decided as for every other network."""
        statuses = [self.ask("both.api.localhost", "/api/v0/id", user)[0] for user in (None, "eve", "ann")]
        self.assertEqual(statuses, [401, 403, 200])

    def test_feature_that_is_not_there(self) -> None:
        """A network without an API is 404 to its members, and to others what any is; so is one without a gateway."""
        statuses = [self.ask("reading.api.localhost", "/api/v0/id", user)[0] for user in (None, "eve", "ann")]
        self.assertEqual(statuses, [401, 403, 404])
        missing = self.ask("guarded.gateway.localhost", "/ipfs/cid")
        self.assertEqual(missing[0], 404)
        self.assertEqual(missing, self.ask("nobody.gateway.localhost", "/ipfs/cid"))

    def test_node_that_is_down(self) -> None:
        """A node that does not accept connections is 502, and nobody looks for its container."""
        for _ in range(3):
            self.assertEqual(self.ask("down.gateway.localhost", "/ipfs/cid")[0], 502)
        self.assertEqual(self.ask("both.gateway.localhost", "/ipfs/cid")[0], 200)
        self.nexus.stop()
        self.assertNotIn("upkeep", self.nexus.log_tail(1000))

    def test_status(self) -> None:
        """`status` and `swarm` tell what is known of it: that it is routed."""
        for feature in ("status", "swarm"):
            status, told = self.ask(f"both.{feature}.localhost", user="ann")
            self.assertEqual((status, told["network"], told["state"]), (200, "both", "online"))
            self.assertEqual(self.ask(f"both.{feature}.localhost"), (200, {"network": "both", "online": True}))

    def test_commands(self) -> None:
        """The control API answers; a static network takes no commands, and others wait for an engine."""
        self.assertEqual(self.nexus.rpc("Ping")["networks"], 0)
        for method in ("StartNetwork", "StopNetwork", "RemoveNetwork", "GetNetwork", "NetworkStats"):
            error = self.assertRaises(RPCError, self.nexus.rpc, method, network="both")
            self.assertEqual(error.code, -32004, method)
            self.assertIn(f"static (api {self.node}, gateway {self.node})", error.message)
        error = self.assertRaises(RPCError, self.nexus.rpc, "CreateNetwork", network="both")
        self.assertEqual(error.code, -32002)
        self.nexus.rpc("CreateNetwork", network="hosted")
        error = self.assertRaises(RPCError, self.nexus.rpc, "StartNetwork", network="hosted")
        self.assertEqual((error.code, error.data["error"]), (-32006, "EngineUnreachableError"))
        self.assertIn("there is no socket at /nonexistent/docker.sock", error.message)
        self.assertEqual([one["network"] for one in self.nexus.rpc("ListNetworks")["networks"]], ["hosted"])

    def test_edge_stats(self) -> None:
        """EdgeStats tells how many networks there are, what was counted, and how late the loop was."""
        self.ask("both.gateway.localhost", "/ipfs/cid")
        self.ask("nobody.gateway.localhost", "/ipfs/cid")
        self.ask("down.gateway.localhost", "/ipfs/cid")
        told = self.nexus.rpc("EdgeStats")
        counters = told["counters"]
        self.assertEqual((told["networks"], counters["requests"], counters["requests_in_flight"]), (4, 3, 0))
        self.assertEqual((counters["answers"], counters["dials_failed"]), ({"404": 1, "502": 1}, 1))
        self.assertLessEqual(told["loop_lag"]["p99_s"], told["loop_lag"]["max_s"])
        command = json.loads(self.nexus.command("ctl", "EdgeStats").stdout)
        self.assertEqual(command["counters"]["requests"], 3)


class ReloadTests(StaticTestCase):
    """kill -HUP."""

    def setUp(self) -> None:
        """A file with one network, and a table with another."""
        super().setUp()
        self.node = self.make_node()
        self.networks = self.write_file([{"name": "first", "gateway": self.node, "gateway_public": True}])
        self.nexus = self.make_nexus(static_file=str(self.networks))
        self.add_table(name="table", gateway=self.node, gateway_public=True)

    def reload(self, words: str) -> str:
        """Send the signal; the line of the log that says `words` then."""
        self.nexus.hang_up()

        def line() -> str:
            return next((line for line in self.nexus.log_tail(1000).splitlines() if words in line), "")

        told: str = wait_for(words, line)
        return told

    def routed(self, *names: str) -> list[bool]:
        """Whether each is served."""
        return [self.ask(f"{name}.gateway.localhost", "/ipfs/cid")[0] == 200 for name in names]

    def test_other_networks(self) -> None:
        """What file and configuration say now is routed, and nothing else."""
        self.nexus.start()
        self.write_file([{"name": "second", "gateway": self.node, "gateway_public": True}])
        self.add_table(name="table-2", gateway=self.node, gateway_public=True)
        self.reload("2 added, 0 changed, 1 removed, 3 in all")
        self.assertEqual(self.routed("first", "second", "table", "table-2"), [False, True, True, True])

    def test_mistake(self) -> None:
        """A mistake is one line of the log, and all stays as it was."""
        self.nexus.start()
        self.write_file([{"name": "second", "gateway": "localhost:1"}])
        told = self.reload("the static networks stay as they are")
        self.assertIn(f"{self.networks}:1: gateway: 'localhost:1' is not an IP address", told)
        self.assertEqual(self.routed("first", "table"), [True, True])
        self.assertNotIn("Traceback", self.nexus.log_tail(1000))

    def test_name_on_record(self) -> None:
        """So is a name that is on record."""
        self.nexus.start()
        self.nexus.rpc("CreateNetwork", network="second")
        self.write_file([{"name": "second", "gateway": self.node}])
        self.assertIn("'second': it is on record", self.reload("the static networks stay as they are"))
        self.assertEqual(self.routed("first", "table"), [True, True])

    def test_on_another_reactor(self) -> None:
        """The signal is heard on Twisted's own reactor as well."""
        self.nexus.start("--reactor=epoll")
        self.write_file([])
        self.reload("0 added, 0 changed, 1 removed, 1 in all")


class FileTests(StaticTestCase):
    """Networks by the thousand."""

    def resident_bytes(self, nexus: NexusProcess) -> int:
        """The daemon's memory, once it serves."""
        nexus.start()
        status = Path(f"/proc/{nexus.pid}/status").read_text()
        return 1024 * int(status.partition("VmRSS:")[2].split()[0])

    def test_many(self) -> None:
        """Each of 50,000 networks that have nothing in common costs a kilobyte at most, and is served."""
        count, node = 50_000, self.make_node()
        path = self.write_file(
            {
                "name": f"network-{number}",
                "api": f"10.0.{number >> 8}.{number & 255}:5001",
                "gateway": f"10.0.{number >> 8}.{number & 255}:8080" if number + 1 < count else node,
                "users": [f"user-{number}"],
                "gateway_public": True,
            }
            for number in range(count)
        )
        before = self.resident_bytes(self.nexus)
        self.nexus = self.make_nexus(static_file=str(path))
        begun = time.monotonic()
        after = self.resident_bytes(self.nexus)
        self.assertLess(time.monotonic() - begun, 20)
        self.assertLessEqual((after - before) / count, 1024)
        self.assertEqual(self.ask(f"network-{count - 1}.gateway.localhost", "/ipfs/cid")[0], 200)
        self.assertEqual(self.ask(f"network-{count}.gateway.localhost", "/ipfs/cid")[0], 404)

    def test_mistake(self) -> None:
        """A mistake in the file ends the daemon with one line before it begins, and is found by `config check`."""
        path = self.write_file([{"name": "one", "api": "127.0.0.1:5001"}, {"name": "two", "api": "localhost:5001"}])
        self.nexus = self.make_nexus(static_file=str(path))
        line = f"nexus: {path}:2: api: 'localhost:5001' is not an IP address and a port"
        checked = self.nexus.command("config", "check", check=False)
        self.assertEqual((checked.returncode, checked.stderr.count("\n")), (1, 1))
        self.assertTrue(checked.stderr.startswith(line), checked.stderr)
        error = str(self.assertRaises(AssertionError, self.nexus.start))
        self.assertIn(f"nexus ended with 1:\n{line}", error)

    def test_check(self) -> None:
        """`nexus config check` counts the networks of both places."""
        path = self.write_file({"name": f"n-{number}", "api": "127.0.0.1:5001"} for number in range(3))
        self.nexus = self.make_nexus(static_file=str(path))
        self.add_table(name="other", api="127.0.0.1:5001")
        self.assertIn("static networks: 4)", self.nexus.command("config", "check").stdout)
