"""A node's response, read from its bytes as they come (RFC 9112 section 6.3, RFC 9110 section 15.2). Pure.

A tenant's node is as much a stranger as a client is: what could be read in two ways is not read at all.
"""

from __future__ import annotations

from typing import Final

from nexus.edge.errors import MalformedError
from nexus.edge.framing import UNTIL_CLOSE, BodyReader, ChunkedBody, LengthBody, body_reader
from nexus.edge.heads import ResponseHead, read_response_head
from nexus.edge.upgrade import check_switch

INTERIM_RESPONSES_MAX: Final = 8
"""Interim responses before one final one."""


class ResponseReader:
    """Reads one response.

    :param method: of the request.
    :param upgrade_key: of a request to change to websocket; None for any other.
    :param last: a head of the same node's: the same bytes need not be read again.
    :ivar has_begun: whether any byte of it has come.
    :ivar interim: interim heads that have come and nobody has taken yet.
    :ivar head: the final head, once it is there; then `framing` says how its body is framed.
    :ivar has_switched: the head is a 101 that was asked for, and what comes behind it is no HTTP.
    :ivar has_more: whether a part of what it was fed is still to be read; see `framing`.
    :ivar done: whether it is complete; `surplus` is then what came behind it.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_bytes_max",
        "_fields_max",
        "_interim_count",
        "_last",
        "_method",
        "_scanned",
        "_upgrade_key",
        "done",
        "framing",
        "has_begun",
        "has_more",
        "has_switched",
        "head",
        "interim",
        "surplus",
    )

    def __init__(
        self,
        method: bytes,
        bytes_max: int,
        fields_max: int,
        upgrade_key: bytes | None,
        last: ResponseHead | None = None,
    ) -> None:
        self._method = method
        self._bytes_max = bytes_max
        self._fields_max = fields_max
        self._buffer = b""
        self._scanned = 0
        self._interim_count = 0
        self._body: BodyReader | None = None
        self._upgrade_key = upgrade_key
        self._last = last
        self.has_begun = False
        self.has_switched = False
        self.interim: list[ResponseHead] = []
        self.head: ResponseHead | None = None
        self.framing = 0
        self.has_more = False
        self.done = False
        self.surplus = b""

    @property
    def remaining(self) -> int:
        """How much is still to come of a body of known length; 0 of any other."""
        return self._body.remaining if isinstance(self._body, LengthBody) else 0

    def skip(self, count: int) -> None:
        """`count` bytes of what remains have passed elsewhere."""
        if isinstance(self._body, LengthBody):
            self._body.skip(count)
            self.done = self._body.done

    @property
    def trailers(self) -> list[tuple[bytes, bytes]]:
        """The trailers of a complete response."""
        return self._body.trailers if isinstance(self._body, ChunkedBody) else []

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`.

        :raises MalformedError: where it is not a response that can be read in only one way.
        """
        body = self._body
        if body is None:
            if self.done:
                self.surplus += data
                return b""
            self.has_begun = True
            data = self._read_heads(self._buffer + data if self._buffer else data)
            if self.head is None:
                return b""
            framing = self.framing
            if 0 <= framing <= len(data):  # the body has come as a whole
                self.done = True
                self.surplus = data[framing:]
                return data[:framing]
            body = self._body = body_reader(framing)
        payload = body.feed(data)
        self.has_more = body.has_more
        if body.done:
            self.done = True
            self.surplus = body.surplus
        return payload

    def end(self, is_clean: bool) -> bool:
        """The connection has ended; whether that completes the response (it does not otherwise)."""
        if self.framing == UNTIL_CLOSE and self.head is not None and is_clean:
            self.done = True
        return self.done

    def _read_heads(self, buffer: bytes) -> bytes:
        """Read heads up to the final one; what is behind it."""
        while True:
            found = read_response_head(buffer, self._scanned, self._bytes_max, self._fields_max, self._last)
            if found is None:
                self._buffer = buffer
                self._scanned = len(buffer)
                return b""
            head, end = found
            framing = head.framing(self._method)
            buffer = buffer[end:]
            self._scanned = 0
            if head.status == 101 and self._upgrade_key is not None:
                check_switch(head, self._upgrade_key)
                self.has_switched = True
                framing = UNTIL_CLOSE
            if head.status >= 200 or self.has_switched:
                self.head = head
                self.framing = framing
                self._buffer = b""
                return buffer
            self._interim_count += 1
            if head.status == 101 or self._interim_count > INTERIM_RESPONSES_MAX or head.minor == 0:
                raise MalformedError("the node sent an interim response that nobody asked for")
            self.interim.append(head)
