"""Files as one tar archive, made in memory, the way the engine takes them (`PUT /containers/{id}/archive`). Pure."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Collection, Iterator, Sequence

from nexus.container import FileAsset


def parents(path: str) -> Iterator[str]:
    """The directories that the absolute `path` lies in, the nearest first, without the root."""
    parent = posixpath.dirname(posixpath.normpath(path))
    while parent.strip("/"):
        yield parent
        parent = posixpath.dirname(parent)


def archive(files: Sequence[FileAsset], missing: Collection[str]) -> bytes:
    """A tar of `files`, to be unpacked at the root.

    :param missing: directories that are not there yet. They become entries of their own, owned as the first file below
        them. The others must not be entries: unpacking one would change a directory's owner and mode.
    """
    buffer = io.BytesIO()
    made: set[str] = set()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            for parent in reversed([parent for parent in parents(file.path) if parent in missing]):
                if parent not in made:
                    made.add(parent)
                    tar.addfile(_entry(parent, file, mode=0o755, kind=tarfile.DIRTYPE))
            entry = _entry(file.path, file, mode=file.mode, kind=tarfile.REGTYPE)
            entry.size = len(file.content)
            tar.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()


def _entry(path: str, owner: FileAsset, *, mode: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(posixpath.normpath(path).lstrip("/"))
    entry.type = kind
    entry.mode = mode
    entry.uid = owner.uid
    entry.gid = owner.gid
    return entry
