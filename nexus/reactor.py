"""The reactor on a uvloop loop, and the only place that installs it.

`twistd --reactor=uvloop` calls `install`; `twistd nexus` calls `install_default`, where no reactor is installed yet.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.main import installReactor
from twisted.logger import Logger
from twisted.python.failure import Failure

from nexus.uvloop_transport import UvloopTransport

if TYPE_CHECKING:
    import asyncio

log = Logger()


class UvloopReactor(AsyncioSelectorReactor):
    """Twisted's asyncio reactor on a uvloop loop.

    :ivar loop: whose transports `nexus.uvloop_endpoints` uses.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        loop.set_exception_handler(_log_failure)
        super().__init__(loop)


def _log_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what a callback of the loop's raised where everything else is logged; asyncio has a logger of its own."""
    if isinstance(context.get("protocol"), UvloopTransport):
        return  # told by itself, when its connection is lost
    error = context.get("exception")
    if error is None:
        log.error("the loop: {message}", message=context.get("message"))
    else:
        log.failure("a callback of the loop failed", Failure(error))  # type: ignore[no-untyped-call]


def install() -> None:
    """Install the reactor.

    :raises ImportError: without uvloop.
    :raises ReactorAlreadyInstalledError: where there is one.
    """
    import uvloop  # noqa: PLC0415

    installReactor(UvloopReactor(uvloop.new_event_loop()))  # type: ignore[no-untyped-call]


def install_default() -> None:
    """Install the reactor unless there is one; without uvloop leave the choice to Twisted, and say so."""
    if "twisted.internet.reactor" in sys.modules:
        return
    try:
        install()
    except ImportError:
        log.warn("uvloop is not installed: the reactor is Twisted's default, and the edge slower than it could be")


def native_loop(reactor: Any) -> asyncio.AbstractEventLoop | None:
    """The loop whose own transports can be used under `reactor`; None where Twisted's have to do."""
    return reactor.loop if isinstance(reactor, UvloopReactor) else None
