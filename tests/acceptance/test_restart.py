"""What is killed comes back right, and what is not killed is not touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from tests.acceptance.nexus_process import BIN, NexusProcess, RPCError, docker, wait_for


class RestartTests(SynchronousTestCase):
    """Deaths of Nexus, of nodes, and of starts on their way."""

    def setUp(self) -> None:
        """A running Nexus with one network, online."""
        self.nexus = NexusProcess()
        self.addCleanup(self.nexus.clean)
        self.nexus.start()
        self.nexus.rpc("CreateNetwork", network="demo", users=["demo"], gateway_public=True)
        self.nexus.rpc("StartNetwork", network="demo")
        self.token = self.nexus.token("demo")
        self.cid = self.nexus.add("demo", b"kept", self.token)

    def read(self) -> tuple[int, bytes]:
        """Read the file through the gateway."""
        status, _, body = self.nexus.request("GET", "demo.gateway.localhost", f"/ipfs/{self.cid}")
        return status, body

    def started_at(self) -> str:
        """When the node's container was started."""
        return docker("inspect", "-f", "{{.State.StartedAt}}", self.nexus.container_id("demo")).strip()

    def assert_untouched_by(self, end: signal.Signals) -> None:
        """The node runs on while Nexus ends by `end` and comes back, and is served at once when it does."""
        container, started_at = self.nexus.container_id("demo"), self.started_at()
        before = self.nexus.rpc("NetworkDiagnostics", network="demo")["leases"]
        if end is signal.SIGKILL:
            self.nexus.kill()
        else:
            self.nexus.stop()
        self.nexus.start()
        self.assertEqual(self.read(), (200, b"kept"))
        self.assertEqual((self.nexus.container_id("demo"), self.started_at()), (container, started_at))
        self.assertEqual(self.nexus.rpc("NetworkDiagnostics", network="demo")["leases"], before)

    def test_nexus_killed(self) -> None:
        """kill -9 of Nexus leaves its nodes running; the next Nexus adopts them without touching them."""
        self.assert_untouched_by(signal.SIGKILL)

    def test_nexus_stopped(self) -> None:
        """So does an orderly stop."""
        self.assert_untouched_by(signal.SIGTERM)

    def test_node_killed(self) -> None:
        """A killed container comes back by itself, with a right route and its data."""
        docker("kill", self.nexus.container_id("demo"))
        wait_for("the file served again", lambda: self.read() == (200, b"kept"))
        self.assertEqual(self.nexus.rpc("GetNetwork", network="demo")["state"], "online")

    def test_node_removed_by_hand(self) -> None:
        """So does one that somebody removed; its data were in the volume."""
        docker("rm", "-f", self.nexus.container_id("demo"))
        wait_for("the file served again", lambda: self.read() == (200, b"kept"))

    def test_daemon_crash_inside_the_container(self) -> None:
        """A daemon that dies inside its container is restarted by Docker, and routed again."""
        docker("exec", self.nexus.container_id("demo"), "sh", "-c", "kill -9 $(pidof ipfs)")
        wait_for("the file served again", lambda: self.read() == (200, b"kept"))

    def test_started_while_nexus_was_away(self) -> None:
        """What died while Nexus was down is brought back when it comes up; what is wanted offline stays offline."""
        self.nexus.rpc("CreateNetwork", network="asleep", users=["demo"])
        self.nexus.kill()
        docker("rm", "-f", self.nexus.container_id("demo"))
        self.nexus.start()
        wait_for("the file served again", lambda: self.read() == (200, b"kept"))
        self.assertEqual(self.nexus.container_id("asleep"), "")

    def test_foreign_containers_are_left_alone(self) -> None:
        """A container of another instance, whatever its name, is neither adopted nor removed."""
        name = f"nexus-{self.nexus.instance}-stranger-0"
        image = docker("inspect", "-f", "{{.Config.Image}}", self.nexus.container_id("demo")).strip()
        stranger = docker(
            "run", "-d", "--name", name, "--label", "nexus.instance=other", "--entrypoint", "sleep", image, "600"
        ).strip()
        self.addCleanup(docker, "rm", "-f", "-v", stranger)
        self.nexus.rpc("CreateNetwork", network="stranger")
        with self.assertRaises(RPCError) as refused:
            self.nexus.rpc("StartNetwork", network="stranger")
        self.assertIn(name, refused.exception.message)
        self.nexus.rpc("RemoveNetwork", network="stranger")
        self.assertEqual(docker("inspect", "-f", "{{.State.Running}}", stranger).strip(), "true")


