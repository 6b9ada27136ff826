"""Request targets and their four forms (RFC 9112 section 3.2)."""

from __future__ import annotations

from tests.edge.hostile.case import GET, HOST, RequestCase, chosen, line, passed, refused


def _get(target: bytes) -> bytes:
    return line(b"GET " + target + b" HTTP/1.1")


def _as_is(name: str, source: str, target: bytes) -> RequestCase:
    escaped = b"".join(b"\\" + bytes([byte]) if byte in b".^$*+?{}[]\\|()" else bytes([byte]) for byte in target)
    return passed(name, source, _get(target), rb"\AGET " + escaped + rb" HTTP/1")


_FORM = rb"\AGET (?:http://demo\.gateway\.localhost(?::80)?)?"
"""A node must take absolute-form too, so a proxy may leave it."""

CHARACTERS = [
    refused("space in the target", "RFC 9112 3.2", _get(b"/a b")),
    refused("tab in the target", "RFC 9112 3.2", _get(b"/a\tb")),
    refused("fragment in the target", "RFC 9112 3.2", _get(b"/a#b")),
    refused("fragment of nothing", "RFC 9112 3.2", _get(b"/#")),
    refused("0x7f in the target", "RFC 9112 3.2", _get(b"/\x7f")),
    refused("0x80 in the target", "RFC 9112 3.2", _get(b"/\x80")),
    refused("0xb0 in the target", "Twisted accepts it", _get(b"/\xb0")),
    refused("UTF-8 in the target", "RFC 3986 2", _get("/\u20ac".encode())),
    refused("0xff in the target", "RFC 9112 3.2", _get(b"/\xff")),
    refused("0x01 in the target", "CVE-2019-12387", _get(b"/\x01")),
    refused("0x0b in the target", "CVE-2019-12387", _get(b"/\x0b")),
    refused("0x1f in the target", "CVE-2019-12387", _get(b"/\x1f")),
    refused("NUL in the target", "RFC 9112 3.2", _get(b"/\x00")),
    refused("bare CR in the target", "CVE-2019-12387", _get(b"/a\rb")),
    refused("bare LF in the target", "CVE-2019-12387", _get(b"/a\nb")),
    _as_is("dots that climb", "RFC 3986 3.3", b"/a/../b"),
    _as_is("encoded dots", "RFC 3986 2.3", b"/a/%2e%2E/b"),
    _as_is("encoded slash", "CVE-2025-66490", b"/a%2fb%2Fc"),
    _as_is("encoded CRLF", "RFC 3986 2.1", b"/a%0d%0aSet-Cookie:%20b"),
    _as_is("broken escape", "RFC 3986 2.1", b"/a%zz%"),
    _as_is("several slashes", "RFC 3986 3.3", b"/a//b///"),
    _as_is("slashes first", "RFC 9112 3.2.1", b"//example.com/x"),
    _as_is("sub-delimiters", "RFC 3986 2.2", b"/a!$&'()*+,;=:@~b"),
    _as_is("characters that URIs lack", "WHATWG URL", b'/a"<>[]^`{|}b'),
    _as_is("backslash", "WHATWG URL", b"/a\\b"),
    _as_is("URI in the path", "RFC 3986 3.3", b"/ipfs/http://x/y"),
    _as_is("query of queries", "RFC 3986 3.4", b"/?a=b?c=/d&e"),
    _as_is("empty query", "RFC 3986 3.4", b"/a?"),
    _as_is("query of 7 kB", "RFC 9110 4.1", b"/?arg=" + b"0123456789abcdef" * 448),
    _as_is("query of 25 kB", "RFC 9110 4.1", b"/?arg=" + b"0123456789abcdef" * 1600),
    chosen("target too long", "RFC 9110 15.5.15", b"GET /" + b"a" * 40_000, 414),
    chosen("target too long, and whole", "RFC 9110 15.5.15", _get(b"/" + b"a" * 40_000), 414),
]

