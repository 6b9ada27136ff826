"""The table of hostile and odd messages (see `hostile`), each a test: whole, byte by byte, and line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tests.edge.fakes import EdgeTestCase
from tests.edge.hostile.case import Case, End, Kind, RequestCase, ResponseCase
from tests.edge.hostile.table import REQUESTS, RESPONSES
from tests.edge.memory import FakeNode, Peer
from tests.edge.strict import Message, read_requests, read_responses

BYTEWISE_BYTES_MAX = 1500
"""Longer ones are only cut at their lines: they are about length."""

CLOSING = (400, 414, 431, 501, 505)
"""Answers behind which nobody knows where the next request begins."""

NEXT = b"GET /next HTTP/1.1\r\nHost: demo.gateway.localhost\r\n\r\n"

CaseT = TypeVar("CaseT", bound=Case)
TestsT = TypeVar("TestsT", bound=type["TableTestCase"])


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """`data` as it may come: at once, line by line, byte by byte."""
    yield [data]
    lines = data.splitlines(keepends=True) if len(data) < BYTEWISE_BYTES_MAX else data.split(b"\n", 3)
    if len(lines) > 1:
        yield lines if len(data) < BYTEWISE_BYTES_MAX else [line + b"\n" for line in lines[:-1]] + lines[-1:]
    if 1 < len(data) < BYTEWISE_BYTES_MAX:
        yield [data[index : index + 1] for index in range(len(data))]


def each(cases: Sequence[CaseT], check: Callable[..., None]) -> Callable[[TestsT], TestsT]:
    """Give a class one test for each case."""

    def decorate(tests: TestsT) -> TestsT:
        for number, case in enumerate(cases):
            name = re.sub(r"[^a-z0-9]+", "_", f"{case.subject}_{case.name}".lower()).strip("_")

            def test(self: TableTestCase, case: CaseT = case) -> None:
                for pieces in cuts(case.data):
                    self.begin(f"{case.subject}: {case.name} ({case.source}) in {len(pieces)}")
                    check(self, case, pieces)

            test.__doc__ = f"{case.subject}: {case.name} ({case.source})."
            setattr(tests, f"test_{name}" if not hasattr(tests, f"test_{name}") else f"test_{name}_{number}", test)
        return tests

    return decorate


class TableTestCase(EdgeTestCase):
    """One case, with a fresh edge for each way of cutting it."""

    access_log = True

    def begin(self, title: str) -> None:
        """Start anew."""
        if not hasattr(self, "title"):
            self.publish()
        else:
            for node in self.network.nodes.values():
                node.connections.clear()
            self.edge = self.make_edge()
        self.title = title

    def pump(self) -> None:
        """Let the node answer each whole request that it has got, with its target, and 200."""
        node = self.gateway()
        answered = -1
        while answered != (answered := sum(answer(peer) for peer in node.connections)):
            pass

    def assert_next(self) -> None:
        """Whoever comes next is served as if nothing had been."""
        client = self.ask(NEXT)
        self.pump()
        (response,) = read_responses(client.received)
        self.assertEqual((response.status, response.body), (200, b"/next"), self.title)

    def assert_patterns(self, case: Case, data: bytes) -> None:
        """What must be there is, and what must not is not."""
        for pattern in case.present:
            self.assertRegex(data, re.compile(pattern, re.IGNORECASE | re.MULTILINE), self.title)
        for pattern in case.absent:
            self.assertNotRegex(data, re.compile(pattern, re.IGNORECASE | re.MULTILINE), self.title)


def answer(peer: Peer) -> int:
    """Answer the requests of one connection that have not been; how many have now."""
    requests = [message for message in read_requests(peer.received) if message.complete and not message.problems]
    done: int = getattr(peer, "answered", 0)
    for message in requests[done:]:
        body = b"" if message.line[0] == b"HEAD" else message.target
        if not (peer.is_lost or peer.is_aborted or peer.has_ended):
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(message.target), body))
    peer.answered = len(requests)  # type: ignore[attr-defined]
    return len(requests)


def forwarded(node: FakeNode) -> list[Message]:
    """All that a node has got."""
    return [message for peer in node.connections for message in read_requests(peer.received)]


def check_request(tests: TableTestCase, case: RequestCase, pieces: list[bytes]) -> None:
    """The client gets what the case says, and the node nothing that it does not."""
    client = tests.client()
    for piece in pieces:
        client.send(piece)
        tests.pump()
    if case.end is End.FIN:
        client.close()
    elif case.end is End.RST:
        client.reset()
    tests.pump()
    node = tests.gateway()
    messages = forwarded(node)
    whole = [message for message in messages if message.complete]
    tests.assertEqual([message.problems for message in messages if message.problems], [], tests.title)
    tests.assertEqual(len(whole), case.requests, tests.title)
    for peer in node.connections:
        if not all(message.complete for message in read_requests(peer.received)):
            tests.assertTrue(case.begins, f"{tests.title}: a part of it reached the node")
            tests.assertTrue(peer.is_aborted, f"{tests.title}: the node may wait for the rest")
    tests.assert_patterns(case, b"".join(message.plain for message in messages))
    if case.kind is not Kind.CUT:
        methods = [message.line[0] for message in whole] + [b"GET"]
        responses = read_responses(client.received, methods)
        tests.assertEqual([message.problems for message in responses if message.problems], [], tests.title)
        final = [message for message in responses if message.status >= 200]
        tests.assertEqual([message.status for message in final], list(case.statuses), tests.title)
        tests.assertTrue(all(message.complete for message in final), tests.title)
        bodies = [message.body for message in final if message.status == 200]
        targets = [message.target if message.line[0] != b"HEAD" else b"" for message in whole]
        tests.assertEqual(bodies, targets, f"{tests.title}: not in their order")
        tests.assertTrue(all(message.values(b"date") for message in final), tests.title)
        if case.statuses[-1] in CLOSING:
            tests.assertEqual(final[-1].values(b"connection"), [b"close"], tests.title)
            tests.assertTrue(client.is_half_closed, tests.title)
    tests.assert_next()


def check_response(tests: TableTestCase, case: ResponseCase, pieces: list[bytes]) -> None:
    """The client gets what the case says, and whoever comes next nothing of it."""
    client = tests.ask(case.request)
    node = tests.gateway().last
    for piece in pieces:
        if not (node.is_lost or node.is_aborted):
            node.send(piece)
    if not (node.is_lost or node.is_aborted):
        if case.end is End.FIN:
            node.close()
        elif case.end is End.RST:
            node.reset()
    responses = read_responses(client.received, [case.request.split(b" ")[0]], ended=client.is_closed)
    tests.assert_patterns(case, b"".join(message.plain for message in responses))
    if case.status != 101:
        assert_client_got(tests, case, responses, client, node, len(pieces))
    node.answered = len(read_requests(node.received))  # type: ignore[attr-defined]
    tests.assert_next()


def assert_client_got(  # noqa: PLR0917
    tests: TableTestCase, case: ResponseCase, responses: list[Message], client: Peer, node: Peer, pieces: int
) -> None:
    """Status and end of what a client got."""
    final = [message for message in responses if message.status >= 200]
    whole = [message.status for message in final if message.complete]
    tests.assertEqual([message.problems for message in responses if message.problems], [], tests.title)
    if case.kind in (Kind.PASSED, Kind.SANITISED):
        tests.assertEqual(whole, [case.status], tests.title)
        tests.assertFalse(client.is_aborted, tests.title)
        return
    if case.kind is Kind.ANSWERED and (pieces == 1 or not case.begins or whole):
        tests.assertEqual(whole, [502], tests.title)
        tests.assertFalse(client.is_aborted, tests.title)
    else:
        tests.assertEqual(whole, [], f"{tests.title}: it looks like a whole response")
        tests.assertTrue(client.is_aborted, f"{tests.title}: the client may take its end for an end")
    tests.assertTrue(node.is_aborted or node.is_lost, tests.title)


@each(REQUESTS, check_request)
class RequestTableTests(TableTestCase):
    """What clients send."""


@each(RESPONSES, check_response)
class ResponseTableTests(TableTestCase):
    """What nodes answer: they are tenants'."""


