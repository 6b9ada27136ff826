"""What belongs to one connection, and what is ours to say: Connection and what it names, Expect, Max-Forwards, Via,
X-Forwarded-* (RFC 9110 sections 7.6 and 10.1)."""

from __future__ import annotations

from tests.edge.hostile.case import (
    HOST,
    Kind,
    RequestCase,
    ResponseCase,
    chosen,
    cleaned,
    delivered,
    get,
    line,
    ok,
    passed,
    post,
    refused,
    sanitised,
)

_CONNECTION_FIELDS = [
    (b"Keep-Alive", b"timeout=5"),
    (b"Proxy-Connection", b"keep-alive"),
    (b"Proxy-Authenticate", b"Basic"),
    (b"Upgrade", b"h2c"),
    (b"Upgrade", b"TLS/1.0"),
    (b"TE", b"gzip"),
]


def _own(name: bytes, value: bytes, *, must: bool = True, source: str = "RFC 9110 7.6.1") -> RequestCase:
    return sanitised(
        f"{name.decode()}: {value.decode()}",
        source,
        get(name + b": " + value),
        rb"^" + name + rb": " + value,
        must=must,
    )


REQUEST_CONNECTION = [
    *[_own(name, value, must=False) for name, value in _CONNECTION_FIELDS],
    _own(b"Proxy-Authorization", b"Basic Zm9v", must=False, source="RFC 9110 11.7.2"),
    _own(b"HTTP2-Settings", b"AAMAAABkAAQAoAAAAAIAAAAA", must=False, source="RFC 7540 3.2.1"),
    sanitised("named field", "RFC 9110 7.6.1", get(b"Connection: X-A", b"X-A: b"), rb"^X-A:"),
    sanitised("field before its naming", "RFC 9110 7.6.1", get(b"X-A: b", b"Connection: X-A"), rb"^X-A:"),
    sanitised("named field among others", "RFC 9110 7.6.1", get(b"Connection: close, X-A", b"X-A: b"), rb"^X-A:"),
    sanitised("second named field", "RFC 9110 7.6.1", get(b"Connection: X-B, X-A", b"X-A: b"), rb"^X-A:"),
    sanitised(
        "named on a second line", "old Go proxies", get(b"Connection: x", b"Connection: X-A", b"X-A: b"), rb"^X-A:"
    ),
    sanitised("named in other case", "RFC 9110 5.1", get(b"Connection: x-a", b"X-A: b"), rb"^X-A:"),
    sanitised("named between commas", "RFC 9110 5.6.1", get(b"Connection: ,,X-A,", b"X-A: b"), rb"^X-A:"),
    sanitised("named between tabs", "RFC 9110 5.6.3", get(b"Connection:\tX-A\t,x", b"X-A: b"), rb"^X-A:"),
    sanitised("named, and there twice", "RFC 9110 7.6.1", get(b"Connection: X-A", b"X-A: b", b"X-A: c"), rb"^X-A:"),
    sanitised("Connection itself", "RFC 9110 7.6.1", get(b"Connection: X-Nothing"), rb"^Connection:.*X-Nothing"),
    passed("Host is named", "CVE-2022-31813", get(b"Connection: close, Host"), rb"^Host: demo"),
    passed(
        "Content-Length is named",
        "RFC 9110 7.6.1",
        post(b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"),
        rb"\r\nhello",
    ),
    passed(
        "Transfer-Encoding is named",
        "RFC 9110 7.6.1",
        post(b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        rb"\r\nhello",
    ),
    passed("X-Forwarded-For is named", "CVE-2022-31813", get(b"Connection: X-Forwarded-For"), rb"\AGET"),
    passed("Connection: close, te", "RFC 9110 7.6.1", get(b"Connection: close, te", b"TE: trailers"), rb"\AGET"),
    passed("Connection: keep-alive", "RFC 9112 9.3", get(b"Connection: keep-alive"), rb"\AGET"),
    passed("empty Connection", "RFC 9110 5.6.1", get(b"Connection:"), rb"\AGET"),
    passed("TE: trailers", "RFC 9110 10.1.4", get(b"TE: trailers", b"Connection: TE"), rb"\AGET"),
    passed("TE of weights", "RFC 9110 10.1.4", get(b"TE: trailers, deflate;q=0.5", b"Connection: TE"), rb"\AGET"),
    passed("keep-alive in HTTP/1.0", "RFC 9112 C.2.2", line(b"GET / HTTP/1.0\r\nConnection: keep-alive"), rb"\AGET"),
]

FORWARDED = [
    _own(b"X-Forwarded-For", b"10.0.0.9", must=False, source="trusted from nobody"),
    _own(b"X-Forwarded-Host", b"other", must=False, source="trusted from nobody"),
    _own(b"X-Forwarded-Proto", b"https", must=False, source="trusted from nobody"),
    _own(b"X-Forwarded-Port", b"444", must=False, source="CVE-2026-54764"),
    _own(b"X-Forwarded-Prefix", b"/x", must=False, source="CVE-2026-35051"),
    _own(b"X-Forwarded-Server", b"x", must=False, source="trusted from nobody"),
    _own(b"X-Real-IP", b"10.0.0.9", must=False, source="trusted from nobody"),
    _own(b"Forwarded", b"for=10.0.0.9", must=False, source="RFC 7239 8.1"),
    _own(b"Proxy", b"http://10.0.0.9/", must=False, source="CVE-2016-5385"),
    passed(
        "X-Forwarded-For of two lines", "RFC 9110 5.3", get(b"X-Forwarded-For: a", b"X-Forwarded-For: b"), rb"\AGET"
    ),
]

EXPECTATIONS = [
    chosen("unknown expectation", "RFC 9110 10.1.1", get(b"Expect: 200-ok"), 417),
    chosen("expectation among others", "RFC 9110 10.1.1", get(b"Expect: 100-continue, x"), 417),
    chosen("empty expectation", "RFC 9110 10.1.1", get(b"Expect:"), 417),
    chosen("two expectations", "RFC 9110 10.1.1", get(b"Expect: 100-continue", b"Expect: x"), 417),
    chosen("expectation with a value", "RFC 9110 10.1.1", get(b"Expect: 100-continue=1"), 417),
    passed(
        "100-continue", "RFC 9110 10.1.1", post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"), rb"hello"
    ),
    passed(
        "100-Continue", "RFC 9110 10.1.1", post(b"Expect: 100-Continue", b"Content-Length: 5", body=b"hello"), rb"hello"
    ),
    passed("100-continue without a body", "RFC 9110 10.1.1", get(b"Expect: 100-continue"), rb"\AGET"),
    passed(
        "100-continue, chunked",
        "RFC 9110 10.1.1",
        post(b"Expect: 100-continue", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        rb"hello",
    ),
    passed(
        "100-continue in HTTP/1.0",
        "RFC 9110 10.1.1",
        post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello").replace(b"/1.1", b"/1.0", 1),
        rb"hello",
    ),
    chosen("OPTIONS that may go no further", "RFC 9110 7.6.2", line(b"OPTIONS /x HTTP/1.1\r\nMax-Forwards: 0"), 204),
    chosen("Max-Forwards of a word", "RFC 9110 7.6.2", line(b"OPTIONS /x HTTP/1.1\r\nMax-Forwards: x")),
    chosen("negative Max-Forwards", "RFC 9110 7.6.2", line(b"OPTIONS /x HTTP/1.1\r\nMax-Forwards: -1")),
    chosen("empty Max-Forwards", "RFC 9110 7.6.2", line(b"OPTIONS /x HTTP/1.1\r\nMax-Forwards:")),
    chosen("two Max-Forwards", "RFC 9110 7.6.2", line(b"OPTIONS /x HTTP/1.1\r\nMax-Forwards: 1\r\nMax-Forwards: 2")),
    chosen(
        "Max-Forwards of 5,000 digits", "lenient int()", line(b"OPTIONS /x HTTP/1.1\r\nMax-Forwards: " + b"1" * 5000)
    ),
    sanitised(
        "Max-Forwards goes down",
        "RFC 9110 7.6.2",
        line(b"OPTIONS /x HTTP/1.1\r\nMax-Forwards: 7"),
        rb"^Max-Forwards: 7",
        present=(rb"^Max-Forwards: 6",),
    ),
    passed("Max-Forwards of a GET", "RFC 9110 7.6.2", get(b"Max-Forwards: 0"), rb"\AGET"),
    passed("Max-Forwards of a GET that is no number", "RFC 9110 7.6.2", get(b"Max-Forwards: x"), rb"\AGET"),
]

VIA = [
    chosen("own Via", "RFC 9110 7.6.3", get(b"Via: 1.1 nexus-test"), 508),
    chosen("own Via among others", "RFC 9110 7.6.3", get(b"Via: 1.0 a, 1.1 nexus-test (x)"), 508),
    chosen("own Via on a second line", "RFC 9110 7.6.3", get(b"Via: 1.0 a", b"Via: HTTP/1.1 nexus-test"), 508),
    chosen("own Via in other case", "RFC 9110 7.6.3", get(b"Via: 1.1 NEXUS-test"), 508),
    sanitised("Via is added", "RFC 9110 7.6.3", get(b"X: y"), present=(rb"^Via: 1\.1 ",)),
    sanitised("Via says what was received", "RFC 9110 7.6.3", line(b"GET / HTTP/1.0"), present=(rb"^Via: 1\.0 ",)),
    passed("Via of others", "RFC 9110 7.6.3", get(b"Via: 1.0 a, 1.1 b (c)"), rb"^Via: 1.0 a, 1.1 b \(c\)"),
    passed("Via of a namesake", "RFC 9110 7.6.3", get(b"Via: 1.1 nexus-test2"), rb"^Via: 1.1 nexus-test2"),
]

_SWITCH = b"Connection: Upgrade\r\n"
_WEBSOCKET = (
    b"GET /ws HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\n" + _SWITCH + b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def _plain(name: str, source: str, data: bytes, *, must: bool = True) -> RequestCase:
    return sanitised(name, source, data, rb"^Upgrade:", rb"^Connection:.*upgrade", must=must)


REQUEST_UPGRADES = [
    _plain("h2c", "CVE-2026-88008", get(b"Upgrade: h2c", b"Connection: Upgrade")),
    _plain(
        "h2c with its settings",
        "RFC 7540 3.2",
        get(b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"),
    ),
    _plain(
        "h2c, settings not named", "RFC 7540 3.2", get(b"Upgrade: h2c", b"Connection: Upgrade", b"HTTP2-Settings: AA")
    ),
    _plain(
        "h2c of a POST",
        "RFC 7540 3.2",
        post(b"Upgrade: h2c", b"Connection: Upgrade", b"Content-Length: 5", body=b"hello"),
    ),
    _plain("h2c among others", "RFC 9110 7.8", get(b"Upgrade: foo, h2c", b"Connection: Upgrade")),
    _plain("h2c in other case", "RFC 9110 7.8", get(b"Upgrade: H2C", b"Connection: upgrade")),
    _plain("h2", "RFC 9113 3.3", get(b"Upgrade: h2", b"Connection: Upgrade")),
    _plain("TLS", "RFC 2817 3.1", get(b"Upgrade: TLS/1.2", b"Connection: Upgrade")),
    _plain("unknown protocol", "RFC 9110 7.8", get(b"Upgrade: foo/2", b"Connection: Upgrade"), must=False),
    _plain("empty Upgrade", "RFC 9110 7.8", get(b"Upgrade:", b"Connection: Upgrade"), must=False),
    _plain("Upgrade that Connection does not name", "RFC 9110 7.8", get(b"Upgrade: websocket"), must=False),
    _plain("websocket without a key", "RFC 6455 4.2.1", _WEBSOCKET.replace(b"Sec-WebSocket-Key", b"X"), must=False),
    _plain(
        "websocket of a short key",
        "RFC 6455 4.2.1",
        _WEBSOCKET.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl"),
        must=False,
    ),
    _plain(
        "websocket of a bad key",
        "RFC 6455 4.2.1",
        _WEBSOCKET.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"!" * 24),
        must=False,
    ),
    _plain(
        "websocket of two keys",
        "RFC 6455 11.3.1",
        _WEBSOCKET[:-2] + b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        must=False,
    ),
    _plain("websocket version 8", "RFC 6455 4.2.1", _WEBSOCKET.replace(b"Version: 13", b"Version: 8"), must=False),
    _plain(
        "websocket without a version", "RFC 6455 4.2.1", _WEBSOCKET.replace(b"Sec-WebSocket-Version", b"X"), must=False
    ),
    _plain("websocket by POST", "RFC 6455 4.2.1", _WEBSOCKET.replace(b"GET", b"POST", 1), must=False),
    _plain("websocket in HTTP/1.0", "RFC 9110 7.8", _WEBSOCKET.replace(b"/1.1", b"/1.0", 1)),
    _plain("websocket with a body", "RFC 6455 4.1", _WEBSOCKET[:-2] + b"Content-Length: 5\r\n\r\nhello", must=False),
    refused("websocket without Host", "RFC 6455 4.2.1", _WEBSOCKET.replace(HOST, b"")),
    passed("websocket", "RFC 6455 4.2.1", _WEBSOCKET, rb"^Upgrade: websocket", rb"^Connection:.*upgrade"),
    passed("WebSocket", "RFC 6455 4.2.1", _WEBSOCKET.replace(b": websocket", b": WebSocket"), rb"^Upgrade: websocket"),
    passed(
        "websocket, Connection of two names",
        "RFC 6455 4.2.1",
        _WEBSOCKET.replace(b": Upgrade", b": keep-alive, Upgrade"),
        rb"^Upgrade: websocket",
    ),
]

_SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def _switch(name: str, source: str, data: bytes, request: bytes = _WEBSOCKET, *, must: bool = True) -> ResponseCase:
    return ResponseCase(
        name=name,
        source=source,
        data=data + b"early",
        kind=Kind.ANSWERED,
        request=request,
        must=must,
        absent=(rb"^HTTP/1.1 101",),
    )


RESPONSE_UPGRADES = [
    _switch("101 that nobody asked for", "RFC 9110 15.2.2", _SWITCHED, get(b"X: y")),
    _switch(
        "101 to h2c that nobody asked for", "CVE-2026-88008", _SWITCHED.replace(b"websocket", b"h2c"), get(b"X: y")
    ),
    _switch(
        "101 to h2c that was asked for",
        "CVE-2026-88008",
        _SWITCHED.replace(b"websocket", b"h2c"),
        get(b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AA"),
    ),
    _switch("101 to another protocol", "RFC 9110 7.8", _SWITCHED.replace(b"websocket", b"h2c")),
    _switch("101 to two protocols", "RFC 6455 4.1", _SWITCHED.replace(b": websocket", b": websocket, h2c"), must=False),
    _switch("101 without Upgrade", "RFC 9110 15.2.2", _SWITCHED.replace(b"Upgrade: websocket\r\n", b"")),
    _switch("101 without Connection", "RFC 6455 4.1", _SWITCHED.replace(_SWITCH, b""), must=False),
    _switch("101 of a wrong key", "RFC 6455 4.1", _SWITCHED.replace(b"s3pPLM", b"AAAAAA"), must=False),
    _switch("101 without a key", "RFC 6455 4.1", _SWITCHED.replace(b"Sec-WebSocket-Accept", b"X"), must=False),
    _switch("101 of two keys", "RFC 6455 4.1", _SWITCHED[:-2] + b"Sec-WebSocket-Accept: x\r\n\r\n", must=False),
    _switch("101 with a length", "RFC 9110 8.6", _SWITCHED[:-2] + b"Content-Length: 5\r\n\r\n", must=False),
    _switch("chunked 101", "RFC 9112 6.1", _SWITCHED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", must=False),
    _switch("101 in HTTP/1.0", "RFC 9110 7.8", _SWITCHED.replace(b"/1.1", b"/1.0", 1), must=False),
    delivered(
        "101 to websocket",
        "RFC 6455 4.1",
        _SWITCHED + b"early",
        rb"\AHTTP/1.1 101",
        rb"early\Z",
        request=_WEBSOCKET,
        status=101,
    ),
    delivered(
        "websocket refused",
        "RFC 6455 4.2.2",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
        rb"no\Z",
        request=_WEBSOCKET,
        status=403,
    ),
    delivered(
        "100 before 101",
        "RFC 9110 15.2.1",
        b"HTTP/1.1 103 x\r\n\r\n" + _SWITCHED,
        rb"^HTTP/1.1 101",
        request=_WEBSOCKET,
        status=101,
    ),
]

RESPONSE_CONNECTION = [
    *[
        cleaned(
            f"{name.decode()}: {value.decode()}",
            "RFC 9110 7.6.1",
            ok(name + b": " + value, b"Content-Length: 2", body=b"ok"),
            rb"^" + name + rb": " + value,
            must=name == b"Connection",
        )
        for name, value in (
            (b"Keep-Alive", b"timeout=5"),
            (b"Proxy-Connection", b"keep-alive"),
            (b"Upgrade", b"h2c"),
            (b"Connection", b"X-Nothing"),
        )
    ],
    cleaned(
        "named field", "RFC 9110 7.6.1", ok(b"Connection: X-A", b"X-A: b", b"Content-Length: 2", body=b"ok"), rb"^X-A:"
    ),
    cleaned(
        "named on a second line",
        "RFC 9110 7.6.1",
        ok(b"Connection: x", b"Connection: close, x-a", b"X-A: b", b"Content-Length: 2", body=b"ok"),
        rb"^X-A:",
    ),
    cleaned(
        "field before its naming",
        "RFC 9110 7.6.1",
        ok(b"X-A: b", b"Connection: X-A", b"Content-Length: 2", body=b"ok"),
        rb"^X-A:",
    ),
    delivered(
        "Content-Length is named",
        "RFC 9110 7.6.1",
        ok(b"Connection: Content-Length", b"Content-Length: 2", body=b"ok"),
        rb"ok\Z",
    ),
    delivered(
        "Connection: close", "RFC 9112 9.6", ok(b"Connection: close", b"Content-Length: 2", body=b"ok"), rb"ok\Z"
    ),
]
