"""Containers' events as nodes' events, for any number of observers over one stream of the engine's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from nexus.container import ContainerEvent, ContainerEventKind
from nexus.interfaces import IContainerEventObserver, IContainerRuntime, INodeObserver, ISubscription
from nexus.ipfs.labels import UnreadableLabelsError, read_node_id
from nexus.model import NodeEvent, NodeEventKind
from nexus.observers import Observers

log = Logger()

_KINDS: Final = {
    ContainerEventKind.START: NodeEventKind.STARTED,
    ContainerEventKind.DIE: NodeEventKind.DIED,
    ContainerEventKind.DESTROY: NodeEventKind.REMOVED,
    ContainerEventKind.OOM: NodeEventKind.OOM,
}


@implementer(IContainerEventObserver)
class NodeEvents:
    """The stream is open while somebody observes.

    :param labels: what the containers of this instance carry.
    """

    def __init__(self, runtime: IContainerRuntime, labels: Mapping[str, str]) -> None:
        self._runtime = runtime
        self._labels = labels
        self._observers: Observers[INodeObserver] = Observers(self._close_if_unobserved)
        self._stream: ISubscription | None = None

    def watch(self, observer: INodeObserver) -> ISubscription:
        """Tell `observer` of nodes' events, from now on."""
        subscription = self._observers.add(observer)
        if self._stream is None:
            self._stream = self._runtime.watch(self._labels, self)
        return subscription

    def container_event(self, event: ContainerEvent) -> None:
        try:
            node = read_node_id(event.labels)
        except UnreadableLabelsError as error:
            log.warn("container {container} is not a node: {error}", container=event.container_id, error=error)
            return
        node_event = NodeEvent(node=node, kind=_KINDS[event.kind], container_id=event.container_id)
        self._observers.tell(lambda observer: observer.node_event(node_event))

    def event_stream_restored(self) -> None:
        self._observers.tell(lambda observer: observer.node_events_restored())

    def _close_if_unobserved(self) -> None:
        if not self._observers and self._stream is not None:
            stream, self._stream = self._stream, None
            stream.close()
