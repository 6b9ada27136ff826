"""What has to hold between the keys of a configuration. Pure, but for the cryptography that reads keys.

`problems` yields each thing that is wrong, with the key to blame; `nexus.config.file` turns the first into a
`ConfigError`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from nexus.config.sections import Config, JWTConfig, StaticNetwork, TCPListen
from nexus.secrets import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

HMAC_SECRET_BYTES_MIN: Final = {"HS256": 32, "HS512": 64}
"""As long as the hash (RFC 7518 section 3.2)."""

RSA_BITS_MIN: Final = 2048
"""RFC 7518 section 3.3."""

_KEY_KINDS: Final = {
    "RS256": f"an RSA key of at least {RSA_BITS_MIN} bits",
    "ES256": "an EC key on the curve P-256",
    "EdDSA": "an Ed25519 key",
}


class Problem(NamedTuple):
    """Something wrong with `key`. Shows no secret."""

    key: str
    problem: str
    allowed: str


def problems(config: Config) -> Iterator[Problem]:
    """All that is wrong with `config` beyond each value by itself."""
    yield from _control_problems(config)
    yield from _port_problems(config)
    yield from _token_problems(config.jwt, config.secrets.jwt)
    yield from _static_problems(config.edge.static)


def _control_problems(config: Config) -> Iterator[Problem]:
    for listen in config.control.listen:
        if not isinstance(listen, TCPListen):
            continue
        if not ipaddress.ip_address(listen.host).is_loopback:
            yield Problem(
                "control.listen",
                f"{listen.host!r} is not a loopback address",
                "127.0.0.1:PORT, [::1]:PORT or unix:/path",
            )
        if config.secrets.control_key is None:
            yield Problem(
                "secrets.control_key",
                "is missing, and control.listen has a TCP address",
                "a random text of at least 32 characters, or only unix:/path in control.listen",
            )


def _port_problems(config: Config) -> Iterator[Problem]:
    ranges = {
        "swarm.ports": config.swarm.ports,
        "containers.api_ports": config.containers.api_ports,
        "containers.gateway_ports": config.containers.gateway_ports,
    }
    for (one, first), (other, second) in combinations(ranges.items(), 2):
        if first.first <= second.last and second.first <= first.last:
            yield Problem(other, f"'{second}' overlaps {one} '{first}'", "ranges that have no port in common")
    for key, listens in (("edge.listen", config.edge.listen), ("control.listen", config.control.listen)):
        for listen in listens:
            for range_key, ports in ranges.items():
                if isinstance(listen, TCPListen) and listen.port in ports:
                    yield Problem(key, f"port {listen.port} lies within {range_key} '{ports}'", "a port outside of it")


def _static_problems(networks: tuple[StaticNetwork, ...]) -> Iterator[Problem]:
    places: dict[str, int] = {}
    for place, network in enumerate(networks):
        first = places.setdefault(network.name, place)
        if first != place:
            name = f"{network.name!r} is the name of edge.static[{first}] too"
            yield Problem(f"edge.static[{place}].name", name, "a name of its own for each network")


def _token_problems(jwt: JWTConfig, secret: Secret | None) -> Iterator[Problem]:
    for algorithm in jwt.algorithms:
        if algorithm in HMAC_SECRET_BYTES_MIN:
            least = HMAC_SECRET_BYTES_MIN[algorithm]
            allowed = f"for {algorithm} a random text of at least {least} bytes"
            if secret is None:
                yield Problem("secrets.jwt", f"is missing, and jwt.algorithms has {algorithm}", allowed)
            elif len(secret.reveal().encode()) < least:
                yield Problem("secrets.jwt", "the value (not shown) is too short", allowed)
        else:
            yield from _asymmetric_problems(jwt, algorithm)


def _asymmetric_problems(jwt: JWTConfig, algorithm: str) -> Iterator[Problem]:
    allowed = f"for {algorithm} {_KEY_KINDS[algorithm]}, in PEM"
    if jwt.public_key is None:
        yield Problem("jwt.public_key", f"is missing, and jwt.algorithms has {algorithm}", allowed)
        return
    public = _load_public_key(jwt.public_key)
    if public is None:
        yield Problem("jwt.public_key", "is not a public key in PEM", allowed)
        return
    if not _fits(public, algorithm):
        yield Problem("jwt.public_key", f"does not fit {algorithm}, which jwt.algorithms has", allowed)
        return
    if jwt.private_key is not None and _load_public_half(jwt.private_key) != public:
        yield Problem(
            "jwt.private_key",
            "the value (not shown) is not the private key of jwt.public_key",
            "its unencrypted private key, in PEM",
        )


def _load_public_key(pem: str) -> PublicKeyTypes | None:
    try:
        return load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None


def _load_public_half(private: Secret) -> PublicKeyTypes | None:
    try:
        return load_pem_private_key(private.reveal().encode(), password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _fits(public: PublicKeyTypes, algorithm: str) -> bool:
    if algorithm == "RS256":
        return isinstance(public, rsa.RSAPublicKey) and public.key_size >= RSA_BITS_MIN
    if algorithm == "ES256":
        return isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1)
    return isinstance(public, ed25519.Ed25519PublicKey)
