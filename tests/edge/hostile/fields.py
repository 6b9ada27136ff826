"""Field lines: names, values, white space, line ends, sizes (RFC 9112 section 5, RFC 9110 section 5)."""

from __future__ import annotations

from tests.edge.hostile.case import END, GET, HOST, RequestCase, chosen, get, passed, post, refused, sanitised

NAMES = [
    refused("space before the colon", "RFC 9112 5.1", get(b"X : y")),
    refused("tab before the colon", "RFC 9112 5.1", get(b"X\t: y")),
    refused("no colon", "RFC 9112 5", get(b"Xy")),
    refused("empty name", "RFC 9112 5", get(b": y")),
    refused("colon only", "RFC 9112 5", get(b":")),
    refused("space in a name", "RFC 9110 5.1", get(b"X y: z")),
    *[
        refused(f"{name} in a name", "RFC 9110 5.1", get(b"X" + character + b"y: z"))
        for name, character in (
            ("parenthesis", b"("),
            ("less-than", b"<"),
            ("at-sign", b"@"),
            ("comma", b","),
            ("semicolon", b";"),
            ("backslash", b"\\"),
            ("quote", b'"'),
            ("slash", b"/"),
            ("bracket", b"["),
            ("question mark", b"?"),
            ("equals sign", b"="),
            ("brace", b"{"),
            ("NUL", b"\x00"),
            ("0x01", b"\x01"),
            ("vertical tab", b"\x0b"),
            ("DEL", b"\x7f"),
            ("0x80", b"\x80"),
            ("0xa0", b"\xa0"),
            ("0xff", b"\xff"),
            ("bare CR", b"\r"),
            ("bare LF", b"\n"),
        )
    ],
    passed("name of all token characters", "RFC 9110 5.6.2", get(b"!#$%&'*+.^`|~0A: b"), rb"^!#\$%&'\*\+\.\^`\|~0A: b"),
    passed("name of one digit", "RFC 9110 5.1", get(b"7: b"), rb"^7: b"),
    passed("name of 200 bytes", "RFC 9110 5.1", get(b"N" * 200 + b": b"), rb"^N{200}: b"),
]

VALUES = [
    *[
        refused(f"0x{byte:02x} in a value", "RFC 9110 5.5", get(b"X: a" + bytes([byte]) + b"b"))
        for byte in (0x00, 0x0A, 0x0D)
    ],
    *[
        refused(f"0x{byte:02x} in a value", "RFC 9110 5.5", get(b"X: a" + bytes([byte]) + b"b"), must=False)
        for byte in (0x01, 0x02, 0x07, 0x08, 0x0B, 0x0C, 0x0E, 0x1B, 0x1F, 0x7F)
    ],
    refused("CR before a CRLF that ends a value", "CVE-2023-37276", get(b"X: a\r\rY: b")),
    refused("NUL for a value", "RFC 9110 5.5", get(b"X: \x00")),
    refused("bare CR before an injected field", "CVE-2023-30589", get(b"X: a\rTransfer-Encoding: chunked")),
    refused("bare CR at a value's end", "RFC 9112 2.2", get(b"X: a\r")),
    refused("bare CR at a value's start", "RFC 9112 2.2", get(b"X:\ra")),
    refused("bare LF before an injected field", "RFC 9112 2.2", get(b"X: a\nY: b"), must=False),
    passed("tabs around a value", "RFC 9110 5.6.3", get(b"X:\t y\t"), rb"^X:[ \t]*y"),
    passed("no space before a value", "RFC 9112 5", get(b"X:y"), rb"^X: ?y"),
    passed("many spaces around a value", "RFC 9110 5.6.3", get(b"X:" + b" " * 200 + b"y" + b" " * 200), rb"^X:[ \t]*y"),
    passed("tab in a value", "RFC 9110 5.5", get(b"X: a\tb"), rb"^X: a\tb"),
    passed("empty value", "RFC 9110 5.5", get(b"X:"), rb"^X:[ \t]*\r?$"),
    passed("value of white space", "RFC 9110 5.5", get(b"X: \t "), rb"^X:[ \t]*\r?$"),
    passed("latin-1 in a value", "RFC 9110 5.5", get(b"X: \xe9"), rb"^X: \xe9"),
    passed("UTF-8 in a value", "RFC 9110 5.5", get("X: \u20ac".encode()), rb"^X: \xe2\x82\xac"),
    passed("0xff in a value", "RFC 9110 5.5", get(b"X: \xff"), rb"^X: \xff"),
    passed("colons in a value", "RFC 9110 5.5", get(b"X: a: b:c"), rb"^X: a: b:c"),
    passed("markup in a value", "RFC 9110 5.5", get(b'X: <a href="b">{}\\'), rb'^X: <a href="b">\{\}\\'),
    passed("repeated field", "RFC 9110 5.3", get(b"X: 1", b"X: 2"), rb"^X: 1", rb"^X: 2"),
    passed("two lines of Cookie", "RFC 6265 5.4", get(b"Cookie: a=b", b"Cookie: c=d"), rb"^Cookie:.*a=b", rb"c=d"),
    passed("value of 7 kB", "RFC 9110 5.4", get(b"X: " + b"0123456789abcdef" * 440), rb"^X: (0123456789abcdef){440}"),
    passed("90 fields", "RFC 9110 5.4", get(*[b"X-%d: y" % number for number in range(85)]), rb"^X-84: y"),
]

