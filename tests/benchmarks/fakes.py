"""Results as a run would leave them."""

from __future__ import annotations

from benchmarks.edge.results import About, Outcome, Results

ABOUT = About(
    date="2026-11-23T21:00+00:00",
    command="make bench",
    processor="a processor",
    cores=2,
    memory_gib=24.0,
    kernel="6.1",
    pinning="the proxy on core 1",
    versions={"Nexus": "0.1.0", "HAProxy": "2.6.12"},
)


def make_results(**scenarios: dict[str, dict[str, float]]) -> Results:
    """Results with one sample for each proxy of each scenario."""
    return Results(
        scenarios={
            name: Outcome(about=ABOUT, samples={proxy: [sample] for proxy, sample in proxies.items()})
            for name, proxies in scenarios.items()
        }
    )
