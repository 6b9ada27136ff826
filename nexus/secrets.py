"""A secret that cannot be printed by accident: it leaves this wrapper only by `reveal`."""

from __future__ import annotations

import hmac
import secrets as _random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that must reach no log, repr, error or diagnostic.

    Equality is constant-time, so a secret can be compared with what a stranger sent.
    """

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """The text itself. Every call is a place to review."""
        return self._value

    def matches(self, candidate: str) -> bool:
        """Whether `candidate` is this secret, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(self._value.encode(), candidate.encode("utf-8", "surrogateescape"))

    def __repr__(self) -> str:
        return "Secret(...)"

    def __str__(self) -> str:
        return "(secret)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._value)

    def __hash__(self) -> int:
        return hash(self._value)


def generate_secret(entropy_bytes: int = 32) -> Secret:
    """A fresh random secret of URL-safe characters, with `entropy_bytes` bytes of entropy."""
    return Secret(_random.token_urlsafe(entropy_bytes))
