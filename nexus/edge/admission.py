"""What becomes of a request: from its head to an answer, a question about a network, or a node to forward to.
Synchronous and without I/O: host or path -> network -> token -> access -> the RPC's own rules.

The order is chosen so that a stranger cannot tell an unknown network from one that is not theirs: a missing token is
told before anything else, and everything that depends on the network comes after membership.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nexus.access import Decision, decide
from nexus.edge import answers, cors
from nexus.edge.answers import Answer
from nexus.edge.api_policy import PathVerdict, judge_path, strip_cli_token
from nexus.edge.errors import MalformedError
from nexus.edge.fields import list_members
from nexus.edge.status_page import public_document
from nexus.edge.target import Redirect, parse_site, resolve
from nexus.model import Feature
from nexus.tokens import InvalidTokenError

if TYPE_CHECKING:
    from nexus.edge.fields import Pairs
    from nexus.edge.heads import RequestFields, RequestHead
    from nexus.edge.status_page import Document
    from nexus.model import Route, RouteTarget
    from nexus.registry import Registry
    from nexus.tokens import TokenVerifier

REFUSALS: Final = {
    Decision.UNAUTHENTICATED: answers.UNAUTHENTICATED,
    Decision.FORBIDDEN: answers.FORBIDDEN,
    Decision.NOT_FOUND: answers.NOT_FOUND,
    Decision.UNAVAILABLE: answers.UNAVAILABLE,
}
"""What is answered where access is denied."""

_NO_FIELDS: Final[Pairs] = []
_ANSWERED_HERE: Final = frozenset({b"CONNECT", b"TRACE", b"OPTIONS"})
"""Methods that may be answered whatever they are about."""

# By these names, since an Enum's own attributes take ten times as long, on the path of every request.
_API: Final = Feature.API
_GATEWAY: Final = Feature.GATEWAY
_ALLOW: Final = Decision.ALLOW
_OFFERED: Final = PathVerdict.OFFERED

Destination = tuple["Route", Feature, "RouteTarget"]
"""Whose node a request goes to, and what of it."""


class Disposition:
    """What becomes of one request. At most one of `answer`, `document` and `destination` says it; with none of
    them a member asks how the network is, which `INetworkStatus` knows.

    :ivar authority: the Host, as sent.
    :ivar network: as asked for, known or not; empty where no target was found, and `feature` None.
    :ivar path: the target for the node.
    :ivar prefix: what was stripped from the client's path.
    :ivar user: who the token speaks for, where one was looked at.
    :ivar document: what `status` and `swarm` tell everybody.
    :ivar response_fields: what answers and the node's response carry besides, for a listed browser origin.
    """

    __slots__ = (
        "answer",
        "authority",
        "destination",
        "document",
        "feature",
        "network",
        "path",
        "prefix",
        "response_fields",
        "user",
    )

    def __init__(
        self,
        authority: bytes,
        network: str = "",
        feature: Feature | None = None,
        path: bytes = b"",
        answer: Answer | None = None,
    ) -> None:
        self.authority = authority
        self.network = network
        self.feature = feature
        self.path = path
        self.prefix = b""
        self.answer = answer
        self.user: str | None = None
        self.destination: Destination | None = None
        self.document: Document | None = None
        self.response_fields: Pairs = _NO_FIELDS


class Admission:
    """Decides. Asks the registry and the token verifier, both in memory.

    :param pseudonym: this edge's name in Via.
    """

    def __init__(self, domain: str, pseudonym: bytes, registry: Registry, verifier: TokenVerifier) -> None:
        self._domain = domain
        self._pseudonym = pseudonym.lower()
        self._registry = registry
        self._verifier = verifier

    def dispose(self, head: RequestHead) -> Disposition:
        """What becomes of the request with that head, whose fields are interpreted.

        :raises MalformedError: where it is none that may be understood.
        """
        known, method = head.known, head.method
        authority = head.fields.authority
        if method in _ANSWERED_HERE or b"expect" in known or b"via" in known:
            answer = self._answer_at_once(head)
            if answer is not None:
                parse_site(authority, self._domain)
                return Disposition(authority, answer=answer)
        target = resolve(head.target, authority, self._domain)
        if target is None:
            return Disposition(authority, answer=answers.NOT_FOUND)
        if isinstance(target, Redirect):
            return Disposition(authority, target.network, _GATEWAY, answer=answers.redirect(target.location))
        network, feature, path, prefix = target
        disposition = Disposition(authority, network, feature, path)
        if prefix:
            disposition.prefix = prefix
        route = self._registry.route(network)
        if feature is _API:
            self._decide_api(head, route, disposition)
        elif feature is _GATEWAY:
            decision = decide(feature, route, None)
            if decision is not _ALLOW:
                disposition.answer = REFUSALS[decision]
        else:
            self._decide_status(head, feature, route, disposition)
            return disposition
        if method == b"OPTIONS" and disposition.answer is None and _ends_here(head):
            disposition.answer = answers.OPTIONS_ANSWERED
        if disposition.answer is None and route is not None:
            disposition.destination = (route, feature, route.targets[0])
        return disposition

    def _answer_at_once(self, head: RequestHead) -> Answer | None:
        """What needs no target: CONNECT and TRACE (RFC 9110 sections 9.3.6 and 9.3.8), OPTIONS of the server (RFC 9112
        section 3.2.4), other expectations than 100-continue (RFC 9110 section 10.1.1), loops (section 7.6.3)."""
        method, known = head.method, head.known
        if method == b"CONNECT":
            return answers.TUNNEL_REFUSED
        if method == b"TRACE":  # it would show the node's bearer
            return answers.TRACE_REFUSED
        if method == b"OPTIONS" and head.target == b"*":
            return answers.OPTIONS_ANSWERED
        if b"expect" in known and list_members(known[b"expect"]) != [b"100-continue"]:
            return answers.EXPECTATION_FAILED
        if b"via" in known and self._is_loop(known[b"via"]):
            return answers.LOOP_DETECTED
        return None

    def _is_loop(self, via: tuple[bytes, ...]) -> bool:
        return any(self._pseudonym in member.split() for member in list_members(via))

    def _decide_api(self, head: RequestHead, route: Route | None, disposition: Disposition) -> None:
        known = head.known
        is_foreign = False
        if b"origin" in known:
            origin = cors.origin_of(known)
            listed = cors.is_listed(origin, route)
            if cors.is_preflight(head.method, known):
                fields = cors.preflight_fields(origin) if listed else cors.REFUSED_PREFLIGHT_FIELDS
                disposition.response_fields = fields
                disposition.answer = Answer(204) if listed else answers.ORIGIN_REFUSED
                return
            if listed:
                disposition.response_fields = cors.response_fields(origin)
            is_foreign = not listed
        disposition.user = user = self._user(head.fields)
        decision = decide(_API, route, user)
        if decision is not _ALLOW and decision in (Decision.UNAUTHENTICATED, Decision.FORBIDDEN):
            disposition.answer = REFUSALS[decision]
            return
        path, _, query = disposition.path.partition(b"?")
        verdict = judge_path(path)
        if verdict is not _OFFERED:
            is_malformed = verdict is PathVerdict.MALFORMED
            disposition.answer = answers.PATH_MALFORMED if is_malformed else answers.COMMAND_REFUSED
        elif is_foreign:
            disposition.answer = answers.ORIGIN_REFUSED
        elif decision is not _ALLOW:
            disposition.answer = REFUSALS[decision]
        elif query:
            disposition.path = strip_cli_token(disposition.path)

    def _decide_status(
        self, head: RequestHead, feature: Feature, route: Route | None, disposition: Disposition
    ) -> None:
        disposition.user = self._user(head.fields)
        decision = decide(feature, route, disposition.user)
        disposition.answer = REFUSALS.get(decision)
        if disposition.answer is not None:
            return
        if head.method not in (b"GET", b"HEAD"):
            disposition.answer = answers.METHOD_REFUSED
        elif disposition.path.partition(b"?")[0] != b"/":
            disposition.answer = answers.NOT_FOUND
        elif decision is Decision.ALLOW_PUBLIC and route is not None:
            disposition.document = public_document(route)

    def _user(self, fields: RequestFields) -> str | None:
        """Who the one bearer token speaks for (RFC 6750 section 2.1); None where there is no good one."""
        verified = fields.verified
        if verified is not None and self._verifier.is_good(verified):
            return verified[0]
        values = fields.known.get(b"authorization")
        if values is None or len(values) != 1 or values[0][:7].lower() != b"bearer ":
            return None
        try:
            verified = fields.verified = self._verifier.verify(values[0][7:].strip(b" "))
        except InvalidTokenError:
            return None
        return verified[0]


def _ends_here(head: RequestHead) -> bool:
    """Whether Max-Forwards makes the edge the last to see an OPTIONS request (RFC 9110 section 7.6.2)."""
    hops = head.known.get(b"max-forwards")
    if hops is None:
        return False
    if len(hops) != 1 or not hops[0].isdigit() or len(hops[0]) > 9:
        raise MalformedError("the Max-Forwards is malformed")
    return int(hops[0]) == 0
