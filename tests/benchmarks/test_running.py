"""Which scenarios run, in which order, and what becomes of the others' results."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.edge.loads import ALL, LOADS
from benchmarks.edge.pacing import summarize
from benchmarks.edge.proxies import network_address
from benchmarks.edge.results import Outcome, read_results, write_results
from benchmarks.edge.running import NAMES, chosen, rotated
from benchmarks.edge.titles import PROXIES, TITLES
from tests.benchmarks.fakes import ABOUT, make_results


class ChoiceTests(SynchronousTestCase):
    """`make bench ONLY=...`."""

    def test_all(self) -> None:
        """Without a word everything runs."""
        self.assertEqual(chosen(""), frozenset(NAMES))

    def test_some(self) -> None:
        """A word means the scenario of that name, and those of its family."""
        self.assertEqual(chosen("small, jwt"), {"small", "jwt", "jwt_varied", "jwt_fresh"})
        self.assertEqual(chosen("256m"), {"256m_down", "256m_up"})

    def test_unknown(self) -> None:
        """A word that means nothing is told, with all that there are."""
        error = self.assertRaises(ValueError, chosen, "smal")
        self.assertIn("'smal' is no scenario: there are small,", str(error))

    def test_titles(self) -> None:
        """Every scenario and every proxy has a name in the document."""
        self.assertEqual(set(TITLES), set(NAMES))
        self.assertEqual({factory.name for load in LOADS for factory in load.proxies}, set(PROXIES))


class RoundTests(SynchronousTestCase):
    """Fairness."""

    def test_rotated(self) -> None:
        """Each proxy comes first in as many rounds as any other, and all come in every round."""
        firsts = [rotated(ALL, number)[0] for number in range(len(ALL))]
        self.assertEqual(set(firsts), set(ALL))
        self.assertEqual(set(rotated(ALL, 3)), set(ALL))

    def test_addresses(self) -> None:
        """Each of very many networks has an address of its own in 127.0.0.0/8."""
        addresses = {network_address(number) for number in range(100_000)}
        self.assertEqual(len(addresses), 100_000)
        self.assertEqual(network_address(0), "127.1.0.0")
        self.assertEqual(network_address(65_536 + 258), "127.2.1.2")

    def test_quantiles(self) -> None:
        """p99 is what 99 of 100 requests stay below."""
        told = summarize([number / 1000 for number in range(1, 1001)])
        self.assertEqual((told.requests, told.p50_ms, told.p99_ms, told.max_ms), (1000, 500.0, 990.0, 1000.0))


class KeptResultsTests(SynchronousTestCase):
    """The file between two runs."""

    def test_part(self) -> None:
        """A run of a part leaves the other parts' results as they were."""
        path = Path(self.mktemp()) / "benchmark.json"
        write_results(path, make_results(small={"Nexus": {"cpu_us": 30.0}}, newconn={"Nexus": {"cpu_us": 90.0}}))
        results = read_results(path)
        results.scenarios["small"] = Outcome(about=ABOUT, samples={"Nexus": [{"cpu_us": 29.0}]})
        write_results(path, results)
        again = read_results(path)
        self.assertEqual(again.median("small", "Nexus", "cpu_us"), 29.0)
        self.assertEqual(again.median("newconn", "Nexus", "cpu_us"), 90.0)

    def test_none(self) -> None:
        """Before the first run there are none."""
        self.assertEqual(read_results(Path(self.mktemp())).scenarios, {})
