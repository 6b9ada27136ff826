"""docs/performance.md, from the results and performance.template.md. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Final

from benchmarks.edge.results import NEXUS, REFERENCE, About, Results
from benchmarks.edge.targets import TARGETS
from benchmarks.edge.titles import PROXIES, TITLES

TEMPLATE: Final = Path(__file__).with_name("performance.template.md")
ABSENT: Final = "-"


def number(value: float | None) -> str:
    """A figure in three digits or so, as people read it."""
    if value is None:
        return ABSENT
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the columns but the first are figures."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows)) + "\n"


def targets_table(results: Results) -> str:
    """What was to be reached, and what was."""
    rows = []
    for target in TARGETS:
        sign = ">=" if target.at_least else "<="
        limit = f"{sign} {target.limit:g} {target.unit}"
        rows.append([target.what, limit, number(target.value(results)), target.verdict(results).value])
    return table(["", "target", "measured", ""], rows)


def comparison(results: Results, scenarios: Sequence[str], metric: str, *, with_ratio: bool = False) -> str:
    """One metric of some scenarios, by proxy; with each as a multiple of HAProxy's in parentheses."""
    outcomes = [results.scenarios[name] for name in scenarios if name in results.scenarios]
    proxies = [
        proxy
        for proxy in PROXIES
        if any(results.median(name, proxy, metric) is not None for name in scenarios)
        or any(proxy in outcome.failures for outcome in outcomes)
    ]

    def cell(scenario: str, proxy: str) -> str:
        outcome = results.scenarios.get(scenario)
        if outcome is not None and proxy in outcome.failures:
            return "failed"
        value = results.median(scenario, proxy, metric)
        multiple = results.ratio(scenario, proxy, metric)
        if not with_ratio or proxy == REFERENCE or value is None or multiple is None:
            return number(value)
        return f"{number(value)} ({number(multiple)})"

    rows = [
        [TITLES[scenario], *(cell(scenario, proxy) for proxy in proxies)]
        for scenario in scenarios
        if scenario in results.scenarios
    ]
    return table(["", *(PROXIES[proxy] for proxy in proxies)], rows) if rows else "Not measured.\n"


def circumstances(about: About) -> str:
    """Machine and versions, as a list."""
    versions = ", ".join(f"{name} {text}" for name, text in about.versions.items())
    gib = f"{about.memory_gib:.0f} GiB"
    return (
        f"- {about.date.partition('T')[0]}, by `{about.command}`\n"
        f"- {about.processor}, {about.cores} cores, {gib}, Linux {about.kernel}\n"
        f"- {versions}\n"
    )


def _measured(results: Results) -> str:
    """Each run's circumstances, and which scenarios are its; most often there is only one."""
    runs: dict[str, list[str]] = {}
    for name in TITLES:
        if name in results.scenarios:
            runs.setdefault(circumstances(results.scenarios[name].about), []).append(name)
    if len(runs) == 1:
        return next(iter(runs)) + "\n"
    return "".join(f"{', '.join(f'`{name}`' for name in names)}:\n\n{text}\n" for text, names in runs.items())


def _failures(results: Results) -> str:
    told = [
        f"{TITLES[name]}, {proxy}: {reason.splitlines()[0]}"
        for name, outcome in results.scenarios.items()
        for proxy, reason in outcome.failures.items()
    ]
    return "A failed request fails the run; there was none." if not told else "**Failed**: " + "; ".join(told) + "."


def _skipped(results: Results, name: str) -> str:
    outcome = results.scenarios.get(name)
    return f"Not measured here: {outcome.skipped}.\n" if outcome is not None and outcome.skipped else ""


def render(results: Results) -> str:
    """The document."""
    small = ("small", "paced", "varied", "logged", "jwt", "jwt_varied", "jwt_fresh", "newconn", "64k", "1m")
    large = ("1m", "256m_down", "256m_up")
    networks = ("networks_1", "networks_100000_one", "networks_1000", "networks_100000", "networks_100000_all")
    abouts = [outcome.about for outcome in results.scenarios.values()]
    parts = {
        "circumstances": _measured(results),
        "targets": targets_table(results),
        "cpu": comparison(results, small, "cpu_us", with_ratio=True),
        "throughput": comparison(results, small, "per_s"),
        "busy": _busy(results, (*small, "256m_down", "256m_up")),
        "large_cpu": comparison(results, large, "cpu_s_per_gb", with_ratio=True),
        "large_throughput": comparison(results, large, "gb_per_s"),
        "networks_cpu": comparison(results, networks, "cpu_us", with_ratio=True),
        "networks_memory": comparison(results, ("networks_100000",), "bytes_each"),
        "memory": comparison(results, ("idle", "idle_10000", "stalled", "slow_uploads"), "kib_each"),
        "latency_loaded": comparison(results, ("paced", "small", "varied", "64k"), "p99_ms"),
        "latency": _skipped(results, "latency_busy") or _latency(results, ("latency_quiet", "latency_busy")),
        "pinning": abouts[0].pinning if abouts else ABSENT,
        "failures": _failures(results),
    }
    template = Template(TEMPLATE.read_text())
    return template.substitute({name: text.rstrip("\n") for name, text in parts.items()})


def _busy(results: Results, scenarios: Sequence[str]) -> str:
    rows = []
    for scenario in scenarios:
        if scenario in results.scenarios:
            cells = [
                results.median(scenario, proxy, metric)
                for proxy in (NEXUS, REFERENCE)
                for metric in ("proxy_busy", "others_busy")
            ]
            rows.append([TITLES[scenario], *(ABSENT if cell is None else f"{cell:.0%}" for cell in cells)])
    return table(["", NEXUS, "client and backend", REFERENCE, "client and backend"], rows)


def _latency(results: Results, scenarios: Sequence[str]) -> str:
    metrics = (
        ("p50_ms", "p50, ms"),
        ("p99_ms", "p99, ms"),
        ("max_ms", "most, ms"),
        ("lag_p99_ms", "loop lag, p99, ms"),
        ("lag_ms", "most, ms"),
    )
    rows = [
        [f"{proxy}, {TITLES[scenario]}", *(number(results.median(scenario, proxy, metric)) for metric, _ in metrics)]
        for scenario in scenarios
        for proxy in (NEXUS, REFERENCE)
        if scenario in results.scenarios
    ]
    return table(["", *(title for _, title in metrics)], rows)
