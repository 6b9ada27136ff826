"""From a request's Host and target to a network, a feature and the path at its node (RFC 9112 sections 3.2 and 3.3).
Pure.

Two forms: `{network}.{feature}.{domain}` (and `{cid}.ipfs.` or `{cid}.ipns.{network}.gateway.{domain}`), where the
path passes byte for byte; and `/network/{network}/{feature}/...` on the bare domain or an IP literal, where that
prefix is stripped and nothing else.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from nexus.edge.errors import MalformedError
from nexus.edge.fields import Known
from nexus.model import DNS_LABEL, Feature

HOST_BYTES_MAX: Final = 255 + len(":65535")

_AUTHORITY: Final = re.compile(
    rb"(\[[0-9A-Fa-f:.]{2,45}\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2}){1,255})(?::([0-9]{0,5}))?"
)
_ABSOLUTE_FORM: Final = re.compile(rb"(http|https)://([^/?#]*)([^#]*)", re.IGNORECASE)
_PATH_FORM: Final = re.compile(rb"(/networks?/([^/?]+)/([^/?]+))([^?]*)(\?.*)?")
_LABEL: Final = re.compile(DNS_LABEL)
_FEATURES: Final = {feature.value: feature for feature in Feature}


@dataclass(frozen=True, slots=True)
class Site:
    """What a Host names. With `network` None it is the bare domain, or an IP literal.

    :ivar port: as written, with its colon; empty where none is.
    """

    network: str | None = None
    feature: Feature | None = None
    is_ip: bool = False
    port: bytes = b""


Target = tuple[str, Feature, bytes, bytes]
"""Where a request goes: the network, empty where the path form names what can be no network's name; the feature; the
origin-form target for the node, query included; and what was stripped from the client's path before it, which the
node's `Location` gets back."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """The client is sent to `location`, the gateway of `network`, with the same method (307)."""

    network: str
    location: bytes


def authority_of(known: Known) -> bytes:
    """The one Host of a request, as sent (RFC 9112 section 3.2).

    :raises MalformedError: 400 where there is none, more than one, or it is no authority.
    """
    hosts = known.get(b"host")
    if hosts is None or len(hosts) != 1 or len(hosts[0]) > HOST_BYTES_MAX:
        raise MalformedError("exactly one Host is needed")
    return hosts[0]


@lru_cache(maxsize=4096)
def parse_site(authority: bytes, domain: str) -> Site | None:
    """What `authority` names under `domain`: None where it is neither ours nor an IP literal (421).

    Case and one trailing dot do not count; the port does not route. Remembered, since clients repeat themselves; a
    host's length is bounded, so that the memory is.

    :raises MalformedError: 400 where it is no authority.
    """
    match = _AUTHORITY.fullmatch(authority)
    if match is None or int(match[2] or 0) > 65535:
        raise MalformedError("the Host is malformed")
    port = b":" + match[2] if match[2] else b""
    host = match[1].decode("ascii").lower()
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise MalformedError("the Host is malformed") from None
        return Site(is_ip=True, port=port)
    host = host.removesuffix(".")
    if host == domain:
        return Site(port=port)
    if host.endswith("." + domain):
        return _parse_labels(host[: -len(domain) - 1].split("."), port)
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return None
    return Site(is_ip=True, port=port)


def _parse_labels(labels: list[str], port: bytes) -> Site | None:
    if not all(_LABEL.fullmatch(label) for label in labels):
        return None
    if len(labels) == 2 and labels[1] in _FEATURES:
        return Site(labels[0], _FEATURES[labels[1]], port=port)
    if len(labels) == 4 and labels[1] in ("ipfs", "ipns") and labels[3] == "gateway":
        return Site(labels[2], Feature.GATEWAY, port=port)
    return None


def origin_form(target: bytes, authority: bytes) -> bytes:
    """The request target in origin-form. Absolute-form is taken where it names the same authority as Host does, so
    that nobody before or behind us can route by the other one (RFC 9112 section 3.2.2). The default port is the same
    as none (RFC 9110 section 4.2.3).

    :raises MalformedError: 400 otherwise.
    """
    if target.startswith(b"/"):
        return target
    match = _ABSOLUTE_FORM.fullmatch(target)
    if match is None or _normalised(match[2], match[1]) != _normalised(authority, match[1]):
        raise MalformedError("the request target is not one of this Host")
    path = match[3]
    return path if path.startswith(b"/") else b"/" + path


def _normalised(authority: bytes, scheme: bytes) -> bytes:
    return authority.lower().removesuffix(b":443" if len(scheme) == len(b"https") else b":80").removesuffix(b":")


def resolve(target: bytes, authority: bytes, domain: str) -> Target | Redirect | None:
    """Where a request goes: None where the bare domain, or an IP, has nothing at that path (404).

    :raises MalformedError: 400, or 421 for a Host that is not ours.
    """
    site = parse_site(authority, domain)
    if site is None:
        raise MalformedError("this Host is not served here", 421)
    path = origin_form(target, authority)
    if site.network is not None and site.feature is not None:
        return site.network, site.feature, path, b""
    match = _PATH_FORM.fullmatch(path)
    if match is None:
        return None
    # The name and the feature are compared as they are: an encoded spelling of either is just another, unknown, name.
    network = match[2].decode("ascii")
    feature = _FEATURES.get(match[3].decode("ascii"))
    if feature is None:
        return None
    query = match[5] or b""
    if feature is Feature.GATEWAY and not site.is_ip:
        if _LABEL.fullmatch(network) is None:
            return None
        host = b"%b.gateway.%b%b" % (match[2], domain.encode("ascii"), site.port)
        # Without a scheme: the client keeps its own, which a proxy before us may have changed (RFC 3986 section 4.2).
        return Redirect(network, b"//%b%b%b" % (host, match[4] or b"/", query))
    if _LABEL.fullmatch(network) is None:
        network = ""  # which is nobody's name either, and brings nothing that a stranger wrote into the log
    if feature is Feature.API:
        # `api` is both the feature's name and the first segment of Kubo's own path.
        return network, feature, b"/api%b%b" % (match[4], query), match[1][: -len(b"/api")]
    return network, feature, (match[4] or b"/") + query, match[1]
