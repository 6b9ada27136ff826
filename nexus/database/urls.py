"""Which database a URL means."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twisted.internet.interfaces import IReactorFromThreads

from nexus.coroutines import returns_deferred
from nexus.database.sqlite import SQLiteNetworks, check_records
from nexus.errors import ConfigError
from nexus.interfaces import INetworks

_CHECK_BUSY_TIMEOUT_S: Final = 5.0


def sqlite_path(url: str, source: str = "configuration") -> Path:
    """The absolute path that `url` names: all that follows `sqlite://`, taken literally.

    :param source: where `url` was read, for the error.
    :raises ConfigError: for `database.url`; it shows the scheme at most, since a URL may carry a password.
    """
    scheme, separator, path = url.partition("://")
    if scheme in ("postgresql", "postgres"):
        raise ConfigError(source, "database.url", "PostgreSQL comes with a later version", "sqlite:///absolute/path")
    if scheme != "sqlite" or not separator:
        raise ConfigError(
            source,
            "database.url",
            f"{scheme if separator else 'what is there'!r} is no known database",
            "sqlite:///absolute/path",
        )
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ConfigError(
            source, "database.url", f"{path!r} is not the absolute path of a file", "sqlite:///absolute/path"
        )
    return Path(path)


def check_database(url: str, source: str = "configuration") -> None:
    """Make the database at `url`, or bring its schema up to date, read its records, and let go of it. Blocks.

    :raises ConfigError: as `sqlite_path` says.
    :raises DatabaseError: where it cannot be opened, or a record cannot be read.
    """
    check_records(sqlite_path(url, source), _CHECK_BUSY_TIMEOUT_S)


@returns_deferred
async def open_networks(url: str, reactor: IReactorFromThreads, source: str = "configuration") -> INetworks:
    """The records at `url`, ready to use: the file is open and its schema up to date.

    :raises ConfigError: as `sqlite_path` says.
    :raises DatabaseError: where it cannot be opened; nothing is left running.
    """
    networks = SQLiteNetworks(sqlite_path(url, source), reactor)
    try:
        await networks.open()
    except BaseException:
        await networks.close()
        raise
    return networks
