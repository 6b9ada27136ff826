"""Containers' events as nodes' events, for any number of observers over one stream of the engine's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from nexus.container import ContainerEvent, ContainerEventKind
from nexus.interfaces import IContainerEventObserver, IContainerRuntime, INodeObserver, ISubscription
from nexus.ipfs.labels import UnreadableLabelsError, read_node_id
from nexus.model import NodeEvent, NodeEventKind

log = Logger()

_KINDS: Final = {
    ContainerEventKind.START: NodeEventKind.STARTED,
    ContainerEventKind.DIE: NodeEventKind.DIED,
    ContainerEventKind.DESTROY: NodeEventKind.REMOVED,
    ContainerEventKind.OOM: NodeEventKind.OOM,
}


@implementer(ISubscription)
class _Subscription:
    def __init__(self, close: Callable[[], None]) -> None:
        self._close: Callable[[], None] | None = close

    def close(self) -> None:
        if self._close is not None:
            close, self._close = self._close, None
            close()


@implementer(IContainerEventObserver)
class NodeEvents:
    """The stream is open while somebody observes.

    :param labels: what the containers of this instance carry.
    """

    def __init__(self, runtime: IContainerRuntime, labels: Mapping[str, str]) -> None:
        self._runtime = runtime
        self._labels = labels
        self._observers: dict[object, INodeObserver] = {}
        self._stream: ISubscription | None = None

    def watch(self, observer: INodeObserver) -> ISubscription:
        """Tell `observer` of nodes' events, from now on."""
        key = object()
        self._observers[key] = observer
        if self._stream is None:
            self._stream = self._runtime.watch(self._labels, self)
        return _Subscription(lambda: self._forget(key))

    def container_event(self, event: ContainerEvent) -> None:
        try:
            node = read_node_id(event.labels)
        except UnreadableLabelsError as error:
            log.warn("container {container} is not a node: {error}", container=event.container_id, error=error)
            return
        node_event = NodeEvent(node=node, kind=_KINDS[event.kind], container_id=event.container_id)
        for key, observer in list(self._observers.items()):
            if key in self._observers:
                observer.node_event(node_event)

    def event_stream_restored(self) -> None:
        for key, observer in list(self._observers.items()):
            if key in self._observers:
                observer.node_events_restored()

    def _forget(self, key: object) -> None:
        del self._observers[key]
        if not self._observers and self._stream is not None:
            stream, self._stream = self._stream, None
            stream.close()
