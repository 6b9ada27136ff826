"""The main job, seen from outside: from StartNetwork to a file read through the gateway, and back to nothing."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.nexus_process import NexusProcess, RPCError, docker


class MainJobTests(SynchronousTestCase):
    """A platform and its customers, with `twistd nexus` as it is deployed."""

    def setUp(self) -> None:
        """A running Nexus of this test's own."""
        self.nexus = NexusProcess()
        self.addCleanup(self.nexus.clean)
        self.nexus.start()

    def test_from_nothing_to_a_file_and_back(self) -> None:
        """Create, start, add, read, measure, stop, start again with the data kept, remove, delete."""
        nexus = self.nexus
        nexus.rpc("CreateNetwork", network="demo", users=["demo"], gateway_public=True)
        self.assertEqual(nexus.request("GET", "demo.gateway.localhost", "/ipfs/x")[0], 503)

        started = nexus.rpc("StartNetwork", network="demo")
        self.assertEqual(started["state"], "online")
        self.assertTrue(started["swarm_key"].startswith("/key/swarm/psk/1.0.0/\n/base16/\n"))
        self.assertEqual(started["api_url"], f"http://demo.api.localhost:{nexus.edge_port}")
        self.assertEqual(started["gateway_url"], f"http://demo.gateway.localhost:{nexus.edge_port}")
        self.assertIn(f"/p2p/{started['peer_id']}", started["swarm_multiaddrs"][0])

        token = nexus.token("demo")
        content = b"a private file\n" * 1000
        cid = nexus.add("demo", content, token)
        status, headers, body = nexus.request("GET", "demo.gateway.localhost", f"/ipfs/{cid}")
        self.assertEqual((status, body), (200, content))
        self.assertIn("immutable", headers["cache-control"])

        stats = nexus.rpc("NetworkStats", network="demo")["nodes"][0]
        self.assertEqual(stats["peer_id"], started["peer_id"])
        self.assertEqual(stats["state"], "running")
        self.assertGreater(stats["memory_used_bytes"], 10**6)
        self.assertGreater(stats["disk_used_bytes"], len(content))
        self.assertEqual(stats["disk_cap_bytes"], 10 * 10**9)
        self.assertApproximates(stats["memory_cap_bytes"], 10**9, 65536)  # the kernel counts whole pages

        stopped = nexus.rpc("StopNetwork", network="demo")
        self.assertEqual(stopped["state"], "offline")
        self.assertEqual(nexus.container_id("demo"), "")
        self.assertEqual(nexus.request("GET", "demo.gateway.localhost", f"/ipfs/{cid}")[0], 503)

        again = nexus.rpc("StartNetwork", network="demo")
        self.assertEqual(again["peer_id"], started["peer_id"])
        self.assertEqual(nexus.request("GET", "demo.gateway.localhost", f"/ipfs/{cid}")[2], content)

        with self.assertRaises(RPCError) as refused:
            nexus.rpc("DeleteNetwork", network="demo")
        self.assertIn("demo", refused.exception.message)
        nexus.rpc("RemoveNetwork", network="demo")
        self.assertEqual(docker("volume", "ls", "-q", "--filter", f"label=nexus.instance={nexus.instance}"), "")
        nexus.rpc("DeleteNetwork", network="demo")
        self.assertEqual(nexus.rpc("ListNetworks")["networks"], [])
        self.assertEqual(nexus.request("GET", "demo.gateway.localhost", "/ipfs/x")[0], 404)
        nexus.stop()

    def test_ctl(self) -> None:
        """The original's spelling works, values are read by their types, and errors have an exit status."""
        nexus = self.nexus
        nexus.command("dev", "network", "test-network")
        started = json.loads(nexus.command("ctl", "StartNetwork", "Network=test-network").stdout)
        self.assertEqual(started["network"], "test-network")
        updated = json.loads(
            nexus.command("ctl", "updatenetwork", "network=test-network", 'users=["1234", "eve"]', "--pretty").stdout
        )
        self.assertEqual(updated["network"]["users"], ["1234", "eve"])
        missing = nexus.command("ctl", "StartNetwork", "network=nowhere", check=False)
        self.assertEqual((missing.returncode, missing.stdout), (1, ""))
        self.assertIn("nowhere", missing.stderr)
        unknown = nexus.command("ctl", "StartNetworks", check=False)
        self.assertEqual((unknown.returncode, unknown.stdout), (2, ""))
        self.assertIn("StartNetwork", unknown.stderr)
        for answer in (missing, unknown):
            self.assertNotIn("Traceback", answer.stderr)

    def test_secrets_stay_where_they_belong(self) -> None:
        """Neither key, bearer nor token is in a log, in what Docker shows of the container, or in diagnostics."""
        nexus = self.nexus
        nexus.rpc("CreateNetwork", network="demo", users=["demo"], gateway_public=True)
        started = nexus.rpc("StartNetwork", network="demo")
        token = nexus.token("demo")
        nexus.add("demo", b"x", token)
        nexus.request(
            "POST", "demo.api.localhost", f"/api/v0/id?api-auth={token}", headers={"Authorization": "Bearer x"}
        )
        diagnostics = json.dumps(nexus.rpc("NetworkDiagnostics", network="demo"))
        key = started["swarm_key"].split()[-1]
        config = nexus.config_path.read_text()
        shown = {
            "diagnostics": diagnostics,
            "inspect": docker("inspect", nexus.container_id("demo")),
            "node log": docker("logs", nexus.container_id("demo")),
            "list": json.dumps([nexus.rpc("ListNetworks"), nexus.rpc("GetNetwork", network="demo")]),
        }
        nexus.stop()
        shown["nexus log"] = nexus.log_path.read_text()
        bearer = _bearer(nexus)
        for where, text in shown.items():
            for name, secret in (("swarm key", key), ("bearer", bearer), ("token", token), ("key", nexus.control_key)):
                self.assertNotIn(secret, text, f"{name} in {where}")
        self.assertIn(nexus.control_key, config)
        nexus.start()
        self.assertIn(key, nexus.rpc("GetNetwork", network="demo", include_swarm_key=True)["swarm_key"])


def _bearer(nexus: NexusProcess) -> str:
    """The node's own bearer, read as its owner would: from the repository's configuration."""
    config = json.loads(docker("exec", nexus.container_id("demo"), "cat", "/data/ipfs/config"))
    authorizations = config["API"]["Authorizations"]
    (user,) = authorizations.values()
    secret: str = user["AuthSecret"].removeprefix("bearer:")
    assert len(secret) >= 32
    return secret
