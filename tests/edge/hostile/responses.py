"""Response heads: status lines, fields, interim responses (RFC 9112 section 4, RFC 9110 section 15)."""

from __future__ import annotations

from tests.edge.hostile.case import GET, HOST, OK, ResponseCase, cleaned, delivered, get, line, ok, replaced

_DONE = b"Content-Length: 2\r\n\r\nok"


def _line(name: str, source: str, first: bytes, *, must: bool = True) -> ResponseCase:
    return replaced(name, source, first + b"\r\n" + _DONE, must=must)


def _field(name: str, source: str, field: bytes, *, must: bool = True) -> ResponseCase:
    return replaced(name, source, OK + field + b"\r\n" + _DONE, must=must)


def _status(status: int, *lines: bytes) -> bytes:
    return b"HTTP/1.1 %d x\r\n" % status + b"".join(each + b"\r\n" for each in lines) + _DONE


STATUS_LINES = [
    replaced("not HTTP", "RFC 9112 4", b"SSH-2.0-OpenSSH_9\r\n"),
    replaced("HTTP/0.9", "RFC 9112 4", b"<html>hello</html>", must=False),
    _line("HTTP/2", "RFC 9112 4", b"HTTP/2.0 200 OK"),
    _line("HTTP/1.2", "RFC 9110 2.5", b"HTTP/1.2 200 OK", must=False),
    _line("HTTP/0.9 written out", "RFC 9112 4", b"HTTP/0.9 200 OK"),
    _line("lower-case protocol", "RFC 9112 2.3", b"http/1.1 200 OK"),
    _line("HTTP/1.10", "RFC 9112 2.3", b"HTTP/1.10 200 OK"),
    _line("HTTP/01.1", "RFC 9112 2.3", b"HTTP/01.1 200 OK"),
    _line("HTTP/11.1", "RFC 9112 2.3", b"HTTP/11.1 200 OK"),
    _line("HTTP/1", "RFC 9112 2.3", b"HTTP/1 200 OK"),
    _line("other protocol", "RFC 9112 2.3", b"ICY 200 OK"),
    _line("no version", "RFC 9112 4", b"HTTP 200 OK"),
    _line("space first", "RFC 9112 4", b" HTTP/1.1 200 OK"),
    _line("no status", "RFC 9112 4", b"HTTP/1.1"),
    _line("empty status", "RFC 9112 4", b"HTTP/1.1  OK"),
    _line("status 42", "RFC 9112 4", b"HTTP/1.1 42 x"),
    _line("status 0", "RFC 9110 15", b"HTTP/1.1 000 x", must=False),
    _line("status 099", "RFC 9110 15", b"HTTP/1.1 099 x", must=False),
    _line("status 999", "RFC 9110 15", b"HTTP/1.1 999 x", must=False),
    _line("status 600", "RFC 9110 15", b"HTTP/1.1 600 x", must=False),
    _line("status of four digits", "RFC 9112 4", b"HTTP/1.1 2000 x"),
    _line("signed status", "RFC 9112 4", b"HTTP/1.1 +200 x"),
    _line("negative status", "RFC 9112 4", b"HTTP/1.1 -200 x"),
    _line("status of letters", "RFC 9112 4", b"HTTP/1.1 abc x"),
    _line("hexadecimal status", "RFC 9112 4", b"HTTP/1.1 0xc8 x"),
    _line("status of a fraction", "RFC 9112 4", b"HTTP/1.1 200.0 x"),
    _line("status and a letter", "RFC 9112 4", b"HTTP/1.1 200x"),
    _line("two spaces before the status", "RFC 9112 4", b"HTTP/1.1  200 OK"),
    _line("tab before the status", "RFC 9112 4", b"HTTP/1.1\t200 OK"),
    _line("tab behind the status", "RFC 9112 4", b"HTTP/1.1 200\tOK"),
    _line("CR in the reason", "RFC 9112 4", b"HTTP/1.1 200 O\rK"),
    _line("NUL in the reason", "RFC 9112 4", b"HTTP/1.1 200 O\x00K"),
    _line("0x01 in the reason", "RFC 9112 4", b"HTTP/1.1 200 O\x01K", must=False),
    _line("DEL in the reason", "RFC 9112 4", b"HTTP/1.1 200 O\x7fK", must=False),
    _line("bare LF in the reason", "RFC 9112 2.2", b"HTTP/1.1 200 OK\nSet-Cookie: a=b", must=False),
    replaced("empty line first", "RFC 9112 4", b"\r\n" + OK + _DONE),
    replaced("bare LF first", "RFC 9112 4", b"\n" + OK + _DONE),
    replaced("request for a response", "RFC 9112 2.1", GET + b"\r\n"),
    replaced("bare LFs", "RFC 9112 2.2", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", must=False),
    replaced("endless status line", "RFC 9110 5.4", b"HTTP/1.1 200 " + b"x" * 70_000, must=False),
    delivered("no reason", "RFC 9112 4", b"HTTP/1.1 200\r\n" + _DONE, rb"\AHTTP/1.1 200"),
    delivered("empty reason", "RFC 9112 4", b"HTTP/1.1 200 \r\n" + _DONE, rb"\AHTTP/1.1 200"),
    delivered("latin-1 in the reason", "RFC 9112 4", b"HTTP/1.1 200 \xe9\r\n" + _DONE, rb"\AHTTP/1.1 200"),
    delivered("tab in the reason", "RFC 9112 4", b"HTTP/1.1 200 O\tK\r\n" + _DONE, rb"\AHTTP/1.1 200"),
    delivered("reason of a sentence", "RFC 9112 4", b"HTTP/1.1 200 Sure, why not?\r\n" + _DONE, rb"\AHTTP/1.1 200"),
    *[
        delivered(f"status {status}", "RFC 9110 15", _status(status), b"\\AHTTP/1.1 %d" % status, status=status)
        for status in (201, 203, 206, 299, 300, 301, 307, 399, 400, 401, 404, 418, 429, 451, 499, 500, 503, 511, 599)
    ],
]

RESPONSE_FIELDS = [
    delivered(
        "redirect elsewhere, which is the client's to follow",
        "CVE-2022-21712",
        b"HTTP/1.1 301 x\r\nLocation: http://example.com/\r\nContent-Length: 2\r\n\r\nok",
        rb"^Location: http://example.com/",
        status=301,
    ),
    _field("space before the colon", "RFC 9112 5.1", b"A : b", must=False),
    _field("no colon", "RFC 9112 5", b"Ab"),
    _field("empty name", "RFC 9112 5", b": b"),
    _field("space in a name", "RFC 9110 5.1", b"A b: c"),
    _field("NUL in a name", "RFC 9110 5.1", b"A\x00: b"),
    _field("0x80 in a name", "RFC 9110 5.1", b"A\x80: b"),
    _field("slash in a name", "RFC 9110 5.1", b"A/b: c"),
    _field("bracket in a name", "RFC 9110 5.1", b"A[: b"),
    _field("NUL in a value", "RFC 9110 5.5", b"A: b\x00c"),
    _field("bare CR in a value", "Twisted #12754", b"A: b\rSet-Cookie: c=d"),
    _field("bare LF in a value", "RFC 9112 2.2", b"A: b\nSet-Cookie: c=d", must=False),
    _field("CR CR LF behind a field", "RFC 9112 2.2", b"A: b\r"),
    _field("0x01 in a value", "RFC 9110 5.5", b"A: b\x01c", must=False),
    _field("0x0b in a value", "RFC 9110 5.5", b"A: b\x0bc", must=False),
    _field("0x7f in a value", "RFC 9110 5.5", b"A: b\x7fc", must=False),
    _field("obs-fold with a space", "RFC 9112 5.2", b"A: b\r\n c"),
    _field("obs-fold with a tab", "RFC 9112 5.2", b"A: b\r\n\tc"),
    _field("obs-fold that looks like a field", "RFC 9112 5.2", b"A: b\r\n Set-Cookie: c=d"),
    replaced("folded first line", "RFC 9112 5.2", OK + b" A: b\r\n" + _DONE),
    _field("obs-fold on a length", "RFC 9112 5.2", b"Content-Length:\r\n 2"),
    replaced("bare LF for the end", "RFC 9112 2.2", OK + b"Content-Length: 2\r\n\nok", must=False),
    replaced("200 fields", "RFC 9110 5.4", OK + b"A: b\r\n" * 200 + _DONE, must=False),
    replaced("10,000 fields", "Twisted accepts them", OK + b"A: b\r\n" * 10_000 + _DONE, must=False),
    replaced("head too long", "RFC 9110 5.4", OK + b"A: " + b"b" * 40_000 + b"\r\n" + _DONE, must=False),
    replaced("head too long and unfinished", "RFC 9110 5.4", OK + b"A: " + b"b" * 140_000, must=False),
    delivered("latin-1 in a value", "RFC 9110 5.5", ok(b"A: \xe9", b"Content-Length: 2", body=b"ok"), rb"^A: \xe9"),
    delivered("empty value", "RFC 9110 5.5", ok(b"A:", b"Content-Length: 2", body=b"ok"), rb"^A:[ \t]*\r?$"),
    delivered(
        "tabs around a value", "RFC 9110 5.6.3", ok(b"A:\tb\t", b"Content-Length: 2", body=b"ok"), rb"^A:[ \t]*b"
    ),
    delivered(
        "two cookies",
        "RFC 6265 3",
        ok(b"Set-Cookie: a=b", b"Set-Cookie: c=d", b"Content-Length: 2", body=b"ok"),
        rb"^Set-Cookie: a=b",
        rb"^Set-Cookie: c=d",
    ),
    delivered("underscore in a name", "RFC 9110 5.6.2", ok(b"A_b: c", b"Content-Length: 2", body=b"ok"), rb"^A_b: c"),
    delivered(
        "value of 7 kB", "RFC 9110 5.4", ok(b"A: " + b"x" * 7000, b"Content-Length: 2", body=b"ok"), rb"^A: x{7000}"
    ),
    delivered(
        "90 fields",
        "RFC 9110 5.4",
        ok(*[b"A-%d: b" % n for n in range(85)], b"Content-Length: 2", body=b"ok"),
        rb"^A-84: b",
    ),
    delivered(
        "Date of its own",
        "RFC 9110 6.6.1",
        ok(b"Date: Mon, 01 Jan 2024 00:00:00 GMT", b"Content-Length: 2", body=b"ok"),
        rb"^Date: Mon, 01 Jan 2024",
    ),
]

_HEAD_10 = line(b"GET / HTTP/1.0")

INTERIMS = [
    replaced(
        "interim in HTTP/1.0",
        "RFC 9110 15.2",
        b"HTTP/1.0 100 x\r\n\r\n" + ok(b"Content-Length: 2", body=b"ok"),
        must=False,
    ),
    replaced(
        "interim with a length",
        "RFC 9110 8.6",
        b"HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\nhello" + ok(b"Content-Length: 2", body=b"ok"),
        must=False,
    ),
    replaced(
        "chunked interim",
        "RFC 9112 6.1",
        b"HTTP/1.1 103 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + ok(b"Content-Length: 2", body=b"ok"),
        must=False,
    ),
    replaced(
        "nine interims",
        "RFC 9110 15.2",
        b"HTTP/1.1 102 x\r\n\r\n" * 9 + ok(b"Content-Length: 2", body=b"ok"),
        must=False,
    ),
    replaced("flood of interims", "RFC 9110 15.2", b"HTTP/1.1 103 x\r\n\r\n" * 5000, must=False),
    replaced(
        "malformed interim",
        "RFC 9112 4",
        b"HTTP/1.1 103 x\r\nA : b\r\n\r\n" + ok(b"Content-Length: 2", body=b"ok"),
        must=False,
    ),
    replaced(
        "obs-fold in an interim",
        "RFC 9112 5.2",
        b"HTTP/1.1 103 x\r\nA: b\r\n c\r\n\r\n" + ok(b"Content-Length: 2", body=b"ok"),
    ),
    replaced(
        "junk behind an interim", "RFC 9112 4", b"HTTP/1.1 100 x\r\n\r\njunk" + ok(b"Content-Length: 2", body=b"ok")
    ),
    replaced("interim too long", "RFC 9110 5.4", b"HTTP/1.1 103 x\r\nA: " + b"b" * 140_000, must=False),
    cleaned(
        "field that an interim's Connection names",
        "RFC 9110 7.6.1",
        b"HTTP/1.1 103 x\r\nConnection: X-A\r\nX-A: b\r\n\r\n" + ok(b"Content-Length: 2", body=b"ok"),
        rb"^X-A:",
    ),
    cleaned(
        "interim for HTTP/1.0",
        "RFC 9110 15.2",
        b"HTTP/1.1 103 x\r\n\r\n" + ok(b"Content-Length: 2", body=b"ok"),
        rb"\b103\b",
        request=_HEAD_10,
    ),
    delivered(
        "100 that nobody asked for",
        "RFC 9110 15.2.1",
        b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"Content-Length: 2", body=b"ok"),
        rb"^HTTP/1.1 200",
        rb"ok\Z",
    ),
    delivered(
        "102",
        "RFC 2518 10.1",
        b"HTTP/1.1 102 Processing\r\n\r\n" + ok(b"Content-Length: 2", body=b"ok"),
        rb"^HTTP/1.1 200",
        rb"ok\Z",
    ),
    delivered(
        "103",
        "RFC 8297 2",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok(b"Content-Length: 2", body=b"ok"),
        rb"^HTTP/1.1 103",
        rb"^Link: </a>",
        rb"^HTTP/1.1 200",
        rb"ok\Z",
    ),
    delivered(
        "unknown interim",
        "RFC 9110 15.2",
        b"HTTP/1.1 199 x\r\n\r\n" + ok(b"Content-Length: 2", body=b"ok"),
        rb"^HTTP/1.1 200",
        rb"ok\Z",
    ),
    delivered(
        "eight interims",
        "RFC 9110 15.2",
        b"HTTP/1.1 103 x\r\n\r\n" * 8 + ok(b"Content-Length: 2", body=b"ok"),
        rb"^HTTP/1.1 200",
        rb"ok\Z",
    ),
    delivered(
        "100 that was asked for",
        "RFC 9110 10.1.1",
        b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"Content-Length: 2", body=b"ok"),
        rb"^HTTP/1.1 200",
        rb"ok\Z",
        request=b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    ),
    delivered(
        "417 for what was expected",
        "RFC 9110 10.1.1",
        b"HTTP/1.1 417 x\r\nContent-Length: 2\r\n\r\nno",
        rb"no\Z",
        request=get(b"X: y"),
        status=417,
    ),
]
