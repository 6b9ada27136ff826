"""SIGHUP: the access log's file is opened anew, and the static networks are read anew. All other keys of the
configuration take effect at a restart."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Cooperator, SchedulerStopped
from twisted.logger import Logger

from nexus.config.file import load
from nexus.config.static_file import read_static_networks
from nexus.errors import NexusError
from nexus.static_networks import replace_static_networks

if TYPE_CHECKING:
    from nexus.registry import Registry

_SLICE_S: Final = 0.002
"""So long at most the reactor is kept from requests at a time."""

log = Logger()


class ReloadService(Service):
    """Puts into the registry what `edge.static` and `edge.static_file` say now, each time that the process gets SIGHUP.
    Before it calls `reopen_log`.

    It is done bit by bit, so that requests go on however many networks there are. What cannot be used is told in one
    line of the log, and changes nothing.

    :param source: the configuration file.
    """

    def __init__(self, reactor: Any, source: str, registry: Registry, reopen_log: Callable[[], None]) -> None:
        self._reactor = reactor
        self._source = source
        self._registry = registry
        self._reopen_log = reopen_log
        self._cooperator = Cooperator(
            terminationPredicateFactory=self._begin_slice, scheduler=lambda step: reactor.callLater(0, step)
        )
        self._previous: Any = None
        self._is_reloading = False
        self._again = False

    def startService(self) -> None:
        """Listen to the signal."""
        super().startService()  # type: ignore[no-untyped-call]
        self._previous = signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._hang_up))

    def stopService(self) -> None:
        """Listen no more, and leave off where it is at it."""
        super().stopService()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGHUP, self._previous)
        self._cooperator.stop()

    def _hang_up(self) -> None:
        self._reopen_log()
        self.reload()

    def reload(self) -> None:
        """Read and route. Where that is under way, once more after it."""
        if self._is_reloading:
            self._again = True
            return
        self._is_reloading = True
        Deferred.fromCoroutine(self._reload()).addErrback(
            lambda failure: log.failure("the static networks could not be read anew", failure)
        ).addBoth(self._reloaded)

    def _reloaded(self, _: None) -> None:
        self._is_reloading = False
        if self._again:
            self._again = False
            self.reload()

    async def _reload(self) -> None:
        # Looking for garbage among 100,000 new routes would stop the loop for 0.1 s, more than once; and they stay.
        gc.collect()
        gc.disable()
        try:
            await self._cooperator.cooperate(self._steps()).whenDone()
        except NexusError as error:
            log.error("the static networks stay as they are: {error}", error=error)
        except SchedulerStopped:
            log.info("the static networks were not read to their end, since Nexus stops")
        finally:
            gc.enable()
            gc.freeze()

    def _steps(self) -> Iterator[None]:
        networks = []
        for network in read_static_networks(load(self._source, os.environ)):
            networks.append(network)
            yield
        yield from replace_static_networks(networks, self._registry)

    def _begin_slice(self) -> Callable[[], bool]:
        end = self._reactor.seconds() + _SLICE_S
        return lambda: self._reactor.seconds() >= end
