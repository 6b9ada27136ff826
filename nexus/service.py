"""The composition root: a configuration and a reactor in, the service out. The only module that knows everything.

What can be found wrong is found before the service starts, while somebody looks at the terminal: a busy port, a damaged
database. A Docker engine that does not answer is no reason not to start: what runs can be served without it.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger

from nexus.config.static_file import read_static_networks
from nexus.containers.runtime import DockerRuntime
from nexus.control.resource import control_factory
from nexus.coroutines import returns_deferred
from nexus.database.urls import check_database, open_networks
from nexus.dialling import dialling_endpoint
from nexus.edge.access_file import AccessFile
from nexus.edge.client_stream import client_user_timeout_s
from nexus.edge.edge import Edge
from nexus.edge.meter import EdgeMeter
from nexus.edge.splice import kernel_splicer
from nexus.errors import NexusError
from nexus.ipfs.client import NodeClient
from nexus.ipfs.multiaddr import check_bootstrap_peers
from nexus.ipfs.rpc import kubo_agent
from nexus.ipfs.spec import Hosting
from nexus.ipfs.swarm_key import check_swarm_key, generate_swarm_key, swarm_key_fingerprint
from nexus.leases import Leases, dynamic_part, is_tcp_port_free
from nexus.listening import BoundTCP, BoundUnix, bind, describe
from nexus.log_level import LogLevelService
from nexus.loop_watch import LoopWatch
from nexus.monotonic_clock import MonotonicClock
from nexus.orchestrator.orchestrator import Orchestrator
from nexus.process import ProcessSettings
from nexus.reactor import native_loop
from nexus.registry import Registry
from nexus.reloading import ReloadService
from nexus.static_networks import publish_static_networks
from nexus.stopping import hastened_by_signals
from nexus.tokens import TokenVerifier

if TYPE_CHECKING:
    from twisted.application.service import IService
    from twisted.internet.interfaces import IListeningPort, IStreamClientEndpoint
    from twisted.python.failure import Failure

    from nexus.config.sections import Config
    from nexus.interfaces import IContainerRuntime, INetworks
    from nexus.model import Address

log = Logger()

_VERSION = version("nexus-ipfs")


def make_service(config: Config, reactor: Any) -> IService:
    """Nexus, with its addresses taken and its database checked, not started yet.

    :raises NexusError: where an address cannot be listened on, or the database or the access log's file cannot be used.
    """
    registry = _make_registry(config)
    check_database(config.database.url, config.source)
    bound: list[BoundTCP | BoundUnix] = []
    try:
        user_timeout_s = client_user_timeout_s(config.edge)
        edge = [bind("edge.listen", listen, user_timeout_s) for listen in config.edge.listen]
        bound += edge
        control: list[BoundTCP | BoundUnix] = []
        for listen in config.control.listen:
            control.append(bind("control.listen", listen))
            bound.append(control[-1])
        access_file = _open_access_file(config)
    except NexusError:
        for each in bound:
            each.close()
        raise
    service = MultiService()  # type: ignore[no-untyped-call]
    LogLevelService(config.log.level).setServiceParent(service)  # type: ignore[no-untyped-call]
    ProcessSettings().setServiceParent(service)  # type: ignore[no-untyped-call]
    NexusService(  # type: ignore[no-untyped-call]
        config, reactor, edge, control, registry, access_file=access_file
    ).setServiceParent(service)
    return service


def _make_registry(config: Config) -> Registry:
    """The registry, with the static networks."""
    registry = Registry()
    # Nothing of theirs is garbage, and looking for some would take a quarter of the time that 100,000 of them need.
    gc.disable()
    try:
        publish_static_networks(read_static_networks(config), registry)
    finally:
        gc.enable()
    return registry


def _open_access_file(config: Config) -> AccessFile | None:
    path = config.edge.access_log_file
    return AccessFile(path) if path is not None and config.edge.access_log else None


def make_nodes(config: Config, reactor: Any, runtime: IContainerRuntime) -> NodeClient:
    """The nodes of the configured instance on `runtime`."""
    hosting = Hosting(
        instance=config.instance,
        domain=config.edge.domain,
        image=config.containers.image,
        subnet=str(config.containers.subnet),
        dynamic_range=str(dynamic_part(config.containers.subnet)),
        swarm_bind=config.swarm.bind,
        announce_address=config.swarm.announce_address,
        stop_grace_s=config.containers.stop_grace_s,
    )
    return NodeClient(reactor, runtime, kubo_agent(reactor), hosting, ready_timeout_s=config.containers.ready_timeout_s)


class NexusService(MultiService):
    """One Nexus. Adopts what runs, and then accepts: nobody is answered before the routes are known."""

    def __init__(
        self,
        config: Config,
        reactor: Any,
        edge: list[BoundTCP],
        control: list[BoundTCP | BoundUnix],
        registry: Registry,
        *,
        access_file: AccessFile | None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._config = config
        self._reactor = reactor
        self._bound_edge = edge
        self._bound_control = control
        self._edge_port = edge[0].port
        self._ports: list[IListeningPort] = []
        self._registry = registry
        self._access_file = access_file
        self._runtime = DockerRuntime(reactor, config.containers.socket, config.containers.threads)
        self._networks: INetworks | None = None
        self._orchestrator: Orchestrator | None = None
        self._edge: Edge | None = None
        self._starting: Deferred[None] | None = None
        self._loop_watch = LoopWatch(reactor, blocked_s=config.log.blocked_loop_s)
        self._loop_watch.setServiceParent(self)  # type: ignore[no-untyped-call]
        ReloadService(  # type: ignore[no-untyped-call]
            reactor, config.source, registry, self._reopen_access_log
        ).setServiceParent(self)

    def startService(self) -> None:
        """Start. What fails now ends the process, with one clear line in the log."""
        super().startService()  # type: ignore[no-untyped-call]
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._give_up)

    async def _start(self) -> None:
        config = self._config
        self._networks = await open_networks(config.database.url, self._reactor, config.source)
        self._orchestrator = self._make_orchestrator(self._networks)
        self._edge = self._make_edge(self._orchestrator)
        await self._orchestrator.start()
        # What was made up to now stays. Looking through 100,000 routes for garbage would stop the loop for 0.1 s.
        gc.collect()
        gc.freeze()
        for bound in self._bound_edge:
            self._ports.append(await bound.accept_streams(self._reactor, self._edge.factory))
        meter = EdgeMeter(self._edge, self._registry, self._loop_watch, datetime.now(UTC))
        site = control_factory(self._orchestrator, meter, config.secrets.control_key, self._reactor)
        for listening in self._bound_control:
            self._ports.append(await listening.accept(self._reactor, site))
        log.info(
            "nexus {version}, instance {instance}: edge on {edge} for {domain}, control on {control}",
            version=_VERSION,
            instance=config.instance,
            edge=", ".join(map(describe, config.edge.listen)),
            domain=config.edge.domain,
            control=", ".join(map(describe, config.control.listen)),
        )
        log.info(
            "the reactor is {reactor}; the edge's transports are {transports}",
            reactor=type(self._reactor).__name__,
            transports="Twisted's" if native_loop(self._reactor) is None else "uvloop's",
        )

    def _reopen_access_log(self) -> None:
        if self._edge is not None:
            self._edge.reopen_access_log()

    def _make_orchestrator(self, networks: INetworks) -> Orchestrator:
        config = self._config
        leases = Leases(
            clock=self._reactor,
            reach=config.containers.reach,
            subnet=config.containers.subnet,
            swarm_bind=config.swarm.bind,
            swarm_ports=config.swarm.ports,
            api_ports=config.containers.api_ports,
            gateway_ports=config.containers.gateway_ports,
            quarantine_s=config.containers.quarantine_s,
            is_port_free=is_tcp_port_free,
        )
        return Orchestrator(
            clock=self._reactor,
            now=lambda: datetime.now(UTC),
            networks=networks,
            nodes=make_nodes(config, self._reactor, self._runtime),
            registry=self._registry,
            leases=leases,
            instance=config.instance,
            version=_VERSION,
            domain=config.edge.domain,
            edge_port=lambda: self._edge_port,
            default_resources=config.resources,
            generate_swarm_key=generate_swarm_key,
            check_swarm_key=check_swarm_key,
            check_bootstrap_peers=check_bootstrap_peers,
            fingerprint=swarm_key_fingerprint,
        )

    def _make_edge(self, orchestrator: Orchestrator) -> Edge:
        config = self._config
        return Edge(
            config=config.edge,
            instance=config.instance,
            clock=MonotonicClock(self._reactor),
            now=time.time,
            registry=self._registry,
            verifier=TokenVerifier(config.jwt, config.secrets.jwt, time.time, config.edge.domain),
            status=orchestrator,
            connect=self._dial,
            splicer=kernel_splicer(self._reactor),
            access_file=self._access_file,
        )

    def _dial(self, address: Address) -> IStreamClientEndpoint:
        # The edge times its dials itself; the endpoint's own limit only has to come later.
        return dialling_endpoint(self._reactor, address, self._config.edge.connect_timeout_s + 1)

    def _give_up(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, CancelledError):
            return  # it is stopping already
        if isinstance(error, NexusError):
            log.critical("nexus cannot start: {error}", error=str(error))
        else:
            log.failure("nexus cannot start", failure)
        # twistd has no way to hear that its service failed; this is what the process ends with, once twistd is done.
        atexit.register(_exit_failed)
        self._reactor.stop()

    @returns_deferred
    async def stopService(self) -> None:
        """Stop accepting, finish what is open within the drain time, let go of everything. Nodes keep running. A second
        signal ends the drain time."""
        await maybeDeferred(super().stopService)
        if self._starting is not None:
            self._starting.cancel()
        for bound in (*self._bound_edge, *self._bound_control):
            bound.close()
        ports, self._ports = self._ports, []
        await DeferredList([maybeDeferred(port.stopListening) for port in ports])
        if self._edge is not None:
            with hastened_by_signals(self._reactor, self._edge.end_drain):
                await self._edge.drain()
        if self._orchestrator is not None:
            await self._orchestrator.stop()
        if self._networks is not None:
            await self._networks.close()
        await self._runtime.close()
        log.info("nexus has stopped; its nodes keep running")


def _exit_failed() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
