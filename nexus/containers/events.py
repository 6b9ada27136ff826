"""One event stream: a thread that reads it, reopens it when it ends, and tells an observer in the reactor's thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread
from typing import Any, Final

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from zope.interface import implementer

from nexus.container import ContainerEvent
from nexus.containers import answers
from nexus.containers.wires import Wires
from nexus.errors import EngineError, EngineUnreachableError
from nexus.interfaces import IContainerEventObserver, ISubscription

_RECONNECT_FIRST_S: Final = 0.1
_RECONNECT_MAX_S: Final = 5.0

_log = Logger()


@dataclass(frozen=True, kw_only=True)
class Feed:
    """One opening of the stream.

    :ivar since: where it begins, as the engine writes it.
    :ivar opened: called once the engine has answered.
    :ivar received: called with each message.
    """

    wires: Wires
    labels: Mapping[str, str]
    since: str
    opened: Callable[[], None]
    received: Callable[[Mapping[str, Any]], None]


Follow = Callable[[Feed], None]
"""Opens a feed and reads it, blocking. Returns when it was quiet for a while (whether it still lives can't be known
then), and raises `EngineError` when it could not be opened or was lost."""


class EventCursor:
    """How far a stream was read, so that reopening it neither loses nor repeats an event.

    :param began_at: where the stream begins.
    """

    def __init__(self, began_at: datetime) -> None:
        self._at_ns = int(began_at.timestamp()) * 10**9 + began_at.microsecond * 1000
        self._told: set[tuple[str, str]] = set()

    @property
    def since(self) -> str:
        """The engine's `since`: seconds and nanoseconds. It includes that very moment."""
        seconds, nanoseconds = divmod(self._at_ns, 10**9)
        return f"{seconds}.{nanoseconds:09d}"

    def accept(self, message: Mapping[str, Any]) -> ContainerEvent | None:
        """The event in `message`, unless it was told already or is of no interest."""
        event = answers.container_event(message)
        if event is None:
            return None
        at_ns, mark = message["timeNano"], (event.container_id, event.kind.value)
        if at_ns == self._at_ns and mark in self._told:
            return None
        if at_ns > self._at_ns:
            self._at_ns = at_ns
            self._told = set()
        if at_ns == self._at_ns:
            self._told.add(mark)
        return event


@implementer(ISubscription)
class EventStream:
    """A watch. The engine is asked for what happened since the watch began, however late it answers.

    The engine keeps only its last events (256 of all kinds, none over a restart of its own), so after every loss the
    observer is told to list again. A stream that was merely quiet is reopened without a word: that it can be reopened
    is the proof that the engine lives, and a stream that died in silence is healed by it.
    """

    def __init__(
        self,
        reactor: IReactorFromThreads,
        follow: Follow,
        labels: Mapping[str, str],
        observer: IContainerEventObserver,
        began_at: datetime,
    ) -> None:
        self._reactor = reactor
        self._follow = follow
        self._labels = dict(labels)
        self._observer = observer
        self._cursor = EventCursor(began_at)
        self._wires = Wires()
        self._closing = Event()
        self._was_open = False
        self._is_lost = False
        self._delay_s = _RECONNECT_FIRST_S
        self.thread: Final = Thread(target=self._run, name="nexus-docker-events", daemon=True)
        self.thread.start()

    def close(self) -> None:
        self._closing.set()
        self._wires.cut()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._follow(self._feed())
                self._delay_s = _RECONNECT_FIRST_S
            except EngineError as error:
                # Whoever watches lists too, and hears there of an engine that is not there from the beginning.
                was_never_there = not self._was_open and isinstance(error, EngineUnreachableError)
                if not self._is_lost and not was_never_there and not self._closing.is_set():
                    _log.warn("the engine's event stream is lost; reconnecting: {error}", error=error)
                self._pause()
            except Exception:
                # Whatever it is: a watch that ends without a word would be worse.
                _log.failure("the engine's event stream was not understood; reconnecting")
                self._pause()

    def _pause(self) -> None:
        """Remember the loss, and wait longer each time that nothing comes of reconnecting."""
        self._is_lost = True
        self._closing.wait(self._delay_s)
        self._delay_s = min(self._delay_s * 2, _RECONNECT_MAX_S)

    def _feed(self) -> Feed:
        return Feed(
            wires=self._wires,
            labels=self._labels,
            since=self._cursor.since,
            opened=self._opened,
            received=self._received,
        )

    def _opened(self) -> None:
        self._was_open = True
        if self._is_lost:
            self._is_lost = False
            _log.info("the engine's event stream is back")
            self._tell(self._observer.event_stream_restored)

    def _received(self, message: Mapping[str, Any]) -> None:
        event = self._cursor.accept(message)
        if event is not None:
            self._delay_s = _RECONNECT_FIRST_S
            self._tell(lambda: self._observer.container_event(event))

    def _tell(self, what: Callable[[], None]) -> None:
        def tell() -> None:
            if not self._closing.is_set():
                what()

        self._reactor.callFromThread(tell)
