"""Several requests on one connection (RFC 9112 section 9.3), and requests that end before their time (section 8)."""

from __future__ import annotations

from tests.edge.hostile.case import (
    END,
    GET,
    HOST,
    End,
    Kind,
    RequestCase,
    chunked,
    get,
    line,
    passed,
    post,
    refused,
    sanitised,
)

_NEXT = b"GET /second HTTP/1.1\r\n" + HOST + b"\r\n"
_SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


def _then(name: str, source: str, data: bytes, *statuses: int, must: bool = True) -> RequestCase:
    return RequestCase(
        name=name,
        source=source,
        data=data,
        kind=Kind.ANSWERED,
        statuses=statuses,
        must=must,
        absent=(rb"/smuggled",),
    )


PIPELINES = [
    passed("two requests", "RFC 9112 9.3.2", GET + b"\r\n" + _NEXT, rb"GET / ", rb"GET /second ", requests=2),
    passed("ten requests", "CVE-2023-46137", (GET + b"\r\n") * 10, rb"GET / ", requests=10),
    passed(
        "request behind a length",
        "RFC 9112 9.3.2",
        post(b"Content-Length: 5", body=b"hello") + _NEXT,
        rb"hello",
        rb"GET /second",
        requests=2,
    ),
    passed(
        "request behind a length of zero",
        "RFC 9112 9.3.2",
        post(b"Content-Length: 0") + _NEXT,
        rb"GET /second",
        requests=2,
    ),
    passed("request behind a POST without a length", "RFC 9112 6.3", post() + _NEXT, rb"GET /second", requests=2),
    passed(
        "request behind chunks",
        "CVE-2024-41671",
        chunked(b"5\r\nhello\r\n" + END) + _NEXT,
        rb"hello",
        rb"GET /second",
        requests=2,
    ),
    passed(
        "request behind trailers",
        "RFC 9112 7.1.2",
        chunked(b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n") + _NEXT,
        rb"GET /second",
        requests=2,
    ),
    passed(
        "empty line between requests",
        "RFC 9112 2.2",
        post(b"Content-Length: 5", body=b"hello") + b"\r\n" + _NEXT,
        rb"GET /second",
        requests=2,
    ),
    passed(
        "HEAD, then GET", "RFC 9112 9.3.2", line(b"HEAD / HTTP/1.1") + _NEXT, rb"HEAD /", rb"GET /second", requests=2
    ),
    sanitised("request behind close", "RFC 9112 9.6", get(b"Connection: close") + _SMUGGLED, rb"/smuggled"),
    sanitised("request behind Close", "RFC 9110 7.6.1", get(b"Connection: x, Close") + _SMUGGLED, rb"/smuggled"),
    sanitised(
        "request behind close on a second line",
        "RFC 9112 9.6",
        get(b"Connection: x", b"Connection: close") + _SMUGGLED,
        rb"/smuggled",
    ),
    sanitised("request behind HTTP/1.0", "RFC 9112 9.3", line(b"GET / HTTP/1.0") + _SMUGGLED, rb"/smuggled"),
    sanitised(
        "request behind HTTP/1.0 of keep-alive and close",
        "RFC 9112 9.3",
        line(b"GET / HTTP/1.0\r\nConnection: keep-alive, close") + _SMUGGLED,
        rb"/smuggled",
    ),
    _then(
        "malformed second request",
        "RFC 9112 2.2",
        GET + b"\r\nG(T / HTTP/1.1\r\n" + HOST + b"\r\n" + _SMUGGLED,
        200,
        400,
    ),
    _then("junk behind a request", "RFC 9112 2.2", GET + b"\r\n\x00\x01\x02\x03" + _SMUGGLED, 200, 400),
    _then(
        "one byte more than the length",
        "RFC 9112 6.3",
        post(b"Content-Length: 5", body=b"hello(" + _SMUGGLED),
        200,
        400,
    ),
    _then("junk behind the last chunk", "RFC 9112 7.1", chunked(END + b"\x00" + _SMUGGLED), 200, 400),
    _then("request behind a malformed one", "RFC 9112 2.2", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n" + _SMUGGLED, 400),
    _then(
        "request behind two lengths",
        "CVE-2020-10109",
        post(b"Content-Length: 0", b"Content-Length: 44", body=_SMUGGLED),
        400,
    ),
    _then(
        "request behind both framings",
        "CVE-2020-10108",
        post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=END + _SMUGGLED),
        400,
    ),
    _then("request behind an unknown coding", "RFC 9112 6.1", post(b"Transfer-Encoding: x", body=END + _SMUGGLED), 400),
    _then(
        "request behind CONNECT",
        "RFC 9110 9.3.6",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + _SMUGGLED,
        405,
        must=False,
    ),
    refused("request behind HTTP/0.9", "RFC 9112 2.3", b"GET /\r\n" + _SMUGGLED),
    refused("h2 preface behind which a request", "RFC 9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SMUGGLED),
]


def _cut(name: str, source: str, data: bytes, end: End) -> RequestCase:
    title = f"{name}, then {'an end' if end is End.FIN else 'a reset'}"
    return RequestCase(name=title, source=source, data=data, kind=Kind.CUT, statuses=(), end=end, begins=True)


_TRAILED = chunked(b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n", b"Trailer: X-A")

CUTS = [
    _cut(name, source, data, end)
    for name, source, data in (
        ("nothing", "RFC 9112 8", b""),
        ("part of a request line", "RFC 9112 8", b"GET / HT"),
        ("request line", "RFC 9112 8", b"GET / HTTP/1.1\r\n"),
        ("part of the fields", "RFC 9112 8", GET + b"X: y"),
        ("fields without their end", "RFC 9112 8", GET + b"X: y\r\n"),
        ("head without its last byte", "RFC 9112 8", GET + b"\r"),
        ("no byte of a length", "RFC 9112 8", post(b"Content-Length: 5")),
        ("part of a length", "RFC 9112 8", post(b"Content-Length: 5", body=b"hell")),
        ("no chunk", "RFC 9112 8", chunked(b"")),
        ("part of a chunk size", "RFC 9112 8", chunked(b"5")),
        ("chunk size", "RFC 9112 8", chunked(b"5\r\n")),
        ("part of a chunk", "RFC 9112 8", chunked(b"5\r\nhel")),
        ("chunk without its line end", "RFC 9112 8", chunked(b"5\r\nhello")),
        ("chunk", "RFC 9112 8", chunked(b"5\r\nhello\r\n")),
        ("last size", "RFC 9112 8", chunked(b"5\r\nhello\r\n0\r\n")),
        ("last chunk without its last byte", "RFC 9112 8", chunked(b"5\r\nhello\r\n0\r\n\r")),
        ("part of a trailer", "RFC 9112 8", _TRAILED[:-6]),
        ("trailer without the end", "RFC 9112 8", _TRAILED[:-2]),
    )
    for end in (End.FIN, End.RST)
    if data or end is End.RST
]
"""What a client leaves before it is whole."""
