"""What `make conformance` concludes from what it saw, and writes."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.edge.hostile import case as cases
from tests.edge.hostile.case import Case, RequestCase, ResponseCase
from tests.edge.strict import Message, read_requests, read_responses
from tools.conformance.report import failures, write_report
from tools.conformance.run import Results
from tools.conformance.trial import Observation
from tools.conformance.verdict import Rank, Verdict, judge, stricter

REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
SERVED = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n/"
FORWARDED = b"GET / HTTP/1.1\r\nHost: demo.gateway.localhost\r\n\r\n"


def seen(forwarded: bytes = b"", received: bytes = b"", end: str = "open", *, backend_end: str = "open") -> Observation:
    """What was seen, of one connection to the backend where anything was forwarded."""
    messages: tuple[Message, ...] = tuple(read_requests(forwarded))
    return Observation(
        forwarded=((messages, backend_end),) if forwarded else (),
        received=tuple(read_responses(received, [b"GET", b"GET"], ended=end == "fin")),
        client_end=end,
        served_next=True,
    )


class RequestVerdictTests(SynchronousTestCase):
    """Requests."""

    def judge(self, case: RequestCase, observation: Observation) -> tuple[str, Rank]:
        """Word and rank."""
        verdict = judge(case, observation)
        return verdict.text, verdict.rank

    def test_hostile(self) -> None:
        """Refused, repaired, or passed on as it is."""
        case = cases.refused("x", "y", cases.get(b"X : y"))
        self.assertEqual(self.judge(case, seen(received=REFUSED, end="fin")), ("refused 400", Rank.STOPPED))
        self.assertEqual(self.judge(case, seen(end="rst")), ("refused (reset)", Rank.STOPPED))
        self.assertEqual(self.judge(case, seen()), ("waits", Rank.STOPPED))
        self.assertEqual(self.judge(case, seen(FORWARDED, SERVED)), ("repaired", Rank.REPAIRED))
        as_is = FORWARDED.replace(b"\r\n\r\n", b"\r\nX : y\r\n\r\n")
        self.assertEqual(self.judge(case, seen(as_is, SERVED)), ("as is", Rank.LAX))

    def test_status(self) -> None:
        """Another status than the table's is not what the table says, and yet a refusal."""
        case = cases.refused("x", "y", cases.get(b"X : y"), 431)
        verdict = judge(case, seen(received=REFUSED, end="fin"))
        self.assertEqual((verdict.rank, verdict.matches), (Rank.STOPPED, False))

    def test_sanitised(self) -> None:
        """What must go is gone, or is not."""
        case = cases.sanitised("x", "y", cases.get(b"Connection: X-A", b"X-A: b"), rb"^X-A:")
        self.assertEqual(self.judge(case, seen(FORWARDED, SERVED)), ("repaired", Rank.REPAIRED))
        kept = FORWARDED.replace(b"\r\n\r\n", b"\r\nX-A: b\r\n\r\n")
        self.assertEqual(self.judge(case, seen(kept, SERVED)), ("as is", Rank.LAX))

    def test_legitimate(self) -> None:
        """It arrives, arrives otherwise, or does not."""
        case = cases.passed("x", "y", cases.get(b"X: y"), rb"^X: y")
        whole = FORWARDED.replace(b"\r\n\r\n", b"\r\nX: y\r\n\r\n")
        self.assertTrue(judge(case, seen(whole, SERVED)).passes)
        self.assertEqual(judge(case, seen(FORWARDED, SERVED)).outcome, "changed")
        self.assertFalse(judge(case, seen(received=REFUSED)).passes)

    def test_cut(self) -> None:
        """A cut request may not arrive as a whole one, nor leave the backend waiting."""
        case = replace(cases.refused("x", "y", FORWARDED[:-1]), kind=cases.Kind.CUT, statuses=())
        self.assertEqual(self.judge(case, seen(FORWARDED, SERVED)), ("taken for whole", Rank.LAX))
        self.assertEqual(judge(case, seen(FORWARDED[:-2], backend_end="rst")).outcome, "cut")
        waiting = judge(case, seen(FORWARDED[:-2]))
        self.assertEqual((waiting.outcome, waiting.matches), ("kept waiting", False))

    def test_next(self) -> None:
        """Nothing is worse than another client's getting it."""
        observation = replace(seen(received=REFUSED, end="fin"), served_next=False)
        verdict = judge(cases.refused("x", "y", b""), observation)
        self.assertEqual((verdict.outcome, verdict.rank, verdict.matches), ("spoils the next", Rank.LAX, False))


