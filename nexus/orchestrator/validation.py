"""What a request may put on record: each value checked, each error naming the field and place (`users[1]`). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final

from nexus.errors import InvalidError, quoted
from nexus.messages import ResourcesChange
from nexus.model import ORIGIN_ALLOWED, USER_LENGTH_MAX, Resources, is_origin, is_user_name

USERS_MAX: Final = 1000
ORIGINS_MAX: Final = 100


def check_users(users: Sequence[str]) -> frozenset[str]:
    """`users` if each can be a token's user claim.

    :raises InvalidError: for `users` or `users[place]`.
    """
    _check_count("users", users, USERS_MAX)
    for place, user in enumerate(users):
        if not isinstance(user, str) or not is_user_name(user):
            raise InvalidError(
                f"users[{place}]",
                f"{quoted(user)} is not a user name",
                f"1-{USER_LENGTH_MAX} printable characters",
            )
    return frozenset(users)


def check_origins(origins: Sequence[str]) -> frozenset[str]:
    """`origins` if each is a serialised origin (RFC 6454, section 6.2) that a browser can send.

    :raises InvalidError: for `api_allowed_origins` or `api_allowed_origins[place]`.
    """
    _check_count("api_allowed_origins", origins, ORIGINS_MAX)
    for place, origin in enumerate(origins):
        if not isinstance(origin, str) or not is_origin(origin):
            raise InvalidError(f"api_allowed_origins[{place}]", f"{quoted(origin)} is not an origin", ORIGIN_ALLOWED)
    return frozenset(origins)


def merge_resources(present: Resources, change: ResourcesChange | None) -> Resources:
    """`present` with the figures that `change` gives.

    :raises InvalidError: for `resources.<field>`.
    """
    if change is None:
        return present
    return replace(present, **{name: value for name, value in asdict(change).items() if value is not None})


def _check_count(field: str, values: Sequence[str], most: int) -> None:
    if isinstance(values, str) or len(values) > most:
        raise InvalidError(
            field, "it is a text" if isinstance(values, str) else f"{len(values)} entries", f"a list of at most {most}"
        )
