"""How long a request's body is: Content-Length and Transfer-Encoding (RFC 9112 section 6)."""

from __future__ import annotations

from tests.edge.hostile.case import END, HOST, RequestCase, chosen, get, passed, post, refused, sanitised

SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


def _length(name: str, source: str, value: bytes, body: bytes = b"hello") -> RequestCase:
    return refused(name, source, post(b"Content-Length: " + value, body=body))


def _coding(name: str, source: str, value: bytes, status: int = 400, *, must: bool = True) -> RequestCase:
    return refused(name, source, post(b"Transfer-Encoding: " + value, body=END + SMUGGLED), status, must=must)


LENGTHS = [
    refused("two lengths", "CVE-2020-10109", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!")),
    refused("two lengths, one zero", "CVE-2020-10109", post(b"Content-Length: 0", b"Content-Length: 5", body=b"hello")),
    refused(
        "two lengths, spelled otherwise",
        "RFC 9112 6.3",
        post(b"Content-Length: 5", b"CONTENT-length: 6", body=b"hello!"),
    ),
    refused("two lengths, one empty", "RFC 9112 6.3", post(b"Content-Length: 5", b"Content-Length:", body=b"hello")),
    refused(
        "two lengths in HTTP/1.0",
        "RFC 9112 6.3",
        post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!").replace(b"/1.1", b"/1.0", 1),
    ),
    chosen("two equal lengths", "RFC 9112 6.3", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello")),
    chosen("list of equal lengths", "RFC 9112 6.3", post(b"Content-Length: 5, 5", body=b"hello")),
    _length("list of lengths", "RFC 9112 6.3", b"5, 6", b"hello!"),
    _length("length and a comma", "RFC 9110 8.6", b"5,"),
    _length("comma and a length", "RFC 9110 8.6", b",5"),
    _length("signed length", "CVE-2022-24801", b"+5"),
    _length("negative length", "RFC 9110 8.6", b"-5"),
    _length("negative zero", "RFC 9110 8.6", b"-0"),
    _length("empty length", "RFC 9110 8.6", b""),
    _length("hexadecimal length", "RFC 9110 8.6", b"0x5"),
    _length("octal length", "RFC 9110 8.6", b"0o5"),
    _length("letter behind a length", "RFC 9110 8.6", b"5x"),
    _length("fraction", "RFC 9110 8.6", b"5.0"),
    _length("exponent", "RFC 9110 8.6", b"5e0"),
    _length("quoted length", "RFC 9110 8.6", b'"5"'),
    _length("parameter on a length", "RFC 9110 8.6", b"5;q=1"),
    _length("space in a length", "RFC 9110 8.6", b"5 5"),
    _length("tab in a length", "RFC 9110 8.6", b"5\t5"),
    _length("NUL behind a length", "RFC 9110 8.6", b"5\x00"),
    _length("vertical tab before a length", "RFC 9110 5.5", b"\x0b5"),
    _length("form feed behind a length", "RFC 9110 5.5", b"5\x0c"),
    _length("non-breaking space behind a length", "RFC 9110 8.6", b"5\xa0"),
    _length("underscore in a length", "CVE-2023-47627", b"1_0", b"hellohello"),
    _length("non-ASCII digits", "lenient int()", "\u0665".encode()),
    _length("length of 5,000 digits", "Twisted's ValueError", b"1" * 5000, b""),
    _length("length of 5,000 zeros", "Twisted's ValueError", b"0" * 5000, b""),
    _length("length of 2^63", "RFC 9110 8.6", b"9223372036854775808"),
    _length("length beyond 2^64 by five", "RFC 9110 8.6", b"18446744073709551621"),
    _length("length of 19 nines", "RFC 9110 8.6", b"9999999999999999999"),
    refused("space before the length's colon", "RFC 9112 5.1", post(b"Content-Length : 5", body=b"hello")),
    refused("bad length of a GET", "RFC 9112 6.3", get(b"Content-Length: x")),
    refused("bad length in HTTP/1.0", "RFC 9112 6.3", post(b"Content-Length: x").replace(b"/1.1", b"/1.0", 1)),
    passed(
        "leading zeros in a length", "RFC 9110 8.6", post(b"Content-Length: 005", body=b"hello"), rb"\r\n\r\nhello\Z"
    ),
    passed("length of zero", "RFC 9110 8.6", post(b"Content-Length: 0"), rb"\APOST"),
    passed("no length", "RFC 9112 6.3", post(), rb"\APOST"),
    passed("tabs around a length", "RFC 9110 5.6.3", post(b"Content-Length:\t5\t", body=b"hello"), rb"\r\n\r\nhello\Z"),
    passed("GET with a body", "RFC 9110 9.3.1", get(b"Content-Length: 5") + b"hello", rb"\AGET", rb"hello"),
    passed(
        "DELETE with a body",
        "RFC 9110 9.3.5",
        b"DELETE / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
        rb"\ADELETE",
        rb"hello",
    ),
    passed(
        "OPTIONS with a body",
        "RFC 9110 9.3.7",
        b"OPTIONS / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
        rb"\AOPTIONS",
        rb"hello",
    ),
    passed(
        "extension method with a body",
        "RFC 9110 9.1",
        b"FROB / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
        rb"\AFROB",
        rb"hello",
    ),
    passed(
        "length in HTTP/1.0",
        "RFC 9110 8.6",
        post(b"Content-Length: 5", body=b"hello").replace(b"/1.1", b"/1.0", 1),
        rb"hello\Z",
    ),
    passed(
        "body that looks like a request",
        "RFC 9112 6.3",
        post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
        rb"/smuggled",
    ),
]

BOTH = [
    refused(
        "length and chunked",
        "CVE-2020-10108",
        post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=END),
        must=False,
    ),
    refused(
        "chunked and length",
        "CVE-2020-10108",
        post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=END),
        must=False,
    ),
    refused(
        "length of zero and chunked",
        "RFC 9112 6.1",
        post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=END),
        must=False,
    ),
    refused(
        "a request behind the shorter of both",
        "RFC 9112 6.1",
        post(b"Content-Length: %d" % (len(END) + len(SMUGGLED)), b"Transfer-Encoding: chunked", body=END + SMUGGLED),
    ),
    refused(
        "two lengths and chunked",
        "RFC 9112 6.3",
        post(b"Content-Length: 5", b"Content-Length: 6", b"Transfer-Encoding: chunked", body=END),
    ),
    refused(
        "bad length and chunked",
        "RFC 9112 6.3",
        post(b"Content-Length: x", b"Transfer-Encoding: chunked", body=END),
        must=False,
    ),
    refused(
        "length and an unknown coding",
        "RFC 9112 6.1",
        post(b"Content-Length: 5", b"Transfer-Encoding: x", body=b"hello"),
    ),
    refused(
        "length and identity", "RFC 9112 7", post(b"Content-Length: 5", b"Transfer-Encoding: identity", body=b"hello")
    ),
    refused(
        "length and an empty coding", "RFC 9112 6.1", post(b"Content-Length: 5", b"Transfer-Encoding:", body=b"hello")
    ),
]

