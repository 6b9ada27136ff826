"""Files as tar archives, made in memory, the way the engine takes them (`PUT /containers/{id}/archive`). Pure."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Sequence

from nexus.container import FileAsset


def directories_of(files: Sequence[FileAsset]) -> dict[str, list[FileAsset]]:
    """The files by the directory that they lie in, in the order given."""
    grouped: dict[str, list[FileAsset]] = {}
    for file in files:
        grouped.setdefault(posixpath.dirname(posixpath.normpath(file.path)), []).append(file)
    return grouped


def archive(files: Sequence[FileAsset], base: str) -> bytes:
    """A tar of `files`, their names relative to the directory `base`.

    The directories between `base` and a file are entries of their own, owned as the first file below them and passable
    to its owner. `base` itself is none: unpacking an entry for a directory that exists would change its owner and mode.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        made: set[str] = set()
        for file in files:
            name = posixpath.relpath(posixpath.normpath(file.path), base)
            for parent in _parents(name):
                if parent not in made:
                    made.add(parent)
                    tar.addfile(_entry(parent, file, mode=0o755, kind=tarfile.DIRTYPE))
            entry = _entry(name, file, mode=file.mode, kind=tarfile.REGTYPE)
            entry.size = len(file.content)
            tar.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: length + 1]) for length in range(len(parts))]


def _entry(name: str, owner: FileAsset, *, mode: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.mode = mode
    entry.uid = owner.uid
    entry.gid = owner.gid
    return entry