class TableTests(TableTestCase):
    """The table itself, and what holds at every byte of it."""

    def test_names(self) -> None:
        """A case's subject and name are its own, and so are its bytes."""
        cases = [*REQUESTS, *RESPONSES]
        self.assertEqual(len({(case.subject, case.name) for case in cases}), len(cases))
        requests = {(case.data, case.end): case.name for case in REQUESTS}
        responses = {(case.request, case.data, case.end): case.name for case in RESPONSES}
        self.assertEqual([case.name for case in REQUESTS if requests[case.data, case.end] != case.name], [])
        self.assertEqual(
            [case.name for case in RESPONSES if responses[case.request, case.data, case.end] != case.name], []
        )

    def test_requests_cut_anywhere(self) -> None:
        """Wherever a client leaves, no node takes what it sent for a whole request."""
        data = (
            b"POST /x HTTP/1.1\r\nHost: demo.gateway.localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n"
            b"5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\nX-A: b\r\n\r\n"
        )
        for end in (End.FIN, End.RST):
            for length in range(1, len(data)):
                case = RequestCase(
                    name="", source="RFC 9112 8", data=data[:length], kind=Kind.CUT, statuses=(), end=end, begins=True
                )
                self.begin(f"cut at {length}, {end}")
                check_request(self, case, [case.data])

    def test_responses_cut_anywhere(self) -> None:
        """Wherever a node leaves, no client takes what it answered for a whole response."""
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n"
        data = head + b"5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\nX-A: b\r\n\r\n"
        for version in (b"1.1", b"1.0"):
            request = b"GET / HTTP/%b\r\nHost: demo.gateway.localhost\r\n\r\n" % version
            for end in (End.FIN, End.RST):
                for length in range(len(data)):
                    begun = length >= len(head)
                    case = ResponseCase(
                        name="",
                        source="RFC 9112 8",
                        data=data[:length],
                        kind=Kind.CUT if begun else Kind.ANSWERED,
                        request=request,
                        status=0 if begun else 502,
                        end=end,
                    )
                    self.begin(f"{version!r} cut at {length}, {end}")
                    check_response(self, case, [case.data])
