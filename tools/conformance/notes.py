"""What is worth a sentence: each is told only where the run has shown it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence, and the case that shows it.

    :ivar shown_by: subject and name of a case, and what the proxy made of it.
    """

    proxy: str
    subject: str
    name: str
    outcome: str
    sentence: str


NOTES: Final = (
    Note("HAProxy", "Host", "no Host", "as is", "passes HTTP/1.1 requests without Host"),
    Note("HAProxy", "Connection", "named field", "as is", "keeps the fields that Connection names"),
    Note("HAProxy", "field values", "0x00 in a value", "as is", "passes NUL in field values"),
    Note("HAProxy", "Transfer-Encoding", "chunked in HTTP/1.0", "as is", "passes chunked bodies of HTTP/1.0"),
    Note(
        "HAProxy",
        "trailers",
        "Transfer-Encoding in the trailers",
        "as is",
        "passes all trailers, those too that name framing, routing and credentials",
    ),
    Note("HAProxy", "Upgrade", "h2c", "as is", "passes an upgrade to h2c, and the node's 101"),
    Note(
        "HAProxy",
        "cut responses",
        "until the end, then a reset",
        "clean end",
        "ends a response in order whose node was reset, where only the end says how long it is",
    ),
    Note("nginx", "targets", "0x80 in the target", "as is", "passes bytes above 0x7f, and fragments, in targets"),
    Note("nginx", "interim responses", "103", "changed", "takes a node's 103 for the final response"),
    Note("nginx", "response trailers", "trailer", "changed", "drops trailers, so that Kubo's late errors are lost"),
    Note("nginx", "Connection", "named field", "as is", "keeps the fields that Connection names"),
    Note(
        "nginx", "Upgrade", "h2c", "as is", "passes an upgrade to h2c (configured for websockets), and the node's 101"
    ),
    Note(
        "nginx",
        "response Content-Length",
        "negative length",
        "given on",
        "overlooks a malformed Content-Length of a node, and reads to the end of the connection",
    ),
    Note(
        "nginx",
        "cut responses",
        "part of a chunk, then an end, for HTTP/1.0",
        "clean end",
        "ends a cut response in order for an HTTP/1.0 client",
    ),
    Note(
        "Caddy",
        "cut responses",
        "part of a chunk, then an end",
        "clean end",
        "turns a cut chunked response into a whole one: the client gets a clean 200",
    ),
    Note("Caddy", "Upgrade", "h2c", "as is", "passes an upgrade to h2c, and the node's 101"),
    Note("Caddy", "targets", "0x80 in the target", "repaired", "takes bytes above 0x7f in targets, and encodes them"),
    Note(
        "Caddy", "response trailers", "Set-Cookie in the trailers", "as is", "passes trailers of any name to the client"
    ),
)
