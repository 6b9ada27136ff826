"""Messages that must not pass, as data: each with the section, or the advisory, that it comes from.

Hosts are those of `fakes.EdgeTestCase`, so that only what a case is about is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostileRequest:
    """What a client sends, and the status that it must be answered. Nothing of it may reach a node."""

    name: str
    source: str
    data: bytes
    status: int = 400


@dataclass(frozen=True, slots=True)
class HostileResponse:
    """What a node answers to `method`. Without `begins` the client is answered 502; with it, its response is cut by a
    reset."""

    name: str
    source: str
    data: bytes
    method: bytes = b"GET"
    begins: bool = False


GET = b"GET / HTTP/1.1\r\nHost: demo.gateway.localhost\r\n"
POST = b"POST / HTTP/1.1\r\nHost: demo.gateway.localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
END = b"0\r\n\r\n"


def _line(line: bytes) -> bytes:
    return line + b"\r\nHost: demo.gateway.localhost\r\n\r\n"


def _get(*lines: bytes) -> bytes:
    return GET + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def _post(*lines: bytes, body: bytes = b"") -> bytes:
    return POST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


_R = HostileRequest

REQUEST_LINES = [
    _R("no method", "RFC 9112 3", _line(b" / HTTP/1.1")),
    _R("HTTP/0.9", "RFC 9112 2.3", b"GET /\r\n\r\n"),
    _R("no version", "RFC 9112 3", _line(b"GET /")),
    _R("HTTP/1.2", "RFC 9110 2.5", _line(b"GET / HTTP/1.2"), 505),
    _R("HTTP/2.0", "RFC 9110 2.5", _line(b"GET / HTTP/2.0"), 505),
    _R("HTTP/0.9 written out", "RFC 9110 2.5", _line(b"GET / HTTP/0.9"), 505),
    _R("h2 preface", "RFC 9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    _R("lower-case protocol", "RFC 9112 2.3", _line(b"GET / http/1.1")),
    _R("HTTP/1.10", "RFC 9112 2.3", _line(b"GET / HTTP/1.10")),
    _R("HTTP/01.1", "RFC 9112 2.3", _line(b"GET / HTTP/01.1")),
    _R("other protocol", "RFC 9112 2.3", _line(b"GET / ICE/1.1")),
    _R("two spaces before the target", "RFC 9112 3", _line(b"GET  / HTTP/1.1")),
    _R("two spaces before the version", "RFC 9112 3", _line(b"GET /  HTTP/1.1")),
    _R("tab for a space", "RFC 9112 3", _line(b"GET\t/ HTTP/1.1")),
    _R("trailing space", "RFC 9112 3", _line(b"GET / HTTP/1.1 ")),
    _R("space in the target", "RFC 9112 3.2", _line(b"GET /a b HTTP/1.1")),
    _R("fragment in the target", "RFC 9112 3.2", _line(b"GET /a#b HTTP/1.1")),
    _R("0x7f in the target", "RFC 9112 3.2", _line(b"GET /\x7f HTTP/1.1")),
    _R("0x80 in the target", "RFC 9112 3.2", _line(b"GET /\x80 HTTP/1.1")),
    _R("0xb0 in the target", "Twisted accepts it", _line(b"GET /\xb0 HTTP/1.1")),
    _R("0x01 in the target", "CVE-2019-12387", _line(b"GET /\x01 HTTP/1.1")),
    _R("NUL in the target", "RFC 9112 3.2", _line(b"GET /\x00 HTTP/1.1")),
    _R("relative target", "RFC 9112 3.2", _line(b"GET a HTTP/1.1")),
    _R("asterisk for GET", "RFC 9112 3.2.4", _line(b"GET * HTTP/1.1")),
    _R("authority for GET", "RFC 9112 3.2.3", _line(b"GET demo.gateway.localhost:80 HTTP/1.1")),
    _R("lower-case method", "RFC 9110 9.1", _line(b"get / HTTP/1.1"), 501),
    _R("unknown method", "RFC 9110 9.1", _line(b"FROBNICATE / HTTP/1.1"), 501),
    _R("separator in the method", "RFC 9110 9.1", _line(b"GE(T / HTTP/1.1")),
    _R("CR in the method", "CVE-2019-12387", _line(b"G\rET / HTTP/1.1")),
    _R("bare LF after the request line", "RFC 9112 2.2", b"GET / HTTP/1.1\nHost: demo.gateway.localhost\r\n\r\n"),
    _R("bare LF only, and silence", "RFC 9112 2.2", b"GET / HTTP/1.1\nHost: demo.gateway.localhost\n\n"),
    _R("bare CR after the request line", "CVE-2023-30589", b"GET / HTTP/1.1\rHost: demo.gateway.localhost\r\n\r\n"),
    _R("three empty lines first", "RFC 9112 2.2", b"\r\n\r\n\r\n" + GET + b"\r\n"),
    _R("bare LF first", "RFC 9112 2.2", b"\n" + GET + b"\r\n"),
    _R("space first", "RFC 9112 2.2", b" " + GET + b"\r\n"),
    _R("TLS hello", "RFC 8446 4.1.2", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    _R("target too long", "RFC 9110 15.5.15", b"GET /" + b"a" * 40_000, 414),
    _R(
        "CONNECT",
        "RFC 9110 9.3.6",
        b"CONNECT demo.gateway.localhost:443 HTTP/1.1\r\nHost: demo.gateway.localhost:443\r\n\r\n",
        405,
    ),
    _R("TRACE", "RFC 9110 9.3.8", _line(b"TRACE / HTTP/1.1"), 405),
]

HOSTS = [
    _R("no Host", "RFC 9112 3.2", b"GET / HTTP/1.1\r\n\r\n"),
    _R("no Host in HTTP/1.0", "RFC 9112 3.2", b"GET / HTTP/1.0\r\n\r\n"),
    _R("two Hosts", "RFC 9112 3.2", GET + b"Host: demo.gateway.localhost\r\n\r\n"),
    _R("two Hosts that differ", "http-garden", GET + b"Host: other.gateway.localhost\r\n\r\n"),
    _R("empty Host", "RFC 9112 3.2", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    _R("list in Host", "RFC 9112 3.2", b"GET / HTTP/1.1\r\nHost: demo.gateway.localhost, x\r\n\r\n"),
    _R("userinfo in Host", "RFC 9112 3.2", b"GET / HTTP/1.1\r\nHost: a@demo.gateway.localhost\r\n\r\n"),
    _R("path in Host", "RFC 9112 3.2", b"GET / HTTP/1.1\r\nHost: demo.gateway.localhost/x\r\n\r\n"),
    _R("markup in Host", "CVE-2022-39348", b"GET / HTTP/1.1\r\nHost: <b>.gateway.localhost\r\n\r\n"),
    _R("bad port", "RFC 3986 3.2.3", b"GET / HTTP/1.1\r\nHost: demo.gateway.localhost:x\r\n\r\n"),
    _R("port out of range", "RFC 3986 3.2.3", b"GET / HTTP/1.1\r\nHost: demo.gateway.localhost:65536\r\n\r\n"),
    _R("bad IPv6", "RFC 3986 3.2.2", b"GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n"),
    _R("IPv6 of too many groups", "RFC 3986 3.2.2", b"GET / HTTP/1.1\r\nHost: [1:2:3:4:5:6:7:8:9]\r\n\r\n"),
    _R("Host too long", "RFC 1035 2.3.4", b"GET / HTTP/1.1\r\nHost: " + b"a" * 300 + b".localhost\r\n\r\n"),
    _R("absolute-form of another host", "RFC 9112 3.2.2", _line(b"GET http://other.gateway.localhost/ HTTP/1.1")),
    _R("absolute-form with userinfo", "RFC 9110 4.2.4", _line(b"GET http://a@demo.gateway.localhost/ HTTP/1.1")),
    _R("absolute-form of another port", "RFC 9112 3.2.2", _line(b"GET http://demo.gateway.localhost:81/ HTTP/1.1")),
    _R("absolute-form, other scheme", "RFC 9112 3.2.2", _line(b"GET ftp://demo.gateway.localhost/ HTTP/1.1")),
    _R("malformed Host in OPTIONS *", "RFC 9112 3.2", b"OPTIONS * HTTP/1.1\r\nHost: a b\r\n\r\n"),
    _R("userinfo in the Host of CONNECT", "RFC 9112 3.2", b"CONNECT a:1 HTTP/1.1\r\nHost: x@a:1\r\n\r\n"),
    _R("two ports", "RFC 3986 3.2.3", b"GET / HTTP/1.1\r\nHost: demo.gateway.localhost:80:80\r\n\r\n"),
    _R("IPv6 without brackets", "RFC 3986 3.2.2", b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"),
    _R("IPv6 with a zone", "RFC 6874 4", b"GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n"),
    _R("query in Host", "RFC 9112 3.2", b"GET / HTTP/1.1\r\nHost: demo.gateway.localhost?x\r\n\r\n"),
    _R("fragment in Host", "RFC 9112 3.2", b"GET / HTTP/1.1\r\nHost: demo.gateway.localhost#\r\n\r\n"),
    _R("encoded network", "RFC 9110 4.2.3", b"GET / HTTP/1.1\r\nHost: %64emo.gateway.localhost\r\n\r\n", 421),
    _R("two trailing dots", "RFC 1034 3.1", b"GET / HTTP/1.1\r\nHost: demo.gateway.localhost..\r\n\r\n", 421),
    _R("empty label", "RFC 1034 3.1", b"GET / HTTP/1.1\r\nHost: demo..gateway.localhost\r\n\r\n", 421),
    _R("no network", "RFC 1034 3.1", b"GET / HTTP/1.1\r\nHost: .gateway.localhost\r\n\r\n", 421),
    _R("short IPv4", "RFC 3986 3.2.2", b"GET / HTTP/1.1\r\nHost: 127.1\r\n\r\n", 421),
    _R("cid of another feature", "RFC 9110 15.5.20", b"GET / HTTP/1.1\r\nHost: c.ipfs.demo.api.localhost\r\n\r\n", 421),
    _R("foreign Host", "RFC 9110 15.5.20", b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 421),
    _R("no such feature", "RFC 9110 15.5.20", b"GET / HTTP/1.1\r\nHost: demo.webui.localhost\r\n\r\n", 421),
    _R("domain as a suffix only", "RFC 9110 15.5.20", b"GET / HTTP/1.1\r\nHost: evillocalhost\r\n\r\n", 421),
]

FIELDS = [
    _R("space before the colon", "RFC 9112 5.1", _get(b"X : y")),
    _R("tab before the colon", "RFC 9112 5.1", _get(b"X\t: y")),
    _R("no colon", "RFC 9112 5", _get(b"Xy")),
    _R("empty name", "RFC 9112 5", _get(b": y")),
    _R("space in a name", "RFC 9110 5.1", _get(b"X y: z")),
    _R("separator in a name", "RFC 9110 5.1", _get(b"X(y): z")),
    _R("0x80 in a name", "RFC 9110 5.1", _get(b"X\x80: z")),
    _R("NUL in a name", "RFC 9110 5.1", _get(b"X\x00: z")),
    _R("NUL in a value", "RFC 9110 5.5", _get(b"X: a\x00b")),
    _R("0x01 in a value", "RFC 9110 5.5", _get(b"X: a\x01b")),
    _R("0x7f in a value", "RFC 9110 5.5", _get(b"X: a\x7fb")),
    _R("bare CR in a value", "RFC 9112 2.2", _get(b"X: a\rb")),
    _R("bare CR before an injected field", "CVE-2023-30589", _get(b"X: a\rTransfer-Encoding: chunked")),
    _R("bare LF in a value", "RFC 9112 2.2", _get(b"X: a\nY: b")),
    _R("obs-fold with a space", "RFC 9112 5.2", _get(b"X: a", b" b")),
    _R("obs-fold with a tab", "RFC 9112 5.2", _get(b"X: a", b"\tb")),
    _R("obs-fold on Transfer-Encoding", "CVE-2024-27982", _post(b"Transfer-Encoding:", b" chunked", body=END)),
    _R("obs-fold on Content-Length", "CVE-2024-27982", _post(b"Content-Length:", b" 5", body=b"hello")),
    _R("folded first line", "RFC 9112 2.2", b"GET / HTTP/1.1\r\n Host: demo.gateway.localhost\r\n\r\n"),
    _R("too many fields", "RFC 6585 5", _get(*[b"X: y"] * 200), 431),
    _R("fields too long", "RFC 6585 5", _get(b"X: " + b"y" * 40_000), 431),
    _R("fields too long and unfinished", "RFC 6585 5", GET + b"X: " + b"y" * 40_000, 431),
    _R("unknown expectation", "RFC 9110 10.1.1", _get(b"Expect: 200-ok"), 417),
    _R("own Via", "RFC 9110 7.6.3", _get(b"Via: 1.0 a, 1.1 nexus-test (x)"), 508),
]

LENGTHS = [
    _R("two lengths", "CVE-2020-10109", _post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!")),
    _R("two equal lengths", "RFC 9112 6.3", _post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello")),
    _R("list of equal lengths", "RFC 9112 6.3", _post(b"Content-Length: 5, 5", body=b"hello")),
    _R("signed length", "CVE-2022-24801", _post(b"Content-Length: +5", body=b"hello")),
    _R("negative length", "RFC 9110 8.6", _post(b"Content-Length: -5", body=b"hello")),
    _R("empty length", "RFC 9110 8.6", _post(b"Content-Length:", body=b"hello")),
    _R("hexadecimal length", "RFC 9110 8.6", _post(b"Content-Length: 0x5", body=b"hello")),
    _R("space in a length", "RFC 9110 8.6", _post(b"Content-Length: 5 5", body=b"hello")),
    _R("underscore in a length", "http-garden: int()", _post(b"Content-Length: 1_0", body=b"hellohello")),
    _R("non-ASCII digits", "http-garden: int()", _post("Content-Length: \u0665".encode(), body=b"hello")),
    _R("length of 5,000 digits", "Twisted ValueError", _post(b"Content-Length: " + b"1" * 5000)),
    _R("length beyond 2^63", "RFC 9110 8.6", _post(b"Content-Length: 9999999999999999999")),
    _R("length and chunked", "CVE-2020-10108", _post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=END)),
    _R("chunked and length", "CVE-2020-10108", _post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=END)),
]

CODINGS = [
    _R("identity", "RFC 9112 7", _post(b"Transfer-Encoding: identity", body=b"hello")),
    _R("gzip", "RFC 9112 6.1", _post(b"Transfer-Encoding: gzip", body=b"hello")),
    _R("gzip, chunked", "RFC 9112 6.1", _post(b"Transfer-Encoding: gzip, chunked", body=END), 501),
    _R("chunked twice", "RFC 9112 6.1", _post(b"Transfer-Encoding: chunked, chunked", body=END)),
    _R(
        "chunked on two lines",
        "RFC 9112 6.1",
        _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=END),
    ),
    _R("chunked not last", "RFC 9112 6.3", _post(b"Transfer-Encoding: chunked, gzip", body=END)),
    _R(
        "chunked, identity on two lines",
        "http-garden",
        _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    ),
    _R("xchunked", "RFC 9112 6.1", _post(b"Transfer-Encoding: xchunked", body=END)),
    _R("vertical tab before chunked", "http-garden", _post(b"Transfer-Encoding: \x0bchunked", body=END)),
    _R("quoted chunked", "RFC 9112 7", _post(b'Transfer-Encoding: "chunked"', body=END)),
    _R("chunked with a parameter", "RFC 9112 7.1", _post(b"Transfer-Encoding: chunked;q=1", body=END)),
    _R("empty coding", "RFC 9112 6.1", _post(b"Transfer-Encoding:", body=END)),
    _R("trailing comma", "RFC 9110 5.6.1", _post(b"Transfer-Encoding: chunked,", body=END)),
    _R(
        "chunked in HTTP/1.0",
        "RFC 9112 6.1",
        b"POST / HTTP/1.0\r\nHost: demo.gateway.localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + END,
    ),
]

HOSTILE_REQUESTS = REQUEST_LINES + HOSTS + FIELDS + LENGTHS + CODINGS

HOSTILE_CHUNKS = [
    ("no size", "RFC 9112 7.1", b"\r\nhello\r\n"),
    ("0x before the size", "CVE-2022-24801", b"0x5\r\nhello\r\n"),
    ("plus before the size", "CVE-2022-24801", b"+5\r\nhello\r\n"),
    ("minus before the size", "RFC 9112 7.1", b"-5\r\nhello\r\n"),
    ("underscore in the size", "http-garden: int()", b"1_0\r\n" + b"x" * 16 + b"\r\n"),
    ("space before the size", "RFC 9112 7.1", b" 5\r\nhello\r\n"),
    ("space behind the size", "RFC 9112 7.1", b"5 \r\nhello\r\n"),
    ("tab behind the size", "RFC 9112 7.1", b"5\t\r\nhello\r\n"),
    ("space before an extension", "RFC 9112 7.1.1", b"5 ;a\r\nhello\r\n"),
    ("size of 17 digits", "RFC 9112 7.1", b"00000000000000005\r\nhello\r\n"),
    ("size beyond 2^63", "RFC 9112 7.1", b"ffffffffffffffff\r\nhello\r\n"),
    ("not a hexadecimal digit", "RFC 9112 7.1", b"g\r\nhello\r\n"),
    ("bare LF behind the size", "RFC 9112 2.2", b"5\nhello\r\n"),
    ("bare CR behind the size", "RFC 9112 2.2", b"5\rhello\r\n"),
    ("CR CR LF behind the size", "RFC 9112 2.2", b"5\r\r\nhello\r\n"),
    ("bare LF in an extension", "CVE-2025-22871", b"5;a\nhello\r\n"),
    ("bare CR in an extension", "TERM.EXT", b"5;a\rb\r\nhello\r\n"),
    ("NUL in an extension", "RFC 9112 7.1.1", b"5;a\x00\r\nhello\r\n"),
    ("extension too long", "CVE-2023-39326", b"5;" + b"a" * 300 + b"\r\nhello\r\n"),
    ("extensions too long together", "CVE-2023-39326", (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 30),
    ("unterminated line too long", "CVE-2023-39326", b"5;" + b"a" * 300),
    ("bare LF behind the data", "RFC 9112 7.1", b"5\r\nhello\n"),
    ("data longer than its size", "RFC 9112 7.1", b"5\r\nhello!\r\n"),
    ("CR and more behind the data", "RFC 9112 7.1", b"5\r\nhello\rX"),
    ("bytes for a trailer", "CVE-2025-43859", b"0\r\nx: \x00\r\n\r\n"),
    ("trailer without a colon", "RFC 9112 7.1.2", b"0\r\nxx\r\n\r\n"),
    ("space before a trailer's colon", "RFC 9112 5.1", b"0\r\nx : y\r\n\r\n"),
    ("folded trailer", "RFC 9112 5.2", b"0\r\nx: y\r\n z\r\n\r\n"),
    ("bare LF in a trailer", "RFC 9112 2.2", b"0\r\nx: y\nz: a\r\n\r\n"),
    ("bare LF for the end", "RFC 9112 2.2", b"0\r\n\n"),
    ("too many trailers", "RFC 6585 5", b"0\r\n" + b"x: y\r\n" * 200 + b"\r\n"),
    ("trailers too long", "RFC 6585 5", b"0\r\nx: " + b"y" * 20_000),
]
"""Name, source and a chunked body, which is hostile in requests and responses alike."""

_S = HostileResponse

HOSTILE_RESPONSES = [
    _S("not HTTP", "RFC 9112 4", b"SSH-2.0-OpenSSH_9\r\n"),
    _S("HTTP/0.9", "RFC 9112 4", b"<html>"),
    _S("HTTP/2", "RFC 9112 4", b"HTTP/2.0 200 OK\r\n\r\n"),
    _S("HTTP/1.2", "RFC 9112 4", b"HTTP/1.2 200 OK\r\n\r\n"),
    _S("empty line first", "RFC 9112 4", b"\r\n" + OK + b"Content-Length: 0\r\n\r\n"),
    _S("status 42", "Twisted accepts it", b"HTTP/1.1 42 x\r\n\r\n"),
    _S("status 999", "RFC 9110 15", b"HTTP/1.1 999 x\r\n\r\n"),
    _S("status 600", "RFC 9110 15", b"HTTP/1.1 600 x\r\n\r\n"),
    _S("status of four digits", "RFC 9112 4", b"HTTP/1.1 2000 x\r\n\r\n"),
    _S("two spaces before the status", "RFC 9112 4", b"HTTP/1.1  200 OK\r\n\r\n"),
    _S("CR in the reason", "RFC 9112 4", b"HTTP/1.1 200 O\rK\r\n\r\n"),
    _S("NUL in the reason", "RFC 9112 4", b"HTTP/1.1 200 O\x00K\r\n\r\n"),
    _S("bare LF", "RFC 9112 2.2", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    _S("bare LF in a field", "RFC 9112 2.2", OK + b"A: b\nContent-Length: 0\r\n\r\n"),
    _S("bare CR in a field", "Twisted #12754", OK + b"A: b\rSet-Cookie: c\r\n\r\n"),
    _S("obs-fold", "RFC 9112 5.2", OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n"),
    _S("space before the colon", "RFC 9112 5.1", OK + b"A : b\r\n\r\n"),
    _S("no colon", "RFC 9112 5", OK + b"Ab\r\n\r\n"),
    _S("NUL in a value", "RFC 9110 5.5", OK + b"A: \x00\r\n\r\n"),
    _S("too many fields", "RFC 9110 5.4", OK + b"A: b\r\n" * 200 + b"\r\n"),
    _S("head too long", "RFC 9110 5.4", OK + b"A: " + b"b" * 40_000),
    _S("length and chunked", "RFC 9112 6.3", OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + END),
    _S("two lengths", "RFC 9112 6.3", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    _S("two equal lengths", "RFC 9112 6.3", OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    _S("negative length", "RFC 9110 8.6", OK + b"Content-Length: -5\r\n\r\nhello"),
    _S("length of 5,000 digits", "RFC 9110 8.6", OK + b"Content-Length: " + b"1" * 5000 + b"\r\n\r\n"),
    _S("gzip, chunked", "RFC 9112 6.1", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + END),
    _S("identity", "RFC 9112 7", OK + b"Transfer-Encoding: identity\r\n\r\nhello"),
    _S("chunked twice", "RFC 9112 6.1", OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + END),
    _S("chunked in HTTP/1.0", "RFC 9112 6.1", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + END),
    _S("204 with a body", "RFC 9110 8.6", b"HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\nhello"),
    _S("204 chunked", "RFC 9112 6.1", b"HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n" + END),
    _S("205 with a body", "RFC 9110 15.3.6", b"HTTP/1.1 205 x\r\nContent-Length: 5\r\n\r\nhello"),
    _S(
        "101 that nobody asked for",
        "CVE-2026-88008",
        b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nPRI",
    ),
    _S("interim in HTTP/1.0", "RFC 9110 15.2", b"HTTP/1.0 100 x\r\n\r\n" + OK + b"\r\n"),
    _S("interim with a body", "RFC 9110 8.6", b"HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\nhello"),
    _S("nine interims", "RFC 9110 15.2", b"HTTP/1.1 102 x\r\n\r\n" * 9),
    _S("bad length for HEAD", "RFC 9110 8.6", OK + b"Content-Length: x\r\n\r\n", method=b"HEAD"),
]
