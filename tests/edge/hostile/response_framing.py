"""How long a response's body is, what stands behind it, and bodies that end before their time (RFC 9112 sections 6.3
and 8)."""

from __future__ import annotations

from tests.edge.hostile.case import (
    END,
    OK,
    End,
    ResponseCase,
    cleaned,
    cut,
    delivered,
    line,
    ok,
    ok_chunked,
    replaced,
)

_HEAD = line(b"HEAD / HTTP/1.1")
_OLD = line(b"GET / HTTP/1.0")
_SURPLUS = b"HTTP/1.1 200 OK\r\nX-Surplus: yes\r\nContent-Length: 7\r\n\r\nsurplus"


def _length(name: str, source: str, value: bytes, *, must: bool = True) -> ResponseCase:
    return replaced(name, source, ok(b"Content-Length: " + value, body=b"hello"), must=must)


def _coding(name: str, source: str, value: bytes, *, must: bool = True) -> ResponseCase:
    return replaced(name, source, ok(b"Transfer-Encoding: " + value, body=b"5\r\nhello\r\n" + END), must=must)


RESPONSE_LENGTHS = [
    replaced("two lengths", "RFC 9112 6.3", ok(b"Content-Length: 5", b"Content-Length: 6", body=b"hello")),
    replaced(
        "two equal lengths", "RFC 9112 6.3", ok(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), must=False
    ),
    _length("list of equal lengths", "RFC 9112 6.3", b"5, 5", must=False),
    _length("list of lengths", "RFC 9112 6.3", b"5, 6"),
    _length("signed length", "RFC 9110 8.6", b"+5"),
    _length("negative length", "RFC 9110 8.6", b"-5"),
    _length("empty length", "RFC 9110 8.6", b""),
    _length("hexadecimal length", "RFC 9110 8.6", b"0x5"),
    _length("letter behind a length", "RFC 9110 8.6", b"5x"),
    _length("fraction", "RFC 9110 8.6", b"5.0"),
    _length("underscore in a length", "lenient int()", b"0_5"),
    _length("space in a length", "RFC 9110 8.6", b"5 5"),
    _length("NUL behind a length", "RFC 9110 8.6", b"5\x00"),
    _length("length of 5,000 digits", "RFC 9110 8.6", b"1" * 5000),
    _length("length of 2^63", "RFC 9110 8.6", b"9223372036854775808"),
    _length("length beyond 2^64 by five", "RFC 9110 8.6", b"18446744073709551621"),
    replaced("bad length for HEAD", "RFC 9110 8.6", OK + b"Content-Length: x\r\n\r\n", request=_HEAD),
    replaced("bad length for 304", "RFC 9110 8.6", b"HTTP/1.1 304 x\r\nContent-Length: x\r\n\r\n"),
    delivered("leading zeros in a length", "RFC 9110 8.6", ok(b"Content-Length: 005", body=b"hello"), rb"hello\Z"),
    delivered("length of zero", "RFC 9110 8.6", ok(b"Content-Length: 0"), rb"\AHTTP/1.1 200"),
    delivered("length", "RFC 9110 8.6", ok(b"Content-Length: 5", body=b"hello"), rb"hello\Z"),
    delivered(
        "length in HTTP/1.0",
        "RFC 9110 8.6",
        ok(b"Content-Length: 5", body=b"hello").replace(b"/1.1", b"/1.0", 1),
        rb"hello\Z",
    ),
    delivered(
        "length for HTTP/1.0", "RFC 9110 8.6", ok(b"Content-Length: 5", body=b"hello"), rb"hello\Z", request=_OLD
    ),
]

