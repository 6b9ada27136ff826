"""The static networks: those of `edge.static`, and those of `edge.static_file`, which holds one JSON object a line.

A line's keys, and what they may be, are those of an `[[edge.static]]` table. Whoever only wants the configuration's
keys need not read the file, which may be long.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import msgspec

from nexus.config.file import check_privacy
from nexus.config.readers import TableReader, UnacceptableValueError
from nexus.config.sections import Config, StaticNetwork
from nexus.errors import ConfigError

_KEY: Final = "edge.static_file"


def read_static_networks(config: Config) -> list[StaticNetwork]:
    """All static networks, each name once.

    :raises ConfigError: naming the file, the line (`networks.jsonl:3`) and the key.
    """
    networks = list(config.edge.static)
    if config.edge.static_file is not None:
        places = {str(network.name): f"edge.static[{place}]" for place, network in enumerate(networks)}
        networks += _read_lines(config.source, Path(config.edge.static_file), places)
    return networks


def _read_lines(config_source: str, path: Path, places: dict[str, str]) -> list[StaticNetwork]:
    """The networks of the file at `path`.

    :param places: where the networks that are known already stand, by name; added to.
    """
    table_reader = TableReader(StaticNetwork)
    networks = []
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
                first = places.setdefault(network.name, source)
                if first is not source:
                    problem = f"{network.name!r} is the name of {first} too"
                    raise ConfigError(source, "name", problem, "a name of its own for each network")
                networks.append(network)
    except OSError as error:
        raise ConfigError(config_source, _KEY, f"'{path}' cannot be read: {error.strerror}") from None
    return networks


def _read_line(source: str, line: bytes, table_reader: TableReader) -> StaticNetwork:
    try:
        table = msgspec.json.decode(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(source, "", f"is not JSON: {error}", "one JSON object on each line") from None
    try:
        network: StaticNetwork = table_reader.read(table)
    except UnacceptableValueError as error:
        raise ConfigError(source, error.within.removeprefix("."), str(error), error.allowed) from None
    return network
