"""Pipes: reused where they are empty, bounded, never leaked."""

from __future__ import annotations

import errno
import fcntl
import os

from twisted.trial.unittest import SynchronousTestCase

from nexus.edge.pipes import PIPE_BYTES, PIPES_MAX, PipePool


class PipePoolTests(SynchronousTestCase):
    """What the pool gives and takes."""

    def setUp(self) -> None:
        self.pool = PipePool()
        self.before = self.descriptors()

    def descriptors(self) -> int:
        """How many this process has open."""
        return len(os.listdir("/proc/self/fd"))

    def test_large_and_nonblocking(self) -> None:
        """A pipe is large, waits for nobody, and is closed where another program is executed."""
        pipe = self.pool.take()
        assert pipe is not None
        self.addCleanup(pipe.close)
        self.assertEqual(fcntl.fcntl(pipe.writer, fcntl.F_GETPIPE_SZ), PIPE_BYTES)
        self.assertFalse(os.get_blocking(pipe.reader) or os.get_blocking(pipe.writer))
        self.assertFalse(os.get_inheritable(pipe.reader) or os.get_inheritable(pipe.writer))

    def test_reused(self) -> None:
        """An empty one is kept for the next."""
        pipe = self.pool.take()
        assert pipe is not None
        self.pool.give_back(pipe)
        self.assertIs(self.pool.take(), pipe)
        pipe.close()

    def test_never_with_bytes(self) -> None:
        """One with bytes in it is closed: they are somebody's."""
        pipe = self.pool.take()
        assert pipe is not None
        os.write(pipe.writer, b"secret")
        pipe.held_bytes = 6
        self.pool.give_back(pipe)
        self.assertEqual((self.pool.open_count, self.descriptors()), (0, self.before))

    def test_bounded(self) -> None:
        """There are never more than so many, and few are kept."""
        pipes = [self.pool.take() for _ in range(PIPES_MAX)]
        self.assertIsNone(self.pool.take())
        for pipe in pipes:
            assert pipe is not None
            self.pool.give_back(pipe)
        self.assertLessEqual(len(self.pool.idle), 16)
        self.assertEqual(self.pool.open_count, len(self.pool.idle))
        self.pool.close()
        self.assertEqual((self.pool.open_count, self.descriptors()), (0, self.before))

    def test_refused(self) -> None:
        """Where the kernel gives none, or no large one, there is none, and nothing is left open."""

        def refuse(*_: object) -> int:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        for owner, name in ((fcntl, "fcntl"), (os, "pipe2")):
            self.patch(owner, name, refuse)
            self.assertIsNone(self.pool.take())
            self.assertEqual((self.pool.open_count, self.descriptors()), (0, self.before))

    def test_closed(self) -> None:
        """A closed pool keeps nothing that comes back."""
        pipe = self.pool.take()
        assert pipe is not None
        self.pool.close()
        self.pool.give_back(pipe)
        self.assertEqual((self.pool.open_count, self.descriptors()), (0, self.before))
