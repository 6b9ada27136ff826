"""The edge as one thing: what listens hands it connections, what composes the process hands it the rest."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory
from twisted.logger import Logger
from zope.interface import implementer

from nexus.counters import Counters
from nexus.edge.access_log import AccessLog
from nexus.edge.admission import Admission
from nexus.edge.client_connection import ClientConnection
from nexus.edge.context import EdgeContext
from nexus.edge.revocation import RevokingObserver
from nexus.edge.upstream import RetiringObserver, UpstreamPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime, IStreamClientEndpoint

    from nexus.config.sections import EdgeConfig
    from nexus.edge.access_file import AccessFile
    from nexus.edge.refusal import RefusedConnection
    from nexus.edge.splice import Splicer
    from nexus.interfaces import INetworkStatus
    from nexus.model import Address
    from nexus.registry import Registry
    from nexus.tokens import TokenVerifier

log = Logger()


class Edge:
    """A reverse proxy for the networks of `registry`.

    :param instance: this Nexus's name; with `nexus-` before it, its name in Via.
    :param clock: times every phase.
    :param now: the time of day, in seconds since the epoch, for dates; without it the clock's seconds are taken for it.
    :param status: asked for what `status` and `swarm` answer, and told of targets that do not accept connections.
    :param connect: makes the endpoint that dials an address, without resolving names. Its own timeout, if any, should
        be longer than `config.connect_timeout_s`, which the edge times itself.
    :param splicer: moves large bodies without Python (see `nexus.edge.splice`); closed with the edge.
    :param access_file: where the access log is written to, instead of the process's log; closed with the edge.
    :ivar factory: to listen with, on as many endpoints as there are.
    :ivar counters: what happened so far.
    """

    def __init__(
        self,
        *,
        config: EdgeConfig,
        instance: str,
        clock: IReactorTime,
        registry: Registry,
        verifier: TokenVerifier,
        status: INetworkStatus,
        connect: Callable[[Address], IStreamClientEndpoint],
        now: Callable[[], float] | None = None,
        splicer: Splicer | None = None,
        access_file: AccessFile | None = None,
    ) -> None:
        if now is None:
            now = clock.seconds
        self._config = config
        self._clock = clock
        self._drained: Deferred[None] | None = None
        self._drain_call: IDelayedCall | None = None
        self._drain_began_at = 0.0
        self.counters = Counters()
        pseudonym = f"nexus-{instance}".encode("ascii")
        self._access_log: AccessLog | None = None
        if config.access_log:
            self._access_log = AccessLog(
                clock=clock,
                now=now,
                counters=self.counters,
                is_json=config.access_log_format == "json",
                file=access_file,
            )
        self._pool = UpstreamPool(config, clock, connect, self.counters)
        self._context = EdgeContext(
            config=config,
            pseudonym=pseudonym,
            clock=clock,
            now=now,
            admission=Admission(config.domain, pseudonym, registry, verifier),
            pool=self._pool,
            status=status,
            counters=self.counters,
            splicer=splicer,
            access_log=self._access_log,
            client_closed=self._finish_drain,
        )
        observers = RetiringObserver(self._pool), RevokingObserver(self._context.networks)
        self._subscriptions = [registry.observe(observer) for observer in observers]
        self.factory: IProtocolFactory = ClientConnectionFactory(self._context)

    @property
    def upstreams(self) -> int:
        """How many upstreams are kept."""
        return self._pool.size

    def reopen_access_log(self) -> None:
        """Open the access log's file anew, if it has one: somebody has renamed it."""
        if self._access_log is not None:
            self._access_log.reopen()

    def drain(self) -> Deferred[None]:
        """Finish what is under way, keep no connection alive, and after `drain_timeout_s` reset what is left. Fires
        when nothing is open any more. Whoever listens has stopped to before. Requests that wait for a connection to
        their node are answered at once, so that they are asked again elsewhere. Called once."""
        drained = self._drained = Deferred()
        self._drain_began_at = self._clock.seconds()
        self._context.is_draining = True
        self._pool.end_waiting()
        for client in list(self._context.clients):
            client.close_if_idle()
        if self._context.clients:
            self._drain_call = self._clock.callLater(self._config.drain_timeout_s, self.end_drain)
        self._finish_drain()
        return drained

    def end_drain(self) -> None:
        """Reset what is left of a drain, and say in the log what that is."""
        if self._drained is None:
            return
        cut = [client.cut("drain_timeout") for client in list(self._context.clients)]
        networks = Counter(exchange.network or "-" for exchange in cut if exchange is not None)
        log.warn(
            "cut {cut} requests that had not ended {seconds} s after the edge began to drain: {networks}",
            cut=networks.total(),
            seconds=round(self._clock.seconds() - self._drain_began_at, 3),
            networks=dict(networks.most_common()),
        )
        self._finish_drain()

    def _finish_drain(self) -> None:
        if self._drained is None or self._context.clients:
            return
        drained, self._drained = self._drained, None
        if self._drain_call is not None and self._drain_call.active():
            self._drain_call.cancel()
        for subscription in self._subscriptions:
            subscription.close()
        self._pool.close()
        self._context.refusals.close()
        if self._context.splicer is not None:
            self._context.splicer.close()
        if self._access_log is not None:
            self._access_log.close()
        drained.callback(None)


@implementer(IProtocolFactory)
class ClientConnectionFactory:
    """Makes what serves a client's connection."""

    def __init__(self, context: EdgeContext) -> None:
        self._context = context

    def doStart(self) -> None:
        """See `IProtocolFactory.doStart`."""

    def doStop(self) -> None:
        """See `IProtocolFactory.doStop`."""

    def buildProtocol(self, addr: IAddress | None) -> ClientConnection | RefusedConnection:
        """See `IProtocolFactory.buildProtocol`."""
        context = self._context
        host: str = getattr(addr, "host", "unknown")
        if len(context.clients) >= context.config.client_connections_max:
            return context.refusals.refuse("client_connections_max", context.date())
        if context.proxy_protocol_from.holds(host):
            return ClientConnection(context, host, is_proxied=True)
        if not context.enter(host):
            return context.refusals.refuse("connections_per_client_max", context.date())
        return ClientConnection(context, host)