LINES = [
    refused("bare LF behind a field", "RFC 9112 2.2", GET + b"X: y\nZ: z\r\n\r\n", must=False),
    refused("bare LF for the end", "RFC 9112 2.2", GET + b"X: y\r\n\n", must=False),
    refused("bare LFs for the end", "RFC 9112 2.2", GET + b"X: y\n\n", must=False),
    refused("bare CR for the end", "RFC 9112 2.2", GET + b"X: y\r\n\rx"),
    refused("LF CR behind a field", "RFC 9112 2.2", GET + b"X: y\n\rZ: z\r\n\r\n"),
    refused("CR CR LF behind a field", "RFC 9112 2.2", GET + b"X: y\r\r\nZ: z\r\n\r\n"),
    refused("CR CR LF for the end", "RFC 9112 2.2", GET + b"X: y\r\n\r\r\n"),
    refused("obs-fold with a space", "RFC 9112 5.2", get(b"X: a", b" b")),
    refused("obs-fold with a tab", "RFC 9112 5.2", get(b"X: a", b"\tb")),
    refused("obs-fold of nothing", "RFC 9112 5.2", get(b"X: a", b" ")),
    refused("obs-fold over three lines", "RFC 9112 5.2", get(b"X: a", b" b", b"\tc")),
    refused("obs-fold that looks like a field", "RFC 9112 5.2", get(b"X: a", b" Content-Length: 5")),
    refused("obs-fold on Transfer-Encoding", "CVE-2024-27982", post(b"Transfer-Encoding:", b" chunked", body=END)),
    refused("obs-fold on Content-Length", "CVE-2024-27982", post(b"Content-Length:", b" 5", body=b"hello")),
    refused("obs-fold behind a length", "CVE-2024-27982", post(b"Content-Length: 5", b" 6", body=b"hello")),
    refused("folded first line", "RFC 9112 2.2", b"GET / HTTP/1.1\r\n " + HOST + b"\r\n"),
    refused("white space for a first line", "RFC 9112 2.2", b"GET / HTTP/1.1\r\n \r\n" + HOST + b"\r\n"),
    refused("line of a tab last", "RFC 9112 5.2", get(b"X: a", b"\t")),
]

SIZES = [
    chosen("200 fields", "RFC 6585 5", get(*[b"X: y"] * 200), 431),
    chosen("5,000 fields", "RFC 6585 5", get(*[b"X: y"] * 5000), 431),
    chosen("200 empty fields", "RFC 6585 5", get(*[b"X:"] * 200), 431),
    chosen("fields too long", "RFC 6585 5", get(b"X: " + b"y" * 40_000), 431),
    chosen("fields too long and unfinished", "RFC 6585 5", GET + b"X: " + b"y" * 40_000, 431),
    chosen("name too long", "RFC 6585 5", GET + b"N" * 40_000, 431),
    chosen("white space too long", "RFC 6585 5", GET + b"X:" + b" " * 40_000, 431),
]


def _underscored(name: bytes, value: bytes, *others: bytes) -> RequestCase:
    text = name.decode()
    return sanitised(
        f"{text} beside {others[0].partition(b':')[0].decode()}" if others else text,
        "names that CGI makes one",
        get(name + b": " + value, *others),
        rb"^" + name + rb":",
        must=False,
    )


UNDERSCORES = [
    _underscored(b"Content_Length", b"5"),
    _underscored(b"Transfer_Encoding", b"chunked"),
    _underscored(b"X_Forwarded_For", b"10.0.0.9"),
    _underscored(b"X_Forwarded-For", b"10.0.0.9"),
    _underscored(b"X_Real_IP", b"10.0.0.9"),
    _underscored(b"Proxy_Authorization", b"Basic x"),
    _underscored(b"X_User", b"root", b"X-User: guest"),
    passed("underscore that collides with nothing", "RFC 9110 5.6.2", get(b"X_Custom: y"), rb"^X_Custom: y"),
]
