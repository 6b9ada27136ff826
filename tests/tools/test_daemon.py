"""What `make up` says where it cannot start the daemon."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tools.daemon import make_up_elsewhere


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
