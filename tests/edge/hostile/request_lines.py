"""Request lines, and what is no HTTP/1 at all (RFC 9112 sections 2 and 3)."""

from __future__ import annotations

from tests.edge.hostile.case import GET, HOST, chosen, line, passed, refused

METHODS = [
    refused("no method", "RFC 9112 3", line(b" / HTTP/1.1")),
    refused("separator in the method", "RFC 9110 9.1", line(b"GE(T / HTTP/1.1")),
    refused("slash in the method", "RFC 9110 9.1", line(b"GET/X / HTTP/1.1")),
    refused("colon behind the method", "RFC 9110 9.1", line(b"GET: / HTTP/1.1")),
    refused("quoted method", "RFC 9110 9.1", line(b'"GET" / HTTP/1.1')),
    refused("at-sign in the method", "RFC 9110 9.1", line(b"G@T / HTTP/1.1")),
    refused("NUL in the method", "RFC 9110 9.1", line(b"G\x00T / HTTP/1.1")),
    refused("0x80 in the method", "RFC 9110 9.1", line(b"G\x80T / HTTP/1.1")),
    refused("CR in the method", "CVE-2019-12387", line(b"G\rET / HTTP/1.1")),
    refused("CRLF in the method", "CVE-2019-12387", line(b"G\r\nET / HTTP/1.1")),
    refused("vertical tab in the method", "RFC 9110 9.1", line(b"G\x0bET / HTTP/1.1")),
    chosen("endless method", "RFC 9112 3", b"G" * 40_000, 414),
    chosen(
        "CONNECT",
        "RFC 9110 9.3.6",
        b"CONNECT demo.gateway.localhost:443 HTTP/1.1\r\nHost: demo.gateway.localhost:443\r\n\r\n",
        405,
    ),
    chosen("CONNECT of a path", "RFC 9112 3.2.3", line(b"CONNECT / HTTP/1.1"), 405),
    chosen("TRACE", "RFC 9110 9.3.8", line(b"TRACE / HTTP/1.1"), 405),
    chosen("TRACE that may go no further", "RFC 9110 7.6.2", line(b"TRACE / HTTP/1.1\r\nMax-Forwards: 0"), 405),
    passed("lower-case method", "RFC 9110 9.1", line(b"get / HTTP/1.1"), rb"\Aget / HTTP/1"),
    passed("extension method", "RFC 9110 9.1", line(b"FROBNICATE / HTTP/1.1"), rb"\AFROBNICATE / HTTP/1"),
    passed("method of all token characters", "RFC 9110 5.6.2", line(b"M!#$%&'*+-.^_`|~09 / HTTP/1.1"), rb"\AM!#\$%&'"),
    passed("method of one letter", "RFC 9110 9.1", line(b"M / HTTP/1.1"), rb"\AM / HTTP/1"),
    *[
        passed(f"{method}", source, line(method.encode() + b" /x HTTP/1.1"), rb"\A" + method.encode() + rb" /x HTTP/1")
        for method, source in (
            ("HEAD", "RFC 9110 9.3.2"),
            ("PUT", "RFC 9110 9.3.4"),
            ("DELETE", "RFC 9110 9.3.5"),
            ("OPTIONS", "RFC 9110 9.3.7"),
            ("PATCH", "RFC 5789 2"),
            ("PROPFIND", "RFC 4918 9.1"),
            ("MKCOL", "RFC 4918 9.3"),
            ("REPORT", "RFC 3253 3.6"),
            ("SEARCH", "RFC 5323 2"),
            ("PURGE", "caches"),
            ("QUERY", "HTTP QUERY method"),
            ("DESCRIBE", "RTSP has it too"),
        )
    ],
]

VERSIONS = [
    refused("HTTP/0.9", "RFC 9112 2.3", b"GET /\r\n\r\n"),
    refused("no version", "RFC 9112 3", line(b"GET /")),
    refused("no version but a space", "RFC 9112 3", line(b"GET / ")),
    refused("HTTP/1.2", "RFC 9110 2.5", line(b"GET / HTTP/1.2"), 505, must=False),
    refused("HTTP/2.0", "RFC 9110 2.5", line(b"GET / HTTP/2.0"), 505),
    refused("HTTP/3.0", "RFC 9110 2.5", line(b"GET / HTTP/3.0"), 505),
    refused("HTTP/0.9 written out", "RFC 9110 2.5", line(b"GET / HTTP/0.9"), 505),
    refused("HTTP/0.0", "RFC 9110 2.5", line(b"GET / HTTP/0.0"), 505),
    refused("lower-case protocol", "RFC 9112 2.3", line(b"GET / http/1.1")),
    refused("mixed-case protocol", "RFC 9112 2.3", line(b"GET / HtTP/1.1")),
    refused("HTTP/1.10", "RFC 9112 2.3", line(b"GET / HTTP/1.10")),
    refused("HTTP/11.1", "RFC 9112 2.3", line(b"GET / HTTP/11.1")),
    refused("HTTP/01.1", "RFC 9112 2.3", line(b"GET / HTTP/01.1")),
    refused("HTTP/1.1.1", "RFC 9112 2.3", line(b"GET / HTTP/1.1.1")),
    refused("HTTP/1.", "RFC 9112 2.3", line(b"GET / HTTP/1.")),
    refused("HTTP/1", "RFC 9112 2.3", line(b"GET / HTTP/1")),
    refused("HTTP/.1", "RFC 9112 2.3", line(b"GET / HTTP/.1")),
    refused("HTTP/1,1", "RFC 9112 2.3", line(b"GET / HTTP/1,1")),
    refused("signed version", "RFC 9112 2.3", line(b"GET / HTTP/+1.1")),
    refused("space in the version", "RFC 9112 2.3", line(b"GET / HTTP/ 1.1")),
    refused("space for the slash", "RFC 9112 2.3", line(b"GET / HTTP 1.1")),
    refused("letter in the version", "RFC 9112 2.3", line(b"GET / HTTP/1.x")),
    refused("more behind the version", "RFC 9112 2.3", line(b"GET / HTTP/1.1x")),
    refused("NUL behind the version", "RFC 9112 2.3", line(b"GET / HTTP/1.1\x00")),
    refused("other protocol", "RFC 9112 2.3", line(b"GET / ICE/1.1")),
    refused("HTTPS for a protocol", "RFC 9112 2.3", line(b"GET / HTTPS/1.1")),
    refused("two versions", "RFC 9112 3", line(b"GET / HTTP/1.1 HTTP/1.1")),
    refused("RTSP", "RFC 9112 2.3", line(b"DESCRIBE / RTSP/1.0")),
]