FORMS = [
    chosen(
        "markup where a redirect could repeat it",
        "CVE-2024-41810",
        b'GET /network/demo/gateway/"><script>x</script> HTTP/1.1\r\nHost: localhost\r\n\r\n',
        307,
    ),
    refused("relative target", "RFC 9112 3.2", _get(b"a")),
    refused("query for a target", "RFC 9112 3.2", _get(b"?a")),
    refused("dot for a target", "RFC 9112 3.2", _get(b".")),
    refused("asterisk for GET", "RFC 9112 3.2.4", _get(b"*")),
    refused("asterisk for POST", "RFC 9112 3.2.4", line(b"POST * HTTP/1.1")),
    refused("asterisk and more", "RFC 9112 3.2.4", line(b"OPTIONS */ HTTP/1.1")),
    refused("authority for GET", "RFC 9112 3.2.3", _get(b"demo.gateway.localhost:80")),
    chosen("OPTIONS *", "RFC 9112 3.2.4", line(b"OPTIONS * HTTP/1.1"), 204),
    chosen("absolute-form of another host", "RFC 9112 3.2.2", _get(b"http://other.gateway.localhost/")),
    chosen("absolute-form of a stranger", "RFC 9112 3.2.2", _get(b"http://169.254.169.254/latest/")),
    refused("absolute-form with userinfo", "RFC 9110 4.2.4", _get(b"http://a@demo.gateway.localhost/"), must=False),
    refused("absolute-form, host as userinfo", "RFC 9110 4.2.4", _get(b"http://demo.gateway.localhost@x/"), must=False),
    chosen("absolute-form of another port", "RFC 9112 3.2.2", _get(b"http://demo.gateway.localhost:81/")),
    chosen("absolute-form, other scheme", "RFC 9112 3.2.2", _get(b"ftp://demo.gateway.localhost/")),
    chosen("file scheme", "RFC 9112 3.2.2", _get(b"file:///etc/passwd")),
    refused("scheme without slashes", "RFC 9112 3.2.2", _get(b"http:demo.gateway.localhost")),
    refused("scheme with one slash", "RFC 9112 3.2.2", _get(b"http:/demo.gateway.localhost/")),
    refused("absolute-form without a host", "RFC 9110 4.2.1", _get(b"http:///x")),
    refused("absolute-form of just a port", "RFC 9110 4.2.1", _get(b"http://:80/x")),
    refused("absolute-form with a fragment", "RFC 9112 3.2", _get(b"http://demo.gateway.localhost/#x")),
    refused("absolute-form with a bad port", "RFC 3986 3.2.3", _get(b"http://demo.gateway.localhost:x/")),
    refused("absolute-form without Host", "RFC 9112 3.2", b"GET http://demo.gateway.localhost/ HTTP/1.1\r\n\r\n"),
    refused(
        "absolute-form with an empty Host",
        "RFC 9112 3.2.2",
        b"GET http://demo.gateway.localhost/ HTTP/1.1\r\nHost:\r\n\r\n",
        must=False,
    ),
    refused(
        "absolute-form with two Hosts",
        "RFC 9112 3.2",
        b"GET http://demo.gateway.localhost/ HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    ),
    passed("absolute-form", "RFC 9112 3.2.2", _get(b"http://demo.gateway.localhost/x?y"), _FORM + rb"/x\?y HTTP/1"),
    passed(
        "absolute-form, upper-case", "RFC 9110 4.2.3", _get(b"HTTP://Demo.Gateway.LOCALHOST/x"), _FORM + rb"/x HTTP/1"
    ),
    passed(
        "absolute-form without a path", "RFC 9112 3.2.1", _get(b"http://demo.gateway.localhost"), _FORM + rb"/? HTTP/1"
    ),
    passed(
        "absolute-form of a query only",
        "RFC 9112 3.2.1",
        _get(b"http://demo.gateway.localhost?x"),
        _FORM + rb"/?\?x HTTP/1",
    ),
    passed(
        "absolute-form with the default port",
        "RFC 9110 4.2.3",
        _get(b"http://demo.gateway.localhost:80/x"),
        _FORM + rb"/x ",
    ),
    passed(
        "Host with the default port, target without",
        "RFC 9110 4.2.3",
        b"GET http://demo.gateway.localhost/x HTTP/1.1\r\nHost: demo.gateway.localhost:80\r\n\r\n",
        _FORM + rb"/x ",
    ),
    passed(
        "absolute-form in HTTP/1.0",
        "RFC 9112 3.2.2",
        line(b"GET http://demo.gateway.localhost/x HTTP/1.0"),
        _FORM + rb"/x ",
    ),
    passed("target beside others", "RFC 9112 3.2.1", GET + b"X: http://other/\r\n\r\n", rb"\AGET / HTTP/1"),
]
