"""What an observation means: pure, from a case and what was seen to a word of a small vocabulary."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from tests.edge.hostile.case import Case, Kind, RequestCase, ResponseCase
from tests.edge.strict import Message
from tools.conformance.trial import Observation


class Rank(IntEnum):
    """How strict an outcome is."""

    LAX = 0
    """What is hostile in the message got through."""

    REPAIRED = 1
    """It got through without that."""

    STOPPED = 2
    """It did not get through."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one proxy made of one case.

    :ivar outcome: one of the report's words.
    :ivar detail: a status, or how it ended.
    :ivar passes: whether a legitimate message got through.
    :ivar matches: whether it is, to the status, what the table says of Nexus.
    """

    outcome: str
    detail: str
    rank: Rank
    passes: bool
    matches: bool

    @property
    def text(self) -> str:
        """As it is shown."""
        return f"{self.outcome} {self.detail}".strip()


def judge(case: Case, seen: Observation) -> Verdict:
    """The verdict on `case`."""
    if isinstance(case, RequestCase):
        verdict = _judge_request(case, seen)
    elif isinstance(case, ResponseCase):
        verdict = _judge_response(case, seen)
    else:
        raise TypeError(case)
    if not seen.served_next:
        return Verdict(
            outcome="spoils the next", detail=f"({verdict.text})", rank=Rank.LAX, passes=False, matches=False
        )
    return verdict


def stricter(case: Case, verdict: Verdict, other: Verdict) -> bool:
    """Whether `other` is stricter than `verdict`, where the sources demand something."""
    if not case.must or case.kind is Kind.PASSED:
        return False
    enough = Rank.STOPPED if case.kind in (Kind.ANSWERED, Kind.CUT) else Rank.REPAIRED
    return min(verdict.rank, enough) < min(other.rank, enough)


def _matches(patterns: tuple[bytes, ...], data: bytes) -> list[bool]:
    return [re.search(pattern, data, re.IGNORECASE | re.MULTILINE) is not None for pattern in patterns]


def _plain(messages: list[Message]) -> bytes:
    return b"".join(message.plain for message in messages)


def _judge_request(case: RequestCase, seen: Observation) -> Verdict:
    messages = seen.messages
    statuses = [message.status for message in seen.final]
    whole = sum(message.complete and not message.problems for message in messages)
    is_bad = any(message.problems for message in messages) or any(_matches(case.absent, _plain(messages)))
    hangs = any(end == "open" and not all(message.complete for message in got) for got, end in seen.forwarded)
    matches = (
        not is_bad
        and not hangs
        and whole == case.requests
        and all(_matches(case.present, _plain(messages)))
        and (case.kind is Kind.CUT or statuses == list(case.statuses))
    )
    refused = [str(status) for status in statuses if status != 200]
    said = refused[-1] if refused else {"fin": "(closed)", "rst": "(reset)", "open": ""}[seen.client_end]
    if is_bad:
        return Verdict(outcome="as is", detail="", rank=Rank.LAX, passes=False, matches=False)
    if case.kind is Kind.CUT:
        if whole:
            return Verdict(outcome="taken for whole", detail="", rank=Rank.LAX, passes=False, matches=False)
        return Verdict(
            outcome="kept waiting" if hangs else "cut" if messages else "nothing",
            detail="",
            rank=Rank.STOPPED,
            passes=False,
            matches=matches,
        )
    if case.kind is Kind.ANSWERED and whole > case.requests:
        return Verdict(outcome="repaired", detail="", rank=Rank.REPAIRED, passes=True, matches=False)
    if case.kind is not Kind.ANSWERED and whole >= case.requests and not refused:
        if not all(_matches(case.present, _plain(messages))):
            return Verdict(outcome="changed", detail="", rank=Rank.LAX, passes=False, matches=False)
        return Verdict(
            outcome="passed" if case.kind is Kind.PASSED else "repaired",
            detail="",
            rank=Rank.REPAIRED,
            passes=True,
            matches=matches,
        )
    if not statuses and seen.client_end == "open":
        return Verdict(outcome="waits", detail="", rank=Rank.STOPPED, passes=False, matches=False)
    own = refused or statuses[whole:]
    if own and int(own[-1]) < 400:
        return Verdict(outcome="answered", detail=str(own[-1]), rank=Rank.STOPPED, passes=False, matches=matches)
    return Verdict(outcome="refused", detail=said, rank=Rank.STOPPED, passes=False, matches=matches)


def _judge_response(case: ResponseCase, seen: Observation) -> Verdict:
    received = list(seen.received)
    whole = [message.status for message in seen.final if message.complete]
    is_bad = any(message.problems for message in received) or any(_matches(case.absent, _plain(received)))
    is_there = all(_matches(case.present, _plain(received)))
    if case.status == 101 and received and received[0].status in (101, 103):
        text = _plain(received)
        verdict = all(_matches(case.present, text))
        return Verdict(
            outcome="passed" if verdict else "changed",
            detail="",
            rank=Rank.REPAIRED,
            passes=verdict,
            matches=verdict,
        )
    if is_bad:
        return Verdict(outcome="as is", detail="", rank=Rank.LAX, passes=False, matches=False)
    replaced = bool(whole) and whole[-1] in (500, 502, 503, 504) and whole[-1] != case.status
    if replaced or (whole == [502] and case.status == 502):
        return Verdict(
            outcome="replaced",
            detail=str(whole[-1]),
            rank=Rank.STOPPED,
            passes=False,
            matches=case.kind is Kind.ANSWERED and whole == [502],
        )
    if whole:
        return _judge_whole(case, whole, is_there)
    if seen.client_end == "open":
        if seen.final and case.kind is Kind.ANSWERED and not case.begins:
            return Verdict(outcome="given on", detail="", rank=Rank.LAX, passes=False, matches=False)
        return Verdict(outcome="waits", detail="", rank=Rank.STOPPED, passes=False, matches=False)
    return Verdict(
        outcome="cut",
        detail="(reset)" if seen.client_end == "rst" else "(closed)",
        rank=Rank.STOPPED,
        passes=False,
        matches=(case.kind is Kind.CUT or (case.kind is Kind.ANSWERED and case.begins)) and seen.client_end == "rst",
    )


def _judge_whole(case: ResponseCase, whole: list[int], is_there: bool) -> Verdict:
    """The client has a whole response, of the node's."""
    if case.kind is Kind.CUT or (case.kind is Kind.ANSWERED and case.begins):
        return Verdict(outcome="clean end", detail="", rank=Rank.LAX, passes=False, matches=False)
    if case.kind is Kind.ANSWERED:
        return Verdict(outcome="repaired", detail="", rank=Rank.REPAIRED, passes=True, matches=False)
    if not is_there:
        return Verdict(outcome="changed", detail="", rank=Rank.LAX, passes=False, matches=False)
    return Verdict(
        outcome="passed" if case.kind is Kind.PASSED else "repaired",
        detail="",
        rank=Rank.REPAIRED,
        passes=True,
        matches=whole == [case.status],
    )
