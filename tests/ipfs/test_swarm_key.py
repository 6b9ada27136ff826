"""Swarm keys."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nexus.errors import InvalidError
from nexus.ipfs.swarm_key import check_swarm_key, generate_swarm_key, swarm_key_fingerprint
from nexus.secrets import Secret
from tests.ipfs.making import KEY_HEX, make_swarm_key

HEADER = "/key/swarm/psk/1.0.0/"


class CheckSwarmKeyTests(SynchronousTestCase):
    """`check_swarm_key`: which texts are swarm keys."""

    def assert_refused(self, text: str) -> InvalidError:
        error = self.assertRaises(InvalidError, check_swarm_key, text)
        assert isinstance(error, InvalidError)
        self.assertEqual(error.field, "swarm_key")
        return error

    def test_encodings(self) -> None:
        """The three encodings of one key, with or without a last line end, mean the same."""
        key = bytes.fromhex(KEY_HEX)
        for text in (
            f"{HEADER}\n/base16/\n{KEY_HEX}",
            f"{HEADER}\n/base16/\n{KEY_HEX.upper()}\n",
            f"{HEADER}\r\n/base16/\r\n{KEY_HEX}\r\n",
            f"{HEADER}\n/base64/\n{base64.b64encode(key).decode()}\n",
            f"{HEADER}\n/bin/\n{key.decode('latin-1')}",
            f"{HEADER}\n/bin/\n{key.decode('latin-1')}\n",
        ):
            self.assertEqual(check_swarm_key(text), make_swarm_key())

    def test_form(self) -> None:
        """What is kept is what go-libp2p reads: two header lines and 64 hexadecimal digits."""
        self.assertEqual(make_swarm_key().reveal(), f"{HEADER}\n/base16/\n{KEY_HEX}\n")

    def test_refused(self) -> None:
        """A wrong header, encoding or length is refused, too long as well as too short."""
        for text in (
            "",
            HEADER,
            KEY_HEX,
            f"/key/swarm/psk/2.0.0/\n/base16/\n{KEY_HEX}",
            f"{HEADER}\n/base32/\n{KEY_HEX}",
            f"{HEADER}\n/base16/\n{KEY_HEX[:-2]}",
            f"{HEADER}\n/base16/\n{KEY_HEX}00",
            f"{HEADER}\n/base16/\n{KEY_HEX[:-1]}",
            f"{HEADER}\n/base16/\n{KEY_HEX[:-1]}g",
            f"{HEADER}\n/base64/\n{KEY_HEX}",
            f"{HEADER}\n/base64/\n!{base64.b64encode(bytes(32)).decode()}",
            f"{HEADER}\n/bin/\n{'x' * 31}",
            f"{HEADER}\n/bin/\n{'x' * 33}",
            f"{HEADER}\n/bin/\n{'€' * 32}",
        ):
            self.assert_refused(text)

    def test_not_repeated(self) -> None:
        """An error repeats nothing of the key, nor does what it was raised from."""
        secret = "5ecre7" * 10
        for encoding in ("/base16/", "/base64/", "/bin/", f"/{secret}/"):
            error = self.assert_refused(f"{HEADER}\n{encoding}\n{secret}")
            self.assertNotIn(secret, str(error))
            self.assertIsNone(error.__cause__)
            self.assertTrue(error.__suppress_context__ or error.__context__ is None)

    @given(st.binary(min_size=32, max_size=32))
    def test_any_key(self, key: bytes) -> None:
        """Every 32 bytes are a key, and it survives being read again."""
        text = check_swarm_key(f"{HEADER}\n/bin/\n{key.decode('latin-1')}").reveal()
        self.assertEqual(text, f"{HEADER}\n/base16/\n{key.hex()}\n")
        self.assertEqual(check_swarm_key(text).reveal(), text)


class GenerateSwarmKeyTests(SynchronousTestCase):
    """`generate_swarm_key`."""

    def test_fresh(self) -> None:
        """Each is valid and like no other."""
        keys = {generate_swarm_key().reveal() for _ in range(50)}
        self.assertEqual(len(keys), 50)
        for text in keys:
            self.assertEqual(check_swarm_key(text).reveal(), text)


class FingerprintTests(SynchronousTestCase):
    """`swarm_key_fingerprint`."""

    def test_known(self) -> None:
        """It is what Kubo 0.43 printed for the same key (a functional test asks a running node, too)."""
        self.assertEqual(swarm_key_fingerprint(make_swarm_key()), "fd957768903569d239aaec7c59b359e3")

    def test_different(self) -> None:
        """Keys that differ in one bit have different fingerprints."""
        self.assertNotEqual(
            swarm_key_fingerprint(make_swarm_key("00" * 32)), swarm_key_fingerprint(make_swarm_key("00" * 31 + "01"))
        )

    def test_damaged(self) -> None:
        """What is no key has none."""
        self.assertRaises(InvalidError, swarm_key_fingerprint, Secret("nothing"))
