"""One event per request, through `twisted.logger` in the namespace `nexus.edge.access`. No query string, no field's
value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

if TYPE_CHECKING:
    from nexus.model import Feature

_log = Logger(namespace="nexus.edge.access")

_FORMAT: Final = (
    "{client} {user} {method} {network}/{feature} {path} {status} in={bytes_in} out={bytes_out} "
    "first_byte_ms={first_byte_ms} duration_ms={duration_ms} {ended}"
)

PATH_BYTES_MAX: Final = 512
"""What is logged of a path; a longer one ends in `...`."""


def log_request(
    *,
    client: str,
    network: str | None,
    feature: Feature | None,
    user: str | None,
    method: bytes,
    target: bytes,
    status: int,
    bytes_in: int,
    bytes_out: int,
    duration_s: float,
    first_byte_s: float | None,
    ended: str,
) -> None:
    """Log how one request went.

    :param target: as the client sent it; its query is left out.
    :param status: what the client was answered; 0 if nothing.
    :param bytes_in: payload of the request's body, `bytes_out` of the response's.
    :param first_byte_s: from the request's head to the response's; None if nothing was answered.
    :param ended: `complete`, or who or what ended it.
    """
    _log.info(
        _FORMAT,
        client=client,
        network=network,
        feature=None if feature is None else feature.value,
        user=user,
        method=method.decode("latin-1"),
        path=_shortened(_path_of(target)).decode("latin-1"),
        status=status,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        duration_ms=round(duration_s * 1000, 3),
        first_byte_ms=None if first_byte_s is None else round(first_byte_s * 1000, 3),
        ended=ended,
    )


def _path_of(target: bytes) -> bytes:
    """Neither query nor authority: either could carry what no log may."""
    path = target.partition(b"?")[0]
    if path.startswith(b"/"):
        return path
    parts = path.split(b"/", 3)
    return b"/" + parts[3] if len(parts) == 4 else b"-"


def _shortened(path: bytes) -> bytes:
    return path if len(path) <= PATH_BYTES_MAX else path[: PATH_BYTES_MAX - 3] + b"..."
