"""Bytes moved from one socket to another inside the kernel (splice(2)), without ever being Python's.

A splice borrows the two sockets from their transports: the source's is paused, the sink's has written all that it had.
Its bytes are in the source, in a pipe, or in the sink, and nowhere else:

    source readable -> moving (source -> pipe -> sink) -> source empty: wait for it
                                                       -> sink full: wait for it, with what is in the pipe
    over: all moved, or the source's end, or no pipe (what comes next is its transport's to read); lost; stopped

The sockets are watched by two epoll sets of the splicer's own, one for each side, which the reactor watches: it would
take no descriptor twice, and uvloop forgets one on which an error is pending. Splices share the reactor with
everybody: each moves so much in a turn, the less, the more of them there are.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor, ISSLTransport, ITCPTransport
from zope.interface import implementer

from nexus.edge.pipes import PipePool

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from nexus.edge.pipes import Pipe
    from nexus.edge.transport import StreamTransport

TURN_BYTES_MAX: Final = 1024 * 1024
TURN_BYTES_MIN: Final = 128 * 1024
ALL_TURNS_BYTES: Final = 8 * 1024 * 1024
"""What one splice moves in a turn at most; at least; and what all of them do together (some 2 ms)."""

_CANNOT: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EPERM})
"""What a kernel says that does not splice these sockets. Nothing has been moved then."""


class Side(Enum):
    """An end of a splice."""

    SOURCE = auto()
    SINK = auto()


class Producer(Protocol):
    """Who writes to a transport: `IPushProducer`, as far as it is called."""

    def pauseProducing(self) -> None:
        """The peer takes no more for now."""

    def resumeProducing(self) -> None:
        """The peer takes bytes again."""


class SpliceUser(NamedTuple):
    """Who is told of a splice. Each call may stop it.

    :ivar producer: the sink's, paused and resumed as its transport would.
    :ivar moved: so many bytes more are with the sink's kernel.
    :ivar ended: it is over, in order: all is moved, or what comes next is for the source's transport to read.
    :ivar lost: it is over: that side was reset.
    """

    producer: Producer
    moved: Callable[[int], None]
    ended: Callable[[], None]
    lost: Callable[[Side], None]


class Splicing(Protocol):
    """A splice, as long as it is not over."""

    def stop(self) -> None:
        """Let go of everything at once, bytes too. Nobody is told."""


class Splicer(Protocol):
    """Who can splice."""

    def splice(
        self, source: StreamTransport, sink: StreamTransport, length: int | None, user: SpliceUser
    ) -> Splicing | None:
        """Begin to move `length` bytes (None: all) from `source`, which is paused, to `sink`, which has nothing left
        to write. Nobody is told anything before this returns. Whoever asked stops it as soon as either connection is
        closed or reset.

        None where these two cannot be spliced.
        """

    def close(self) -> None:
        """Splice no more."""


def kernel_splicer(reactor: Any) -> KernelSplicer | None:
    """What splices here; None on a platform, or a reactor, that cannot."""
    return KernelSplicer(reactor) if sys.platform == "linux" and IReactorFDSet.providedBy(reactor) else None


class KernelSplicer:
    """Splices plain TCP connections.

    :ivar pipes: those that the bytes go through.
    :ivar sources: sockets whose bytes are awaited, and `sinks` those in which room is.
    :ivar open_count: how many splices there are.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.pipes = PipePool()
        self.sources = WatchedSockets(reactor, select.EPOLLIN)
        self.sinks = WatchedSockets(reactor, select.EPOLLOUT)
        self.open_count = 0

    def splice(
        self, source: StreamTransport, sink: StreamTransport, length: int | None, user: SpliceUser
    ) -> Splicing | None:
        """See `Splicer.splice`."""
        if not (_is_plain_tcp(source) and _is_plain_tcp(sink)):
            return None
        handles: list[Any] = [transport.getHandle() for transport in (source, sink)]  # type: ignore[attr-defined]
        return KernelSplice(self, handles[0].fileno(), handles[1].fileno(), length, user)

    def close(self) -> None:
        """See `Splicer.close`."""
        self.sources.close()
        self.sinks.close()
        self.pipes.close()

    def turn_bytes(self) -> int:
        """What one splice may move now before the others have their turn."""
        return max(TURN_BYTES_MIN, min(TURN_BYTES_MAX, ALL_TURNS_BYTES // self.open_count))


class KernelSplice:
    """One splice.

    :param source: the descriptor that bytes come from, as `sink` is the one that they go to.
    """

    __slots__ = ("_is_held", "_left", "_pipe", "_sink", "_source", "_splicer", "_user")

    def __init__(self, splicer: KernelSplicer, source: int, sink: int, length: int | None, user: SpliceUser) -> None:
        self._splicer = splicer
        self._source = source
        self._sink = sink
        self._left = length
        self._user: SpliceUser | None = user
        self._pipe: Pipe | None = None
        self._is_held = False
        splicer.open_count += 1
        splicer.sources.watch(source, self)

    def stop(self) -> None:
        """See `Splicing.stop`."""
        if self._user is None:
            return
        self._user = None
        splicer = self._splicer
        splicer.open_count -= 1
        if self._is_held:
            splicer.sinks.forget(self._sink)
        else:
            splicer.sources.forget(self._source)
        if self._pipe is not None:
            splicer.pipes.give_back(self._pipe)
            self._pipe = None

    def ready(self) -> None:
        """What was waited for is there: bytes of the source or, while the pipe holds some, room in the sink."""
        pipe = self._pipe
        if pipe is None:
            pipe = self._fill()
        if pipe is not None:
            self._empty(pipe)

    def _fill(self) -> Pipe | None:
        """A pipe with a turn's worth of the source's bytes; None where there are none."""
        splicer = self._splicer
        pipe = splicer.pipes.take()
        if pipe is None:
            self._end()
            return None
        count = splicer.turn_bytes()
        if self._left is not None and self._left < count:
            count = self._left
        self._pipe = pipe
        try:
            entered = os.splice(self._source, pipe.writer, count, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            self._pipe = None
            splicer.pipes.give_back(pipe)
            return None
        except OSError as error:
            if error.errno in _CANNOT:
                self._end()
            else:
                self._lose(Side.SOURCE)
            return None
        if entered == 0:
            self._end()
            return None
        pipe.held_bytes = entered
        if self._left is not None:
            self._left -= entered
        return pipe

    def _empty(self, pipe: Pipe) -> None:
        """Give the sink what is in the pipe, or what it takes of that."""
        before = pipe.held_bytes
        try:
            while pipe.held_bytes:
                pipe.held_bytes -= os.splice(
                    pipe.reader, self._sink, pipe.held_bytes, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
                )
        except BlockingIOError:
            pass
        except OSError:
            self._lose(Side.SINK)
            return
        if not pipe.held_bytes:
            self._pipe = None
            self._splicer.pipes.give_back(pipe)
        if pipe.held_bytes < before and self._user is not None:
            self._user.moved(before - pipe.held_bytes)
        if self._user is not None and self._is_held is not bool(pipe.held_bytes):
            self._hold(not self._is_held)
        if self._user is not None and self._left == 0 and self._pipe is None:
            self._end()

    def _hold(self, is_held: bool) -> None:
        """Wait for the sink, or for the source again."""
        splicer = self._splicer
        self._is_held = is_held
        if is_held:
            splicer.sources.forget(self._source)
            splicer.sinks.watch(self._sink, self)
        else:
            splicer.sinks.forget(self._sink)
            splicer.sources.watch(self._source, self)
        user = self._user
        if user is not None and is_held:
            user.producer.pauseProducing()
        elif user is not None:
            user.producer.resumeProducing()

    def _end(self) -> None:
        user = self._user
        self.stop()
        if user is not None:
            user.ended()

    def _lose(self, side: Side) -> None:
        user = self._user
        self.stop()
        if user is not None:
            user.lost(side)


@implementer(IReadDescriptor)
class WatchedSockets:
    """Sockets on which one kind of event is awaited, as one descriptor of the reactor's.

    :param event: the epoll event.
    """

    def __init__(self, reactor: Any, event: int) -> None:
        self._reactor = reactor
        self._event = event
        self._epoll = select.epoll()
        self._splices: dict[int, KernelSplice] = {}

    def watch(self, descriptor: int, splice: KernelSplice) -> None:
        """Tell `splice` whenever the event is there, or an error."""
        self._epoll.register(descriptor, self._event)
        if not self._splices:
            self._reactor.addReader(self)
        self._splices[descriptor] = splice

    def forget(self, descriptor: int) -> None:
        """Tell nobody of it any more. It may have been closed meanwhile."""
        del self._splices[descriptor]
        with contextlib.suppress(OSError):
            self._epoll.unregister(descriptor)
        if not self._splices:
            self._reactor.removeReader(self)

    def close(self) -> None:
        """Watch nothing any more."""
        if self._splices:
            self._splices.clear()
            self._reactor.removeReader(self)
        self._epoll.close()

    def fileno(self) -> int:
        """See `IFileDescriptor.fileno`."""
        return self._epoll.fileno()

    def doRead(self) -> None:
        """See `IReadDescriptor.doRead`."""
        for descriptor, _ in self._epoll.poll(0):
            splice = self._splices.get(descriptor)
            if splice is not None:
                splice.ready()

    def connectionLost(self, reason: Failure) -> None:
        """See `IFileDescriptor.connectionLost`. It has none."""

    def logPrefix(self) -> str:
        """See `ILoggingContext.logPrefix`."""
        return "splice"


def _is_plain_tcp(transport: object) -> bool:
    return ITCPTransport.providedBy(transport) and not ISSLTransport.providedBy(transport)