class ResponseVerdictTests(SynchronousTestCase):
    """Responses."""

    def outcome(self, case: ResponseCase, received: bytes, end: str = "open") -> str:
        """As it is shown."""
        return judge(case, seen(FORWARDED, received, end)).text

    def test_hostile(self) -> None:
        """Replaced, repaired, given on, or as it is."""
        case = cases.replaced("x", "y", cases.ok(b"Content-Length: -1"))
        replaced = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
        self.assertEqual(self.outcome(case, replaced), "replaced 502")
        self.assertEqual(self.outcome(case, SERVED), "repaired")
        self.assertEqual(self.outcome(case, b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"), "given on")
        self.assertEqual(self.outcome(case, b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "as is")

    def test_cut(self) -> None:
        """A cut response that looks whole is told from one that is seen to be cut, and how."""
        case = cases.cut("x", "y", cases.ok(b"Content-Length: 5", body=b"h"))
        self.assertEqual(self.outcome(case, case.data, "rst"), "cut (reset)")
        self.assertEqual(self.outcome(case, case.data, "fin"), "cut (closed)")
        self.assertEqual(self.outcome(case, b"HTTP/1.1 200 OK\r\n\r\nh", "fin"), "clean end")
        self.assertEqual(self.outcome(case, SERVED), "clean end")

    def test_surplus(self) -> None:
        """What stands behind a response is found where it gets through."""
        case = cases.cleaned("x", "y", SERVED + b"surplus", b"surplus")
        self.assertEqual(self.outcome(case, SERVED), "repaired")
        self.assertEqual(self.outcome(case, SERVED + b"surplus"), "as is")


def verdict(rank: Rank, *, passes: bool = False, matches: bool = True) -> Verdict:
    """A verdict of that rank."""
    return Verdict(outcome="repaired", detail="", rank=rank, passes=passes, matches=matches)


class FailureTests(SynchronousTestCase):
    """What makes `make conformance` fail."""

    def failing(self, case: Case, mine: Verdict, other: Verdict) -> list[bool]:
        """Which of the three lists the case is on."""
        results = Results(
            cases=[case], versions={"Nexus": "1", "Other": "2"}, verdicts={"Nexus": [mine], "Other": [other]}
        )
        return [bool(listed) for listed in failures(results).values()]

    def test_laxer(self) -> None:
        """Another that is stricter, where something is demanded."""
        case = cases.refused("x", "y", b"")
        lax, repaired, stopped = (verdict(rank) for rank in Rank)
        self.assertEqual(self.failing(case, repaired, stopped), [True, False, False])
        self.assertEqual(self.failing(case, stopped, lax), [False, False, False])
        self.assertFalse(stricter(replace(case, must=False), lax, stopped))
        must_go = cases.sanitised("x", "y", b"", b"z")
        self.assertFalse(stricter(must_go, repaired, stopped), "to refuse it is no stricter than what is demanded")
        self.assertTrue(stricter(must_go, lax, repaired))

    def test_refuses(self) -> None:
        """Another that passes what is legitimate."""
        case = cases.passed("x", "y", b"")
        stopped, passing = verdict(Rank.STOPPED), verdict(Rank.REPAIRED, passes=True)
        self.assertEqual(self.failing(case, stopped, passing), [False, True, False])
        self.assertEqual(self.failing(case, stopped, stopped), [False, False, False])

    def test_differs(self) -> None:
        """What the table says is not what was seen."""
        case = cases.refused("x", "y", b"")
        other = verdict(Rank.STOPPED, matches=False)
        self.assertEqual(self.failing(case, other, other), [False, False, True])


class ReportTests(SynchronousTestCase):
    """docs/conformance.md."""

    def test_report(self) -> None:
        """It names versions and what must not be, counts, and lists the cases that are not treated alike."""
        alike = replace(cases.refused("alike", "y", b""), subject="things")
        differing = replace(cases.refused("a*b", "RFC 1", b""), subject="things")
        stopped, lax = verdict(Rank.STOPPED), Verdict("as is", "", Rank.LAX, passes=False, matches=False)
        results = Results(
            cases=[alike, differing],
            versions={"Nexus": "1.0", "Other": "2.0"},
            verdicts={"Nexus": [stopped, stopped], "Other": [stopped, lax]},
        )
        text = write_report(results, "2026-01-02")
        self.assertIn("2 messages", text)
        self.assertIn("Nexus 1.0 and Other 2.0", text)
        self.assertIn("Run on 2026-01-02", text)
        self.assertIn("| Hostile requests, *must* | 2 | 2 repaired | 1 repaired, **1 as is** |", text)
        self.assertIn("1 of 2 cases are treated alike by all.", text)
        self.assertIn("| a\\*b | RFC 1 | must | repaired | **as is** |", text)
        self.assertNotIn("| alike |", text)
        self.assertEqual(text.count(": none."), 3)
