"""docs/performance.svg: how much more or less CPU than HAProxy each proxy needs, by scenario."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.edge.results import NEXUS, REFERENCE, Results
from benchmarks.edge.targets import CPU_LIMITS
from benchmarks.edge.titles import PROXIES, TITLES

SCENARIOS: Final = (
    "small",
    "paced",
    "varied",
    "jwt",
    "jwt_varied",
    "newconn",
    "networks_100000",
    "64k",
    "1m",
    "256m_down",
    "256m_up",
)
COLOURS: Final = {
    "Nexus": "#c2410c",
    "HAProxy splice": "#1e3a8a",
    "nginx": "#15803d",
    "Caddy": "#0e7490",
    "twisted.web.proxy": "#9ca3af",
}
TIMES: Final = "\N{MULTIPLICATION SIGN}"
WIDTH_INCHES: Final = 9.0
BAR_INCHES: Final = 0.155
GROUP_GAP: Final = 1.1
"""Between two scenarios, in bars."""
_INK: Final = "#1f2937"
_PALE: Final = "#6b7280"
_GRID: Final = "#e5e7eb"
_TARGET: Final = {"marker": "D", "markersize": 4.2, "color": _INK, "markeredgecolor": "white", "linestyle": "none"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One proxy in one scenario.

    :ivar multiple: its CPU as a multiple of HAProxy's.
    :ivar cpu_us: the same in microseconds for each request.
    :ivar place: counted in bars, from the top.
    """

    proxy: str
    multiple: float
    cpu_us: float
    place: float

    @property
    def label(self) -> str:
        """What stands at its end."""
        digits = 0 if self.multiple >= 10 else 1 if self.multiple >= 1 else 2
        return f"{self.multiple:.{digits}f}{TIMES} · {duration(self.cpu_us)}"


@dataclass(frozen=True, slots=True)
class Group:
    """One scenario's bars, the least CPU first.

    :ivar reference_us: what HAProxy needs.
    :ivar limit: the multiple that Nexus is to stay below, if one is set.
    """

    title: str
    reference_us: float
    bars: tuple[Bar, ...]
    limit: float | None


def duration(microseconds: float) -> str:
    """A time in the unit that suits it."""
    if microseconds < 1000:
        return f"{microseconds:.0f} µs"
    milliseconds = microseconds / 1000
    if milliseconds < 1000:
        return f"{milliseconds:.2g} ms" if milliseconds < 100 else f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s"


def groups(results: Results) -> list[Group]:
    """What is shown: the scenarios in which HAProxy and Nexus were both measured."""
    found: list[Group] = []
    place = 0.0
    for scenario in SCENARIOS:
        reference_us = results.median(scenario, REFERENCE, "cpu_us")
        if reference_us is None or results.median(scenario, NEXUS, "cpu_us") is None:
            continue
        measured = ((results.median(scenario, proxy, "cpu_us"), proxy) for proxy in PROXIES if proxy != REFERENCE)
        ranked = sorted((cpu_us, proxy) for cpu_us, proxy in measured if cpu_us is not None)
        bars = tuple(
            Bar(proxy, cpu_us / reference_us, cpu_us, place + number) for number, (cpu_us, proxy) in enumerate(ranked)
        )
        found.append(Group(TITLES[scenario], reference_us, bars, CPU_LIMITS.get(scenario)))
        place += len(bars) + GROUP_GAP
    return found


def draw(results: Results) -> str:
    """The picture, as SVG; the same for the same results."""
    # Only here, since only `make bench` installs it.
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    shown = groups(results)
    last = max((bar.place for group in shown for bar in group.bars), default=0.0)
    with mpl.rc_context({"svg.hashsalt": "nexus", "font.family": "DejaVu Sans", "font.size": 8.5, "text.color": _INK}):
        figure = Figure(figsize=(WIDTH_INCHES, 1.5 + BAR_INCHES * (last + 2)), layout="constrained")
        axes: Any = figure.subplots()
        _draw_frame(axes, shown, last)
        for group in shown:
            for bar in group.bars:
                _draw_bar(axes, bar, group.limit if bar.proxy == NEXUS else None)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def _draw_frame(axes: Any, shown: list[Group], last: float) -> None:
    axes.set_xscale("log", base=2)
    multiples = [bar.multiple for group in shown for bar in group.bars] or [1.0]
    # Room for labels on both sides.
    axes.set_xlim(min(0.25, *multiples) / 5.5, max(4.0, *multiples) * 4)
    axes.set_ylim(last + 1, -1.8)
    ticks = [2.0**power for power in range(-3, 6) if axes.get_xlim()[0] < 2.0**power < axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{tick:g}{TIMES}" for tick in ticks])
    axes.minorticks_off()
    axes.xaxis.tick_top()
    axes.set_yticks(
        [(group.bars[0].place + group.bars[-1].place) / 2 for group in shown],
        [f"{group.title}\nHAProxy: {duration(group.reference_us)}" for group in shown],
    )
    axes.tick_params(length=0, colors=_INK)
    axes.grid(axis="x", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.axvline(1, color=_INK, linewidth=1.2)
    axes.set_title("CPU time of each request, as a multiple of HAProxy's", loc="left", fontsize=11.5, fontweight="bold")
    axes.plot([], [], label="Nexus's target", **_TARGET)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1.01),
        borderpad=0,
        frameon=False,
        handletextpad=0.2,
        fontsize=8,
        labelcolor=_PALE,
    )
    left, right = axes.get_xlim()
    for edge, text, alignment in ((left, "◂ less than HAProxy", "left"), (right, "more than HAProxy ▸", "right")):
        axes.text(edge, -1.3, text, ha=alignment, va="center", color=_PALE, fontsize=8)


def _draw_bar(axes: Any, bar: Bar, limit: float | None) -> None:
    ours = bar.proxy == NEXUS
    # From HAProxy's own figure, so that the side says who wins and the length, by how much.
    left, right = min(1.0, bar.multiple), max(1.0, bar.multiple)
    axes.barh(bar.place, right - left, left=left, height=0.82, color=COLOURS[bar.proxy], alpha=1.0 if ours else 0.62)
    is_less = bar.multiple < 1
    end = bar.multiple
    if limit is not None:
        axes.plot(limit, bar.place, **_TARGET)
        end = min(end, limit) if is_less else max(end, limit)
    axes.annotate(
        f"{PROXIES[bar.proxy]}  {bar.label}",
        (end, bar.place),
        xytext=(-5 if is_less else 5, 0),
        textcoords="offset points",
        ha="right" if is_less else "left",
        va="center",
        fontsize=7.2,
        fontweight="bold" if ours else "normal",
        color=COLOURS[bar.proxy] if ours else _INK,
    )
