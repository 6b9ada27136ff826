"""Host: exactly one, of an authority's grammar, and one that is served here (RFC 9112 section 3.2)."""

from __future__ import annotations

from tests.edge.hostile.case import GET, HOST, RequestCase, chosen, passed, refused


def _host(value: bytes, version: bytes = b"1.1") -> bytes:
    return b"GET / HTTP/%b\r\nHost: %b\r\n\r\n" % (version, value)


def _bad(name: str, source: str, value: bytes) -> RequestCase:
    return refused(name, source, _host(value))


def _foreign(name: str, source: str, value: bytes) -> RequestCase:
    return chosen(name, source, _host(value), 421)


HOSTS = [
    refused("no Host", "RFC 9112 3.2", b"GET / HTTP/1.1\r\n\r\n"),
    refused("no Host but other fields", "RFC 9112 3.2", b"GET / HTTP/1.1\r\nX: y\r\n\r\n"),
    chosen("no Host in HTTP/1.0", "RFC 9112 3.2", b"GET / HTTP/1.0\r\n\r\n"),
    refused("two Hosts", "RFC 9112 3.2", GET + HOST + b"\r\n"),
    refused("two Hosts that differ", "RFC 9112 3.2", GET + b"Host: other.gateway.localhost\r\n\r\n"),
    refused("two Hosts, spelled otherwise", "RFC 9112 3.2", GET + b"hOST: other.gateway.localhost\r\n\r\n"),
    refused("two Hosts, others between", "RFC 9112 3.2", GET + b"X: y\r\nHost: other.gateway.localhost\r\n\r\n"),
    refused("two Hosts, one empty", "RFC 9112 3.2", GET + b"Host:\r\n\r\n"),
    refused("two Hosts in HTTP/1.0", "RFC 9112 3.2", GET.replace(b"1.1", b"1.0") + b"Host: x\r\n\r\n"),
    refused("space before Host's colon", "RFC 9112 5.1", b"GET / HTTP/1.1\r\nHost : demo.gateway.localhost\r\n\r\n"),
    refused("folded Host", "RFC 9112 5.2", b"GET / HTTP/1.1\r\nHost:\r\n demo.gateway.localhost\r\n\r\n", must=False),
    chosen("empty Host", "RFC 9112 3.2", _host(b"")),
    _bad("list in Host", "RFC 9112 3.2", b"demo.gateway.localhost, x"),
    _bad("space in Host", "RFC 9112 3.2", b"demo.gateway.localhost x"),
    _bad("tab in Host", "RFC 9112 3.2", b"demo.gateway\t.localhost"),
    _bad("userinfo in Host", "RFC 9112 3.2", b"a@demo.gateway.localhost"),
    _bad("path in Host", "RFC 9112 3.2", b"demo.gateway.localhost/x"),
    _bad("query in Host", "RFC 9112 3.2", b"demo.gateway.localhost?x"),
    _bad("fragment in Host", "RFC 9112 3.2", b"demo.gateway.localhost#"),
    _bad("scheme in Host", "RFC 9112 3.2", b"http://demo.gateway.localhost"),
    _bad("backslash in Host", "RFC 3986 3.2.2", b"demo.gateway.localhost\\x"),
    _bad("quotes in Host", "RFC 3986 3.2.2", b'"demo.gateway.localhost"'),
    _bad("markup in Host", "CVE-2022-39348", b"<b>.gateway.localhost"),
    _bad("UTF-8 in Host", "RFC 3986 3.2.2", "d\u00e9mo.gateway.localhost".encode()),
    _bad("DEL in Host", "RFC 9110 5.5", b"demo.gateway.localhost\x7f"),
    _bad("NUL in Host", "RFC 9110 5.5", b"demo.gateway.localhost\x00"),
    _bad("bare CR in Host", "RFC 9112 2.2", b"demo.gateway.localhost\rX: y"),
    _bad("broken escape in Host", "RFC 3986 2.1", b"demo%zz.gateway.localhost"),
    _bad("bad port", "RFC 3986 3.2.3", b"demo.gateway.localhost:x"),
    _bad("signed port", "RFC 3986 3.2.3", b"demo.gateway.localhost:+80"),
    _bad("negative port", "RFC 3986 3.2.3", b"demo.gateway.localhost:-1"),
    _bad("port out of range", "RFC 3986 3.2.3", b"demo.gateway.localhost:65536"),
    _bad("endless port", "RFC 3986 3.2.3", b"demo.gateway.localhost:" + b"0" * 100 + b"80"),
    _bad("two ports", "RFC 3986 3.2.3", b"demo.gateway.localhost:80:80"),
    _bad("port only", "RFC 3986 3.2.2", b":80"),
    _bad("IPv6 without brackets", "RFC 3986 3.2.2", b"::1"),
    _bad("unclosed IPv6", "RFC 3986 3.2.2", b"[::1"),
    _bad("empty brackets", "RFC 3986 3.2.2", b"[]"),
    _bad("bad IPv6", "RFC 3986 3.2.2", b"[::g]"),
    _bad("IPv6 of too many groups", "RFC 3986 3.2.2", b"[1:2:3:4:5:6:7:8:9]"),
    _bad("name behind IPv6", "RFC 3986 3.2.2", b"[::1]demo.gateway.localhost"),
    _bad("name in brackets", "RFC 3986 3.2.2", b"[demo.gateway.localhost]"),
    chosen("IPv6 with a zone", "RFC 6874 4", _host(b"[fe80::1%25eth0]")),
    chosen("Host too long", "RFC 1035 2.3.4", _host(b"a" * 300 + b".localhost")),
    refused("malformed Host in OPTIONS *", "RFC 9112 3.2", b"OPTIONS * HTTP/1.1\r\nHost: a b\r\n\r\n"),
    refused("userinfo in the Host of CONNECT", "RFC 9112 3.2", b"CONNECT a:1 HTTP/1.1\r\nHost: x@a:1\r\n\r\n"),
    _foreign("encoded network", "RFC 9110 4.2.3", b"%64emo.gateway.localhost"),
    _foreign("encoded NUL", "RFC 3986 2.1", b"demo.gateway.localhost%00"),
    _foreign("asterisk for a network", "RFC 9110 15.5.20", b"*.gateway.localhost"),
    _foreign("underscore for a network", "RFC 1034 3.1", b"_.gateway.localhost"),
    _foreign("two trailing dots", "RFC 1034 3.1", b"demo.gateway.localhost.."),
    _foreign("empty label", "RFC 1034 3.1", b"demo..gateway.localhost"),
    _foreign("no network", "RFC 1034 3.1", b".gateway.localhost"),
    _foreign("label that ends in a hyphen", "RFC 1034 3.5", b"demo-.gateway.localhost"),
    _foreign("short IPv4", "RFC 3986 3.2.2", b"127.1"),
    _foreign("hexadecimal IPv4", "RFC 3986 3.2.2", b"0x7f000001"),
    _foreign("cid of another feature", "RFC 9110 15.5.20", b"c.ipfs.demo.api.localhost"),
    _foreign("foreign Host", "RFC 9110 15.5.20", b"example.com"),
    _foreign("no such feature", "RFC 9110 15.5.20", b"demo.webui.localhost"),
    _foreign("domain as a suffix only", "RFC 9110 15.5.20", b"evillocalhost"),
    _foreign("domain in the middle", "RFC 9110 15.5.20", b"demo.gateway.localhost.evil.example"),
    passed("upper-case Host", "RFC 9110 4.2.3", _host(b"DEMO.Gateway.LocalHost"), rb"^Host: DEMO"),
    passed("trailing dot", "RFC 1034 3.1", _host(b"demo.gateway.localhost."), rb"^Host: demo"),
    passed("Host with a port", "RFC 9110 7.2", _host(b"demo.gateway.localhost:8080"), rb"^Host: demo"),
    passed("Host with an empty port", "RFC 3986 3.2.3", _host(b"demo.gateway.localhost:"), rb"^Host: demo"),
    passed(
        "Host with zeros before the port", "RFC 3986 3.2.3", _host(b"demo.gateway.localhost:00080"), rb"^Host: demo"
    ),
    passed("tabs around Host", "RFC 9110 5.6.3", _host(b"\t demo.gateway.localhost \t"), rb"^Host: demo"),
    passed("Host last", "RFC 9110 7.2", b"GET / HTTP/1.1\r\nX: y\r\n" + HOST + b"\r\n", rb"^Host: demo"),
    passed("cid of a gateway", "RFC 9110 7.2", _host(b"bafy.ipfs.demo.gateway.localhost"), rb"^Host: bafy"),
]
