"""What the edge's pure parts raise. Each carries what the exchange needs to answer, and nothing a peer sent."""

from __future__ import annotations


class MalformedError(Exception):
    """Bytes of a peer that are not HTTP/1.1 as we accept it.

    On the client's side it is answered with `status` and `problem`, and the connection closed, since where the next
    message begins is unknown (RFC 9112 section 6.3). On the node's side it is a 502.

    :ivar status: what a client is answered.
    :ivar problem: a short sentence without anything the peer sent.
    """

    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status
