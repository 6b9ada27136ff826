"""Tries cases on proxies: one after the other on each, side by side on all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.edge.hostile.case import Case
from tools.conformance.proxies import Proxy
from tools.conformance.trial import observe
from tools.conformance.verdict import Verdict, judge
from tools.conformance.wire import Backend


@dataclass(frozen=True, slots=True)
class Results:
    """What each proxy made of each case.

    :ivar versions: by the proxies' names, in the order in which they are shown; Nexus is first.
    :ivar verdicts: by the proxies' names, one for each of `cases`.
    """

    cases: Sequence[Case]
    versions: dict[str, str]
    verdicts: dict[str, list[Verdict]]


async def try_all(
    cases: Sequence[Case], kinds: Sequence[type[Proxy]], told: Callable[[str], None] | None = None
) -> Results:
    """Start the proxies, try all cases, and end them.

    :param told: called with a line now and then.
    """
    names = [kind.name for kind in kinds]
    runs = [_try_on(kind, cases, told) for kind in kinds]
    done = await asyncio.gather(*runs)
    return Results(
        cases=cases,
        versions={name: version for name, (version, _) in zip(names, done, strict=True)},
        verdicts={name: verdicts for name, (_, verdicts) in zip(names, done, strict=True)},
    )


async def _try_on(
    kind: type[Proxy], cases: Sequence[Case], told: Callable[[str], None] | None
) -> tuple[str, list[Verdict]]:
    backend = Backend()
    await backend.start()
    proxy = kind(backend.port)
    try:
        await asyncio.to_thread(proxy.start)
        verdicts = []
        for number, case in enumerate(cases):
            verdicts.append(judge(case, await observe(case, proxy.port, backend)))
            if told is not None and number % 200 == 0:
                told(f"{proxy.name}: {number} of {len(cases)}")
        return proxy.version, verdicts
    finally:
        backend.close()
        await asyncio.to_thread(proxy.stop)
