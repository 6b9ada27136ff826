"""A container's use, from samples of the engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from nexus.containers.sampling import Sample, Sampler, read_sample

AT = datetime(2026, 11, 23, 18, 0, 0, tzinfo=UTC)
STARTED_AT = AT - timedelta(seconds=30)


def make_answer(**fields: Any) -> dict[str, Any]:
    """An answer of a host with cgroup v1 (Docker 20.10, shortened)."""
    return {
        "read": "2026-11-23T18:00:00Z",
        "preread": "0001-01-01T00:00:00Z",
        "pids_stats": {"current": 7},
        "cpu_stats": {"cpu_usage": {"total_usage": 5_000_000_000}, "system_cpu_usage": 1, "online_cpus": 2},
        "memory_stats": {
            "usage": 50_000_000,
            "stats": {"inactive_file": 1, "total_inactive_file": 20_000_000},
            "limit": 64_000_000,
        },
        "networks": {"eth0": {"rx_bytes": 10, "tx_bytes": 20}, "eth1": {"rx_bytes": 1, "tx_bytes": 2}},
        **fields,
    }


def make_sample(after_s: float = 0, cpu_s: float = 0) -> Sample:
    """A sample, `after_s` seconds after the first, when `cpu_s` seconds of CPU had been used."""
    return Sample(
        at=AT + timedelta(seconds=after_s),
        cpu_ns=round(cpu_s * 10**9),
        memory_used_bytes=1,
        memory_cap_bytes=2,
        network_received_bytes=3,
        network_sent_bytes=4,
        pids=5,
    )


class SampleTests(SynchronousTestCase):
    """One answer of the engine."""

    def test_read(self) -> None:
        """Counters are read, those of all networks together, and memory without the idle file cache."""
        expected = Sample(
            at=AT,
            cpu_ns=5_000_000_000,
            memory_used_bytes=30_000_000,
            memory_cap_bytes=64_000_000,
            network_received_bytes=11,
            network_sent_bytes=22,
            pids=7,
        )
        self.assertEqual(read_sample(make_answer()), expected)

    def test_read_of_cgroup_v2(self) -> None:
        """A host with cgroup v2 calls the idle file cache otherwise."""
        memory = {"usage": 50_000_000, "stats": {"inactive_file": 15_000_000}, "limit": 64_000_000}
        sample = read_sample(make_answer(memory_stats=memory))
        assert sample is not None
        self.assertEqual(sample.memory_used_bytes, 35_000_000)

    def test_without_network(self) -> None:
        """A container without a network has no traffic, and one whose cache is larger than its use has none of that."""
        memory = {"usage": 10, "stats": {"inactive_file": 15}, "limit": 20}
        sample = read_sample(make_answer(networks=None, memory_stats=memory))
        assert sample is not None
        self.assertEqual((sample.network_sent_bytes, sample.memory_used_bytes), (0, 0))

    def test_not_running(self) -> None:
        """For a container that does not run the engine answers zeros: no sample."""
        self.assertIsNone(read_sample(make_answer(read="0001-01-01T00:00:00Z", memory_stats={})))
        self.assertIsNone(read_sample(make_answer(memory_stats={})))


class SamplerTests(SynchronousTestCase):
    """Use of CPU: since the last time, else since the container's start, which was half a minute before `AT`."""

    def measure(self, sampler: Sampler, sample: Sample | None) -> float | None:
        """The CPU use, when the engine gives this sample; no other is asked for."""
        stats = sampler.measure("a", lambda: sample, lambda: STARTED_AT)
        return None if stats is None else stats.cpu_percent

    def test_first_time(self) -> None:
        """The first time it is the use since the container's start; CPU is per cent of one core."""
        self.assertEqual(self.measure(Sampler(), make_sample(0, 45)), 150)

    def test_young(self) -> None:
        """Of a container that has just started, what it took to make it would pass for its own use: there it takes two
        samples."""
        samples = iter((make_sample(1, 0.1), make_sample(2, 0.6)))
        stats = Sampler().measure("a", lambda: next(samples), lambda: AT)
        assert stats is not None
        self.assertEqual(stats.cpu_percent, 50)
        samples = iter((make_sample(1, 0.1),))
        self.assertIsNone(Sampler().measure("a", lambda: next(samples, None), lambda: AT))

    def test_again(self) -> None:
        """The next time it is the use since the last time, and nobody asks when the container started."""
        sampler = Sampler()
        self.measure(sampler, make_sample(1, 1))
        for sample, percent in ((make_sample(11, 2), 10), (make_sample(12, 2), 0)):
            stats = sampler.measure("a", lambda sample=sample: sample, self.fail)  # type: ignore[misc]
            assert stats is not None
            self.assertEqual(stats.cpu_percent, percent)

    def test_long_after(self) -> None:
        """A sample of more than a minute ago is not used."""
        sampler = Sampler()
        self.measure(sampler, make_sample(0, 0))
        self.assertEqual(self.measure(sampler, make_sample(60, 30)), 50)
        self.assertEqual(self.measure(sampler, make_sample(121, 30.2)), 20)

    def test_same_sample(self) -> None:
        """Asked twice within one of the engine's intervals, the answer is the same."""
        sampler = Sampler()
        self.measure(sampler, make_sample(0, 0))
        for _ in range(2):
            self.assertEqual(self.measure(sampler, make_sample(1, 0.25)), 25)

    def test_restarted(self) -> None:
        """After a restart the counters begin again, and so does the measurement."""
        sampler = Sampler()
        self.measure(sampler, make_sample(0, 5))
        self.assertEqual(self.measure(sampler, make_sample(20, 0.5)), 1.0)

    def test_stopped(self) -> None:
        """A container that does not run, or stops meanwhile, has no use."""
        self.assertIsNone(self.measure(Sampler(), None))
        self.assertIsNone(Sampler().measure("a", make_sample, lambda: None))

    def test_many(self) -> None:
        """However many containers come and go, only so many samples are kept; the latest are."""
        sampler = Sampler()
        for number in range(1500):
            sampler.measure(str(number), make_sample, lambda: STARTED_AT)
        self.assertEqual(len(sampler), 1024)
        latest = sampler.measure("1499", lambda: make_sample(1, 1), self.fail)
        assert latest is not None
        self.assertEqual(latest.cpu_percent, 100)
