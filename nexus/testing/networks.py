"""`INetworks` in memory: the working fake of the database, verified by the contract that SQLite passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from nexus.errors import DatabaseError, NetworkExistsError, NetworkNotFoundError, NexusError
from nexus.interfaces import INetworks, INetworksObserver, ISubscription
from nexus.model import DesiredState, Network, NetworkChanges
from nexus.observers import Observers

T = TypeVar("T")


@implementer(INetworks)
class MemoryNetworks:
    """Records in a dict. Its Deferreds have fired when they are returned.

    :ivar failure: while set, every call fails with it and changes nothing: the database is away.
    :param now: the wall clock, for `updated_at`.
    """

    failure: NexusError | None = None

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._networks: dict[str, Network] = {}
        self._observers: Observers[INetworksObserver] = Observers()
        self._closed = False

    def create(self, network: Network) -> Deferred[Network]:
        """See `INetworks`."""

        def insert() -> Network:
            if network.name in self._networks:
                raise NetworkExistsError(network.name)
            return self._store(network)

        return self._call(insert)

    def get(self, name: str) -> Deferred[Network]:
        """See `INetworks`."""
        return self._call(lambda: self._read(name))

    def list(self) -> Deferred[Sequence[Network]]:
        """See `INetworks`."""
        return self._call(lambda: [self._networks[name] for name in sorted(self._networks)])

    def update(self, name: str, changes: NetworkChanges) -> Deferred[Network]:
        """See `INetworks`."""
        return self._change(name, changes.given())

    def delete(self, name: str) -> Deferred[None]:
        """See `INetworks`."""

        def remove() -> None:
            self._read(name)
            del self._networks[name]
            self._tell(name)

        return self._call(remove)

    def record_activation(self, name: str, at: datetime, reason: str) -> Deferred[Network]:
        """See `INetworks`."""
        fields = {"desired_state": DesiredState.ONLINE, "activated_at": at, "activation_reason": reason}
        return self._change(name, fields)

    def record_deactivation(self, name: str, at: datetime, reason: str) -> Deferred[Network]:
        """See `INetworks`."""
        fields = {"desired_state": DesiredState.OFFLINE, "deactivated_at": at, "deactivation_reason": reason}
        return self._change(name, fields)

    def watch(self, observer: INetworksObserver) -> ISubscription:
        """See `INetworks`."""
        return self._observers.add(observer)

    def close(self) -> Deferred[None]:
        """See `INetworks`."""
        self._closed = True
        return succeed(None)

    def _call(self, work: Callable[[], T]) -> Deferred[T]:
        if self.failure is not None:
            return fail(self.failure)
        if self._closed:
            return fail(DatabaseError("use", "it was closed"))
        try:
            return succeed(work())
        except NexusError as error:
            return fail(error)

    def _change(self, name: str, fields: Mapping[str, Any]) -> Deferred[Network]:
        return self._call(lambda: self._store(replace(self._read(name), **fields, updated_at=self._now())))

    def _read(self, name: str) -> Network:
        if name not in self._networks:
            raise NetworkNotFoundError(name)
        return self._networks[name]

    def _store(self, network: Network) -> Network:
        self._networks[network.name] = network
        self._tell(network.name)
        return network

    def _tell(self, name: str) -> None:
        self._observers.tell(lambda observer: observer.network_changed(name))
