"""Messages (`nexus.messages`) from and to JSON, strictly, with errors that name the field as the caller spells it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from difflib import get_close_matches
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from nexus.errors import InvalidError

T = TypeVar("T")

_TYPE_ERROR: Final = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`")
_MISSING: Final = re.compile(r"missing required field `(?P<name>[^`]*)`")
_PATH: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`\Z")
_JSON_WORDS: Final = {
    "str": "a text",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "array": "a list",
    "object": "an object",
    "null": "null",
}

_NAME_MAX: Final = 64
"""So much of an unknown name is told."""

# Members and items are kept as text: their numbers may be larger than any that Python's or msgspec's own types hold.
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def encode(message: object) -> bytes:
    """`message` as JSON: every field, times in ISO 8601, enumerations as their text."""
    return msgspec.json.encode(message)


def decode(kind: type[T], text: bytes) -> T:
    """The message that a peer of ours sent; members that it has and we do not know are ignored.

    :raises ValueError: when it is none.
    """
    return msgspec.json.decode(text, type=kind)


def decode_params(kind: type[T], params: bytes | None) -> T:
    """The request that `params` (JSON text of an object, or None) makes.

    :raises InvalidError: naming the field; for positional parameters, `params`.
    """
    text = params or b"{}"
    if text.startswith(b"["):
        if _decode_items(text):
            raise InvalidError("params", "parameters are given by name", "by name: " + _listed(names_of(kind)))
        text = b"{}"
    text = _without_nulls(kind, text)
    _check_names(kind, text, "")
    try:
        return msgspec.json.decode(text, type=kind, strict=True)
    except msgspec.ValidationError as error:
        raise _explain(kind, str(error)) from None


def names_of(kind: type) -> list[str]:
    """The names of a message's fields."""
    return [item.name for item in fields(kind)]


def types_of(kind: type) -> dict[str, Any]:
    """The types of a message's fields, by name."""
    hints = get_type_hints(kind)
    return {name: hints[name] for name in names_of(kind)}


def without_none(kind: Any) -> Any:
    """What `X | None` is apart from None; any other type itself."""
    if get_origin(kind) in (UnionType, Union):
        (kind,) = (option for option in get_args(kind) if option is not NoneType)
    return kind


def words_for(kind: Any) -> str:
    """A type as people read it (`list of texts`)."""
    kind = without_none(kind)
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return "list of texts" if item is str else "list of objects"
    if get_origin(kind) is dict:
        return "object"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " | ".join(str(option.value) for option in kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return "object"
    words = {str: "text", bool: "true | false", int: "whole number", float: "number", datetime: "time, ISO 8601"}
    return words[kind]


def nearest(name: str, known: Sequence[str]) -> str:
    """The known name that is nearest to `name`; where none is near, all of them."""
    close = get_close_matches(name.lower(), [item.lower() for item in known], 1)
    if close:
        return next(item for item in known if item.lower() == close[0])
    return _listed(known)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "no parameters"


def _without_nulls(kind: Any, text: bytes) -> bytes:
    """`text` without those members that are null and may be left out: it is the same."""
    optional = {
        item.name for item in fields(kind) if item.default is not MISSING or item.default_factory is not MISSING
    }
    members = _decode_members(text)
    return msgspec.json.encode(
        {name: item for name, item in members.items() if name not in optional or bytes(item) != b"null"}
    )


def _check_names(kind: Any, text: bytes, prefix: str) -> None:
    """msgspec ignores members that a dataclass lacks; a misspelt parameter must not be ignored."""
    kind = without_none(kind)
    if not (isinstance(kind, type) and is_dataclass(kind) and text.startswith(b"{")):
        return
    types = types_of(kind)
    for name, item in _decode_members(text).items():
        if name not in types:
            raise InvalidError(
                f"{prefix}{name[:_NAME_MAX]}", "there is no such parameter", nearest(name[:_NAME_MAX], list(types))
            )
        _check_names(types[name], bytes(item), f"{prefix}{name}.")


def _explain(kind: type, problem: str) -> InvalidError:
    """msgspec's sentence as ours. tests/control/test_wire.py holds it to msgspec's wording."""
    path = match["path"] if (match := _PATH.search(problem)) else ""
    path = path.replace("[...]", "")
    if match := _MISSING.search(problem):
        field = f"{path}.{match['name']}" if path else match["name"]
        return InvalidError(field, "is missing", words_for(types_of(kind).get(field, str)))
    if match := _TYPE_ERROR.search(problem):
        wanted = " or ".join(_JSON_WORDS.get(word, word) for word in match["wanted"].split(" | ") if word != "null")
        return InvalidError(path or "params", f"is {_JSON_WORDS.get(match['got'], match['got'])}", wanted)
    return InvalidError(path or "params", problem.partition(" - at ")[0], "a value of its type")
