"""What the engine answers, read into our values. The answers are Docker 20.10's, shortened."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from nexus.container import Caps, Container, ContainerEvent, ContainerEventKind, Volume
from nexus.containers import answers
from nexus.model import ContainerState

LISTED: dict[str, Any] = {
    "Id": "f9a0",
    "Names": ["/nexus-a"],
    "Image": "ipfs/kubo:v0.43.0",
    "Created": 1795457082,
    "Labels": {"part": "a"},
    "State": "running",
    "Status": "Up 2 seconds",
}


def make_inspected(**state: Any) -> dict[str, Any]:
    """An inspected container in the given state."""
    return {
        "Id": "f9a0",
        "Created": "2026-11-23T18:04:42.604321987Z",
        "Name": "/nexus-a",
        "RestartCount": 2,
        "State": {
            "Status": "running",
            "OOMKilled": False,
            "ExitCode": 0,
            "Error": "",
            "StartedAt": "2026-11-23T18:04:42.912078123Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
            **state,
        },
        "Config": {"Image": "ipfs/kubo:v0.43.0", "Labels": {"part": "a"}},
        "HostConfig": {"NanoCpus": 500_000_000, "Memory": 67_108_864, "PidsLimit": None},
        "NetworkSettings": {
            "Networks": {"nexus": {"IPAMConfig": {"IPv4Address": "10.77.3.10"}, "IPAddress": "10.77.3.11"}}
        },
    }


def make_event(**fields: Any) -> dict[str, Any]:
    """A message of the event stream."""
    return {
        "status": "die",
        "id": "f9a0",
        "from": "ipfs/kubo:v0.43.0",
        "Type": "container",
        "Action": "die",
        "Actor": {
            "ID": "f9a0",
            "Attributes": {"exitCode": "137", "image": "ipfs/kubo:v0.43.0", "name": "nexus-a", "part": "a", "x": "y"},
        },
        "scope": "local",
        "time": 1795457082,
        "timeNano": 1795457082123456789,
        **fields,
    }


class ContainerAnswerTests(SynchronousTestCase):
    """Lists and inspections."""

    def test_time(self) -> None:
        """Times are UTC, to the microsecond; Go's zero time means never."""
        self.assertEqual(
            answers.parse_time("2026-11-23T19:04:42.604321987+01:00"),
            datetime(2026, 11, 23, 18, 4, 42, 604321, tzinfo=UTC),
        )
        self.assertEqual(answers.parse_time("2026-11-23T18:04:42Z"), datetime(2026, 11, 23, 18, 4, 42, tzinfo=UTC))
        self.assertIsNone(answers.parse_time("0001-01-01T00:00:00Z"))
        self.assertIsNone(answers.parse_time(""))

    def test_listed(self) -> None:
        """One entry of a list is a container."""
        expected = Container(
            id="f9a0",
            name="nexus-a",
            image="ipfs/kubo:v0.43.0",
            state=ContainerState.RUNNING,
            labels={"part": "a"},
            created_at=datetime(2026, 11, 23, 18, 4, 42, tzinfo=UTC),
        )
        self.assertEqual(answers.container(LISTED), expected)
        self.assertEqual(answers.container({**LISTED, "Labels": None}).labels, {})

    def test_inspected(self) -> None:
        """A running container has no exit code, and the address that it really has."""
        detail = answers.container_detail(make_inspected())
        self.assertEqual((detail.name, detail.state, detail.restart_count), ("nexus-a", ContainerState.RUNNING, 2))
        self.assertEqual((detail.exit_code, detail.finished_at, detail.address), (None, None, "10.77.3.11"))
        self.assertEqual(detail.caps, Caps(nano_cpus=500_000_000, memory_bytes=67_108_864, pids=0))

    def test_ended(self) -> None:
        """An ended container has an exit code and a time, and the address that it was given."""
        ended = make_inspected(
            Status="exited", ExitCode=137, OOMKilled=True, FinishedAt="2026-11-23T18:04:44.436211Z", Error="killed"
        )
        ended["NetworkSettings"]["Networks"]["nexus"]["IPAddress"] = ""
        detail = answers.container_detail(ended)
        self.assertEqual(
            (detail.state, detail.exit_code, detail.oom_killed, detail.error, detail.address),
            (ContainerState.EXITED, 137, True, "killed", "10.77.3.10"),
        )
        self.assertEqual(detail.finished_at, datetime(2026, 11, 23, 18, 4, 44, 436211, tzinfo=UTC))

    def test_never_started(self) -> None:
        """A container whose start failed has no exit code, though the engine makes one up, and no address."""
        failed = make_inspected(Status="created", ExitCode=128, StartedAt="0001-01-01T00:00:00Z", Error="in use")
        failed["NetworkSettings"]["Networks"] = {"bridge": {"IPAMConfig": None, "IPAddress": ""}}
        detail = answers.container_detail(failed)
        self.assertEqual((detail.exit_code, detail.started_at, detail.address), (None, None, None))
        self.assertEqual(detail.error, "in use")

    def test_volume(self) -> None:
        """A volume without labels has none."""
        self.assertEqual(answers.volume({"Name": "a", "Labels": None}), Volume(name="a", labels={}))


