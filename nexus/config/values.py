"""What a configured value may be: the constraints that `nexus.config.sections` writes beside its types.

Each says whether it takes a value, and in words what it takes; reading and error messages are made from these alone.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NewType

from nexus.model import DNS_LABEL, ORIGIN_ALLOWED, USER_LENGTH_MAX, is_origin, is_user_name
from nexus.secrets import Secret


@dataclass(frozen=True, slots=True)
class Between:
    """A number from `least` to `most`, both included."""

    least: float
    most: float

    @property
    def allowed(self) -> str:
        """In words."""
        return f"from {self.least:g} to {self.most:g}" if self.most < 1e6 else f"from {self.least:g} to {self.most:.0f}"

    def takes(self, value: float) -> bool:
        """Whether `value` is one. NaN never is."""
        return self.least <= value <= self.most


@dataclass(frozen=True, slots=True)
class Matching:
    """A text that the whole of `pattern` matches; `allowed` says the same to people.

    :ivar hidden: whether an error must not show the value that does not match.
    """

    pattern: str
    allowed: str
    hidden: bool = False

    def takes(self, value: str) -> bool:
        """Whether `value` is one."""
        return re.fullmatch(self.pattern, value) is not None


@dataclass(frozen=True, slots=True)
class Satisfying:
    """A text that `takes` is true for; `allowed` says the same to people."""

    takes: Callable[[str], bool]
    allowed: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """In words."""
        return ", ".join(self.words)

    def takes(self, value: str) -> bool:
        """Whether `value` is one."""
        return value in self.words


_IPV4 = r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)"

Seconds = Annotated[float, Between(0.01, 86_400)]
SecondsOrOff = Annotated[float, Between(0, 86_400)]
Count = Annotated[int, Between(1, 1_000_000)]

Instance = Annotated[str, Matching(r"[a-z0-9]{1,9}", "1-9 characters of a-z and 0-9")]
# 63 for the network's label and its dot, 16 for `.gateway`, and the whole name at most 253 (RFC 1035 section 2.3.4).
Domain = Annotated[
    str,
    Matching(
        rf"(?=.{{1,170}}\Z)(?:{DNS_LABEL}\.)*(?=.*[a-z]){DNS_LABEL}",
        "a domain name in lower case (localhost, ipfs.example.net), at most 170 characters, not an IP address",
    ),
]
IPv4Literal = Annotated[str, Matching(_IPV4, "an IPv4 address, such as 127.0.0.1 or 0.0.0.0")]
HostName = Annotated[
    str,
    Matching(rf"{_IPV4}|(?=.{{1,253}}\Z)(?:{DNS_LABEL}\.)*(?=.*[a-z]){DNS_LABEL}", "an IPv4 address or a domain name"),
]
EngineSocket = Annotated[
    str, Matching(r"unix:///[^\s?#]+", "unix:///PATH of the engine's socket; only a local engine can be used")
]
ImageReference = Annotated[
    str,
    Matching(
        r"[a-z0-9][a-z0-9._:/-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
        "an image reference, such as ipfs/kubo:v0.43.0",
    ),
]
# A URL of another scheme may carry a password, so a wrong one is not shown.
DatabaseURL = Annotated[
    str, Matching(r"sqlite:///[^\x00]*[^/\x00]", "sqlite:///absolute/path/to/nexus.db", hidden=True)
]
Algorithm = Annotated[str, OneOf(("HS256", "HS512", "RS256", "ES256", "EdDSA"))]
ClaimName = Annotated[str, Matching(r"[A-Za-z0-9_:/.-]{1,128}", "1-128 characters of A-Z, a-z, 0-9, _ : / . and -")]
AccessLogFormat = Annotated[str, OneOf(("text", "json"))]
LogLevel = Annotated[str, OneOf(("debug", "info", "warn", "error"))]
# What a bearer can be spelled with (RFC 6750 section 2.1), as long as 24 random bytes in base64.
BearerKey = Annotated[
    Secret,
    Matching(r"[A-Za-z0-9._~+/-]{32,512}=*", "at least 32 characters of A-Z, a-z, 0-9 and . _ ~ + / -"),
]
# Any header value without blanks: what a node checks is its own affair.
NodeBearer = Annotated[Secret, Matching(r"[\x21-\x7e]{1,512}", "1-512 characters of visible ASCII", hidden=True)]

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
NetworkName = NewType("NetworkName", str)
UserName = Annotated[str, Satisfying(is_user_name, f"1-{USER_LENGTH_MAX} printable characters")]
Origin = Annotated[str, Satisfying(is_origin, ORIGIN_ALLOWED)]
AbsolutePath = Annotated[str, Matching(r"/[^\x00]*[^/\x00]", "the absolute path of a file")]
