"""Chunked bodies, of requests and responses alike (RFC 9112 section 7.1), and trailers (section 7.1.2)."""

from __future__ import annotations

from tests.edge.hostile.case import (
    END,
    HOST,
    RequestCase,
    ResponseCase,
    broken,
    chunked,
    cleaned,
    delivered,
    ok_chunked,
    passed,
    replaced,
    sanitised,
)

HELLO = b"5\r\nhello\r\n"

_SIZES = [
    ("no size", "RFC 9112 7.1", b"\r\nhello\r\n" + END),
    ("0x before the size", "CVE-2022-24801", b"0x5\r\nhello\r\n" + END),
    ("0X before the size", "CVE-2022-24801", b"0X5\r\nhello\r\n" + END),
    ("0x before the last size", "CVE-2022-24801", HELLO + b"0x0\r\n\r\n"),
    ("plus before the size", "CVE-2022-24801", b"+5\r\nhello\r\n" + END),
    ("plus before the last size", "CVE-2022-24801", HELLO + b"+0\r\n\r\n"),
    ("minus before the size", "RFC 9112 7.1", b"-5\r\nhello\r\n" + END),
    ("minus before the last size", "RFC 9112 7.1", HELLO + b"-0\r\n\r\n"),
    ("underscore in the size", "lenient int()", b"1_0\r\n" + b"x" * 16 + b"\r\n" + END),
    ("underscore in the last size", "lenient int()", HELLO + b"0_0\r\n\r\n"),
    ("space before the size", "RFC 9112 7.1", b" 5\r\nhello\r\n" + END),
    ("space before the last size", "RFC 9112 7.1", HELLO + b" 0\r\n\r\n"),
    ("tab before the size", "RFC 9112 7.1", b"\t5\r\nhello\r\n" + END),
    ("not a hexadecimal digit", "RFC 9112 7.1", b"g\r\nhello\r\n" + END),
    ("letter behind the size", "RFC 9112 7.1", b"5h\r\nhello\r\n" + END),
    ("comma behind the size", "RFC 9112 7.1", b"5,\r\nhello\r\n" + END),
    ("quoted size", "RFC 9112 7.1", b'"5"\r\nhello\r\n' + END),
    ("NUL behind the size", "RFC 9112 7.1", b"5\x00\r\nhello\r\n" + END),
    ("non-ASCII digit", "lenient int()", "\u0665\r\nhello\r\n".encode() + END),
    ("words in the size", "RFC 9112 7.1", b"5 hello\r\nhello\r\n" + END),
    ("size of 2^63", "RFC 9112 7.1", b"8000000000000000\r\nhello\r\n"),
    ("size of 2^64 - 1", "RFC 9112 7.1", b"ffffffffffffffff\r\nhello\r\n"),
    ("size of 2^64 + 5", "RFC 9112 7.1", b"10000000000000005\r\nhello\r\n" + END),
    ("size of 100 digits", "RFC 9112 7.1", b"f" * 100 + b"\r\nhello\r\n"),
    ("bare CR behind the size", "RFC 9112 2.2", b"5\rhello\r\n" + END),
    ("CR CR LF behind the size", "RFC 9112 2.2", b"5\r\r\nhello\r\n" + END),
    ("LF CR behind the size", "RFC 9112 2.2", b"5\n\rhello\r\n" + END),
    ("bare CR in an extension", "RFC 9112 7.1.1", b"5;a\rb\r\nhello\r\n" + END),
    ("NUL in an extension", "RFC 9112 7.1.1", b"5;a\x00\r\nhello\r\n" + END),
    ("data longer than its size", "RFC 9112 7.1", b"5\r\nhello!\r\n" + END),
    ("data shorter than its size", "RFC 9112 7.1", b"6\r\nhello\r\n" + END),
    ("no line end behind the data", "RFC 9112 7.1", b"5\r\nhello" + END),
    ("CR and more behind the data", "RFC 9112 7.1", b"5\r\nhello\rX" + END),
    ("CR CR LF behind the data", "RFC 9112 7.1", b"5\r\nhello\r\r\n" + END),
    ("bare CR behind the data", "RFC 9112 7.1", b"5\r\nhello\r" + END),
    ("empty line before a size", "RFC 9112 7.1", HELLO + b"\r\n" + END),
    ("request for a chunk", "RFC 9112 7.1", b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("request behind a chunk", "RFC 9112 7.1", HELLO + b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("binary for a chunk", "RFC 9112 7.1", b"\xff\xfe\xfd"),
]

_LENIENT = [
    ("space behind the size", "RFC 9112 7.1", b"5 \r\nhello\r\n" + END),
    ("tab behind the size", "RFC 9112 7.1", b"5\t\r\nhello\r\n" + END),
    ("space behind the last size", "RFC 9112 7.1", HELLO + b"0 \r\n\r\n"),
    ("size of 17 digits", "RFC 9112 7.1", b"00000000000000005\r\nhello\r\n" + END),
    ("size of 100 zeros", "RFC 9112 7.1", b"0" * 100 + b"5\r\nhello\r\n" + END),
    ("bare LF behind the size", "RFC 9112 2.2", b"5\nhello\r\n" + END),
    ("bare LF behind the last size", "RFC 9112 2.2", HELLO + b"0\n\r\n"),
    ("bare LF in an extension", "CVE-2025-22871", b"5;a\nhello\r\n" + END),
    ("bare LF behind the data", "RFC 9112 7.1", b"5\r\nhello\n" + END),
    ("0x01 in an extension", "RFC 9112 7.1.1", b"5;a\x01\r\nhello\r\n" + END),
    ("DEL in an extension", "RFC 9112 7.1.1", b"5;a\x7f\r\nhello\r\n" + END),
    ("extension too long", "CVE-2023-39326", b"5;" + b"a" * 300 + b"\r\nhello\r\n" + END),
    ("extensions too long together", "CVE-2023-39326", (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 30 + END),
    ("unterminated line too long", "CVE-2023-39326", b"5;" + b"a" * 300),
    ("bare LF for the end", "RFC 9112 2.2", HELLO + b"0\r\n\n"),
    ("bare LFs for the end", "RFC 9112 2.2", HELLO + b"0\n\n"),
]
"""What others may take for an invalid message, or not."""

_TRAILERS = [
    ("bytes for a trailer", "CVE-2025-43859", b"0\r\nx: \x00\r\n\r\n"),
    ("trailer without a colon", "RFC 9112 7.1.2", b"0\r\nxx\r\n\r\n"),
    ("trailer without a name", "RFC 9112 5", b"0\r\n: x\r\n\r\n"),
    ("space before a trailer's colon", "RFC 9112 5.1", b"0\r\nx : y\r\n\r\n"),
    ("space in a trailer's name", "RFC 9110 5.1", b"0\r\nx y: z\r\n\r\n"),
    ("0x80 in a trailer's name", "RFC 9110 5.1", b"0\r\nx\x80: z\r\n\r\n"),
    ("space before a trailer", "RFC 9112 5.2", b"0\r\n x: y\r\n\r\n"),
    ("folded trailer", "RFC 9112 5.2", b"0\r\nx: y\r\n z\r\n\r\n"),
    ("bare CR in a trailer", "CVE-2025-43859", b"0\r\nx: y\rz: a\r\n\r\n"),
    ("bare CR for the end", "CVE-2025-43859", b"0\r\n\rX\r\n\r\n"),
    ("request for a trailer", "CVE-2025-43859", b"0\r\nGET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("chunk for a trailer", "RFC 9112 7.1.2", b"0\r\n5\r\nhello\r\n\r\n"),
]

_LENIENT_TRAILERS = [
    ("bare LF in a trailer", "RFC 9112 2.2", b"0\r\nx: y\nz: a\r\n\r\n"),
    ("bare LF behind a trailer", "RFC 9112 2.2", b"0\r\nx: y\n\r\n"),
    ("0x01 in a trailer", "RFC 9110 5.5", b"0\r\nx: a\x01b\r\n\r\n"),
    ("200 trailers", "RFC 6585 5", b"0\r\n" + b"x: y\r\n" * 200 + b"\r\n"),
    ("trailers too long", "RFC 6585 5", b"0\r\nx: " + b"y" * 20_000 + b"\r\n\r\n"),
    ("trailers too long and unfinished", "RFC 6585 5", b"0\r\nx: " + b"y" * 20_000),
]

_FORBIDDEN_TRAILERS = [
    (b"Content-Length", b"5", "RFC 9110 6.5.1"),
    (b"Transfer-Encoding", b"chunked", "RFC 9110 6.5.1"),
    (b"Host", b"other", "RFC 9110 6.5.1"),
    (b"Authorization", b"Bearer x", "RFC 9110 6.5.1"),
    (b"Cookie", b"a=b", "RFC 9110 6.5.1"),
    (b"Set-Cookie", b"a=b", "RFC 9110 6.5.1"),
    (b"Connection", b"close", "RFC 9110 7.6.1"),
    (b"Keep-Alive", b"timeout=5", "RFC 9110 7.6.1"),
    (b"Upgrade", b"h2c", "RFC 9110 7.8"),
    (b"TE", b"trailers", "RFC 9110 10.1.4"),
    (b"Trailer", b"X-A", "RFC 9110 6.6.2"),
    (b"Content-Type", b"text/html", "RFC 9110 6.5.1"),
    (b"Content-Encoding", b"gzip", "RFC 9110 6.5.1"),
    (b"Content-Range", b"bytes 0-1/2", "RFC 9110 6.5.1"),
    (b"Cache-Control", b"no-store", "RFC 9110 6.5.1"),
    (b"Location", b"/x", "RFC 9110 6.5.1"),
    (b"Expect", b"100-continue", "RFC 9110 6.5.1"),
    (b"Range", b"bytes=0-", "RFC 9110 6.5.1"),
    (b"X-Forwarded-For", b"10.0.0.9", "CVE-2026-88004"),
    (b"X-Real-IP", b"10.0.0.9", "CVE-2026-88004"),
    (b"Forwarded", b"for=10.0.0.9", "CVE-2026-88004"),
    (b"X_Forwarded_For", b"10.0.0.9", "CVE-2026-88004"),
    (b"Content_Length", b"5", "names that CGI makes one"),
    (b"Proxy", b"http://x/", "CVE-2016-5385"),
]


def _forbidden(name: bytes, value: bytes, source: str) -> list[RequestCase | ResponseCase]:
    title = f"{name.decode()} in the trailers"
    body = HELLO + b"0\r\nX-A: b\r\n" + name + b": " + value + b"\r\n\r\n"
    announced = b"Trailer: X-A, " + name
    # Where nothing but trailers has such a field, finding it anywhere is finding it.
    absent = rb"^" + name + rb": " + value + rb"\r?$"
    must = name in (b"Content-Length", b"Transfer-Encoding", b"Host")
    return [
        sanitised(title, source, chunked(body, announced, b"TE: trailers"), b"hello[^!]*" + absent, must=must),
        cleaned(title, source, ok_chunked(body, announced), b"hello[^!]*" + absent, must=must),
    ]


_BOTH_WAYS = [case for name, value, source in _FORBIDDEN_TRAILERS for case in _forbidden(name, value, source)]

REQUEST_CHUNKS = [
    *[broken(name, source, body) for name, source, body in _SIZES],
    *[broken(name, source, body, must=False) for name, source, body in _LENIENT],
    passed("several chunks", "RFC 9112 7.1", chunked(b"2\r\nhe\r\n3\r\nllo\r\n" + END), rb"he", rb"llo"),
    passed("last chunk of several zeros", "RFC 9112 7.1", chunked(HELLO + b"000\r\n\r\n"), rb"hello"),
    passed("leading zeros in a size", "RFC 9112 7.1", chunked(b"0005\r\nhello\r\n" + END), rb"hello"),
    passed("size of capital letters", "RFC 9112 7.1", chunked(b"A\r\nhellohello\r\n" + END), rb"hellohello"),
    passed("no chunk but the last", "RFC 9112 7.1", chunked(END), rb"\APOST"),
    passed("chunk of CRLFs", "RFC 9112 7.1", chunked(b"6\r\n\r\n\r\n\r\n\r\n" + END), rb"\r\n\r\n\r\n"),
    passed("extension", "RFC 9112 7.1.1", chunked(b"5;a\r\nhello\r\n" + END), rb"hello"),
    passed("extension with a value", "RFC 9112 7.1.1", chunked(b"5;a=b;c=d\r\nhello\r\n" + END), rb"hello"),
    passed("extension with a quoted value", "RFC 9112 7.1.1", chunked(b'5;a="b; c"\r\nhello\r\n' + END), rb"hello"),
    passed("extension of the last chunk", "RFC 9112 7.1.1", chunked(HELLO + b"0;a=b\r\n\r\n"), rb"hello"),
    passed("space around an extension", "RFC 9112 7.1.1", chunked(b"5 ; a = b\r\nhello\r\n" + END), rb"hello"),
    passed(
        "chunk of 20 kB", "RFC 9112 7.1", chunked(b"5000\r\n" + b"0123456789abcdef" * 1280 + b"\r\n" + END), rb"\APOST"
    ),
    passed("chunks of one byte", "RFC 9112 7.1", chunked(b"1\r\nx\r\n" * 50 + END), rb"\APOST"),
]

REQUEST_TRAILERS = [
    *[broken(name, source, HELLO + body) for name, source, body in _TRAILERS],
    *[
        broken(name, source, HELLO + body, 431 if "200 " in name or "too long" in name else 400, must=False)
        for name, source, body in _LENIENT_TRAILERS
    ],
    *[case for case in _BOTH_WAYS if isinstance(case, RequestCase)],
    sanitised(
        "trailer that nobody announced",
        "RFC 9110 6.6.2",
        chunked(HELLO + b"0\r\nX-A: b\r\n\r\n"),
        rb"^X-A: b",
        must=False,
    ),
    sanitised(
        "trailer that Connection names",
        "RFC 9110 7.6.1",
        chunked(HELLO + b"0\r\nX-A: b\r\n\r\n", b"Trailer: X-A", b"Connection: X-A"),
        rb"hello[^!]*^X-A: b",
    ),
    passed("trailer", "RFC 9112 7.1.2", chunked(HELLO + b"0\r\nX-A: b\r\n\r\n", b"Trailer: X-A"), rb"hello"),
    passed("empty trailer", "RFC 9112 7.1.2", chunked(HELLO + b"0\r\nX-A:\r\n\r\n", b"Trailer: X-A"), rb"hello"),
    passed("announced trailer that never comes", "RFC 9110 6.6.2", chunked(HELLO + END, b"Trailer: X-A"), rb"hello"),
]

RESPONSE_CHUNKS = [
    *[replaced(name, source, ok_chunked(body), begins=True) for name, source, body in _SIZES],
    *[replaced(name, source, ok_chunked(body), begins=True, must=False) for name, source, body in _LENIENT],
    delivered("several chunks", "RFC 9112 7.1", ok_chunked(b"2\r\nhe\r\n3\r\nllo\r\n" + END), rb"he", rb"llo"),
    delivered("no chunk but the last", "RFC 9112 7.1", ok_chunked(END), rb"\AHTTP/1.1 200"),
    delivered("Chunked", "RFC 9112 7", ok_chunked(HELLO + END).replace(b" chunked", b" Chunked"), rb"hello"),
    delivered("extension", "RFC 9112 7.1.1", ok_chunked(b'5;a="b; c";d\r\nhello\r\n' + END), rb"hello"),
    delivered("space around an extension", "RFC 9112 7.1.1", ok_chunked(b"5 ; a = b\r\nhello\r\n" + END), rb"hello"),
    delivered("leading zeros in a size", "RFC 9112 7.1", ok_chunked(b"0005\r\nhello\r\n000\r\n\r\n"), rb"hello"),
]

RESPONSE_TRAILERS = [
    *[replaced(name, source, ok_chunked(HELLO + body), begins=True) for name, source, body in _TRAILERS],
    *[
        replaced(name, source, ok_chunked(HELLO + body), begins=True, must=False)
        for name, source, body in _LENIENT_TRAILERS
    ],
    *[case for case in _BOTH_WAYS if isinstance(case, ResponseCase)],
    cleaned(
        "trailer that Connection names",
        "RFC 9110 7.6.1",
        ok_chunked(HELLO + b"0\r\nX-A: b\r\n\r\n", b"Trailer: X-A", b"Connection: X-A"),
        rb"hello[^!]*^X-A: b",
    ),
    delivered(
        "trailer",
        "Kubo's X-Stream-Error",
        ok_chunked(HELLO + b"0\r\nX-Stream-Error: b\r\n\r\n", b"Trailer: X-Stream-Error"),
        rb"hello[^!]*^X-Stream-Error: b",
    ),
    delivered(
        "announced trailer that never comes", "RFC 9110 6.6.2", ok_chunked(HELLO + END, b"Trailer: X-A"), rb"hello"
    ),
]