class EventAnswerTests(SynchronousTestCase):
    """Messages of the event stream."""

    def test_event(self) -> None:
        """A message becomes an event with the container's labels, without what the engine mixes in."""
        expected = ContainerEvent(
            kind=ContainerEventKind.DIE,
            container_id="f9a0",
            labels={"part": "a", "x": "y"},
            at=datetime(2026, 11, 23, 18, 4, 42, 123456, tzinfo=UTC),
        )
        self.assertEqual(answers.container_event(make_event()), expected)

    def test_each_kind(self) -> None:
        """Start, death, removal and lack of memory are told; nothing else is."""
        for action in ("start", "die", "destroy", "oom"):
            event = answers.container_event(make_event(Action=action))
            assert event is not None
            self.assertEqual(event.kind.value, action)
        for fields in (
            {"Action": "kill"},
            {"Action": "exec_start: /bin/sh"},
            {"Action": "health_status: healthy"},
            {"Type": "network", "Action": "destroy"},
            {"Type": "volume", "Action": "destroy"},
            {"Action": ""},
        ):
            self.assertIsNone(answers.container_event(make_event(**fields)), fields)


class LogTests(SynchronousTestCase):
    """A tenant's output, made safe to print."""

    def test_plain(self) -> None:
        """Lines come as they are, the last ones, without their ends."""
        self.assertEqual(answers.log_lines(b"one\ntwo \r\n\nthree", 10), ["one", "two", "", "three"])
        self.assertEqual(answers.log_lines(b"one\ntwo\n", 1), ["two"])
        self.assertEqual(answers.log_lines(b"one\n", 0), [])
        self.assertEqual(answers.log_lines(b"", 5), [])

    def test_escapes(self) -> None:
        """Colours, cursor movement, titles, links, bells, and text that runs backwards are gone."""
        for output, line in (
            (b"\x1b[1;31mred\x1b[0m", "red"),
            (b"a\x1b[2K\x1b[1Ab", "ab"),
            (b"\x1b]0;title\x07text", "text"),
            (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            (b"\x1bPq#0\x1b\\x", "x"),
            (b"\x1bca\x1b(Bb", "ab"),
            (b"ding\x07\x08\x00\x7f", "ding"),
            ("\u202eevil\u2066\u200b".encode(), "evil"),
            ("a\x9b31mb".encode(), "a31mb"),
            (b"tab\there", "tab here"),
            ("grüße \N{NO-BREAK SPACE}x".encode(), "grüße  x"),
            (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
            (b"open \x1b", "open"),
            (b"open \x1b[31", "open 31"),
        ):
            self.assertEqual(answers.log_lines(output, 5), [line], output)

    def test_frames(self) -> None:
        """Both streams of a command are read in the order in which they came; a cut frame gives what there is."""
        out, err = b"\x01\0\0\0\0\0\0\x03", b"\x02\0\0\0\0\0\0\x04"
        self.assertEqual(answers.demultiplex(out + b"one" + err + b"twoo" + out + b"x"), b"onetwoox")
        self.assertEqual(answers.demultiplex(b""), b"")
        self.assertEqual(answers.demultiplex(b"\x01\0\0"), b"")