RESPONSE_CODINGS = [
    replaced(
        "length and chunked",
        "RFC 9112 6.3",
        ok(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=END),
        must=False,
    ),
    replaced("chunked and length", "RFC 9112 6.3", ok_chunked(END, b"Content-Length: 5"), must=False),
    replaced(
        "two lengths and chunked",
        "RFC 9112 6.3",
        ok_chunked(END, b"Content-Length: 5", b"Content-Length: 6"),
        must=False,
    ),
    replaced("bad length and chunked", "RFC 9112 6.3", ok_chunked(END, b"Content-Length: x"), must=False),
    _coding("gzip, chunked", "RFC 9112 6.1", b"gzip, chunked", must=False),
    _coding("gzip", "RFC 9112 6.1", b"gzip", must=False),
    _coding("identity", "RFC 9112 7", b"identity", must=False),
    _coding("chunked twice", "RFC 9112 6.1", b"chunked, chunked"),
    _coding("chunked on two lines", "RFC 9112 6.1", b"chunked\r\nTransfer-Encoding: chunked"),
    _coding("chunked not last", "RFC 9112 6.3", b"chunked, gzip", must=False),
    _coding("chunked, identity on two lines", "RFC 9112 7", b"chunked\r\nTransfer-Encoding: identity", must=False),
    _coding("xchunked", "RFC 9112 6.1", b"xchunked", must=False),
    _coding("vertical tab before chunked", "RFC 9110 5.5", b"\x0bchunked"),
    _coding("quoted chunked", "RFC 9112 7", b'"chunked"', must=False),
    _coding("chunked with a parameter", "RFC 9112 7.1", b"chunked;q=1", must=False),
    _coding("empty coding", "RFC 9112 6.1", b"", must=False),
    _coding("trailing comma", "RFC 9110 5.6.1", b"chunked,", must=False),
    replaced("chunked in HTTP/1.0", "RFC 9112 6.1", ok_chunked(b"5\r\nhello\r\n" + END).replace(b"/1.1", b"/1.0", 1)),
    replaced(
        "chunked in HTTP/1.0 for HTTP/1.0",
        "RFC 9112 6.1",
        ok_chunked(b"5\r\nhello\r\n" + END).replace(b"/1.1", b"/1.0", 1),
        request=_OLD,
    ),
    delivered(
        "chunked for HTTP/1.0", "RFC 9112 7.1", ok_chunked(b"5\r\nhello\r\n" + END), rb"\r\n\r\nhello\Z", request=_OLD
    ),
]

BODILESS = [
    replaced("204 with a length", "RFC 9110 8.6", b"HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\nhello", must=False),
    replaced("chunked 204", "RFC 9112 6.1", b"HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n" + END, must=False),
    replaced("205 with a length", "RFC 9110 15.3.6", b"HTTP/1.1 205 x\r\nContent-Length: 5\r\n\r\nhello", must=False),
    replaced(
        "chunked 205", "RFC 9110 15.3.6", b"HTTP/1.1 205 x\r\nTransfer-Encoding: chunked\r\n\r\n" + END, must=False
    ),
    cleaned("HEAD with a body", "RFC 9110 9.3.2", ok(b"Content-Length: 5", body=b"hello"), rb"hello", request=_HEAD),
    cleaned("HEAD with chunks", "RFC 9110 9.3.2", ok_chunked(b"5\r\nhello\r\n" + END), rb"hello", request=_HEAD),
    cleaned("204 with a body", "RFC 9110 15.3.5", b"HTTP/1.1 204 x\r\n\r\nhello", rb"hello", status=204),
    cleaned(
        "304 with a body", "RFC 9110 15.4.5", b"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\nhello", rb"hello", status=304
    ),
    cleaned(
        "304 with chunks",
        "RFC 9110 15.4.5",
        b"HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" + END,
        rb"hello",
        status=304,
    ),
    cleaned(
        "204 with a length of zero",
        "RFC 9110 8.6",
        b"HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n",
        rb"^Content-Length",
        status=204,
        must=False,
    ),
    delivered("204", "RFC 9110 15.3.5", b"HTTP/1.1 204 No Content\r\n\r\n", rb"\AHTTP/1.1 204", status=204),
    delivered(
        "205",
        "RFC 9110 15.3.6",
        b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
        rb"\AHTTP/1.1 205",
        status=205,
    ),
    delivered(
        "304",
        "RFC 9110 15.4.5",
        b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
        rb"\AHTTP/1.1 304",
        rb'^ETag: "a"',
        status=304,
    ),
    delivered(
        "304 with a length",
        "RFC 9110 15.4.5",
        b"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n",
        rb"\AHTTP/1.1 304",
        status=304,
    ),
    delivered("HEAD with a length", "RFC 9110 9.3.2", ok(b"Content-Length: 5"), rb"^Content-Length: 5", request=_HEAD),
    delivered("HEAD, chunked", "RFC 9110 9.3.2", ok(b"Transfer-Encoding: chunked"), rb"\AHTTP/1.1 200", request=_HEAD),
    delivered("HEAD without a length", "RFC 9110 9.3.2", ok(b"X: y"), rb"\AHTTP/1.1 200", request=_HEAD),
    delivered(
        "HEAD of 404",
        "RFC 9110 9.3.2",
        b"HTTP/1.1 404 x\r\nContent-Length: 5\r\n\r\n",
        rb"\AHTTP/1.1 404",
        request=_HEAD,
        status=404,
    ),
]


