"""Runs scenarios: starts what they need, takes samples in rounds, ends everything."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final

from benchmarks.edge import latency
from benchmarks.edge.control import ControlError
from benchmarks.edge.holding import HoldError
from benchmarks.edge.loads import LOADS, Load
from benchmarks.edge.measuring import Bench
from benchmarks.edge.memory import HOLDINGS, Holding, settled_rss_bytes
from benchmarks.edge.networks import SPREADS, Spread
from benchmarks.edge.nexus_proxy import Nexus
from benchmarks.edge.pacing import PaceError
from benchmarks.edge.peers import HAProxy
from benchmarks.edge.processes import ProcessEndedError
from benchmarks.edge.proxies import Factory, Proxy
from benchmarks.edge.results import About, Outcome, Results
from benchmarks.edge.transfers import TransferError
from benchmarks.edge.wrk import WrkError

SPREAD_ROUNDS_MAX: Final = 3
LATENCY: Final = ("latency_quiet", "latency_busy")
NAMES: Final[tuple[str, ...]] = tuple(each.name for each in (*LOADS, *SPREADS, *HOLDINGS)) + LATENCY

_Failure = (
    ControlError,
    HoldError,
    http.client.HTTPException,
    OSError,
    PaceError,
    ProcessEndedError,
    TransferError,
    WrkError,
)


def chosen(only: str) -> frozenset[str]:
    """The scenarios that `only` names, by commas: each by its name, or by what its name begins with before a `_`; all
    where it is empty.

    :raises ValueError: for a word that names none.
    """
    words = [word.strip() for word in only.split(",") if word.strip()]
    if not words:
        return frozenset(NAMES)
    names: set[str] = set()
    for word in words:
        meant = {name for name in NAMES if name == word or name.startswith(f"{word}_")}
        if not meant:
            raise ValueError(f"{word!r} is no scenario: there are {', '.join(NAMES)}")
        names |= meant
    return frozenset(names)


def rotated(items: Sequence[Factory], by: int) -> list[Factory]:
    """`items` in their order, begun at another one each round."""
    first = by % len(items)
    return [*items[first:], *items[:first]]


class Run:
    """One run of the benchmark.

    :ivar results: what it adds to.
    :ivar failed: how many scenarios went wrong with a proxy.
    """

    def __init__(self, bench: Bench, about: About, results: Results, rounds: int, names: frozenset[str]) -> None:
        self.bench = bench
        self.results = results
        self.failed = 0
        self._about = about
        self._rounds = rounds
        self._names = names
        self._began = time.monotonic()

    def everything(self, finished: Callable[[], None]) -> None:
        """Run all scenarios that are chosen; `finished` is called after each."""
        for access_log in (False, True):
            loads = [load for load in LOADS if load.name in self._names and load.access_log == access_log]
            factories = {factory: None for load in loads for factory in load.proxies}
            with self._proxies(list(factories), access_log=access_log) as proxies:
                for load in loads:
                    self._speed(load, proxies, self._rounds)
                    finished()
        for count in {spread.count: None for spread in SPREADS}:
            spreads = [spread for spread in SPREADS if spread.name in self._names and spread.count == count]
            if spreads:
                self._spread(spreads, count)
                finished()
        for holding in HOLDINGS:
            if holding.name in self._names:
                self._hold(holding)
                finished()
        if self._names.intersection(LATENCY):
            self._latency()
            finished()

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.0f} s  {text}", flush=True)

    @contextmanager
    def _proxies(
        self, factories: Sequence[Factory], *, access_log: bool = False, networks: int = 1
    ) -> Iterator[dict[Factory, Proxy]]:
        setting = replace(self.bench.setting, access_log=access_log, networks=networks)
        with ExitStack() as stack:
            proxies: dict[Factory, Proxy] = {}
            for factory in factories:
                proxy = factory(setting)
                stack.callback(proxy.stop)
                proxies[factory] = proxy
            yield proxies

    def _outcome(self, name: str) -> Outcome:
        outcome = self.results.scenarios[name] = Outcome(about=self._about)
        return outcome

    @contextmanager
    def _telling(self, outcome: Outcome, scenario: str, proxy: str) -> Iterator[None]:
        """Note what goes wrong, and go on: the other figures are still worth having."""
        try:
            yield
        except _Failure as error:
            outcome.failures[proxy] = f"{type(error).__name__}: {error}"
            self.failed += 1
            self._say(f"{scenario}, {proxy}: FAILED: {error}")

    def _speed(self, scenario: Load | Spread, proxies: dict[Factory, Proxy], rounds: int) -> Outcome:
        """The samples of one load, in rounds."""
        outcome = self._outcome(scenario.name)
        for factory in scenario.proxies:
            with self._telling(outcome, scenario.name, factory.name):
                scenario.check(self.bench, proxies[factory])
        for number in range(rounds):
            for factory in rotated(scenario.proxies, number):
                if factory.name in outcome.failures:
                    continue
                with self._telling(outcome, scenario.name, factory.name):
                    sample = scenario.run(self.bench, proxies[factory])
                    outcome.samples.setdefault(factory.name, []).append(sample)
        costs = []
        for factory in scenario.proxies:
            samples = outcome.samples.get(factory.name, [])
            if samples and factory.name not in outcome.failures:
                costs.append(f"{factory.name} {statistics.median(sample['cpu_us'] for sample in samples):,.1f}")
        self._say(f"{scenario.title}, CPU us/request: {', '.join(costs)}")
        return outcome

    def _spread(self, spreads: Sequence[Spread], count: int) -> None:
        factories = spreads[0].proxies
        few_bytes = self._memory(factories, 1) if count > 1 else {}
        with self._proxies(factories, networks=count) as proxies:
            many_bytes = {factory: settled_rss_bytes(proxy) for factory, proxy in proxies.items()}
            for spread in spreads:
                outcome = self._speed(spread, proxies, min(self._rounds, SPREAD_ROUNDS_MAX))
                for factory in few_bytes:
                    each = (many_bytes[factory] - few_bytes[factory]) / (count - 1)
                    for sample in outcome.samples.get(factory.name, ()):
                        sample["bytes_each"] = each

    def _memory(self, factories: Sequence[Factory], networks: int) -> dict[Factory, int]:
        """What each takes with so many networks, before its first request."""
        with self._proxies(factories, networks=networks) as proxies:
            return {factory: settled_rss_bytes(proxy) for factory, proxy in proxies.items()}

    def _hold(self, holding: Holding) -> None:
        outcome = self._outcome(holding.name)
        told = []
        for factory in holding.proxies:
            with self._telling(outcome, holding.name, factory.name), self._proxies([factory]) as proxies:
                sample = holding.run(self.bench, proxies[factory])
                outcome.samples[factory.name] = [sample]
                told.append(f"{factory.name} {sample['kib_each']:,.1f}")
        self._say(f"{holding.title}, KiB each: {', '.join(told)}")

    def _latency(self) -> None:
        outcomes = {name: self._outcome(name) for name in LATENCY}
        reason = latency.missing()
        if reason:
            for outcome in outcomes.values():
                outcome.skipped = reason
            self._say(f"latency while nodes start and stop: skipped: {reason}")
            return
        with self._telling(outcomes["latency_busy"], "latency", Nexus.name), ExitStack() as stack:
            nexus = Nexus(self.bench.setting)
            stack.callback(nexus.remove_nodes)
            stack.callback(nexus.stop)
            haproxy = HAProxy(self.bench.setting)
            stack.callback(haproxy.stop)
            for name, samples in latency.run(self.bench, nexus, haproxy).items():
                outcomes[name].samples = {proxy: [sample] for proxy, sample in samples.items()}
                told = ", ".join(f"{proxy} {sample['p99_ms']:.1f}" for proxy, sample in samples.items())
                self._say(f"{name}, p99 in ms: {told}")
