"""The arithmetic of proc(5), and who gets which core."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.edge.circumstances import parse_processor
from benchmarks.edge.processes import (
    CLOCK_TICKS_PER_S,
    PAGE_BYTES,
    choose_cores,
    cpu_s,
    parse_cpu_s,
    parse_rss_bytes,
    pinned,
    rss_bytes,
    tree,
)

STAT = (
    "4242 (a (strange) name) S 1 4242 4242 0 -1 4194560 100 200 0 0 150 50 7 9 20 0 3 0 1000 123456 789 "
    "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
)


class ProcTests(SynchronousTestCase):
    """What /proc says of a process."""

    def test_cpu(self) -> None:
        """User and system time count, children that were waited for do not, whatever the command's name is."""
        self.assertEqual(parse_cpu_s(STAT), 200 / CLOCK_TICKS_PER_S)

    def test_rss(self) -> None:
        """Resident pages, in bytes."""
        self.assertEqual(parse_rss_bytes("1000 300 200 5 0 700 0\n"), 300 * PAGE_BYTES)

    def test_this_process(self) -> None:
        """The figures of this very process are there."""
        self.assertIn(os.getpid(), tree(os.getpid()))
        self.assertGreater(cpu_s(os.getpid()), 0)
        self.assertGreater(rss_bytes(os.getpid()), 1024**2)

    def test_processor(self) -> None:
        """The processor's name is the first core's."""
        self.assertEqual(parse_processor("processor\t: 0\nmodel name\t: AMD EPYC \nflags\t: fpu\n"), "AMD EPYC")


class CoresTests(SynchronousTestCase):
    """Who runs where."""

    def test_two(self) -> None:
        """The proxy has the last core, everybody else the first."""
        cores = choose_cores(frozenset((0, 1)))
        self.assertEqual((cores.proxy, cores.others), (frozenset((1,)), frozenset((0,))))

    def test_many(self) -> None:
        """The proxy still has one only."""
        cores = choose_cores(frozenset(range(8)))
        self.assertEqual((cores.proxy, cores.others), (frozenset((7,)), frozenset(range(7))))

    def test_one(self) -> None:
        """All share the only core."""
        cores = choose_cores(frozenset((3,)))
        self.assertEqual((cores.proxy, cores.others), (frozenset((3,)), frozenset((3,))))

    def test_pinned(self) -> None:
        """A command is run on its cores, and ends with the benchmark."""
        command = pinned(["nginx", "-c", "x"], frozenset((2, 0)))
        self.assertEqual(command[:3], ["taskset", "--cpu-list", "0,2"])
        self.assertEqual(command[-3:], ["nginx", "-c", "x"])
        self.assertIn("--pdeathsig", command)