def _surplus(
    name: str, source: str, data: bytes, *, request: bytes = line(b"GET / HTTP/1.1"), status: int = 200
) -> ResponseCase:
    return cleaned(name, source, data, rb"surplus", request=request, status=status)


SURPLUS = [
    _surplus("response behind a response", "RFC 9112 9.2", ok(b"Content-Length: 2", body=b"ok") + _SURPLUS),
    _surplus("response behind chunks", "RFC 9112 9.2", ok_chunked(b"2\r\nok\r\n" + END) + _SURPLUS),
    _surplus(
        "response behind trailers",
        "RFC 9112 9.2",
        ok_chunked(b"2\r\nok\r\n0\r\nX-A: b\r\n\r\n", b"Trailer: X-A") + _SURPLUS,
    ),
    _surplus("response behind an empty one", "RFC 9112 9.2", ok(b"Content-Length: 0") + _SURPLUS),
    _surplus("response behind 204", "RFC 9112 9.2", b"HTTP/1.1 204 x\r\n\r\n" + _SURPLUS, status=204),
    _surplus("response behind 304", "RFC 9112 9.2", b"HTTP/1.1 304 x\r\n\r\n" + _SURPLUS, status=304),
    _surplus("response behind HEAD's", "RFC 9112 9.2", ok(b"Content-Length: 2") + _SURPLUS, request=_HEAD),
    _surplus(
        "response behind 404", "RFC 9112 9.2", b"HTTP/1.1 404 x\r\nContent-Length: 2\r\n\r\nno" + _SURPLUS, status=404
    ),
    _surplus("three responses", "RFC 9112 9.2", ok(b"Content-Length: 2", body=b"ok") + _SURPLUS * 2),
    _surplus(
        "part of a response behind it",
        "RFC 9112 9.2",
        ok(b"Content-Length: 2", body=b"ok") + b"HTTP/1.1 200 OK\r\nX-Surplus: ",
    ),
    _surplus("more body than the length", "RFC 9112 6.3", ok(b"Content-Length: 2", body=b"oksurplus")),
    _surplus("more behind the last chunk", "RFC 9112 7.1", ok_chunked(b"2\r\nok\r\n" + END + b"surplus")),
    _surplus("a byte behind it", "RFC 9112 6.3", ok(b"Content-Length: 2", body=b"ok") + b"\x00surplus"),
    _surplus("empty line behind it", "RFC 9112 9.2", ok(b"Content-Length: 2", body=b"ok") + b"\r\n" + _SURPLUS),
    _surplus(
        "interim behind it", "RFC 9110 15.2", ok(b"Content-Length: 2", body=b"ok") + b"HTTP/1.1 103 surplus\r\n\r\n"
    ),
    _surplus(
        "response behind the end", "RFC 9112 9.6", ok(b"Connection: close", b"Content-Length: 2", body=b"ok") + _SURPLUS
    ),
    _surplus(
        "split response", "CVE-2019-12387", ok(b"A: b", b"Content-Length: 0", b"", b"HTTP/1.1 200 OK", b"X-Surplus: y")
    ),
]

