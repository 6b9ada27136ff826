"""docs/conformance.md: pure, from results to text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from tests.edge.hostile.case import Case, Kind, RequestCase
from tools.conformance.notes import NOTES
from tools.conformance.run import Results
from tools.conformance.verdict import Rank, Verdict, stricter

NEXUS = "Nexus"

_INTRODUCTION = """# Conformance

Written by `make conformance`; do not edit. Run on {date}.

{count} messages, each hostile or odd in one way, were sent through {proxies},
each on real sockets as a reverse proxy in front of a backend that records the bytes that it gets. Messages and what
Nexus must make of them are data (`tests/edge/hostile/`); the unit tests run the same table in memory, whole, line by
line and byte by byte. Whether a forwarded message is still hostile is judged by a strict reader that shares no code
with Nexus (`tests/edge/strict.py`), and after each message another client must be served as if nothing had been.

The others are as Debian packages them, configured as their documentation shows a streaming reverse proxy
(`tools/conformance/proxies.py` has the files), and nothing made stricter or laxer. Newer versions do better in places.
What HAProxy 2.6 makes of malformed trailer names differs from one start of it to the
next (the same bytes were passed in one run and refused in another): the tables show one start.

| word | meaning |
|---|---|
| refused 400 | the client is answered that status, and no backend gets the message as a whole |
| answered 204 | the proxy answers by itself, as it may |
| repaired | it is forwarded, without what is hostile in it |
| **as is** | it is forwarded, with what is hostile in it |
| **spoils the next** | another client got something else than its answer |
| waits | neither forwarded nor answered: the proxy waits for more |
| cut, nothing | of a message that ends before its time: the backend sees it cut, or nothing of it |
| **taken for whole** | such a message reached the backend as a whole one |
| replaced 502 | the client gets an error in place of the response |
| cut (reset), cut (closed) | the client's connection is reset, or closed, before the response is complete |
| **clean end** | the client gets a broken or cut response as a whole one |
| **given on** | the client gets the head of a response that cannot be read in one way only |
| passed | a legitimate message arrives |
| changed | it arrives, but not what it is about |

