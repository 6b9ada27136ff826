"""What wrk is told, and what is made of what it tells."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.edge import wrk

OUTPUT = """\
Running 2s test @ http://127.0.0.1:18000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.11ms  420.10us   9.11ms   90.12%
    Req/Sec    54.12k     1.20k   55.40k    85.00%
  108000 requests in 2.00s, 30.00MB read
Requests/sec:  54000.00
Transfer/sec:     15.00MB
benchmark: {"requests": 108000, "microseconds": 2000123, "bytes": 31457280, "errors": 0, "p50_us": 1050, "p99_us": 2345}
"""


def make_result(requests: int = 100, errors: int = 0, body_bytes: int = 20_000) -> wrk.WrkResult:
    """A run of so many requests."""
    return wrk.WrkResult(requests=requests, seconds=1.0, bytes=body_bytes, errors=errors, p50_ms=1.0, p99_ms=2.0)


class WrkResultTests(SynchronousTestCase):
    """Somebody who wants only figures of whole runs."""

    def test_parsed(self) -> None:
        """Requests, time, bytes and quantiles come from the line that our script writes, in our units."""
        result = wrk.parse_result(OUTPUT)
        self.assertEqual((result.requests, result.bytes, result.errors), (108000, 31457280, 0))
        self.assertAlmostEqual(result.seconds, 2.000123)
        self.assertEqual((result.p50_ms, result.p99_ms), (1.05, 2.345))

    def test_without_the_line(self) -> None:
        """A run that told nothing counts for nothing."""
        self.assertRaises(wrk.WrkError, wrk.parse_result, "unable to connect to 127.0.0.1:18000 Connection refused\n")

    def test_errors(self) -> None:
        """One request that failed is enough for the run to count for nothing."""
        error = self.assertRaises(wrk.WrkError, wrk.check_result, make_result(errors=1), 128)
        self.assertIn("1 of 100 requests failed", str(error))

    def test_short_bodies(self) -> None:
        """Fewer bytes than whole bodies have are a failure, though every status was good."""
        wrk.check_result(make_result(body_bytes=12_800), 128)
        self.assertRaises(wrk.WrkError, wrk.check_result, make_result(body_bytes=12_799), 128)

    def test_no_requests(self) -> None:
        """A proxy that answers nothing does not pass for a cheap one."""
        self.assertRaises(wrk.WrkError, wrk.check_result, make_result(requests=0, body_bytes=0), 128)


class WrkScriptTests(SynchronousTestCase):
    """What the client sends."""

    def test_fixed(self) -> None:
        """Fields are set once, and there is no function that would slow the client down."""
        script = wrk.fixed({"Host": "bench.gateway.localhost", "Authorization": 'Bearer a"b'})
        self.assertIn('wrk.headers["Host"] = "bench.gateway.localhost"\n', script)
        self.assertIn('wrk.headers["Authorization"] = "Bearer a\\"b"\n', script)
        self.assertNotIn("function request", script)

    def test_varied(self) -> None:
        """Path, query and two fields have the request's number in them, and a chosen field takes its values in turn."""
        script = wrk.varied("/v/", {"Host": "h"}, {"Authorization": ["Bearer one", "Bearer two"]})
        self.assertIn('local c0 = {"Bearer one","Bearer two"}', script)
        self.assertIn('"GET /v/" .. n .. "?page=" .. n', script)
        self.assertIn('"Host: h\\r\\n"', script)
        self.assertIn('"Authorization: " .. c0[n % #c0 + 1] .. "\\r\\n"', script)

    def test_every_script_tells(self) -> None:
        """Each ends in the function that writes what is parsed."""
        for script in (wrk.fixed({}), wrk.varied("/", {}, {}), wrk.spread("/", "n%06d.localhost", 10)):
            self.assertIn("function done(summary, latency, requests)", script)
            self.assertIn("benchmark: ", script)