SPACES = [
    refused("two spaces before the target", "RFC 9112 3", line(b"GET  / HTTP/1.1")),
    refused("two spaces before the version", "RFC 9112 3", line(b"GET /  HTTP/1.1")),
    refused("tab before the target", "RFC 9112 3", line(b"GET\t/ HTTP/1.1")),
    refused("tab before the version", "RFC 9112 3", line(b"GET /\tHTTP/1.1")),
    refused("vertical tab for a space", "RFC 9112 3", line(b"GET\x0b/ HTTP/1.1")),
    refused("form feed for a space", "RFC 9112 3", line(b"GET\x0c/ HTTP/1.1")),
    refused("CR for a space", "RFC 9112 3", line(b"GET\r/ HTTP/1.1")),
    refused("NUL for a space", "RFC 9112 3", line(b"GET\x00/ HTTP/1.1")),
    refused("non-breaking space", "RFC 9112 3", line(b"GET\xa0/ HTTP/1.1")),
    refused("trailing space", "RFC 9112 3", line(b"GET / HTTP/1.1 ")),
    refused("trailing tab", "RFC 9112 3", line(b"GET / HTTP/1.1\t")),
    refused("space first", "RFC 9112 2.2", b" " + GET + b"\r\n"),
    refused("tab first", "RFC 9112 2.2", b"\t" + GET + b"\r\n"),
    refused("bare LF after the request line", "RFC 9112 2.2", b"GET / HTTP/1.1\n" + HOST + b"\r\n", must=False),
    refused(
        "bare LF only, and silence", "RFC 9112 2.2", b"GET / HTTP/1.1\nHost: demo.gateway.localhost\n\n", must=False
    ),
    refused("bare CR after the request line", "CVE-2023-30589", b"GET / HTTP/1.1\r" + HOST + b"\r\n"),
    refused("CR CR LF after the request line", "RFC 9112 2.2", b"GET / HTTP/1.1\r\r\n" + HOST + b"\r\n"),
    refused("LF CR after the request line", "RFC 9112 2.2", b"GET / HTTP/1.1\n\r" + HOST + b"\r\n"),
    chosen("three empty lines first", "RFC 9112 2.2", b"\r\n\r\n\r\n" + GET + b"\r\n"),
    chosen("bare LF first", "RFC 9112 2.2", b"\n" + GET + b"\r\n"),
    refused("bare CR first", "RFC 9112 2.2", b"\r" + GET + b"\r\n"),
    refused("NUL first", "RFC 9112 2.2", b"\x00" + GET + b"\r\n"),
    refused("line of a space first", "RFC 9112 2.2", b" \r\n" + GET + b"\r\n"),
    passed("empty line first", "RFC 9112 2.2", b"\r\n" + GET + b"\r\n", rb"\AGET / HTTP/1"),
    passed("two empty lines first", "RFC 9112 2.2", b"\r\n\r\n" + GET + b"\r\n", rb"\AGET / HTTP/1"),
]

OTHER_PROTOCOLS = [
    refused("h2 preface", "RFC 9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    refused(
        "h2 preface and frames",
        "RFC 9113 3.4",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    ),
    refused(
        "h2 preface and SETTINGS",
        "CVE-2019-9515",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" * 100,
    ),
    refused(
        "h2 preface and resets",
        "CVE-2019-9514",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08" * 100,
    ),
    refused("h2 preface with fields", "CVE-2023-44487", line(b"PRI * HTTP/2.0")),
    refused("h2 frame without the preface", "CVE-2019-9512", b"\x00\x00\x08\x06\x00\x00\x00\x00\x00ping-me!"),
    refused("PRI in HTTP/1.1", "RFC 9113 3.4", line(b"PRI * HTTP/1.1")),
    refused("TLS hello", "RFC 8446 4.1.2", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    refused("SOCKS 5", "RFC 1928 3", b"\x05\x01\x00"),
    refused("SSH", "RFC 4253 4.2", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    refused("SMTP", "RFC 5321 4.1", b"EHLO localhost\r\nMAIL FROM:<a@b>\r\n\r\n"),
    refused("Redis", "cross-protocol", b"*1\r\n$4\r\nPING\r\n\r\n"),
    refused("memcached", "cross-protocol", b"set key 0 0 5\r\nhello\r\n\r\n"),
    refused(
        "PROXY 1 that nobody expects", "PROXY protocol 2.1", b"PROXY TCP4 10.0.0.9 10.0.0.1 1 2\r\n" + GET + b"\r\n"
    ),
    refused(
        "PROXY 2 that nobody expects",
        "PROXY protocol 2.2",
        b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00" + GET + b"\r\n",
    ),
    refused("response for a request", "RFC 9112 2.1", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    refused("markup", "RFC 9112 3", b"<html><body>\r\n\r\n"),
    refused("JSON", "RFC 9112 3", b'{"jsonrpc": "2.0"}\r\n\r\n'),
]
