"""A second SIGTERM or SIGINT while Nexus stops: whoever sends it does not want to wait.

Twisted stops at the first and knows nothing to do at the second but to fail; so it gets something to do.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def hastened_by_signals(reactor: Any, hasten: Callable[[], None]) -> Iterator[None]:
    """Meanwhile, call `hasten` in the reactor's thread at each such signal, where it is the process that handles it."""
    previous = {number: signal.getsignal(number) for number in _SIGNALS}
    handled = {number: handler for number, handler in previous.items() if callable(handler)}
    for number in handled:
        signal.signal(number, lambda *_: reactor.callFromThread(hasten))
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
