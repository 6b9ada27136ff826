"""Swarm keys: made, checked, and told apart by their fingerprint. Pure.

A swarm key file is two header lines and 32 bytes in the encoding that the second names (go-libp2p `core/pnet`). Nexus
keeps every key in one form, base16, so that equal keys are equal texts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import struct
from typing import Final

from nexus.errors import InvalidError
from nexus.secrets import Secret

_HEADER: Final = "/key/swarm/psk/1.0.0/"
_KEY_BYTES: Final = 32
_ALLOWED: Final = (
    "the text of a swarm.key file: /key/swarm/psk/1.0.0/, then /base16/, /base64/ or /bin/, then 32 bytes so encoded"
)


def generate_swarm_key() -> Secret:
    """A fresh random swarm key, as the text of a swarm.key file."""
    return _encode(secrets.token_bytes(_KEY_BYTES))


def check_swarm_key(text: str) -> Secret:
    """The swarm key that `text` writes, in Nexus's own form.

    go-libp2p ignores what follows the 32nd byte; here it is an error, since then the key is not what its owner thinks.

    :param text: a swarm.key file; for `/bin/` each character stands for one byte.
    :raises InvalidError: for the field `swarm_key`; never repeats any of the text.
    """
    return _encode(_decode(text))


def swarm_key_fingerprint(swarm_key: Secret) -> str:
    """What tells keys apart without giving them away, as `ipfs daemon` prints it at its start.

    Kubo hashes 64 bytes of Salsa20 keystream under the key, nonce "finprint", with SHAKE-128
    (`core/node/libp2p/pnet.go`).

    :param swarm_key: the text of a swarm.key file.
    """
    keystream = _salsa20_block(_decode(swarm_key.reveal()), b"finprint")
    return hashlib.shake_128(keystream).hexdigest(16)


def _encode(key: bytes) -> Secret:
    return Secret(f"{_HEADER}\n/base16/\n{key.hex()}\n")


def _decode(text: str) -> bytes:
    header, _, rest = text.partition("\n")
    encoding, _, body = rest.partition("\n")
    if header.rstrip("\r") != _HEADER:
        raise InvalidError("swarm_key", "its first line is not a swarm key's", _ALLOWED)
    try:
        match encoding.rstrip("\r"):
            case "/base16/":
                key = binascii.unhexlify(body.strip("\r\n"))
            case "/base64/":
                key = base64.b64decode(body.strip("\r\n"), validate=True)
            case "/bin/":
                key = body.encode("latin-1")
                key = key[:-1] if len(key) == _KEY_BYTES + 1 and key.endswith(b"\n") else key
            case _:
                raise InvalidError("swarm_key", "its second line names no known encoding", _ALLOWED)
    except (binascii.Error, ValueError):
        # From nothing: the decoder's own message may repeat a part of the key.
        problem = "its third line is not in the encoding that its second names"
        raise InvalidError("swarm_key", problem, _ALLOWED) from None
    if len(key) != _KEY_BYTES:
        raise InvalidError("swarm_key", f"it holds {len(key)} bytes", _ALLOWED)
    return key


def _salsa20_block(key: bytes, nonce: bytes) -> bytes:
    """The first 64 bytes of Salsa20's keystream for a 32-byte key and an 8-byte nonce (Bernstein, *Salsa20
    specification*, sections 2-9)."""
    constants = struct.unpack("<4I", b"expand 32-byte k")
    keys = struct.unpack("<8I", key)
    counter_and_nonce = (*struct.unpack("<2I", nonce), 0, 0)
    start = [constants[0], *keys[:4], constants[1], *counter_and_nonce, constants[2], *keys[4:], constants[3]]
    words = list(start)

    def quarter_round(a: int, b: int, c: int, d: int) -> None:
        for target, left, right, shift in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18)):
            total = (words[left] + words[right]) & 0xFFFFFFFF
            words[target] ^= (total << shift & 0xFFFFFFFF) | total >> (32 - shift)

    for _ in range(10):
        for column in ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)):
            quarter_round(*column)
        for row in ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)):
            quarter_round(*row)
    return struct.pack("<16I", *((word + first) & 0xFFFFFFFF for word, first in zip(words, start, strict=True)))
