"""What a case is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final


class Kind(StrEnum):
    """What must become of a message."""

    ANSWERED = auto()
    """A request: the edge answers it by itself, and no node gets it as a whole. A response: the client gets an answer
    of the edge's in its place, or, where it had begun to go out, a cut."""

    CUT = auto()
    """It ends before its time, and nobody may take it for a whole one."""

    SANITISED = auto()
    """It passes without what is hostile in it."""

    PASSED = auto()
    """It is legitimate, odd as it may be, and passes."""


class End(StrEnum):
    """What follows the bytes."""

    NONE = auto()
    """The sender waits."""

    FIN = auto()
    RST = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One message, or some on one connection.

    :ivar source: the section, or the advisory, that it comes from.
    :ivar data: what the sender sends.
    :ivar must: whether the sources demand what is written here; otherwise it is our choice, and others choose freely.
    :ivar absent: patterns (of bytes, over lines, case does not count) that nobody behind the edge may get.
    :ivar present: patterns that must get there.
    :ivar end: how the sender ends.
    """

    subject: str = ""
    name: str
    source: str
    data: bytes
    kind: Kind
    must: bool = True
    absent: tuple[bytes, ...] = ()
    present: tuple[bytes, ...] = ()
    end: End = End.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCase(Case):
    """What a client sends.

    :ivar statuses: of the responses that it gets from Nexus, in their order; the node answers 200 to each request.
    :ivar begins: the node has got a part of it, and must see it cut.
    """

    statuses: tuple[int, ...] = (400,)
    begins: bool = False

    @property
    def requests(self) -> int:
        """How many whole requests the node gets."""
        return 0 if self.kind is Kind.CUT else self.statuses.count(200)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseCase(Case):
    """What a node answers.

    :ivar request: what the client asked.
    :ivar status: of the final response that the client gets from Nexus; 0 for a cut one, whatever its head said.
    :ivar begins: a part of it has gone out before it turned out hostile, unless it came in one piece.
    """

    request: bytes
    status: int = 502
    begins: bool = False


HOST: Final = b"Host: demo.gateway.localhost\r\n"
GET: Final = b"GET / HTTP/1.1\r\n" + HOST
POST: Final = b"POST / HTTP/1.1\r\n" + HOST
OK: Final = b"HTTP/1.1 200 OK\r\n"
END: Final = b"0\r\n\r\n"


def line(first: bytes) -> bytes:
    """A request of that first line."""
    return first + b"\r\n" + HOST + b"\r\n"


def get(*lines: bytes) -> bytes:
    """A GET with those field lines."""
    return GET + b"".join(each + b"\r\n" for each in lines) + b"\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """A POST with those field lines."""
    return POST + b"".join(each + b"\r\n" for each in lines) + b"\r\n" + body


def chunked(body: bytes, *lines: bytes) -> bytes:
    """A chunked POST with that body, framing and all."""
    return post(b"Transfer-Encoding: chunked", *lines, body=body)


def ok(*lines: bytes, body: bytes = b"") -> bytes:
    """A 200 with those field lines."""
    return OK + b"".join(each + b"\r\n" for each in lines) + b"\r\n" + body


def ok_chunked(body: bytes, *lines: bytes) -> bytes:
    """A chunked 200 with that body, framing and all."""
    return ok(b"Transfer-Encoding: chunked", *lines, body=body)


def refused(name: str, source: str, data: bytes, status: int = 400, *, must: bool = True) -> RequestCase:
    """A request that the edge answers by `status`."""
    return RequestCase(name=name, source=source, data=data, kind=Kind.ANSWERED, statuses=(status,), must=must)


def chosen(name: str, source: str, data: bytes, status: int = 400) -> RequestCase:
    """The same, where the sources leave the choice."""
    return refused(name, source, data, status, must=False)


def broken(name: str, source: str, body: bytes, status: int = 400, *, must: bool = True) -> RequestCase:
    """A chunked request whose body breaks: the node has got its head."""
    data = chunked(body)
    return RequestCase(
        name=name, source=source, data=data, kind=Kind.ANSWERED, statuses=(status,), must=must, begins=True
    )


def sanitised(
    name: str, source: str, data: bytes, *absent: bytes, present: tuple[bytes, ...] = (), must: bool = True
) -> RequestCase:
    """A request that passes without `absent`."""
    return RequestCase(
        name=name,
        source=source,
        data=data,
        kind=Kind.SANITISED,
        statuses=(200,),
        must=must,
        absent=absent,
        present=present,
    )


def passed(name: str, source: str, data: bytes, *present: bytes, requests: int = 1) -> RequestCase:
    """A legitimate request."""
    return RequestCase(
        name=name, source=source, data=data, kind=Kind.PASSED, statuses=(200,) * requests, present=present
    )


def replaced(
    name: str, source: str, data: bytes, *, request: bytes = GET + b"\r\n", must: bool = True, begins: bool = False
) -> ResponseCase:
    """A response that the client gets a 502 for; where it `begins`, in pieces, a cut."""
    return ResponseCase(
        name=name, source=source, data=data, kind=Kind.ANSWERED, request=request, must=must, begins=begins
    )


def cut(name: str, source: str, data: bytes, end: End = End.FIN, *, request: bytes = GET + b"\r\n") -> ResponseCase:
    """A response that ends before its time, behind its head."""
    return ResponseCase(
        name=name, source=source, data=data, kind=Kind.CUT, request=request, end=end, status=0, begins=True
    )


def cleaned(
    name: str,
    source: str,
    data: bytes,
    *absent: bytes,
    present: tuple[bytes, ...] = (),
    request: bytes = GET + b"\r\n",
    status: int = 200,
    must: bool = True,
) -> ResponseCase:
    """A response that passes without `absent`."""
    return ResponseCase(
        name=name,
        source=source,
        data=data,
        kind=Kind.SANITISED,
        request=request,
        status=status,
        must=must,
        absent=absent,
        present=present,
    )


def delivered(
    name: str,
    source: str,
    data: bytes,
    *present: bytes,
    request: bytes = GET + b"\r\n",
    status: int = 200,
    end: End = End.NONE,
) -> ResponseCase:
    """A legitimate response."""
    return ResponseCase(
        name=name,
        source=source,
        data=data,
        kind=Kind.PASSED,
        request=request,
        status=status,
        present=present,
        end=end,
    )
