"""The orchestrator: every command that the control API has, and what the edge asks of networks.

A command here is thin: values are checked (`validation`), the network's `Lifecycle` does the work, `views` tells the
result. Nothing of one network ever waits for another's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, DeferredSemaphore, TimeoutError, fail, succeed
from zope.interface import implementer

from nexus import messages
from nexus.coroutines import returns_deferred
from nexus.errors import ConflictError, DeadlineError, InvalidError, NetworkExistsError, NetworkNotFoundError
from nexus.interfaces import INetworkControl, INetworks, INetworkStatus, INodes
from nexus.model import Network, NetworkChanges, NetworkState, NetworkStatus, Resources, check_network_name
from nexus.orchestrator import validation, views
from nexus.orchestrator.convergence import Convergence
from nexus.orchestrator.diagnostics import Inquiry
from nexus.orchestrator.lifecycle import Lifecycle
from nexus.orchestrator.lifecycles import Lifecycles
from nexus.orchestrator.listing import Listing
from nexus.orchestrator.parts import Parts, Timings
from nexus.secrets import Secret, generate_secret

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from nexus.leases import Leases
    from nexus.registry import Registry


@implementer(INetworkControl, INetworkStatus)
class Orchestrator:
    """See the module. Between `start` and `stop` it keeps networks as their records say.

    :param now: the wall clock, aware and in UTC: for what is written down.
    :param edge_port: the port that customers reach the edge at, for the URLs that a start answers.
    :param default_resources: what a network gets that asks for nothing.
    :param generate_swarm_key: makes a swarm key file's text.
    :param check_swarm_key: makes one of a given text, or raises `InvalidError`.
    :param check_bootstrap_peers: answers the multiaddrs, or raises `InvalidError` for `bootstrap_peers[place]`.
    :param fingerprint: what tells swarm keys apart without giving them away.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        now: Callable[[], datetime],
        networks: INetworks,
        nodes: INodes,
        registry: Registry,
        leases: Leases,
        instance: str,
        version: str,
        domain: str,
        edge_port: Callable[[], int],
        default_resources: Resources,
        generate_swarm_key: Callable[[], Secret],
        check_swarm_key: Callable[[str], Secret],
        check_bootstrap_peers: Callable[[Iterable[str]], tuple[str, ...]],
        fingerprint: Callable[[Secret], str],
        timings: Timings | None = None,
    ) -> None:
        self.instance = instance
        self._version = version
        self._domain = domain
        self._edge_port = edge_port
        self._default_resources = default_resources
        self._generate_swarm_key = generate_swarm_key
        self._check_swarm_key = check_swarm_key
        self._check_bootstrap_peers = check_bootstrap_peers
        self._fingerprint = fingerprint
        timings = timings or Timings()
        self._parts = Parts(
            clock=clock,
            now=now,
            networks=networks,
            nodes=nodes,
            listing=Listing(nodes, leases),
            registry=registry,
            leases=leases,
            timings=timings,
            unhurried=DeferredSemaphore(timings.concurrent_starts),
        )
        self._lifecycles = Lifecycles(self._parts)
        self._convergence = Convergence(self._parts, self._lifecycles)
        self._started_at = now()
        self._stopping = False

    @returns_deferred
    async def start(self) -> None:
        """Take over the nodes that run, and begin to bring up those that should; fires when the edge knows every
        network. To be called once, before any command.

        An engine that does not answer is no failure: it is asked again until it does.

        :raises DatabaseError: when the records cannot be read.
        """
        await self._convergence.start()

    @returns_deferred
    async def stop(self) -> None:
        """Take no more commands; end starts under way, undone; wait for other commands. No running node is touched."""
        self._stopping = True
        await self._convergence.stop()

    # INetworkControl

    @returns_deferred
    async def ping(self, request: messages.Ping) -> messages.Pong:
        """See `INetworkControl.ping`."""
        states = [lifecycle.hosted.state for lifecycle in self._lifecycles if lifecycle.hosted.route is not None]
        return messages.Pong(
            version=self._version,
            instance=self.instance,
            domain=self._domain,
            started_at=self._started_at,
            networks=len(states),
            networks_online=states.count(NetworkState.ONLINE),
        )

    @returns_deferred
    async def create_network(self, request: messages.CreateNetwork) -> messages.CreatedNetwork:
        """See `INetworkControl.create_network`."""
        self._check_running(request.network)
        now = self._parts.now()
        record = Network(
            name=request.network,
            swarm_key=self._swarm_key(request.swarm_key),
            rpc_bearers=(generate_secret(),),
            created_at=now,
            updated_at=now,
            users=validation.check_users(request.users),
            gateway_public=request.gateway_public,
            gateway_subdomains=request.gateway_subdomains,
            api_allowed_origins=validation.check_origins(request.api_allowed_origins),
            bootstrap_peers=self._check_bootstrap_peers(request.bootstrap_peers),
            resources=validation.merge_resources(self._default_resources, request.resources),
        )
        if self._lifecycles.static_route(record.name) is not None:
            raise NetworkExistsError(record.name)
        record = await self._lifecycles.take(record.name).create(record)
        return messages.CreatedNetwork(network=self._details(record))

    @returns_deferred
    async def get_network(self, request: messages.GetNetwork) -> messages.NetworkDetails:
        """See `INetworkControl.get_network`."""
        self._check_not_static(check_network_name(request.network))
        record = await self._parts.networks.get(request.network)
        return self._details(record, include_swarm_key=request.include_swarm_key)

    @returns_deferred
    async def list_networks(self, request: messages.ListNetworks) -> messages.ListedNetworks:
        """See `INetworkControl.list_networks`."""
        records = await self._parts.networks.list()
        return messages.ListedNetworks(networks=[self._details(record) for record in records])

    @returns_deferred
    async def delete_network(self, request: messages.DeleteNetwork) -> messages.DeletedNetwork:
        """See `INetworkControl.delete_network`."""
        lifecycle = await self._known(request.network)
        await lifecycle.delete(remove=request.remove)
        return messages.DeletedNetwork(network=request.network)

    @returns_deferred
    async def start_network(self, request: messages.NetworkName) -> messages.StartedNetwork:
        """See `INetworkControl.start_network`."""
        lifecycle = await self._known(request.network)
        record, identity = await lifecycle.start()
        return views.started(record, lifecycle.hosted.state, identity, self._domain, self._edge_port())

    @returns_deferred
    async def update_network(self, request: messages.UpdateNetwork) -> messages.UpdatedNetwork:
        """See `INetworkControl.update_network`."""
        lifecycle = await self._known(request.network)
        record, later = await lifecycle.update(self._changes(request))
        return messages.UpdatedNetwork(network=self._details(record), effective_at_next_start=later)

    @returns_deferred
    async def stop_network(self, request: messages.NetworkName) -> messages.StoppedNetwork:
        """See `INetworkControl.stop_network`."""
        await (await self._known(request.network)).stop()
        return messages.StoppedNetwork(network=request.network, state=NetworkState.OFFLINE)

    @returns_deferred
    async def remove_network(self, request: messages.NetworkName) -> messages.RemovedNetwork:
        """See `INetworkControl.remove_network`."""
        await (await self._known(request.network)).remove()
        return messages.RemovedNetwork(network=request.network, state=NetworkState.OFFLINE)

    @returns_deferred
    async def network_stats(self, request: messages.NetworkName) -> messages.MeasuredNetwork:
        """See `INetworkControl.network_stats`."""
        hosted = (await self._known(request.network)).hosted
        if hosted.node is None or hosted.record is None:
            raise ConflictError(request.network, f"it is {hosted.state}, so there is nothing to measure; StartNetwork")
        limit_s = self._parts.timings.look_up_timeout_s
        try:
            asking = self._parts.nodes.node_stats(hosted.node, hosted.record)
            stats = await asking.addTimeout(limit_s, self._parts.clock)
        except TimeoutError:
            raise DeadlineError(f"measuring the node of {request.network}", limit_s) from None
        return messages.MeasuredNetwork(network=request.network, state=hosted.state, nodes=[views.measured(stats)])

    @returns_deferred
    async def network_diagnostics(self, request: messages.NetworkName) -> messages.NetworkDiagnostics:
        """See `INetworkControl.network_diagnostics`."""
        lifecycle = await self._known(request.network)
        return await Inquiry(lifecycle.hosted, self._parts, self._fingerprint).answer()

    # INetworkStatus

    def network_status(self, network: str) -> Deferred[NetworkStatus]:
        """See `INetworkStatus.network_status`. Of a static network only its state is known."""
        lifecycle = self._lifecycles.get(network)
        if lifecycle is not None and lifecycle.hosted.route is not None:
            return lifecycle.status.get()
        route = self._lifecycles.static_route(network)
        if route is None:
            return fail(NetworkNotFoundError(network))
        return succeed(views.status(network, route.state, None))

    def target_unreachable(self, network: str, generation: int) -> None:
        """See `INetworkStatus.target_unreachable`."""
        lifecycle = self._lifecycles.get(network)
        if lifecycle is not None:
            lifecycle.upkeep.suspect(generation)

    # What commands share

    def _check_running(self, network: str) -> None:
        if self._stopping:
            raise ConflictError(network, "Nexus is shutting down")

    def _check_not_static(self, network: str) -> None:
        route = self._lifecycles.static_route(network)
        if route is not None:
            where = "; ".join(views.target(target) for target in route.targets)
            raise ConflictError(network, f"it is static ({where}): change it in the configuration (edge.static)")

    async def _known(self, name: str) -> Lifecycle:
        """The lifecycle of a network on record. :raises NetworkNotFoundError: :raises ConflictError: for a static."""
        check_network_name(name)
        self._check_not_static(name)
        self._check_running(name)
        lifecycle = self._lifecycles.get(name)
        if lifecycle is None:
            record = await self._parts.networks.get(name)
            lifecycle = self._lifecycles.take(name)
            lifecycle.hosted.know(record)
        return lifecycle

    def _details(self, record: Network, *, include_swarm_key: bool = False) -> messages.NetworkDetails:
        lifecycle = self._lifecycles.get(record.name)
        state = NetworkState.OFFLINE if lifecycle is None else lifecycle.hosted.state
        return views.details(record, state, self._fingerprint, include_swarm_key=include_swarm_key)

    def _swarm_key(self, given: str | None) -> Secret:
        if given is None:
            return self._generate_swarm_key()
        try:
            return self._check_swarm_key(given)
        except InvalidError as error:
            raise InvalidError("swarm_key", error.problem, error.allowed) from None

    def _changes(self, request: messages.UpdateNetwork) -> Callable[[Network], NetworkChanges]:
        users = None if request.users is None else validation.check_users(request.users)
        origins = request.api_allowed_origins
        checked_origins = None if origins is None else validation.check_origins(origins)
        peers = None if request.bootstrap_peers is None else self._check_bootstrap_peers(request.bootstrap_peers)

        def changes_for(record: Network) -> NetworkChanges:
            return NetworkChanges(
                users=users,
                gateway_public=request.gateway_public,
                gateway_subdomains=request.gateway_subdomains,
                api_allowed_origins=checked_origins,
                bootstrap_peers=peers,
                resources=None
                if request.resources is None
                else validation.merge_resources(record.resources, request.resources),
            )

        return changes_for