class DaemonTests(SynchronousTestCase):
    """twistd's own ways of running a service."""

    def test_daemonised(self) -> None:
        """twistd puts Nexus in the background, with the pidfile and the logfile that it was given."""
        nexus = NexusProcess()
        self.addCleanup(nexus.clean)
        pidfile = nexus.directory / "twistd.pid"
        done = subprocess.run(
            [
                str(BIN / "twistd"),
                f"--pidfile={pidfile}",
                f"--logfile={nexus.log_path}",
                "nexus",
                "--config",
                str(nexus.config_path),
            ],
            cwd=nexus.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        pid = int(wait_for("the pidfile", lambda: pidfile.exists() and pidfile.read_text()))
        self.addCleanup(_end, pid)
        wait_for("Ping", lambda: _answers(nexus))
        self.assertIn("edge", nexus.log_path.read_text())
        _end(pid)
        wait_for("the pidfile's removal", lambda: not pidfile.exists())

    def test_busy_port(self) -> None:
        """A busy port is one clear line and an exit status, not a traceback."""
        nexus = NexusProcess()
        self.addCleanup(nexus.clean)
        nexus.start()
        other = NexusProcess({"edge.listen": [f"127.0.0.1:{nexus.edge_port}"]})
        self.addCleanup(other.clean)
        for command in (["twistd", "-n", "--pidfile=", "nexus"], ["nexus", "daemon"]):
            done = subprocess.run(
                [str(BIN / command[0]), *command[1:], "--config", str(other.config_path)],
                cwd=other.directory,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            told = done.stdout + done.stderr
            self.assertNotEqual(done.returncode, 0, told)
            self.assertIn(f"127.0.0.1:{nexus.edge_port}", told)
            self.assertNotIn("Traceback", told)

    def test_what_fails_after_the_start(self) -> None:
        """What is found wrong only when Nexus is running already ends it with one line in the log, and status 1."""
        nexus = NexusProcess()
        self.addCleanup(nexus.clean)
        # One socket by two names, which only shows when the second is made.
        twice = [f"unix:{nexus.control_socket}", f"unix:{nexus.directory}/../{nexus.directory.name}/control.sock"]
        done = subprocess.run(
            [str(BIN / "nexus"), "daemon", "--config", str(nexus.config_path)],
            cwd=nexus.directory,
            env={**os.environ, "NEXUS_CONTROL__LISTEN": ",".join(twice)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        told = done.stdout + done.stderr
        self.assertEqual(done.returncode, 1, told)
        self.assertIn("nexus cannot start: cannot listen on unix:", told)
        self.assertNotIn("Traceback", told)

    def test_no_engine(self) -> None:
        """Without a Docker engine Nexus comes up, and a start says which socket did not answer."""
        nexus = NexusProcess({"containers.socket": "unix:///nonexistent/docker.sock"})
        self.addCleanup(nexus.clean)
        nexus.start()
        nexus.rpc("CreateNetwork", network="demo")
        with self.assertRaises(RPCError) as refused:
            nexus.rpc("StartNetwork", network="demo")
        self.assertIn("/nonexistent/docker.sock", refused.exception.message)
        self.assertEqual(refused.exception.data["field"], "engine")
        diagnostics = nexus.rpc("NetworkDiagnostics", network="demo")
        self.assertTrue(any("/nonexistent/docker.sock" in problem for problem in diagnostics["problems"]))
        nexus.stop()

    def test_no_image(self) -> None:
        """A missing image is told as that, with its name, and leaves nothing behind."""
        nexus = NexusProcess({"containers.image": "ipfs/kubo:v0.0.0-missing"})
        self.addCleanup(nexus.clean)
        nexus.start()
        nexus.rpc("CreateNetwork", network="demo")
        with self.assertRaises(RPCError) as refused:
            nexus.rpc("StartNetwork", network="demo")
        self.assertIn("ipfs/kubo:v0.0.0-missing", refused.exception.message)
        diagnostics = nexus.rpc("NetworkDiagnostics", network="demo")
        self.assertEqual((diagnostics["leases"], diagnostics["containers"]), ([], []))
        self.assertEqual(docker("volume", "ls", "-q", "--filter", f"label=nexus.instance={nexus.instance}"), "")
        self.assertIn("v0.0.0-missing", json.dumps(diagnostics["last_error"]))


def _answers(nexus: NexusProcess) -> bool:
    try:
        nexus.rpc("Ping")
    except OSError:
        return False
    return True


def _end(pid: int) -> None:
    """SIGTERM, where the process is still there."""
    subprocess.run(["kill", str(pid)], capture_output=True, check=False)
