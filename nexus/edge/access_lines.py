"""The lines of the access log: what is remembered of a request, and how it reads, as text or as JSON.

No line holds a query string, an authority or any field's value. What a client can choose of a line is visible ASCII,
everything else `\\xNN`: nobody writes a second line, or a second column.
"""

from __future__ import annotations

import re
from json.encoder import encode_basestring_ascii as _quoted
from time import gmtime, strftime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nexus.model import Feature

PATH_BYTES_MAX: Final = 512
"""What is logged of a path; a longer one ends in `...`."""

Record = tuple[float, str, "str | None", bytes, str, "Feature | None", bytes, int, int, int, "float | None", float, str]
"""How a request went: when it ended (seconds since the epoch), the client's address, user, method, network (empty if
none), feature, target as the client sent it, status (0 if nothing was answered), payload of the request's body and of
the response's in bytes, seconds from the request's head to the response's (None if nothing was answered) and to its
end, and `complete` or who or what ended it."""

_UNSAFE: Final = re.compile(r"[^!-\[\]-~]")


def text_lines(records: Sequence[Record]) -> list[str]:
    """One line for each, in columns between spaces. What there is not is `-`."""
    lines = []
    moment, safe = _moments(), _Safe()
    for (
        at,
        client,
        user,
        method,
        network,
        feature,
        target,
        status,
        taken,
        given,
        first_byte_s,
        lasted_s,
        end,
    ) in records:
        first_byte_ms = "-" if first_byte_s is None else f"{first_byte_s * 1000:.3f}"
        lines.append(
            f"{moment(at)} {safe[client]} {_safe_user(user, safe)} {safe[method]} "
            f"{network or '-'}/{feature or '-'} {_path_of(target)} {status} in={taken} out={given} "
            f"first_byte_ms={first_byte_ms} duration_ms={lasted_s * 1000:.3f} {end}"
        )
    return lines


def json_lines(records: Sequence[Record]) -> list[str]:
    """One object for each. What there is not is null; method and path read as in text."""
    lines = []
    moment, safe = _moments(), _Safe()
    for (
        at,
        client,
        user,
        method,
        network,
        feature,
        target,
        status,
        taken,
        given,
        first_byte_s,
        lasted_s,
        end,
    ) in records:
        first_byte_ms = "null" if first_byte_s is None else f"{first_byte_s * 1000:.3f}"
        lines.append(
            f'{{"time":"{moment(at)}","client":{_quoted(client)},"user":{_quoted_or_null(user)},'
            f'"method":{_quoted(safe[method])},"network":{_quoted_or_null(network or None)},'
            f'"feature":{_quoted_or_null(feature)},"path":{_quoted(_path_of(target))},"status":{status},'
            f'"bytes_in":{taken},"bytes_out":{given},"first_byte_ms":{first_byte_ms},'
            f'"duration_ms":{lasted_s * 1000:.3f},"ended":"{end}"}}'
        )
    return lines


def _moments() -> Callable[[float], str]:
    """Writes moments (RFC 3339, UTC, milliseconds); quickly where many are of one second."""
    last, beginning = -1, ""

    def moment(at: float) -> str:
        nonlocal last, beginning
        second, millisecond = divmod(int(at * 1000), 1000)
        if second != last:
            last, beginning = second, strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        return f"{beginning}.{millisecond:03d}Z"

    return moment


def _path_of(target: bytes) -> str:
    """Neither query nor authority: either could carry what no log may."""
    path = target.partition(b"?")[0]
    if not path.startswith(b"/"):
        parts = path.split(b"/", 3)
        path = b"/" + parts[3] if len(parts) == 4 else b"-"
    if len(path) > PATH_BYTES_MAX:
        path = path[: PATH_BYTES_MAX - 3] + b"..."
    return _safe(path.decode("latin-1"))


def _safe_user(user: str | None, safe: _Safe) -> str:
    if user is None:
        return "-"
    # So one may be called, but not be taken for nobody.
    return r"\x2d" if user == "-" else safe[user]


class _Safe(dict[str | bytes, str]):
    """Columns that occur again and again in a batch, by what they are of."""

    def __missing__(self, value: str | bytes) -> str:
        safe = self[value] = _safe(value if isinstance(value, str) else value.decode("latin-1"))
        return safe


def _safe(text: str) -> str:
    return _UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def _quoted_or_null(text: str | None) -> str:
    return "null" if text is None else _quoted(text)
