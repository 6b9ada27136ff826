"""How the access log reads."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.access_lines import Record, json_lines, text_lines
from nexus.model import Feature


def make_record(
    *,
    at: float = 1_700_000_000.0625,
    client: str = "192.0.2.7",
    user: str | None = "alice",
    method: bytes = b"GET",
    network: str = "demo",
    feature: Feature | None = Feature.GATEWAY,
    target: bytes = b"/ipfs/cid?query",
    first_byte_s: float | None = 0.25,
) -> Record:
    """What is remembered of one request."""
    return (at, client, user, method, network, feature, target, 200, 3, 5, first_byte_s, 0.5, "complete")


def columns(**changes: object) -> list[str]:
    """A record's line as text, taken apart."""
    (line,) = text_lines([make_record(**changes)])  # type: ignore[arg-type]
    return line.split(" ")


class LineTests(SynchronousTestCase):
    """How records read."""

    def test_text(self) -> None:
        """Columns between spaces."""
        self.assertEqual(
            text_lines([make_record()]),
            [
                "2023-11-14T22:13:20.062Z 192.0.2.7 alice GET demo/gateway /ipfs/cid 200 in=3 out=5 "
                "first_byte_ms=250.000 duration_ms=500.000 complete"
            ],
        )

    def test_nothing(self) -> None:
        """What there is not is `-`, or null."""
        nothing = make_record(user=None, network="", feature=None, method=b"-", target=b"-", first_byte_s=None)
        self.assertEqual(
            text_lines([nothing])[0].partition(" ")[2],
            "192.0.2.7 - - -/- - 200 in=3 out=5 first_byte_ms=- duration_ms=500.000 complete",
        )
        told = json.loads(json_lines([nothing])[0])
        self.assertEqual([told[name] for name in ("user", "network", "feature", "first_byte_ms")], [None] * 4)

    def test_each_at_its_time(self) -> None:
        """Of a batch every line has the time of its own request's end."""
        records = [make_record(at=at) for at in (59.9994, 59.9999, 60.0, 60.001, 59.5)]
        for lines in (text_lines(records), [json.loads(line)["time"] for line in json_lines(records)]):
            self.assertEqual(
                [line[:24] for line in lines],
                [
                    "1970-01-01T00:00:59.999Z",
                    "1970-01-01T00:00:59.999Z",
                    "1970-01-01T00:01:00.000Z",
                    "1970-01-01T00:01:00.001Z",
                    "1970-01-01T00:00:59.500Z",
                ],
            )

    def test_no_line_of_a_strangers_making(self) -> None:
        """Nothing that a client can choose begins a line or a column, or moves the cursor of who reads."""
        hostile = '\n\r\t \x1b[2J\x00\x7f\x85\u2028\u202e\\"'
        for name in ("user", "client"):
            self.assertEqual(len(columns(**{name: hostile})), 12, name)
        for name in ("method", "target"):
            self.assertEqual(len(columns(**{name: b"/" + hostile.encode()})), 12, name)
        record = make_record(
            user=hostile, client=hostile, method=hostile.encode(), target=b"/" + bytes(range(256)).replace(b"?", b"")
        )
        for line in (*text_lines([record]), *json_lines([record])):
            self.assertTrue(line.isascii() and line.isprintable(), line)
        told = json.loads(json_lines([record])[0])
        self.assertEqual((told["user"], told["client"]), (hostile, hostile))
        self.assertEqual(columns(target=b"/a b\\\xc3")[5], r"/a\x20b\x5c\xc3")
        self.assertEqual(columns(user="\u202e")[2], r"\u{202e}")

    def test_who_is_called_nobody(self) -> None:
        """A user by the name of `-` is not taken for none."""
        self.assertEqual(columns(user="-")[2], r"\x2d")
