"""Bootstrap peers: which multiaddrs a private network's node can dial. Pure.

A small strict reader instead of a multiaddr library: the one on the package index brings nineteen others, trio among
them. With a swarm key go-libp2p has TCP and WebSocket only, so an address over UDP is refused here, where somebody
reads the error, and not by the node, which would just never connect.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from nexus.errors import InvalidError, quoted

_ALLOWED: Final = "/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT[/ws|/wss|/tls/ws]/p2p/PEER_ID, or /dnsaddr/HOST/p2p/PEER_ID"
_PEERS_MAX: Final = 64
_DNS_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_DNS_LABEL}(?:\.{_DNS_LABEL})*\Z")
_TRANSPORTS: Final = frozenset({(), ("ws",), ("wss",), ("tls", "ws")})
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE36: Final = "0123456789abcdefghijklmnopqrstuvwxyz"

_SHA2_256_MULTIHASH: Final = bytes((0x12, 32))
_LIBP2P_KEY_CID: Final = bytes((0x01, 0x72))
_IDENTITY_MULTIHASHES: Final = (
    bytes((0x00, 36, 0x08, 1, 0x12, 32)),  # an Ed25519 key
    bytes((0x00, 37, 0x08, 2, 0x12, 33)),  # a Secp256k1 key
)


def check_bootstrap_peers(peers: Iterable[str]) -> tuple[str, ...]:
    """`peers` if a node can dial each.

    :raises InvalidError: for the field `bootstrap_peers[0]`, by its place, or `bootstrap_peers` where there are too
        many.
    """
    checked = tuple(check_peer_address(peer, f"bootstrap_peers[{place}]") for place, peer in enumerate(peers))
    if len(checked) > _PEERS_MAX:
        raise InvalidError("bootstrap_peers", f"{len(checked)} are too many", f"at most {_PEERS_MAX}")
    return checked


def check_peer_address(text: str, field: str) -> str:
    """`text` if it is the multiaddr of a peer that a private network's node can dial.

    :param field: what an error names.
    :raises InvalidError: otherwise, for `field`.
    """
    if not isinstance(text, str) or not text.startswith("/"):
        raise InvalidError(field, f"{quoted(text)} is not a multiaddr", _ALLOWED)
    match text.split("/")[1:]:
        case ["dnsaddr", host, "p2p", peer_id]:
            known = _is_dns_name(host)
        case [kind, host, "tcp", port, *transport, "p2p", peer_id]:
            known = _is_host(kind, host) and _is_port(port) and tuple(transport) in _TRANSPORTS
        case _:
            known, peer_id = False, ""
    if not known:
        raise InvalidError(field, f"{quoted(text)} is not an address that a node can dial", _ALLOWED)
    if not is_peer_id(peer_id):
        raise InvalidError(
            field, f"{quoted(peer_id)} is not a peer id", "12D3KooW..., Qm..., or a libp2p-key CID (k51...)"
        )
    return text


def is_peer_id(text: str) -> bool:
    """Whether `text` writes a peer id: a multihash in base58btc, or a CIDv1 of codec libp2p-key in base32 or base36 or
    base58btc (libp2p specs, *Peer Ids and Keys*)."""
    try:
        if text.startswith(("1", "Qm")):
            return _is_key_multihash(_decode_base58(text))
        cid = _DECODERS[text[:1]](text[1:])
    except (KeyError, ValueError):
        return False
    return cid.startswith(_LIBP2P_KEY_CID) and _is_key_multihash(cid[len(_LIBP2P_KEY_CID) :])


def _is_host(kind: str, host: str) -> bool:
    match kind:
        case "dns" | "dns4" | "dns6":
            return _is_dns_name(host)
        case "ip4" | "ip6":
            try:
                address = ipaddress.ip_address(host)
            except ValueError:
                return False
            # A zone (fe80::1%eth0) is a component of its own in a multiaddr.
            return kind == f"ip{address.version}" and "%" not in host
        case _:
            return False


def _is_dns_name(host: str) -> bool:
    return _DNS_NAME.match(host) is not None


def _is_port(text: str) -> bool:
    return re.fullmatch(r"[1-9][0-9]{0,4}", text, re.ASCII) is not None and int(text) <= 65535


def _is_key_multihash(multihash: bytes) -> bool:
    if multihash.startswith(_SHA2_256_MULTIHASH):
        return len(multihash) == 34
    return any(multihash.startswith(head) and len(multihash) == 2 + head[1] for head in _IDENTITY_MULTIHASHES)


def _decode_base58(text: str) -> bytes:
    return _decode_digits(text, _BASE58)


def _decode_base36(text: str) -> bytes:
    return _decode_digits(text, _BASE36)


def _decode_digits(text: str, alphabet: str) -> bytes:
    if not 1 <= len(text) <= 128:
        raise ValueError("not a length that a peer id has")
    number = 0
    for character in text:
        number = number * len(alphabet) + alphabet.index(character)
    zeros = len(text) - len(text.lstrip(alphabet[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _decode_base32(text: str) -> bytes:
    if text != text.lower():
        raise ValueError("base32 here is lower-case")
    try:
        return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except binascii.Error as error:
        raise ValueError("not base32") from error


_DECODERS: Final = {"b": _decode_base32, "k": _decode_base36, "z": _decode_base58}