_PARTS = [
    ("length", ok(b"Content-Length: 5", body=b"hel")),
    ("length without any of it", ok(b"Content-Length: 5")),
    ("chunked without a chunk", ok_chunked(b"")),
    ("part of a chunk size", ok_chunked(b"5\r\nhello\r\n1")),
    ("chunk size", ok_chunked(b"5\r\n")),
    ("part of a chunk", ok_chunked(b"5\r\nhel")),
    ("chunk without its line end", ok_chunked(b"5\r\nhello")),
    ("chunk", ok_chunked(b"5\r\nhello\r\n")),
    ("last size", ok_chunked(b"5\r\nhello\r\n0\r\n")),
    ("last chunk without its last byte", ok_chunked(b"5\r\nhello\r\n0\r\n\r")),
    ("part of a trailer", ok_chunked(b"5\r\nhello\r\n0\r\nX-A: b", b"Trailer: X-A")),
    ("trailer without the end", ok_chunked(b"5\r\nhello\r\n0\r\nX-A: b\r\n", b"Trailer: X-A")),
]

TRUNCATIONS = [
    *[
        cut(f"{name}, then {'an end' if end is End.FIN else 'a reset'}{age}", "RFC 9112 8", data, end, request=request)
        for name, data in _PARTS
        for end in (End.FIN, End.RST)
        for age, request in (("", line(b"GET / HTTP/1.1")), (", for HTTP/1.0", _OLD))
    ],
    cut("until the end, then a reset", "RFC 9112 8", ok(b"X: y", body=b"hello"), End.RST),
    cut("until the end, then a reset, for HTTP/1.0", "RFC 9112 8", ok(b"X: y", body=b"hello"), End.RST, request=_OLD),
    cut("HTTP/1.0, then a reset", "RFC 9112 8", b"HTTP/1.0 200 OK\r\n\r\nhello", End.RST),
    delivered("until the end", "RFC 9112 6.3", ok(b"X: y", body=b"hello"), rb"hello", end=End.FIN),
    delivered(
        "until the end, for HTTP/1.0",
        "RFC 9112 6.3",
        ok(b"X: y", body=b"hello"),
        rb"hello\Z",
        request=_OLD,
        end=End.FIN,
    ),
    delivered("HTTP/1.0 until the end", "RFC 9112 6.3", b"HTTP/1.0 200 OK\r\n\r\nhello", rb"hello", end=End.FIN),
    delivered("nothing until the end", "RFC 9112 6.3", ok(b"X: y"), rb"\AHTTP/1.1 200", end=End.FIN),
    delivered(
        "whole length, then an end", "RFC 9112 6.3", ok(b"Content-Length: 5", body=b"hello"), rb"hello\Z", end=End.FIN
    ),
]


def _headless(name: str, data: bytes, end: End) -> ResponseCase:
    case = replaced(f"{name}, then {'an end' if end is End.FIN else 'a reset'}", "RFC 9112 8", data)
    return ResponseCase(
        name=case.name, source=case.source, data=data, kind=case.kind, request=case.request, status=502, end=end
    )


HEADS_CUT = [
    _headless(name, data, end)
    for name, data in (
        ("nothing", b""),
        ("part of a status line", b"HTTP/1.1 20"),
        ("status line", OK),
        ("part of the fields", OK + b"A: b"),
        ("fields without their end", OK + b"A: b\r\n"),
        ("head without its last byte", OK + b"Content-Length: 0\r\n\r"),
        ("interim", b"HTTP/1.1 103 x\r\n\r\n"),
    )
    for end in (End.FIN, End.RST)
]
