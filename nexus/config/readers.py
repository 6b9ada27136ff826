"""How one configured value is read: from what TOML gives or from an environment variable's text, to the type that
`nexus.config.sections` declares for it.

`reader_for` looks at a declared type and gives its `Reader`; nothing here knows any key by name.
"""

from __future__ import annotations

import difflib
import ipaddress
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from nexus.config.sections import TCPListen, UnixListen
from nexus.config.texts import (
    UnacceptableValueError,
    read_address,
    read_ip_network,
    read_listen,
    read_network_name,
    read_ports,
    read_subnet,
    read_tcp_listen,
)
from nexus.config.values import Between, IPNetwork, Matching, NetworkName, OneOf, Satisfying
from nexus.errors import InvalidError
from nexus.model import RESERVED_NAMES, Address, PortRange
from nexus.secrets import Secret

Constraint = Between | Matching | OneOf | Satisfying

_KIND_NAMES = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", list: "a list"}
_LISTEN_TCP = "ADDRESS:PORT with an IP address or `localhost` ([::1]:PORT for IPv6)"
_LISTEN_UNIX = "unix:/absolute/path"
_ADDRESS = "IP:PORT, never a host name ([::1]:5001 for IPv6)"


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the values of one declared type.

    :ivar kind: what TOML has to give: str, bool, int, float or list.
    :ivar allowed: what is acceptable, in words.
    :ivar convert: makes the value; raises `UnacceptableValueError`.
    :ivar secret: whether the value is a secret, which wants a file that nobody else can read.
    :ivar hidden: whether errors must not show the value; so for every secret.
    :ivar tables: reads the items of a list of tables.
    """

    kind: type[Any]
    allowed: str
    convert: Callable[[Any], Any]
    secret: bool = False
    hidden: bool = False
    tables: TableReader | None = None

    def read(self, value: object) -> Any:
        """The value that TOML's `value` stands for.

        :raises UnacceptableValueError: where it is none.
        """
        if self.kind is float and type(value) is int:
            value = float(value)
        if type(value) is not self.kind:
            raise UnacceptableValueError(f"{self.quote(value)} is not {_KIND_NAMES[self.kind]}")
        return self.convert(value)

    def read_text(self, text: str) -> Any:
        """The value that an environment variable's `text` stands for: lists are TOML arrays, or separated by commas.

        :raises UnacceptableValueError: where it is none.
        """
        if self.kind is list:
            return self.read(_split(text))
        if self.kind is bool:
            return self.read({"true": True, "false": False}.get(text.strip().lower(), text))
        if self.kind in (int, float):
            try:
                return self.read(self.kind(text))
            except ValueError:
                return self.read(text)
        return self.read(text)

    def secrets_in(self, value: object) -> Iterator[str]:
        """Where in TOML's `value` secrets are: the rest of each one's path, empty for `value` itself."""
        if self.secret:
            yield ""
        elif self.tables is not None and isinstance(value, list):
            for place, table in enumerate(value):
                for name in self.tables.secrets_in(table):
                    yield f"[{place}].{name}"

    def quote(self, value: object) -> str:
        """`value` for an error message; a secret is not shown."""
        if self.hidden:
            return "the value (not shown)"
        text = repr(value)
        return text if len(text) <= 100 else f"{text[:97]}..."


class TableReader:
    """Reads tables (objects, where they come from JSON) of one dataclass."""

    def __init__(self, kind: type[Any]) -> None:
        hints = get_type_hints(kind, include_extras=True)
        self._kind = kind
        self._readers = {item.name: reader_for(hints[item.name]) for item in fields(kind)}
        self._required = [item.name for item in fields(kind) if item.default is MISSING]

    @property
    def allowed(self) -> str:
        """The keys, in words."""
        return f"tables in double brackets ([[...]]), each with {', '.join(self._readers)}"

    def read(self, table: object) -> Any:
        """What `table` stands for.

        :raises UnacceptableValueError: where it is none; `within` begins with a dot and the key.
        """
        if type(table) is not dict:
            raise UnacceptableValueError("the value (not shown) is not a table", "", self.allowed)
        values = {}
        for name, value in table.items():
            reader = self._readers.get(name)
            if reader is None:
                raise UnacceptableValueError("is no key", f".{name}", self._nearest(name))
            try:
                values[name] = reader.read(value)
            except UnacceptableValueError as error:
                allowed = error.allowed or reader.allowed
                raise UnacceptableValueError(str(error), f".{name}{error.within}", allowed) from None
        for name in self._required:
            if name not in values:
                raise UnacceptableValueError("is missing", f".{name}", self._readers[name].allowed)
        try:
            return self._kind(**values)
        except InvalidError as error:
            raise UnacceptableValueError(error.problem, error.field and f".{error.field}", error.allowed) from None

    def secrets_in(self, table: object) -> list[str]:
        """The keys of `table` that hold secrets."""
        if not isinstance(table, dict):
            return []
        return [name for name in table if name in self._readers and self._readers[name].secret]

    def _nearest(self, name: str) -> str:
        nearest = difflib.get_close_matches(name, self._readers, 1)
        return f"{nearest[0]} is the nearest known name" if nearest else ", ".join(self._readers)


def reader_for(declared: Any) -> Reader:
    """The reader of a type as `nexus.config.sections` declares it.

    :raises TypeError: for a type that no reader is known for: a mistake in `nexus.config.sections`.
    """
    declared = _without_none(declared)
    if get_origin(declared) is Annotated:
        base, constraint = get_args(declared)
        return _constrained(reader_for(base), constraint)
    if get_origin(declared) is tuple:
        item = get_args(declared)[0]
        return _list_of(reader_for(item)) if is_value(item) else _list_of_tables(TableReader(item))
    if get_origin(declared) is frozenset:
        return _set_of(reader_for(get_args(declared)[0]))
    if get_origin(declared) in (Union, UnionType) and set(get_args(declared)) == {TCPListen, UnixListen}:
        return Reader(str, f"{_LISTEN_TCP}, or {_LISTEN_UNIX}", read_listen)
    if isinstance(declared, type) and issubclass(declared, StrEnum):
        words = OneOf(tuple(member.value for member in declared))
        plain = _constrained(_PLAIN[str], words)
        return Reader(str, plain.allowed, lambda text: declared(plain.convert(text)))
    if declared in _PLAIN:
        return _PLAIN[declared]
    raise TypeError(f"no reader for {declared!r}")


def is_value(declared: Any) -> bool:
    """Whether `declared` is read as one value, dataclass or not; otherwise it is a section."""
    return not is_dataclass(declared) or declared in _PLAIN


def _without_none(declared: Any) -> Any:
    if get_origin(declared) not in (Union, UnionType):
        return declared
    given = tuple(part for part in get_args(declared) if part is not NoneType)
    return given[0] if len(given) == 1 else Union[given]  # noqa: UP007 - the parts are not known here


def _constrained(plain: Reader, constraint: Constraint) -> Reader:
    def convert(value: Any) -> Any:
        converted = plain.convert(value)
        if not constraint.takes(value):
            raise UnacceptableValueError(f"{reader.quote(value)} is not acceptable")
        return converted

    words = constraint.allowed
    if isinstance(constraint, Between):
        words = f"{_KIND_NAMES[plain.kind]} {words}"
    hidden = plain.hidden or (isinstance(constraint, Matching) and constraint.hidden)
    reader = Reader(plain.kind, words, convert, plain.secret, hidden)
    return reader


def _list_of(item: Reader) -> Reader:
    def convert(values: list[object]) -> tuple[Any, ...]:
        if not values:
            raise UnacceptableValueError("the list is empty")
        read = tuple(item.read(value) for value in values)
        if len(set(read)) < len(read):
            raise UnacceptableValueError(f"{values!r} names one thing twice")
        return read

    return Reader(list, f"a list of one or more of: {item.allowed}", convert)


def _set_of(item: Reader) -> Reader:
    def convert(values: list[object]) -> frozenset[Any]:
        return frozenset(_each(item.read, values))

    return Reader(list, f"a list of: {item.allowed}", convert)


def _list_of_tables(item: TableReader) -> Reader:
    def convert(values: list[object]) -> tuple[Any, ...]:
        return tuple(_each(item.read, values))

    # The tables may hold secrets, so they are not shown where they are not even a list.
    return Reader(list, item.allowed, convert, hidden=True, tables=item)


def _each(read: Callable[[object], Any], values: list[object]) -> Iterator[Any]:
    for place, value in enumerate(values):
        try:
            yield read(value)
        except UnacceptableValueError as error:
            raise UnacceptableValueError(str(error), f"[{place}]{error.within}", error.allowed) from None


def _split(text: str) -> list[object]:
    if text.lstrip().startswith("["):
        try:
            parsed = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            pass  # `[::1]:8080` is an address, not an array
        else:
            if isinstance(parsed, list):
                return parsed
    return [part.strip() for part in text.split(",") if part.strip()]


_PLAIN: dict[Any, Reader] = {
    str: Reader(str, "a text", lambda text: text),
    bool: Reader(bool, "true or false", lambda value: value),
    int: Reader(int, "a whole number", lambda number: number),
    float: Reader(float, "a number", lambda number: number),
    Secret: Reader(str, "a text", Secret, secret=True, hidden=True),
    TCPListen: Reader(str, _LISTEN_TCP, read_tcp_listen),
    Address: Reader(str, _ADDRESS, read_address),
    NetworkName: Reader(
        str,
        f"1-63 characters of a-z, 0-9 and inner hyphens, but none of {', '.join(sorted(RESERVED_NAMES))}",
        read_network_name,
    ),
    ipaddress.IPv4Network: Reader(
        str, "a private IPv4 subnet from /12 to /28, without host bits, such as 10.213.0.0/20", read_subnet
    ),
    IPNetwork: Reader(str, "IP addresses: 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32, without host bits", read_ip_network),
    PortRange: Reader(str, "FIRST-LAST within 1-65535, such as 24000-24999", read_ports),
}
