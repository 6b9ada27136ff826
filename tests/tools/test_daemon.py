"""What `make up` says where it cannot start the daemon."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nexus.config.sections import TCPListen
from nexus.listening import ListenError
from tools.daemon import make_up_elsewhere, with_remedy


class RemedyTests(SynchronousTestCase):
    """What is added to twistd's own words."""

    def words(self, key: str, problem: str) -> str:
        """What is said where `key` cannot listen."""
        return with_remedy(str(ListenError(key, TCPListen("127.0.0.1", 8080), problem)), {})

    def test_busy(self) -> None:
        """A busy port gets a command that takes another one."""
        busy = "something else listens there already; stop it or choose another address"
        self.assertTrue(self.words("edge.listen", busy).endswith("; another port for now: make up EDGE_PORT=8081"))
        self.assertTrue(self.words("control.listen", busy).endswith("for now: make up CONTROL_PORT=7601"))

    def test_other_trouble(self) -> None:
        """Another port is not proposed where it would not help."""
        self.assertNotIn("make up", self.words("edge.listen", "this host does not have that address"))
        words = "edge.listen: port 24005 lies within swarm.ports '24000-24999'; allowed: a port outside of it"
        self.assertEqual(with_remedy(words, {}), words)


class ElsewhereTests(SynchronousTestCase):
    """The command to try where a port is busy."""

    def test_usual_port(self) -> None:
        """The port beside the usual one is proposed."""
        self.assertEqual(make_up_elsewhere("EDGE", {}), "make up EDGE_PORT=8081")
        self.assertEqual(make_up_elsewhere("CONTROL", {"EDGE_PORT": ""}), "make up CONTROL_PORT=7601")

    def test_keeps_the_other_port(self) -> None:
        """Whoever has moved one port already is not sent back to the busy one."""
        self.assertEqual(
            make_up_elsewhere("CONTROL", {"EDGE_PORT": "8081"}), "make up EDGE_PORT=8081 CONTROL_PORT=7601"
        )

    def test_never_the_busy_one_again(self) -> None:
        """A port that was asked for and is busy is not proposed again."""
        self.assertEqual(make_up_elsewhere("EDGE", {"EDGE_PORT": "8081"}), "make up EDGE_PORT=8082")
        self.assertEqual(make_up_elsewhere("EDGE", {"EDGE_PORT": "65535"}), "make up EDGE_PORT=8080")
