"""What the edge's pure parts raise. Each carries what the exchange needs to answer, and nothing a peer sent."""

from __future__ import annotations


class MalformedError(Exception):
    """Bytes of a peer that are not HTTP/1.1 as we accept it.

    On the client's side it is answered with `status` and `problem`, and the connection closed, since where the next
    message begins is unknown (RFC 9112 section 6.3). On the node's side it is a 502.

    :ivar status: what a client is answered.
    :ivar problem: a short sentence without anything the peer sent.
    :ivar ended: what a client's request ended by, for the access log: the name of a limit, where it is one.
    """

    def __init__(self, problem: str, status: int = 400, ended: str = "malformed_request") -> None:
        super().__init__(problem)
        self.ended = ended
        self.problem = problem
        self.status = status
