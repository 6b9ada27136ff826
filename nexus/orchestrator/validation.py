"""What a request may put on record: each value checked, each error naming the field and place (`users[1]`). Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final

from nexus.errors import InvalidError, quoted
from nexus.messages import ResourcesChange
from nexus.model import USER_LENGTH_MAX, Resources, is_user_name

USERS_MAX: Final = 1000
ORIGINS_MAX: Final = 100

_ORIGIN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?\Z"
)
_ORIGIN_ALLOWED: Final = "scheme://host[:port] as browsers send it: lower-case, no path, no default port"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


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
        if not isinstance(origin, str) or not _is_origin(origin):
            raise InvalidError(f"api_allowed_origins[{place}]", f"{quoted(origin)} is not an origin", _ORIGIN_ALLOWED)
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


def _is_origin(text: str) -> bool:
    match = _ORIGIN.match(text)
    if match is None:
        return False
    if match["host"].startswith("["):
        try:
            ipaddress.IPv6Address(match["host"][1:-1])
        except ValueError:
            return False
    port = int(match["port"] or 0)
    return port <= 65535 and (port == 0 or _DEFAULT_PORTS.get(match["scheme"]) != port)
