"""Bootstrap peers."""

from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from nexus.errors import InvalidError
from nexus.ipfs.multiaddr import check_bootstrap_peers, is_peer_id
from tests.ipfs.making import PEER

RSA_PEER = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"


class CheckBootstrapPeersTests(SynchronousTestCase):
    """`check_bootstrap_peers`: what a private network's node can dial."""

    def test_dialled(self) -> None:
        """TCP and WebSocket addresses by IP or name pass as they are."""
        addresses = tuple(
            f"{address}/p2p/{PEER}"
            for address in (
                "/ip4/198.51.100.1/tcp/4001",
                "/ip6/2001:db8::1/tcp/4001",
                "/dns/peer.example/tcp/4001",
                "/dns4/peer.example.com/tcp/443/tls/ws",
                "/dns6/peer/tcp/443/wss",
                "/ip4/198.51.100.1/tcp/8081/ws",
                "/dnsaddr/peers.example",
            )
        )
        self.assertEqual(check_bootstrap_peers(addresses), addresses)

    def test_long(self) -> None:
        """An error echoes the beginning of what was sent, however long that is."""
        for address in ("x" * 10**6, "/x" * 10**6, f"/ip4/198.51.100.1/tcp/4001/p2p/{'x' * 10**6}"):
            error = self.assertRaises(InvalidError, check_bootstrap_peers, [address])
            self.assertLess(len(str(error)), 400)

    def test_none(self) -> None:
        """There need not be any."""
        self.assertEqual(check_bootstrap_peers([]), ())

    def test_refused(self) -> None:
        """What is no such address is refused: UDP, relays, ports out of range, broken names, things after the peer."""
        for address in (
            "",
            "198.51.100.1:4001",
            f"/ip4/198.51.100.1/udp/4001/quic-v1/p2p/{PEER}",
            "/ip4/198.51.100.1/tcp/4001",
            f"/p2p/{PEER}",
            f"/ip4/198.51.100.256/tcp/4001/p2p/{PEER}",
            f"/ip4/2001:db8::1/tcp/4001/p2p/{PEER}",
            f"/ip6/fe80::1%eth0/tcp/4001/p2p/{PEER}",
            f"/ip4/198.51.100.1/tcp/0/p2p/{PEER}",
            f"/ip4/198.51.100.1/tcp/04001/p2p/{PEER}",
            f"/ip4/198.51.100.1/tcp/65536/p2p/{PEER}",
            f"/ip4/198.51.100.1/tcp/\N{FULLWIDTH DIGIT FOUR}001/p2p/{PEER}",
            f"/ip4/198.51.100.1/tcp/4001/http/p2p/{PEER}",
            f"/ip4/198.51.100.1/tcp/4001/p2p/{PEER}/p2p-circuit",
            f"/ip4/198.51.100.1/tcp/4001/p2p/{PEER}/",
            f"/ip4/198.51.100.1/tcp/4001/p2p/{PEER}\n",
            f"/dns4/-peer-.example/tcp/4001/p2p/{PEER}",
            f"/dns4/peer..example/tcp/4001/p2p/{PEER}",
            f"/dns4//tcp/4001/p2p/{PEER}",
            f"/dns4/{'a' * 64}/tcp/4001/p2p/{PEER}",
            f"/unix/tmp/tcp/4001/p2p/{PEER}",
        ):
            self.assertRaises(InvalidError, check_bootstrap_peers, [address])

    def test_place(self) -> None:
        """An error names the place of the one at fault."""
        good = f"/ip4/198.51.100.1/tcp/4001/p2p/{PEER}"
        error = self.assertRaises(InvalidError, check_bootstrap_peers, [good, good, "no"])
        assert isinstance(error, InvalidError)
        self.assertEqual(error.field, "bootstrap_peers[2]")

    def test_not_text(self) -> None:
        """What is not even text is refused like the rest."""
        self.assertRaises(InvalidError, check_bootstrap_peers, [5])

    def test_too_many(self) -> None:
        """There is a limit to how many."""
        error = self.assertRaises(InvalidError, check_bootstrap_peers, [f"/ip4/198.51.100.1/tcp/4001/p2p/{PEER}"] * 65)
        assert isinstance(error, InvalidError)
        self.assertEqual(error.field, "bootstrap_peers")


class PeerIdTests(SynchronousTestCase):
    """`is_peer_id`."""

    def test_forms(self) -> None:
        """Multihashes in base58 and CIDs of codec libp2p-key are peer ids, for Ed25519 and RSA keys."""
        for text in (
            PEER,
            RSA_PEER,
            "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe",
            "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8",
        ):
            self.assertTrue(is_peer_id(text), text)

    def test_refused(self) -> None:
        """Content CIDs, other lengths and other alphabets are none."""
        for text in (
            "",
            "1",
            "Qm",
            PEER[:-1],
            PEER + "1",
            PEER.replace("W", "0"),
            RSA_PEER[:-1],
            "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
            "BAFZBEIE5745RPV2M6TJYUUGYWY4D5EWRQGQQHFNF445HE3OMZPJBX5XQXE",
            "1" * 1000,
        ):
            self.assertFalse(is_peer_id(text), text)

    def test_any_key_kind(self) -> None:
        """A Secp256k1 key's id is one, and an identity hash of anything else is not."""
        secp256k1 = bytes((0x01, 0x72, 0x00, 37, 8, 2, 0x12, 33)) + bytes(33)
        anything = bytes((0x01, 0x72, 0x00, 5)) + b"hello"
        for raw, expected in ((secp256k1, True), (anything, False)):
            text = "b" + base64.b32encode(raw).decode().lower().rstrip("=")
            self.assertEqual(is_peer_id(text), expected)
