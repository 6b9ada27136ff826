"""`nexus ctl METHOD name=value ...`: what is typed, read by the method's declared types, and the methods told in words.

Names match in any case and without regard to `_` and `-`, so that `StartNetwork Network=demo`, the original's spelling,
works as `start_network network=demo` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args

import msgspec

from nexus.control import wire
from nexus.control.methods import METHODS, Method
from nexus.errors import InvalidError


def find_method(name: str) -> Method:
    """The method that `name` spells.

    :raises InvalidError: for the field `method`, with the nearest name.
    """
    for method in METHODS.values():
        if _plain(method.name) == _plain(name):
            return method
    raise InvalidError("method", f"there is no method {name!r}", wire.nearest(name.replace("_", ""), list(METHODS)))


def decode_arguments(method: str, arguments: Mapping[str, str]) -> Any:
    """The request that `arguments` make: an instance of the method's request type (`nexus.messages`).

    A parameter that is a text takes its value literally, any other takes JSON (`users=["alice"]`, `remove=true`,
    `resources={"cpus": 2}`); a part of an object can be named by itself (`resources.cpus=2`).

    :raises InvalidError: for a method, parameter or value that is not known or not fit, naming it.
    """
    request = find_method(method).request
    values: dict[str, Any] = {}
    for spelling, text in arguments.items():
        _set(request, values, spelling.split("."), text, "")
    return wire.decode_params(request, msgspec.json.encode(values))


def encode_answer(answer: object, *, pretty: bool = False) -> str:
    """An answer as JSON text, as it came over the wire, or with indentation."""
    text = wire.encode(answer)
    return (msgspec.json.format(text, indent=2) if pretty else text).decode()


def describe(method: str | None = None) -> str:
    """A method with its parameters and its answer, or, without one, all methods; text for a terminal.

    :raises InvalidError: for the field `method`.
    """
    if method is None:
        return "\n".join(_columns((item.name, item.summary) for item in METHODS.values()))
    found = find_method(method)
    usage = [f"{name}=..." if is_required else f"[{name}=...]" for name, is_required in _parameters(found.request)]
    return "\n".join(
        [
            " ".join([found.name, *usage]),
            "",
            found.documentation,
            "",
            f"Parameters: {_told(found.request)}",
            *_columns(_rows(found.request, tells_null=False)),
            "",
            f"Answer: {_told(found.answer)}",
            *_columns(_rows(found.answer, tells_null=True)),
        ]
    )


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _set(kind: type, values: dict[str, Any], path: list[str], text: str, prefix: str) -> None:
    """Put one argument into `values`, which become the JSON text of a `kind`."""
    types = wire.types_of(kind)
    name = next((name for name in types if _plain(name) == _plain(path[0])), None)
    if name is None:
        raise InvalidError(f"{prefix}{path[0]}", "there is no such parameter", wire.nearest(path[0], list(types)))
    inner = wire.without_none(types[name])
    full = f"{prefix}{name}"
    if len(path) > 1:
        if not is_dataclass(inner) or not isinstance(inner, type):
            raise InvalidError(full, "has no parts", _words_and_example(inner))
        part = values.setdefault(name, {})
        if not isinstance(part, dict):
            raise InvalidError(full, "is given twice", "once")
        _set(inner, part, path[1:], text, f"{full}.")
        return
    if name in values:
        raise InvalidError(full, "is given twice", "once")
    values[name] = text if inner is str else _read_json(full, inner, text)


def _read_json(name: str, kind: Any, text: str) -> msgspec.Raw:
    try:
        return msgspec.json.decode(text, type=msgspec.Raw)
    except ValueError:
        raise InvalidError(name, f"{text!r} is not JSON", _words_and_example(kind)) from None


def _words_and_example(kind: Any) -> str:
    """What a parameter of this type takes (`list of texts, as ["alice", "bob"]`)."""
    example = {str: "demo", bool: "true", float: "2", int: "2"}.get(kind, '["alice", "bob"]')
    if is_dataclass(kind):
        example = '{"cpus": 2}'
    return f"{wire.words_for(kind)}, as {example}"


def _parameters(kind: type) -> Iterator[tuple[str, bool]]:
    """Names, and whether each must be given."""
    for item in fields(kind):
        yield item.name, item.default is MISSING and item.default_factory is MISSING


def _rows(kind: type, *, tells_null: bool, prefix: str = "") -> Iterator[tuple[str, str]]:
    """A message's fields and what they hold, those of messages in it indented."""
    for name, declared in wire.types_of(kind).items():
        inner = wire.without_none(declared)
        yield prefix + name, wire.words_for(inner) + (" | null" if tells_null and inner is not declared else "")
        item = next(iter(get_args(inner)), inner)
        if isinstance(item, type) and is_dataclass(item):
            yield from _rows(item, tells_null=tells_null, prefix=prefix + "  ")


def _columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:{width}}  {words}" for name, words in rows]


def _told(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())
