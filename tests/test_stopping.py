"""A second signal while Nexus stops."""

from __future__ import annotations

import signal
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from nexus.stopping import hastened_by_signals


class LaterReactor:
    """Keeps what is to be called in its thread."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def callFromThread(self, call: Callable[[], None]) -> None:
        """See `IReactorFromThreads.callFromThread`."""
        self.calls.append(call)


class HasteTests(SynchronousTestCase):
    """Signals that come meanwhile, and after."""

    def setUp(self) -> None:
        self.before: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
            signal.signal(number, lambda number, _: self.before.append(number))
        self.reactor = LaterReactor()
        self.hastened = 0

    def hasten(self) -> None:
        """What is asked for."""
        self.hastened += 1

    def test_meanwhile(self) -> None:
        """Each signal asks for haste, in the reactor's thread."""
        with hastened_by_signals(self.reactor, self.hasten):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
        self.assertEqual(self.hastened, 0)
        for call in self.reactor.calls:
            call()
        self.assertEqual((self.hastened, self.before), (2, []))

    def test_after(self) -> None:
        """Behind it signals are what they were."""
        with hastened_by_signals(self.reactor, self.hasten):
            pass
        signal.raise_signal(signal.SIGTERM)
        self.assertEqual((self.before, self.reactor.calls), ([signal.SIGTERM], []))

    def test_not_ours(self) -> None:
        """What the process leaves to the system stays with it."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with hastened_by_signals(self.reactor, self.hasten):
            signal.raise_signal(signal.SIGTERM)
            self.assertEqual(signal.getsignal(signal.SIGTERM), signal.SIG_IGN)
        self.assertEqual(self.reactor.calls, [])
