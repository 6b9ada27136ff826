"""Finds the configuration file, lays the environment over it, and makes a `Config` of both.

The keys are `nexus.config.sections`'s dataclasses themselves: a field added there can be configured at once.
"""

from __future__ import annotations

import difflib
import os
import shlex
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Final, get_type_hints

from nexus.config.checks import problems
from nexus.config.readers import Reader, is_value, reader_for
from nexus.config.sections import Config
from nexus.config.texts import UnacceptableValueError
from nexus.errors import ConfigError, InvalidError

PATH_VARIABLE: Final = "NEXUS_CONFIG"
PREFIX: Final = "NEXUS_"
SEARCHED: Final = ("nexus.toml", "/etc/nexus/nexus.toml")

_FOUND_IN_FILE: Final = "source"  # the one field of Config that is no key


@dataclass(frozen=True, slots=True)
class Key:
    """One key that can be configured.

    :ivar path: as errors spell it (`edge.listen`).
    :ivar required: whether there is no default.
    """

    path: str
    reader: Reader
    required: bool

    @property
    def variable(self) -> str:
        """The environment variable of the same meaning."""
        return PREFIX + self.path.upper().replace(".", "__")


def locate(option: str | None, environ: Mapping[str, str]) -> Path:
    """The file to read: `option`, else $NEXUS_CONFIG, else the first of `SEARCHED` that is there.

    :raises ConfigError: where there is none.
    """
    if option is not None:
        return Path(option)
    if environ.get(PATH_VARIABLE):
        return Path(environ[PATH_VARIABLE])
    for candidate in SEARCHED:
        if Path(candidate).exists():
            return Path(candidate)
    raise ConfigError(
        "no configuration",
        "",
        f"there is no {' and no '.join(SEARCHED)}",
        f"--config PATH, ${PATH_VARIABLE}, or what `nexus init` writes",
    )


def load(option: str | None, environ: Mapping[str, str]) -> Config:
    """The configuration of the file that `locate` finds, overlaid by `environ`.

    :raises ConfigError: naming file or variable, key, value (secrets excepted) and what is allowed.
    """
    path = locate(option, environ)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    _read_file(path, values, sources)
    _read_environment(environ, values, sources)
    for key in keys():
        if key.required and key.path not in values:
            raise ConfigError(str(path), key.path, "is missing", key.reader.allowed)
    try:
        config: Config = _make(Config, "", values | {_FOUND_IN_FILE: os.path.abspath(path)})
    except InvalidError as error:
        raise ConfigError(sources.get(error.field, str(path)), error.field, error.problem, error.allowed) from None
    for key_path, problem, allowed in problems(config):
        raise ConfigError(sources.get(key_path.partition("[")[0], str(path)), key_path, problem, allowed)
    return config


def keys() -> list[Key]:
    """Every key, in the order of `nexus.config.sections`."""
    return list(_keys_of(Config, ""))


def _keys_of(section: type[Any], prefix: str) -> Iterator[Key]:
    hints = get_type_hints(section, include_extras=True)
    for item in fields(section):
        path = f"{prefix}{item.name}"
        declared = hints[item.name]
        if path == _FOUND_IN_FILE:
            continue
        if is_value(declared):
            required = item.default is MISSING and item.default_factory is MISSING
            yield Key(path, reader_for(declared), required)
        else:
            yield from _keys_of(declared, f"{path}.")


def _make(section: Any, prefix: str, values: Mapping[str, Any]) -> Any:
    hints = get_type_hints(section)
    given: dict[str, Any] = {}
    for item in fields(section):
        path = f"{prefix}{item.name}"
        if not is_value(hints[item.name]):
            given[item.name] = _make(hints[item.name], f"{path}.", values)
        elif path in values:
            given[item.name] = values[path]
    return section(**given)


def _read_file(path: Path, values: dict[str, Any], sources: dict[str, str]) -> None:
    source = str(path)
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            document = tomllib.loads(file.read().decode())
    except OSError as error:
        raise ConfigError(source, "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(source, "", "is not UTF-8 text") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(source, "", f"is not TOML: {error}") from None
    known = {key.path: key for key in keys()}
    for key_path, value in _flatten(document, "", {path.rpartition(".")[0] for path in known}):
        key = known.get(key_path)
        if key is None:
            raise _unknown_key(source, key_path, value, list(known))
        for within in key.reader.secrets_in(value):
            check_privacy(path, mode, key_path + within)
        values[key_path] = _read_value(source, key, value, key.reader.read)
        sources[key_path] = source


def check_privacy(path: Path, mode: int, key_path: str, source: str = "") -> None:
    """To be called for each secret that is found in the file at `path`.

    :param mode: the file's permissions.
    :param source: where it is, if that can be said more closely than by the path.
    :raises ConfigError: where others than its owner can read it.
    """
    if mode & 0o077:
        raise ConfigError(
            source or str(path),
            key_path,
            f"is a secret in a file that others can read (mode {mode:04o})",
            f"chmod 600 {shlex.quote(str(path))}",
        )


def _flatten(table: Mapping[str, Any], prefix: str, sections: set[str]) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and path in sections:
            yield from _flatten(value, f"{path}.", sections)
        else:
            yield path, value


def _read_environment(environ: Mapping[str, str], values: dict[str, Any], sources: dict[str, str]) -> None:
    known = {key.variable: key for key in keys()}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable == PATH_VARIABLE:
            continue
        key = known.get(variable)
        if key is not None:
            source = f"environment variable {variable}"
            values[key.path] = _read_value(source, key, text, key.reader.read_text)
            sources[key.path] = source
            continue
        # A name without `__` may be another program's (NEXUS_HOME), unless it is nearly one of ours.
        nearest = difflib.get_close_matches(variable, known, 1, 0.6 if "__" in variable else 0.85)
        if "__" in variable or nearest:
            raise ConfigError(f"environment variable {variable}", "", "is no key of Nexus's", _did_you_mean(nearest))


def _read_value(source: str, key: Key, value: Any, read: Any) -> Any:
    try:
        return read(value)
    except UnacceptableValueError as error:
        raise ConfigError(source, key.path + error.within, str(error), error.allowed or key.reader.allowed) from None


def _unknown_key(source: str, path: str, value: object, known: list[str]) -> ConfigError:
    what = "is no section" if isinstance(value, dict) else "is no key"
    candidates = sorted({key.rpartition(".")[0] for key in known} - {""}) if isinstance(value, dict) else known
    section, _, name = path.rpartition(".")
    siblings = {key.rpartition(".")[2]: key for key in candidates if key.rpartition(".")[0] == section}
    same_name = [key for key in candidates if key.rpartition(".")[2] == name]
    nearest = [siblings[near] for near in difflib.get_close_matches(name, siblings, 1)]
    return ConfigError(
        source, path, what, _did_you_mean(nearest or same_name or difflib.get_close_matches(path, candidates, 1))
    )


def _did_you_mean(nearest: list[str]) -> str:
    return f"{nearest[0]} is the nearest known name" if nearest else "the names in docs/configuration.md"
