"""The document and the picture that are made of results."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from benchmarks.edge import plot, report
from benchmarks.edge.results import Outcome, Results
from benchmarks.edge.titles import TITLES
from tests.benchmarks.fakes import ABOUT, make_results

SMALL = {"Nexus": {"cpu_us": 30.0}, "HAProxy": {"cpu_us": 20.0}, "nginx": {"cpu_us": 19.0}}


class TableTests(SynchronousTestCase):
    """Tables in Markdown."""

    def test_figures(self) -> None:
        """Figures have the digits that people need, and what is absent is no zero."""
        written = [report.number(value) for value in (None, 0.456, 1.5, 45.67, 1234.5)]
        self.assertEqual(written, ["-", "0.46", "1.50", "45.7", "1,234"])

    def test_table(self) -> None:
        """Figures are aligned to the right."""
        self.assertEqual(report.table(["", "a"], [["x", "1"]]), "|  | a |\n| --- | ---: |\n| x | 1 |\n")

    def test_comparison(self) -> None:
        """Each figure is followed by its multiple of HAProxy's; proxies that were not measured have no column."""
        written = report.comparison(make_results(small=SMALL), ["small", "64k"], "cpu_us", with_ratio=True)
        self.assertEqual(
            written.splitlines(),
            [
                "|  | Nexus | HAProxy | nginx |",
                "| --- | ---: | ---: | ---: |",
                "| small GET | 30.0 (1.50) | 20.0 | 19.0 (0.95) |",
            ],
        )

    def test_failed(self) -> None:
        """A proxy that failed has no figure, and the reason is told below."""
        results = make_results(small=SMALL)
        results.scenarios["small"].failures["nginx"] = "WrkError: 3 of 9 requests failed\nand more"
        self.assertIn("| failed |", report.comparison(results, ["small"], "cpu_us"))
        self.assertIn("**Failed**: small GET, nginx: WrkError: 3 of 9 requests failed.", report.render(results))

    def test_nothing_measured(self) -> None:
        """The document says so, and can be written all the same."""
        self.assertEqual(report.comparison(Results(), ["small"], "cpu_us"), "Not measured.\n")
        self.assertIn("not measured", report.render(Results()))


class DocumentTests(SynchronousTestCase):
    """The whole page."""

    def test_circumstances(self) -> None:
        """Machine, versions, date and command are named; once where all is of one run."""
        page = report.render(make_results(small=SMALL, newconn=SMALL))
        self.assertEqual(page.count("- a processor, 2 cores, 24 GiB, Linux 6.1"), 1)
        self.assertIn("- 2026-11-23, by `make bench`", page)
        self.assertIn("- Nexus 0.1.0, HAProxy 2.6.12", page)

    def test_two_runs(self) -> None:
        """Where some scenarios were run again later, each run is named with what is its own."""
        results = make_results(small=SMALL)
        later = Outcome(about=replace(ABOUT, date="2026-11-24T09:00+00:00"))
        results.scenarios["idle"] = later
        page = report.render(results)
        self.assertIn("`small`:\n\n- 2026-11-23", page)
        self.assertIn("`idle`:\n\n- 2026-11-24", page)

    def test_skipped(self) -> None:
        """What could not be measured here is told with the reason."""
        results = make_results()
        results.scenarios["latency_busy"] = Outcome(about=ABOUT, skipped="no Docker engine answers")
        self.assertIn("Not measured here: no Docker engine answers.", report.render(results))

    def test_targets(self) -> None:
        """Each target stands beside what was measured and its verdict."""
        page = report.render(make_results(small=SMALL))
        self.assertIn("| small GET | <= 1.5 x HAProxy's CPU | 1.50 | met |", page)


class PictureTests(SynchronousTestCase):
    """What is drawn, before it is."""

    def test_groups(self) -> None:
        """Bars are multiples of HAProxy's, the cheapest first, and scenarios without ours or HAProxy's are left out."""
        results = make_results(small=SMALL, newconn={"Nexus": {"cpu_us": 1.0}})
        (group,) = plot.groups(results)
        self.assertEqual((group.title, group.reference_us, group.limit), (TITLES["small"], 20.0, 1.5))
        self.assertEqual([bar.proxy for bar in group.bars], ["nginx", "Nexus"])
        self.assertEqual([bar.label for bar in group.bars], [f"0.95{plot.TIMES} · 19 µs", f"1.5{plot.TIMES} · 30 µs"])

    def test_places(self) -> None:
        """No two bars lie on each other."""
        places = [bar.place for group in plot.groups(make_results(small=SMALL, varied=SMALL)) for bar in group.bars]
        self.assertEqual(places, sorted(set(places)))

    def test_durations(self) -> None:
        """Times have the unit that suits them."""
        told = [plot.duration(us) for us in (59.4, 1180.0, 137_500.0, 1_435_000.0)]
        self.assertEqual(told, ["59 µs", "1.2 ms", "138 ms", "1.4 s"])
