"""The contract of `INetworkControl`: what the control API promises, whoever keeps the promise, however it is asked."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from nexus.errors import ConflictError, InvalidError, NetworkExistsError, NetworkNotFoundError
from nexus.interfaces import INetworkControl
from nexus.messages import (
    CreateNetwork,
    DeleteNetwork,
    GetNetwork,
    ListNetworks,
    NetworkDetails,
    NetworkName,
    Ping,
    ResourcesChange,
    ResourcesView,
    UpdateNetwork,
)
from nexus.model import ContainerState, DesiredState, NetworkState

T = TypeVar("T")

SWARM_KEY = "/key/swarm/psk/1.0.0/\n/base16/\n" + "1f" * 32 + "\n"
PEER = "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"

if TYPE_CHECKING:
    _Base = TestCase
else:
    _Base = object


class NetworkControlTests(_Base):
    """Mix in with `TestCase` and make `make_control`."""

    def make_control(self) -> INetworkControl:
        """One without networks, whose nodes come up when they are started."""
        raise NotImplementedError

    def settle(self, asked: Deferred[T]) -> Deferred[T]:
        """What was asked, once time has passed and bytes have moved as far as the answer needs. Overridden where the
        clock or the wire is a test's own."""
        return asked

    async def start(self, control: INetworkControl, name: str = "demo") -> None:
        """Bring a fresh network online."""
        await self.settle(control.create_network(CreateNetwork(network=name)))
        await self.settle(control.start_network(NetworkName(network=name)))

    async def get(self, control: INetworkControl, name: str = "demo") -> NetworkDetails:
        """Its record."""
        return await self.settle(control.get_network(GetNetwork(network=name)))

    async def test_interface(self) -> None:
        """It has every method of the interface."""
        verifyObject(INetworkControl, self.make_control())

    async def test_ping(self) -> None:
        """Ping tells which Nexus answers, and how many networks there are."""
        control = self.make_control()
        await self.settle(control.create_network(CreateNetwork(network="idle")))
        await self.start(control)
        pong = await self.settle(control.ping(Ping()))
        self.assertEqual((pong.networks, pong.networks_online), (2, 1))
        self.assertEqual(pong.instance, control.instance)
        self.assertTrue(pong.instance and pong.version and pong.domain)
        self.assertEqual(pong.started_at.utcoffset(), timedelta(0))

    async def test_create_with_defaults(self) -> None:
        """A record made of a name alone is private, offline, and has the default resources and a key of its own."""
        control = self.make_control()
        created = (await self.settle(control.create_network(CreateNetwork(network="demo")))).network
        self.assertEqual((created.network, created.state), ("demo", NetworkState.OFFLINE))
        self.assertEqual(created.desired_state, DesiredState.OFFLINE)
        self.assertEqual((created.users, created.api_allowed_origins, created.bootstrap_peers), ([], [], []))
        self.assertEqual((created.gateway_public, created.gateway_subdomains), (False, False))
        self.assertEqual(created.resources, ResourcesView(cpus=1, memory_gb=1, disk_gb=10))
        self.assertEqual((created.activated_at, created.deactivated_at), (None, None))
        self.assertTrue(created.swarm_key_fingerprint)
        self.assertIsNone(created.swarm_key)
        self.assertEqual(await self.get(control), created)

    async def test_create_with_everything(self) -> None:
        """What is given is on record."""
        control = self.make_control()
        asked = CreateNetwork(
            network="demo",
            users=["bob", "alice"],
            gateway_public=True,
            gateway_subdomains=True,
            api_allowed_origins=["https://app.example"],
            swarm_key=SWARM_KEY,
            bootstrap_peers=[PEER],
            resources=ResourcesChange(cpus=0.5, disk_gb=2.5),
        )
        created = (await self.settle(control.create_network(asked))).network
        self.assertEqual((created.users, created.api_allowed_origins), (["alice", "bob"], ["https://app.example"]))
        self.assertEqual((created.gateway_public, created.gateway_subdomains), (True, True))
        self.assertEqual(created.bootstrap_peers, [PEER])
        self.assertEqual(created.resources, ResourcesView(cpus=0.5, memory_gb=1, disk_gb=2.5))
        told = await self.settle(control.get_network(GetNetwork(network="demo", include_swarm_key=True)))
        self.assertEqual(told.swarm_key, SWARM_KEY)

    async def test_keys_differ(self) -> None:
        """Each network has a swarm key of its own; it is told to who asks for it and to nobody else."""
        control = self.make_control()
        for name in ("one", "two"):
            await self.settle(control.create_network(CreateNetwork(network=name)))
        one, two = [
            await self.settle(control.get_network(GetNetwork(network=name, include_swarm_key=True)))
            for name in ("one", "two")
        ]
        assert one.swarm_key is not None
        self.assertTrue(re.fullmatch(r"/key/swarm/psk/1\.0\.0/\n/base16/\n[0-9a-f]{64}\n", one.swarm_key))
        self.assertNotEqual(one.swarm_key, two.swarm_key)
        self.assertNotEqual(one.swarm_key_fingerprint, two.swarm_key_fingerprint)
        self.assertIsNone((await self.get(control, "one")).swarm_key)
        listed = await self.settle(control.list_networks(ListNetworks()))
        self.assertEqual([network.swarm_key for network in listed.networks], [None, None])

    async def test_create_twice(self) -> None:
        """A name is taken once."""
        control = self.make_control()
        await self.settle(control.create_network(CreateNetwork(network="demo", users=["alice"])))
        with self.assertRaises(NetworkExistsError) as caught:
            await self.settle(control.create_network(CreateNetwork(network="demo")))
        self.assertEqual((caught.exception.network, caught.exception.field), ("demo", "network"))
        self.assertEqual((await self.get(control)).users, ["alice"])

    async def test_create_unfit(self) -> None:
        """What cannot be on record is refused by the name of its field, and nothing is made."""
        control = self.make_control()
        for field, request in (
            ("network", CreateNetwork(network="Demo")),
            ("network", CreateNetwork(network="gateway")),
            ("network", CreateNetwork(network="a" * 64)),
            ("network", CreateNetwork(network="../demo")),
            ("resources.cpus", CreateNetwork(network="demo", resources=ResourcesChange(cpus=0.01))),
            ("resources.memory_gb", CreateNetwork(network="demo", resources=ResourcesChange(memory_gb=0.2))),
            ("resources.disk_gb", CreateNetwork(network="demo", resources=ResourcesChange(disk_gb=-1))),
            ("swarm_key", CreateNetwork(network="demo", swarm_key="sesame")),
        ):
            with self.assertRaises(InvalidError) as caught:
                await self.settle(control.create_network(request))
            self.assertEqual(caught.exception.field, field)
            self.assertTrue(caught.exception.allowed)
            self.assertNotIn("sesame", str(caught.exception))
        for start, request in (
            ("api_allowed_origins", CreateNetwork(network="demo", api_allowed_origins=["https://app.example/path"])),
            ("bootstrap_peers", CreateNetwork(network="demo", bootstrap_peers=["192.0.2.7:4001"])),
            ("users", CreateNetwork(network="demo", users=[""])),
        ):
            with self.assertRaises(InvalidError) as caught:
                await self.settle(control.create_network(request))
            self.assertTrue(caught.exception.field.startswith(start), caught.exception.field)
        self.assertEqual((await self.settle(control.list_networks(ListNetworks()))).networks, [])

    async def test_list(self) -> None:
        """The list has every record, ordered by name, with what each network is doing."""
        control = self.make_control()
        for name in ("zeta", "alpha"):
            await self.settle(control.create_network(CreateNetwork(network=name)))
        await self.start(control, "mid")
        listed = await self.settle(control.list_networks(ListNetworks()))
        self.assertEqual(
            [(network.network, network.state) for network in listed.networks],
            [("alpha", NetworkState.OFFLINE), ("mid", NetworkState.ONLINE), ("zeta", NetworkState.OFFLINE)],
        )
        self.assertEqual(listed.networks[0], await self.get(control, "alpha"))

    async def test_not_found(self) -> None:
        """Every command on a network that is not on record says so."""
        control = self.make_control()
        name = NetworkName(network="ghost")
        calls: list[Deferred[Any]] = [
            control.get_network(GetNetwork(network="ghost")),
            control.delete_network(DeleteNetwork(network="ghost")),
            control.delete_network(DeleteNetwork(network="ghost", remove=True)),
            control.start_network(name),
            control.update_network(UpdateNetwork(network="ghost", gateway_public=True)),
            control.stop_network(name),
            control.remove_network(name),
            control.network_stats(name),
            control.network_diagnostics(name),
        ]
        for call in calls:
            with self.assertRaises(NetworkNotFoundError) as caught:
                await self.settle(call)
            self.assertEqual(caught.exception.network, "ghost")

    async def test_start(self) -> None:
        """A start answers when the network is online, with what its members need."""
        control = self.make_control()
        await self.settle(control.create_network(CreateNetwork(network="demo", swarm_key=SWARM_KEY)))
        started = await self.settle(control.start_network(NetworkName(network="demo")))
        self.assertEqual((started.network, started.state), ("demo", NetworkState.ONLINE))
        self.assertEqual(started.swarm_key, SWARM_KEY)
        self.assertTrue(started.peer_id)
        self.assertTrue(started.api_url.startswith("http://demo.api."), started.api_url)
        self.assertTrue(started.gateway_url.startswith("http://demo.gateway."), started.gateway_url)
        self.assertTrue(started.swarm_multiaddrs)
        for multiaddr in started.swarm_multiaddrs:
            self.assertTrue(multiaddr.endswith(f"/p2p/{started.peer_id}"), multiaddr)
        details = await self.get(control)
        self.assertEqual((details.state, details.desired_state), (NetworkState.ONLINE, DesiredState.ONLINE))
        self.assertIsNotNone(details.activated_at)
        self.assertTrue(details.activation_reason)

    async def test_start_again(self) -> None:
        """Starting a network that is online answers the same and changes nothing."""
        control = self.make_control()
        await self.start(control)
        before = await self.get(control)
        first, second = [await self.settle(control.start_network(NetworkName(network="demo"))) for _ in "ab"]
        self.assertEqual(first, second)
        self.assertEqual(await self.get(control), before)

    async def test_starts_join(self) -> None:
        """Two who start a network at once get the same answer."""
        control = self.make_control()
        await self.settle(control.create_network(CreateNetwork(network="demo")))
        both = gatherResults([control.start_network(NetworkName(network="demo")) for _ in "ab"], consumeErrors=True)
        first, second = await self.settle(both)
        self.assertEqual(first, second)

    async def test_stop(self) -> None:
        """A stop takes the network offline, with time and reason on record; again, it changes nothing."""
        control = self.make_control()
        await self.start(control)
        stopped = await self.settle(control.stop_network(NetworkName(network="demo")))
        self.assertEqual((stopped.network, stopped.state), ("demo", NetworkState.OFFLINE))
        details = await self.get(control)
        self.assertEqual((details.state, details.desired_state), (NetworkState.OFFLINE, DesiredState.OFFLINE))
        self.assertIsNotNone(details.deactivated_at)
        self.assertTrue(details.deactivation_reason)
        await self.settle(control.stop_network(NetworkName(network="demo")))
        self.assertEqual(await self.get(control), details)

    async def test_stop_and_start(self) -> None:
        """A network that was stopped comes back as the same peer: its data stayed."""
        control = self.make_control()
        await self.settle(control.create_network(CreateNetwork(network="demo")))
        name = NetworkName(network="demo")
        first = await self.settle(control.start_network(name))
        await self.settle(control.stop_network(name))
        second = await self.settle(control.start_network(name))
        self.assertEqual((first.peer_id, first.swarm_key), (second.peer_id, second.swarm_key))

    async def test_stats(self) -> None:
        """An online network's figures, by node."""
        control = self.make_control()
        await self.start(control)
        measured = await self.settle(control.network_stats(NetworkName(network="demo")))
        self.assertEqual((measured.network, measured.state), ("demo", NetworkState.ONLINE))
        (node,) = measured.nodes
        self.assertEqual((node.index, node.state), (0, ContainerState.RUNNING))
        self.assertEqual((node.memory_cap_bytes, node.disk_cap_bytes), (10**9, 10 * 10**9))
        self.assertEqual(node.swarm_key_fingerprint, (await self.get(control)).swarm_key_fingerprint)

    async def test_stats_offline(self) -> None:
        """There is nothing to measure of an offline network, and the error says what to do."""
        control = self.make_control()
        await self.settle(control.create_network(CreateNetwork(network="demo")))
        with self.assertRaises(ConflictError) as caught:
            await self.settle(control.network_stats(NetworkName(network="demo")))
        self.assertEqual((caught.exception.network, caught.exception.field), ("demo", "network"))

    async def test_update_record(self) -> None:
        """An update changes what is given and leaves the rest, on record and in what follows."""
        control = self.make_control()
        asked = CreateNetwork(network="demo", users=["alice"], resources=ResourcesChange(cpus=2))
        before = (await self.settle(control.create_network(asked))).network
        change = UpdateNetwork(
            network="demo",
            users=["bob"],
            gateway_public=True,
            api_allowed_origins=["https://app.example"],
            resources=ResourcesChange(memory_gb=2.5),
        )
        updated = await self.settle(control.update_network(change))
        now = updated.network
        self.assertEqual(
            (now.users, now.gateway_public, now.api_allowed_origins), (["bob"], True, ["https://app.example"])
        )
        self.assertEqual(now.resources, ResourcesView(cpus=2, memory_gb=2.5, disk_gb=10))
        self.assertEqual(
            (now.gateway_subdomains, now.bootstrap_peers, now.created_at, now.swarm_key_fingerprint),
            (before.gateway_subdomains, before.bootstrap_peers, before.created_at, before.swarm_key_fingerprint),
        )
        self.assertEqual(updated.effective_at_next_start, [])
        self.assertEqual(await self.get(control), now)

    async def test_update_to_nothing(self) -> None:
        """An empty list empties a field."""
        control = self.make_control()
        await self.settle(control.create_network(CreateNetwork(network="demo", users=["alice"])))
        updated = await self.settle(control.update_network(UpdateNetwork(network="demo", users=[])))
        self.assertEqual(updated.network.users, [])

    async def test_update_online(self) -> None:
        """A running network stays online through an update, and its node has the new caps."""
        control = self.make_control()
        await self.start(control)
        change = UpdateNetwork(network="demo", resources=ResourcesChange(memory_gb=2))
        updated = await self.settle(control.update_network(change))
        self.assertEqual(updated.network.state, NetworkState.ONLINE)
        measured = await self.settle(control.network_stats(NetworkName(network="demo")))
        self.assertEqual(measured.nodes[0].memory_cap_bytes, 2 * 10**9)

    async def test_update_unfit(self) -> None:
        """An unfit update is refused by the name of its field, and changes nothing, not even what was fit."""
        control = self.make_control()
        before = (await self.settle(control.create_network(CreateNetwork(network="demo")))).network
        for field, request in (
            ("resources.cpus", UpdateNetwork(network="demo", users=["eve"], resources=ResourcesChange(cpus=0))),
            ("api_allowed_origins[0]", UpdateNetwork(network="demo", api_allowed_origins=["app.example"])),
        ):
            with self.assertRaises(InvalidError) as caught:
                await self.settle(control.update_network(request))
            self.assertEqual(caught.exception.field, field)
        self.assertEqual(await self.get(control), before)

    async def test_remove(self) -> None:
        """Removal ends node and data; the record stays, and a start makes a new peer."""
        control = self.make_control()
        await self.settle(control.create_network(CreateNetwork(network="demo", users=["alice"])))
        name = NetworkName(network="demo")
        first = await self.settle(control.start_network(name))
        removed = await self.settle(control.remove_network(name))
        self.assertEqual((removed.network, removed.state), ("demo", NetworkState.OFFLINE))
        details = await self.get(control)
        self.assertEqual((details.users, details.desired_state), (["alice"], DesiredState.OFFLINE))
        await self.settle(control.remove_network(name))
        second = await self.settle(control.start_network(name))
        self.assertNotEqual(first.peer_id, second.peer_id)
        self.assertEqual(first.swarm_key, second.swarm_key)

    async def test_delete_unused(self) -> None:
        """A record without node and data is deleted, and its name is free."""
        control = self.make_control()
        await self.settle(control.create_network(CreateNetwork(network="demo", users=["alice"])))
        deleted = await self.settle(control.delete_network(DeleteNetwork(network="demo")))
        self.assertEqual(deleted.network, "demo")
        await self.settle(control.create_network(CreateNetwork(network="demo")))
        self.assertEqual((await self.get(control)).users, [])

    async def test_delete_used(self) -> None:
        """While a node or its data exist, the record is deleted only with `remove`."""
        control = self.make_control()
        await self.start(control)
        for _ in ("online", "stopped"):
            with self.assertRaises(ConflictError) as caught:
                await self.settle(control.delete_network(DeleteNetwork(network="demo")))
            self.assertEqual((caught.exception.network, caught.exception.field), ("demo", "remove"))
            await self.settle(control.stop_network(NetworkName(network="demo")))
        await self.settle(control.delete_network(DeleteNetwork(network="demo", remove=True)))
        with self.assertRaises(NetworkNotFoundError):
            await self.get(control)

    async def test_delete_removed(self) -> None:
        """After a removal nothing holds the record."""
        control = self.make_control()
        await self.start(control)
        await self.settle(control.remove_network(NetworkName(network="demo")))
        await self.settle(control.delete_network(DeleteNetwork(network="demo")))
        self.assertEqual((await self.settle(control.list_networks(ListNetworks()))).networks, [])

    async def test_diagnostics_online(self) -> None:
        """Of an online network one is told record, container, log, route and lease, and that nothing differs."""
        control = self.make_control()
        await self.start(control)
        told = await self.settle(control.network_diagnostics(NetworkName(network="demo")))
        self.assertEqual(told.record, await self.get(control))
        self.assertEqual((told.state, told.data_volume), (NetworkState.ONLINE, True))
        assert told.route is not None
        self.assertEqual((told.route.state, len(told.route.targets)), (NetworkState.ONLINE, 1))
        self.assertEqual([lease.index for lease in told.leases], [0])
        self.assertEqual([(view.index, view.state) for view in told.containers], [(0, ContainerState.RUNNING)])
        self.assertEqual((told.differences, told.problems), ([], []))

    async def test_diagnostics_offline(self) -> None:
        """Of a network that never ran one is told that there is nothing, and that nothing differs."""
        control = self.make_control()
        await self.settle(control.create_network(CreateNetwork(network="demo")))
        told = await self.settle(control.network_diagnostics(NetworkName(network="demo")))
        self.assertEqual((told.state, told.data_volume), (NetworkState.OFFLINE, False))
        self.assertEqual((told.leases, told.containers), ([], []))
        self.assertEqual((told.differences, told.problems, told.last_error), ([], [], None))