CODINGS = [
    _coding("identity", "RFC 9112 7", b"identity"),
    _coding("gzip", "RFC 9112 6.1", b"gzip"),
    _coding("deflate", "RFC 9112 6.1", b"deflate"),
    _coding("trailers for a coding", "RFC 9112 6.1", b"trailers"),
    _coding("gzip, chunked", "RFC 9112 6.1", b"gzip, chunked", 501),
    _coding("compress, chunked", "RFC 9112 6.1", b"compress, chunked", 501),
    _coding("identity, chunked", "RFC 9112 7", b"identity, chunked", 501),
    _coding("unknown coding, chunked", "RFC 9112 6.1", b"x, chunked", 501),
    _coding("chunked twice", "RFC 9112 6.1", b"chunked, chunked"),
    _coding("chunked not last", "RFC 9112 6.3", b"chunked, gzip"),
    _coding("chunked in the middle", "RFC 9112 6.3", b"gzip, chunked, x"),
    _coding("chunked on two lines", "RFC 9112 6.1", b"chunked\r\nTransfer-Encoding: chunked"),
    _coding("chunked, identity on two lines", "RFC 9112 7", b"chunked\r\nTransfer-Encoding: identity"),
    _coding("identity, chunked on two lines", "RFC 9112 7", b"identity\r\nTransfer-Encoding: chunked", 501),
    _coding("chunked on two lines, spelled otherwise", "RFC 9112 6.1", b"chunked\r\ntransfer-encoding: x"),
    _coding("chunked and an empty line of it", "RFC 9112 6.1", b"chunked\r\nTransfer-Encoding:", must=False),
    _coding("xchunked", "RFC 9112 6.1", b"xchunked"),
    _coding("chunkedx", "RFC 9112 6.1", b"chunkedx"),
    _coding("chunk", "RFC 9112 6.1", b"chunk"),
    _coding("chunked in two words", "RFC 9112 6.1", b"chun ked"),
    _coding("word before chunked", "RFC 9112 6.1", b"x chunked"),
    _coding("vertical tab before chunked", "RFC 9110 5.5", b"\x0bchunked"),
    _coding("form feed behind chunked", "RFC 9110 5.5", b"chunked\x0c"),
    _coding("NUL behind chunked", "RFC 9110 5.5", b"chunked\x00"),
    _coding("0xa0 behind chunked", "RFC 9112 6.1", b"chunked\xa0"),
    _coding("Kelvin sign in chunked", "lenient lower()", "chun\u212aed".encode()),
    _coding("quoted chunked", "RFC 9112 7", b'"chunked"'),
    _coding("chunked in single quotes", "RFC 9112 7", b"'chunked'"),
    _coding("chunked with a parameter", "RFC 9112 7.1", b"chunked;q=1"),
    _coding("semicolon behind chunked", "RFC 9112 7.1", b"chunked;"),
    _coding("empty coding", "RFC 9112 6.1", b""),
    _coding("comma only", "RFC 9112 6.1", b","),
    _coding("trailing comma", "RFC 9110 5.6.1", b"chunked,", must=False),
    _coding("leading comma", "RFC 9110 5.6.1", b", chunked", must=False),
    refused("space before its colon", "RFC 9112 5.1", post(b"Transfer-Encoding : chunked", body=END)),
    refused("NUL in its name", "RFC 9110 5.1", post(b"Transfer-Encoding\x00: chunked", body=END)),
    refused("behind a bare LF", "RFC 9112 2.2", post(b"X: y\nTransfer-Encoding: chunked", body=END), must=False),
    refused(
        "chunked in HTTP/1.0",
        "RFC 9112 6.1",
        post(b"Transfer-Encoding: chunked", body=END).replace(b"/1.1", b"/1.0", 1),
    ),
    refused(
        "chunked in HTTP/1.0 that is kept alive",
        "RFC 9112 6.1",
        post(b"Connection: keep-alive", b"Transfer-Encoding: chunked", body=END + SMUGGLED).replace(
            b"/1.1", b"/1.0", 1
        ),
    ),
    sanitised("coding in TE", "RFC 9110 10.1.4", get(b"TE: chunked"), rb"^TE:.*chunked"),
    passed("chunked", "RFC 9112 7.1", post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n" + END), rb"hello"),
    passed("Chunked", "RFC 9112 7", post(b"Transfer-Encoding: Chunked", body=b"5\r\nhello\r\n" + END), rb"hello"),
    passed("CHUNKED", "RFC 9112 7", post(b"TRANSFER-ENCODING: CHUNKED", body=b"5\r\nhello\r\n" + END), rb"hello"),
    passed(
        "tabs around chunked",
        "RFC 9110 5.6.3",
        post(b"Transfer-Encoding:\tchunked\t", body=b"5\r\nhello\r\n" + END),
        rb"hello",
    ),
    passed(
        "chunked GET",
        "RFC 9110 9.3.1",
        get(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n" + END,
        rb"\AGET",
        rb"hello",
    ),
    passed(
        "chunked DELETE",
        "RFC 9110 9.3.5",
        b"DELETE / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" + END,
        rb"\ADELETE",
        rb"hello",
    ),
    passed(
        "Content-Encoding: chunked",
        "RFC 9110 8.4",
        post(b"Content-Encoding: chunked", b"Content-Length: 5", body=b"hello"),
        rb"hello\Z",
    ),
]
