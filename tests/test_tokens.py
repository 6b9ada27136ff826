"""Access tokens: what verifies, what does not, what is remembered."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nexus.config.sections import JWTConfig
from nexus.secrets import Secret
from nexus.tokens import InvalidTokenError, NoSigningKeyError, TokenVerifier, issue_token

SECRET = Secret("s" * 64)
DOMAIN = "nexus.example"


def make_pem_pair(key: Any) -> tuple[str, str]:
    """The private and the public key as PEM texts."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


KEYS = {
    "RS256": make_pem_pair(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "ES256": make_pem_pair(ec.generate_private_key(ec.SECP256R1())),
    "EdDSA": make_pem_pair(ed25519.Ed25519PrivateKey.generate()),
}


def user_of(verifier: TokenVerifier, token: str) -> str:
    """Who `token` speaks for."""
    return verifier.verify(token.encode())[0]


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A token with an empty signature."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, ""])


class TokenTests(SynchronousTestCase):
    """What the edge may rely on."""

    def setUp(self) -> None:
        """A clock that starts at 1,000 s."""
        self.clock = Clock()
        self.clock.advance(1000)

    def make_verifier(
        self, config: JWTConfig | None = None, secret: Secret | None = SECRET, **more: Any
    ) -> TokenVerifier:
        """A verifier for DOMAIN."""
        return TokenVerifier(config or JWTConfig(), secret, self.clock.seconds, DOMAIN, **more)

    def make_token(self, *, key: str = SECRET.reveal(), algorithm: str = "HS256", **claims: Any) -> str:
        """A good token, but for `claims` (None removes one)."""
        merged = {"sub": "ann", "exp": 1060, "aud": DOMAIN} | claims
        return jwt.encode({k: v for k, v in merged.items() if v is not None}, key, algorithm=algorithm)

    def assert_refused(self, token: str, verifier: TokenVerifier | None = None) -> None:
        """`token` proves nothing, and the error quotes nothing of it."""
        error = self.assertRaises(
            InvalidTokenError, (verifier or self.make_verifier()).verify, token.encode("utf-8", "surrogateescape")
        )
        if token:
            self.assertNotIn(token, str(error))
        self.assertNotIn(SECRET.reveal(), str(error))

    def test_good(self) -> None:
        """A good token names its user."""
        self.assertEqual(user_of(self.make_verifier(), self.make_token()), "ann")

    def test_bad_tokens(self) -> None:
        """Whatever is wrong with a token, it is refused."""
        claims = {"sub": "ann", "exp": 1060, "aud": DOMAIN}
        bad: dict[str, str] = {
            "empty": "",
            "no token": "hello",
            "three dots": "...",
            "not ASCII": "é.é.é",
            "lone surrogate": "\udcff.a.b",
            "other secret": self.make_token(key="t" * 64),
            "alg none": unsigned({"alg": "none"}, claims),
            "alg None": unsigned({"alg": "None"}, claims),
            "alg missing": unsigned({}, claims),
            "alg a list": unsigned({"alg": ["HS256"]}, claims),
            "algorithm not configured": self.make_token(algorithm="HS512"),
            "expired": self.make_token(exp=999),
            "expires now": self.make_token(exp=1000),
            "no exp": self.make_token(exp=None),
            "exp a string": self.make_token(exp="tomorrow"),
            "exp a boolean": self.make_token(exp=True),
            "exp infinite number of digits": self.make_token(exp=10**400),
            "not valid yet": self.make_token(nbf=1001),
            "other audience": self.make_token(aud="elsewhere.example"),
            "no audience": self.make_token(aud=None),
            "no user": self.make_token(sub=None),
            "empty user": self.make_token(sub=""),
            "user a number": jwt.encode(claims | {"uid": 7, "sub": None}, SECRET.reveal(), algorithm="HS256"),
            "user with a line break": self.make_token(sub="ann\nbob"),
            "very long user": self.make_token(sub="a" * 300),
            "too long": self.make_token(padding="p" * 10_000),
        }
        for name, token in bad.items():
            with self.subTest(name):
                self.assert_refused(token)

    def test_key_confusion(self) -> None:
        """A public key is never taken as an HMAC secret (RFC 8725 section 2.1)."""
        _, public = KEYS["RS256"]
        verifier = self.make_verifier(JWTConfig(algorithms=("RS256",), public_key=public), None)
        header = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode()
        self.assert_refused(f"{header}.{self.make_token().split('.', 1)[1]}", verifier)

    def test_asymmetric(self) -> None:
        """RS256, ES256 and EdDSA are checked with the public key alone."""
        for algorithm, (private, public) in KEYS.items():
            with self.subTest(algorithm):
                verifier = self.make_verifier(JWTConfig(algorithms=(algorithm,), public_key=public), None)
                self.assertEqual(user_of(verifier, self.make_token(key=private, algorithm=algorithm)), "ann")
                self.assert_refused(self.make_token(), verifier)

    def test_hs512(self) -> None:
        """HS512 is accepted where it is configured."""
        verifier = self.make_verifier(JWTConfig(algorithms=("HS512", "HS256")))
        self.assertEqual(user_of(verifier, self.make_token(algorithm="HS512")), "ann")
        self.assertEqual(user_of(verifier, self.make_token(algorithm="HS256")), "ann")

    def test_configured_audience_and_claim(self) -> None:
        """Audience and user claim are configurable; an empty audience turns that check off."""
        verifier = self.make_verifier(JWTConfig(audience="platform", user_claim="email"))
        self.assertEqual(user_of(verifier, self.make_token(aud=["x", "platform"], email="a@b.example")), "a@b.example")
        unchecked = self.make_verifier(JWTConfig(audience=""))
        self.assertEqual(user_of(unchecked, self.make_token(aud=None)), "ann")
        self.assertEqual(user_of(unchecked, self.make_token(aud="elsewhere")), "ann")

    def test_leeway(self) -> None:
        """Clocks may differ by the configured leeway."""
        verifier = self.make_verifier(JWTConfig(leeway_s=5))
        self.assertEqual(user_of(verifier, self.make_token(exp=996)), "ann")
        self.assertEqual(user_of(verifier, self.make_token(nbf=1005)), "ann")
        self.assert_refused(self.make_token(exp=995), verifier)

    def test_remembered_until_it_expires(self) -> None:
        """A verified token is good until its time is over, and not a moment longer."""
        verifier = self.make_verifier()
        token = self.make_token()
        for _ in range(59):
            self.assertEqual(user_of(verifier, token), "ann")
            self.clock.advance(1)
        self.assertEqual(user_of(verifier, token), "ann")
        self.clock.advance(1)
        self.assert_refused(token, verifier)
        self.assert_refused(token, verifier)

    def test_memory_is_bounded(self) -> None:
        """However many tokens come, few are remembered, and all still verify."""
        verifier = self.make_verifier(cache_max=2)
        tokens = [self.make_token(sub=f"user{number}") for number in range(5)]
        for number in (0, 1, 2, 3, 4, 0):
            self.assertEqual(user_of(verifier, tokens[number]), f"user{number}")
        self.assertEqual(len(verifier._cache), 2)

    def test_issued_tokens_verify(self) -> None:
        """What Nexus issues, Nexus accepts: for each algorithm."""
        configs = [(JWTConfig(algorithms=(name,)), SECRET) for name in ("HS256", "HS512")] + [
            (JWTConfig(algorithms=(name,), public_key=public, private_key=Secret(private)), None)
            for name, (private, public) in KEYS.items()
        ]
        for config, secret in configs:
            token = issue_token(
                config, secret, user="ann", lifetime_s=60, default_audience=DOMAIN, now=self.clock.seconds()
            )
            self.assertEqual(user_of(self.make_verifier(config, secret), token), "ann")

    def test_no_signing_key(self) -> None:
        """Without the key that signs, the error names what is missing."""
        for config, key in (
            (JWTConfig(), "secrets.jwt"),
            (JWTConfig(algorithms=("EdDSA",), public_key=KEYS["EdDSA"][1]), "jwt.private_key"),
        ):
            error = self.assertRaises(
                NoSigningKeyError, issue_token, config, None, user="a", lifetime_s=1, default_audience=DOMAIN, now=0
            )
            self.assertIn(key, str(error))

    def test_no_key_at_all(self) -> None:
        """A verifier without keys refuses everything."""
        self.assert_refused(self.make_token(), self.make_verifier(secret=None))
