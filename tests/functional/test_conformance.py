"""The table of hostile and odd messages over real sockets, on a daemon of its own."""

from __future__ import annotations

import asyncio

from twisted.trial.unittest import SynchronousTestCase

from tests.edge.hostile.case import Case
from tests.edge.hostile.table import REQUESTS, RESPONSES
from tools.conformance.proxies import Nexus
from tools.conformance.report import failures
from tools.conformance.run import try_all

EACH = 4
"""One case of so many is tried here; `make conformance` tries all."""


class ConformanceTests(SynchronousTestCase):
    """What `twistd nexus` makes of the messages that the unit tests send in memory."""

    def test_nexus(self) -> None:
        """It does what the table says, to the status, and to how each connection ends."""
        table: list[Case] = [*REQUESTS, *RESPONSES]
        results = asyncio.run(try_all(table[::EACH], [Nexus]))
        places = {(case.subject, case.name): number for number, case in enumerate(results.cases)}
        wrong = [
            f"{case.subject}: {case.name}: {results.verdicts[Nexus.name][places[case.subject, case.name]].text}"
            for cases in failures(results).values()
            for case in cases
        ]
        self.assertEqual(wrong, [])
        self.assertGreater(len(results.cases), 250)
