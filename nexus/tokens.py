"""Access tokens: a bearer JWT (RFC 7519) in, the user's name out. Algorithms are pinned by the configuration.

Verified tokens are remembered until they expire, so that a client's second request costs a dictionary look-up.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import jwt

from nexus.errors import NexusError
from nexus.model import is_user_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexus.config.sections import JWTConfig
    from nexus.secrets import Secret

HMAC_ALGORITHMS: Final = frozenset({"HS256", "HS512"})
"""Those that sign and verify with one secret; the others have a pair of keys."""

TOKEN_BYTES_MAX: Final = 8192

Verified = tuple[str, float]
"""A user, and until when a token speaks for them, in seconds since the epoch."""


class InvalidTokenError(NexusError):
    """A token that proves nothing. The message says why, and quotes nothing of the token."""


class NoSigningKeyError(NexusError):
    """Nexus can check tokens but not issue them: it has no signing key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no signing key: set {key}")
        self.field = key


class TokenVerifier:
    """Checks tokens: signature by a pinned algorithm, `exp` (required), `nbf`, `aud`, and the user claim.

    :param secret: the HMAC secret, needed where `config.algorithms` holds an HS algorithm.
    :param clock: seconds since the epoch; tokens expire by it.
    :param default_audience: what `aud` must hold where the configuration does not name another.
    :param cache_max: how many verified tokens are remembered; the least recently used go first.
    """

    def __init__(
        self,
        config: JWTConfig,
        secret: Secret | None,
        clock: Callable[[], float],
        default_audience: str,
        cache_max: int = 10_000,
    ) -> None:
        self._keys: dict[str, str] = {}
        for algorithm in config.algorithms:
            if algorithm in HMAC_ALGORITHMS:
                if secret is not None:
                    self._keys[algorithm] = secret.reveal()
            elif config.public_key is not None:
                self._keys[algorithm] = config.public_key
        self._audience = audience_of(config, default_audience)
        self._user_claim = config.user_claim
        self._leeway_s = config.leeway_s
        self._clock = clock
        self._cache: OrderedDict[bytes, Verified] = OrderedDict()
        self._cache_max = cache_max

    def is_good(self, verified: Verified) -> bool:
        """Whether a token that was verified has not expired."""
        return self._clock() < verified[1]

    def verify(self, token: bytes) -> Verified:
        """The user that `token` speaks for, and until when.

        :raises InvalidTokenError: whenever it does not verify, whatever is wrong with it.
        """
        if len(token) > TOKEN_BYTES_MAX:
            raise InvalidTokenError("the token is too long")
        # The digest, not the token, so that a memory dump of the cache holds nothing that could be replayed.
        digest = sha256(token).digest()
        known = self._cache.get(digest)
        if known is None:
            known = self._verify_afresh(token)
            self._cache[digest] = known
            if len(self._cache) > self._cache_max:
                self._cache.popitem(last=False)
            return known
        if self._clock() >= known[1]:
            del self._cache[digest]
            raise InvalidTokenError("the token has expired")
        self._cache.move_to_end(digest)
        return known

    def _verify_afresh(self, token: bytes) -> Verified:
        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
            key = self._keys.get(algorithm) if isinstance(algorithm, str) else None
            if key is None or not isinstance(algorithm, str):
                raise InvalidTokenError("the token's algorithm is not accepted")
            # A key is only ever tried with the one algorithm that it was configured for (RFC 8725 section 3.1).
            # Times are checked below, by our clock.
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                options={
                    "require": ["exp"] if self._audience is None else ["exp", "aud"],
                    "verify_aud": self._audience is not None,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, UnicodeError, RecursionError) as error:
            raise InvalidTokenError(f"the token does not verify ({type(error).__name__})") from None
        expires_at = _numeric_date(claims, "exp") + self._leeway_s
        now = self._clock()
        if now >= expires_at:
            raise InvalidTokenError("the token has expired")
        if "nbf" in claims and now + self._leeway_s < _numeric_date(claims, "nbf"):
            raise InvalidTokenError("the token is not valid yet")
        user = claims.get(self._user_claim)
        if not isinstance(user, str) or not is_user_name(user):
            raise InvalidTokenError(f"the token's claim {self._user_claim!r} names no user")
        return user, expires_at


def _numeric_date(claims: dict[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidTokenError(f"the token's claim {name!r} is not a time")
    try:
        number = float(value)
    except OverflowError:
        raise InvalidTokenError(f"the token's claim {name!r} is not a time") from None
    if math.isnan(number):  # it compares as false with everything, and would never expire
        raise InvalidTokenError(f"the token's claim {name!r} is not a time")
    return number


def audience_of(config: JWTConfig, default_audience: str) -> str | None:
    """What a token's `aud` must hold: the configured audience, else the domain; None where the check is off (`""`)."""
    if config.audience is None:
        return default_audience
    return config.audience or None


def issue_token(
    config: JWTConfig, secret: Secret | None, *, user: str, lifetime_s: float, default_audience: str, now: float
) -> str:
    """A token for `user` that expires `lifetime_s` seconds after `now` (seconds since the epoch).

    Signed by the first configured algorithm.

    :raises NoSigningKeyError: without the key that this algorithm signs with.
    """
    algorithm = config.algorithms[0]
    if algorithm in HMAC_ALGORITHMS:
        if secret is None:
            raise NoSigningKeyError("secrets.jwt")
        key = secret.reveal()
    else:
        if config.private_key is None:
            raise NoSigningKeyError("jwt.private_key")
        key = config.private_key.reveal()
    claims: dict[str, Any] = {config.user_claim: user, "iat": int(now), "exp": int(now + lifetime_s)}
    audience = audience_of(config, default_audience)
    if audience is not None:
        claims["aud"] = audience
    return jwt.encode(claims, key, algorithm=algorithm)