*must*: a section or an advisory demands it. Where it is our choice, others may well differ.
"""


def failures(results: Results) -> dict[str, list[Case]]:
    """What must not be, by what it is called; Nexus is compared with all others that were tried."""
    mine = results.verdicts[NEXUS]
    others = [verdicts for name, verdicts in results.verdicts.items() if name != NEXUS]
    lists: dict[str, list[Case]] = {
        "Nexus is laxer than another where a source demands it": [],
        "Nexus does not pass what is legitimate and another passes": [],
        "Nexus does otherwise than the table says": [],
    }
    laxer, refuses, differs = lists.values()
    for number, case in enumerate(results.cases):
        verdict = mine[number]
        if any(stricter(case, verdict, verdicts[number]) for verdicts in others):
            laxer.append(case)
        if case.kind is Kind.PASSED and not verdict.passes and any(verdicts[number].passes for verdicts in others):
            refuses.append(case)
        if not verdict.matches:
            differs.append(case)
    return lists


def write_report(results: Results, date: str) -> str:
    """The document."""
    named = [f"{name} {version}" for name, version in results.versions.items()]
    proxies = ", ".join(named[:-1]) + " and " + named[-1]
    parts = [_INTRODUCTION.format(date=date, count=len(results.cases), proxies=proxies)]
    parts.append("\n".join(_summary(results)))
    parts.append("\n".join(_verdict(results)))
    parts.append("\n".join(_notable(results)))
    parts.extend(
        "\n".join(_subject(results, subject)) for subject in dict.fromkeys(case.subject for case in results.cases)
    )
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


_GROUPS: tuple[tuple[str, bool, Callable[[Case], bool]], ...] = (
    ("Hostile requests, *must*", True, lambda case: case.kind is Kind.ANSWERED and case.must),
    ("Hostile requests, our choice", True, lambda case: case.kind is Kind.ANSWERED and not case.must),
    ("Requests with something that must go, *must*", True, lambda case: case.kind is Kind.SANITISED and case.must),
    (
        "Requests with something that must go, our choice",
        True,
        lambda case: case.kind is Kind.SANITISED and not case.must,
    ),
    ("Requests cut by the client", True, lambda case: case.kind is Kind.CUT),
    ("Legitimate requests", True, lambda case: case.kind is Kind.PASSED),
    ("Hostile responses, *must*", False, lambda case: case.kind is Kind.ANSWERED and case.must),
    ("Hostile responses, our choice", False, lambda case: case.kind is Kind.ANSWERED and not case.must),
    ("Responses with something that must go, *must*", False, lambda case: case.kind is Kind.SANITISED and case.must),
    (
        "Responses with something that must go, our choice",
        False,
        lambda case: case.kind is Kind.SANITISED and not case.must,
    ),
    ("Responses cut by the node", False, lambda case: case.kind is Kind.CUT),
    ("Legitimate responses", False, lambda case: case.kind is Kind.PASSED),
)

_ORDER = (
    "refused",
    "replaced",
    "cut",
    "nothing",
    "answered",
    "waits",
    "kept waiting",
    "repaired",
    "passed",
    "changed",
    "as is",
    "given on",
    "clean end",
    "taken for whole",
    "spoils the next",
)


def _summary(results: Results) -> Iterator[str]:
    yield "## Summary\n"
    yield f"| messages | count | {' | '.join(results.versions)} |"
    yield "|---|---|" + "---|" * len(results.versions)
    for title, is_request, belongs in _GROUPS:
        numbers = [
            number
            for number, case in enumerate(results.cases)
            if isinstance(case, RequestCase) is is_request and belongs(case)
        ]
        cells = []
        for verdicts in results.verdicts.values():
            counts = Counter(verdicts[number].outcome for number in numbers)
            lax = {verdicts[number].outcome for number in numbers if verdicts[number].rank is Rank.LAX}
            words = sorted(counts, key=_ORDER.index)
            cells.append(", ".join(_mark(f"{counts[word]} {word}", word in lax) for word in words))
        yield f"| {title} | {len(numbers)} | {' | '.join(cells)} |"


def _verdict(results: Results) -> Iterator[str]:
    yield "## What must not be\n"
    for title, cases in failures(results).items():
        names = ", ".join(f"{case.subject}: {case.name}" for case in cases)
        yield f"- {title}: {names or 'none'}."


def _notable(results: Results) -> Iterator[str]:
    yield "## Notable\n"
    places = {(case.subject, case.name): number for number, case in enumerate(results.cases)}
    for proxy in results.versions:
        sentences = [
            f"{note.sentence} ({note.subject}: {note.name})"
            for note in NOTES
            if note.proxy == proxy and results.verdicts[proxy][places[note.subject, note.name]].outcome == note.outcome
        ]
        if sentences:
            yield f"**{proxy} {results.versions[proxy]}**\n"
            yield from (f"- {sentence}" for sentence in sentences)
            yield ""


def _subject(results: Results, subject: str) -> Iterator[str]:
    """The cases of a subject that are not treated alike by all."""
    numbers = [number for number, case in enumerate(results.cases) if case.subject == subject]
    differing = [number for number in numbers if not _is_alike([each[number] for each in results.verdicts.values()])]
    yield f"## {subject[0].upper()}{subject[1:]}\n"
    if len(numbers) > len(differing):
        yield f"{len(numbers) - len(differing)} of {len(numbers)} cases are treated alike by all.\n"
    if not differing:
        return
    yield f"| case | source | | {' | '.join(results.versions)} |"
    yield "|---|---|---|" + "---|" * len(results.versions)
    for number in differing:
        case = results.cases[number]
        cells = [_mark(each[number].text, each[number].rank is Rank.LAX) for each in results.verdicts.values()]
        demand = "legitimate" if case.kind is Kind.PASSED else "must" if case.must else ""
        yield f"| {_cell(case.name)} | {_cell(case.source)} | {demand} | {' | '.join(cells)} |"


def _is_alike(verdicts: list[Verdict]) -> bool:
    return len({(verdict.rank, verdict.passes) for verdict in verdicts}) == 1


def _mark(text: str, is_lax: bool) -> str:
    return f"**{text}**" if is_lax else text


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;").replace("_", "\\_")
