"""Files, as the archive that the engine unpacks."""

from __future__ import annotations

import io
import tarfile

from twisted.trial.unittest import SynchronousTestCase

from nexus.container import FileAsset
from nexus.containers.archive import archive, parents


class ArchiveTests(SynchronousTestCase):
    """The archive's entries."""

    def test_parents(self) -> None:
        """The directories above a file are told from the nearest up, without the root."""
        self.assertEqual(list(parents("/a/b/c")), ["/a/b", "/a"])
        self.assertEqual(list(parents("/a//./b/c")), ["/a/b", "/a"])
        self.assertEqual(list(parents("/c")), [])

    def test_entries(self) -> None:
        """Missing directories come before what lies in them, once, owned as it; those that are there are no entries."""
        files = (
            FileAsset(path="/data/new/deep/one", content=b"1", mode=0o400, uid=1000, gid=100),
            FileAsset(path="/data/new/two", content=b"22", mode=0o755, uid=5),
            FileAsset(path="/data/three", content=b""),
        )
        with tarfile.open(fileobj=io.BytesIO(archive(files, {"/data/new", "/data/new/deep"}))) as tar:
            entries = [(entry.name, entry.isdir(), entry.mode, entry.uid, entry.gid, entry.size) for entry in tar]
            self.assertEqual(
                entries,
                [
                    ("data/new", True, 0o755, 1000, 100, 0),
                    ("data/new/deep", True, 0o755, 1000, 100, 0),
                    ("data/new/deep/one", False, 0o400, 1000, 100, 1),
                    ("data/new/two", False, 0o755, 5, 0, 2),
                    ("data/three", False, 0o400, 0, 0, 0),
                ],
            )
            content = tar.extractfile("data/new/two")
            assert content is not None
            self.assertEqual(content.read(), b"22")
