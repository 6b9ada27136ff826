"""The static networks: those of `edge.static`, and those of `edge.static_file`, which holds one JSON object a line.

A line's keys, and what they may be, are those of an `[[edge.static]]` table. Whoever only wants the configuration's
keys need not read the file, which may be long.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nexus.config.file import check_privacy
from nexus.config.readers import TableReader
from nexus.config.sections import Config, StaticNetwork
from nexus.config.texts import UnacceptableValueError
from nexus.config.values import NetworkName
from nexus.errors import ConfigError, quoted

_KEY: Final = "edge.static_file"
_ALLOWED: Final = "one JSON object on each line"


def read_static_networks(config: Config) -> Iterator[StaticNetwork]:
    """All static networks, each name once; one by one, since there may be very many.

    :raises ConfigError: on the way, naming the file, the line (`networks.jsonl:3`) and the key.
    """
    yield from config.edge.static
    if config.edge.static_file is not None:
        lines = {network.name: -place for place, network in enumerate(config.edge.static)}
        yield from _read_lines(config.source, Path(config.edge.static_file), lines)


def _read_lines(config_source: str, path: Path, lines: dict[NetworkName, int]) -> Iterator[StaticNetwork]:
    """The networks of the file at `path`.

    :param lines: where each name stands: its line, or, not above 0, its place in `edge.static`; added to.
    """
    table_reader = TableReader(StaticNetwork)
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            for number, line in enumerate(file, 1):
                if line.isspace():
                    continue
                source = f"{path}:{number}"
                network = _read_line(source, line, table_reader)
                if network.rpc_bearer is not None:
                    check_privacy(path, mode, "rpc_bearer", source)
                first = lines.setdefault(network.name, number)
                if first != number:
                    place = f"{path}:{first}" if first > 0 else f"edge.static[{-first}] in {config_source}"
                    problem = f"{network.name!r} is the name of {place} too"
                    raise ConfigError(source, "name", problem, "a name of its own for each network")
                yield network
    except OSError as error:
        raise ConfigError(config_source, _KEY, f"'{path}' cannot be read: {error.strerror}") from None


def _read_line(source: str, line: bytes, table_reader: TableReader) -> StaticNetwork:
    try:
        table = _decode(line.decode().strip())
    except json.JSONDecodeError as error:
        raise ConfigError(source, "", f"is not JSON: {error.msg} at column {error.colno}", _ALLOWED) from None
    except UnicodeDecodeError:
        raise ConfigError(source, "", "is not UTF-8 text", _ALLOWED) from None
    except RecursionError:
        raise ConfigError(source, "", "is nested too deep", _ALLOWED) from None
    except UnacceptableValueError as error:
        raise ConfigError(source, "", str(error), "each key once") from None
    if not isinstance(table, dict):
        raise ConfigError(source, "", "is not an object", _ALLOWED)
    try:
        network: StaticNetwork = table_reader.read(table)
    except UnacceptableValueError as error:
        raise ConfigError(source, error.within.removeprefix("."), str(error), error.allowed) from None
    return network


def _members_once(members: list[tuple[str, object]]) -> dict[str, object]:
    """An object without names that come twice: of two `users`, which would be meant? (RFC 7493 section 2.3)"""
    table = dict(members)
    if len(table) < len(members):
        twice = next(name for place, (name, _) in enumerate(members) if name in dict(members[:place]))
        raise UnacceptableValueError(f"{quoted(twice)} is there twice")
    return table


_decode = json.JSONDecoder(object_pairs_hook=_members_once).decode
