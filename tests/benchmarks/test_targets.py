"""Which targets are met."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.edge.results import Outcome
from benchmarks.edge.targets import TARGETS, Target, Verdict, disturbance, growth, own, ratio
from tests.benchmarks.fakes import ABOUT, make_results


class VerdictTests(SynchronousTestCase):
    """A figure beside its target."""

    def test_at_most(self) -> None:
        """Exactly the limit is still met; more is not."""
        target = Target("small", ratio("small"), 1.5, "x")
        met = make_results(small={"Nexus": {"cpu_us": 30.0}, "HAProxy": {"cpu_us": 20.0}})
        missed = make_results(small={"Nexus": {"cpu_us": 30.1}, "HAProxy": {"cpu_us": 20.0}})
        self.assertEqual((target.verdict(met), target.verdict(missed)), (Verdict.MET, Verdict.NOT_MET))

    def test_at_least(self) -> None:
        """Throughput is to be no lower than another's."""
        target = Target("down", ratio("256m_down", "gb_per_s", "nginx"), 1.0, "x", at_least=True)
        met = make_results(**{"256m_down": {"Nexus": {"gb_per_s": 2.0}, "nginx": {"gb_per_s": 2.0}}})
        missed = make_results(**{"256m_down": {"Nexus": {"gb_per_s": 1.9}, "nginx": {"gb_per_s": 2.0}}})
        self.assertEqual((target.verdict(met), target.verdict(missed)), (Verdict.MET, Verdict.NOT_MET))

    def test_not_measured(self) -> None:
        """What was not measured is never called met: nothing ran, only one of two did, or one failed."""
        target = Target("small", ratio("small"), 1.5, "x")
        alone = make_results(small={"Nexus": {"cpu_us": 1.0}})
        failed = make_results(small={"Nexus": {"cpu_us": 1.0}, "HAProxy": {"cpu_us": 20.0}})
        failed.scenarios["small"].failures["Nexus"] = "WrkError: 3 of 100 requests failed"
        for results in (make_results(), alone, failed):
            self.assertEqual(target.verdict(results), Verdict.NOT_MEASURED)

    def test_all_without_results(self) -> None:
        """Each target can be asked about an empty run."""
        self.assertEqual({target.verdict(make_results()) for target in TARGETS}, {Verdict.NOT_MEASURED})


class ValueTests(SynchronousTestCase):
    """What is compared with the limits."""

    def test_median_of_rounds(self) -> None:
        """One bad round of three does not count."""
        samples = {"Nexus": [{"kib_each": value} for value in (9.0, 90.0, 10.0)]}
        results = make_results()
        results.scenarios["idle"] = Outcome(about=ABOUT, samples=samples)
        self.assertEqual(own("idle", "kib_each")(results), 10.0)

    def test_growth(self) -> None:
        """The cost with many networks is compared with our own cost with one."""
        results = make_results(networks_1={"Nexus": {"cpu_us": 40.0}}, networks_100000={"Nexus": {"cpu_us": 44.0}})
        self.assertAlmostEqual(growth("networks_1", "networks_100000")(results) or 0.0, 1.1)

    def test_disturbance(self) -> None:
        """It is enough to be near one of the two: ourselves at rest, or HAProxy at the same time."""
        results = make_results(
            latency_quiet={"Nexus": {"p99_ms": 1.0}, "HAProxy": {"p99_ms": 0.5}},
            latency_busy={"Nexus": {"p99_ms": 6.0}, "HAProxy": {"p99_ms": 5.0}},
        )
        self.assertAlmostEqual(disturbance(results) or 0.0, 1.2)
        self.assertIsNone(disturbance(make_results()))
