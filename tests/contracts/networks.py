"""The contract of `INetworks`, for whatever keeps the records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from nexus.errors import DatabaseError, NetworkExistsError, NetworkNotFoundError
from nexus.interfaces import INetworks, INetworksObserver, ISubscription
from nexus.model import DesiredState, Network, NetworkChanges, Resources
from nexus.secrets import Secret

CREATED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
NOW = datetime(2026, 6, 7, 8, 9, 10, 111213, tzinfo=UTC)


def make_network(name: str = "demo") -> Network:
    """A record with nothing but what it must have."""
    return Network(
        name=name,
        swarm_key=Secret(f"/key/swarm/psk/1.0.0/\n/base16/\n{'0f' * 32}\n"),
        rpc_bearers=(Secret(f"bearer-of-{name}"),),
        created_at=CREATED,
        updated_at=CREATED,
    )


def make_full_network(name: str = "full") -> Network:
    """A record with something in every field."""
    return Network(
        name=name,
        swarm_key=Secret("/key/swarm/psk/1.0.0/\n/base16/\n" + "a1" * 32),
        rpc_bearers=(Secret("first"), Secret("sécond \N{SNOWMAN} 'quoted' \"twice\"")),
        created_at=CREATED,
        updated_at=CREATED + timedelta(microseconds=1),
        users=frozenset({"alice", "bob@example.com", "Ünï, 'x'; DROP TABLE networks; --"}),
        gateway_public=True,
        gateway_subdomains=True,
        api_allowed_origins=frozenset({"https://app.example", "http://localhost:3000"}),
        bootstrap_peers=("/ip4/192.0.2.2/tcp/4001/p2p/12D3KooWB", "/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWA"),
        resources=Resources(cpus=0.1, memory_gb=0.3, disk_gb=1.7),
        desired_state=DesiredState.ONLINE,
        activated_at=CREATED + timedelta(days=1),
        activation_reason="StartNetwork",
        deactivated_at=CREATED + timedelta(days=2),
        deactivation_reason="it was 'stopped'\nby hand",
    )


@implementer(INetworksObserver)
class RecordingObserver:
    """Writes down what it was told; may stop listening while it is told."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.close_at_next: ISubscription | None = None

    def network_changed(self, name: str) -> None:
        self.names.append(name)
        if self.close_at_next is not None:
            self.close_at_next.close()


if TYPE_CHECKING:
    _Base = TestCase
else:
    _Base = object


class NetworksTests(_Base):
    """Mix in with `TestCase` and make `make_networks`."""

    def make_networks(self) -> Deferred[INetworks]:
        """An empty store whose clock stands at `NOW`; it is closed by the test case's clean-up."""
        raise NotImplementedError

    async def test_interface(self) -> None:
        """It has every method of the interface."""
        verifyObject(INetworks, await self.make_networks())

    async def test_empty(self) -> None:
        """A new store lists nothing."""
        networks = await self.make_networks()
        self.assertEqual(list(await networks.list()), [])

    async def test_create_and_get(self) -> None:
        """What was created is answered, and read back the same, secrets too."""
        networks = await self.make_networks()
        for network in (make_network(), make_full_network()):
            self.assertEqual(await networks.create(network), network)
            self.assertEqual(await networks.get(network.name), network)

    async def test_secrets_come_back(self) -> None:
        """The keys read back are the very texts."""
        networks = await self.make_networks()
        await networks.create(make_full_network())
        network = await networks.get("full")
        self.assertEqual(network.swarm_key.reveal(), "/key/swarm/psk/1.0.0/\n/base16/\n" + "a1" * 32)
        self.assertEqual(
            [bearer.reveal() for bearer in network.rpc_bearers],
            ["first", "sécond \N{SNOWMAN} 'quoted' \"twice\""],
        )

    async def test_peers_keep_their_order(self) -> None:
        """Bootstrap peers are a list, not a set."""
        networks = await self.make_networks()
        await networks.create(make_full_network())
        self.assertEqual((await networks.get("full")).bootstrap_peers, make_full_network().bootstrap_peers)

    async def test_create_twice(self) -> None:
        """A name is taken once, and the first record stays as it was."""
        networks = await self.make_networks()
        await networks.create(make_full_network("demo"))
        with self.assertRaises(NetworkExistsError) as caught:
            await networks.create(make_network("demo"))
        self.assertEqual(caught.exception.network, "demo")
        self.assertEqual(await networks.get("demo"), make_full_network("demo"))

    async def test_create_at_once(self) -> None:
        """Of two that create one name at the same time, one is told that it exists."""
        networks = await self.make_networks()
        results = await gatherResults(
            [networks.create(make_network()).addCallbacks(lambda _: "made", lambda failure: failure.type) for _ in "ab"]
        )
        self.assertEqual(results, ["made", NetworkExistsError])

    async def test_list_is_ordered(self) -> None:
        """The list is ordered by name, whatever the order of creation."""
        networks = await self.make_networks()
        for name in ("zeta", "alpha", "b-2", "b1"):
            await networks.create(make_network(name))
        self.assertEqual([network.name for network in await networks.list()], ["alpha", "b-2", "b1", "zeta"])

    async def test_not_found(self) -> None:
        """Every call on a name that is not on record says so, with the name."""
        networks = await self.make_networks()
        await networks.create(make_network("other"))
        calls: list[Deferred[Any]] = [
            networks.get("demo"),
            networks.update("demo", NetworkChanges(gateway_public=True)),
            networks.delete("demo"),
            networks.record_activation("demo", NOW, "start"),
            networks.record_deactivation("demo", NOW, "stop"),
        ]
        for call in calls:
            with self.assertRaises(NetworkNotFoundError) as caught:
                await call
            self.assertEqual(caught.exception.network, "demo")
        self.assertEqual([network.name for network in await networks.list()], ["other"])

    async def test_update_some(self) -> None:
        """An update changes what is given, stamps the time, and leaves the rest and other records."""
        networks = await self.make_networks()
        await networks.create(make_full_network())
        await networks.create(make_full_network("other"))
        changed = await networks.update("full", NetworkChanges(users=frozenset({"carol"}), gateway_public=False))
        self.assertEqual(changed, await networks.get("full"))
        self.assertEqual((changed.users, changed.gateway_public), (frozenset({"carol"}), False))
        self.assertEqual(changed.updated_at, NOW)
        self.assertEqual((changed.created_at, changed.resources), (CREATED, make_full_network().resources))
        self.assertEqual(await networks.get("other"), make_full_network("other"))

    async def test_update_all(self) -> None:
        """Every field of a change is kept."""
        networks = await self.make_networks()
        await networks.create(make_network())
        changes = NetworkChanges(
            users=frozenset({"dora"}),
            gateway_public=True,
            gateway_subdomains=True,
            api_allowed_origins=frozenset({"https://a.example"}),
            bootstrap_peers=("/ip4/192.0.2.9/tcp/1/p2p/12D3KooWC",),
            resources=Resources(cpus=2, memory_gb=4.5, disk_gb=100),
            swarm_key=Secret("another"),
            desired_state=DesiredState.ONLINE,
        )
        await networks.update("demo", changes)
        self.assertEqual(await networks.get("demo"), changes.apply(make_network(), NOW))

    async def test_update_to_nothing(self) -> None:
        """An empty set is a value: it empties the field."""
        networks = await self.make_networks()
        await networks.create(make_full_network())
        await networks.update(
            "full", NetworkChanges(users=frozenset(), api_allowed_origins=frozenset(), bootstrap_peers=())
        )
        network = await networks.get("full")
        self.assertEqual(
            (network.users, network.api_allowed_origins, network.bootstrap_peers), (frozenset(), frozenset(), ())
        )

    async def test_updates_at_once(self) -> None:
        """Two updates of different fields at the same time are both kept."""
        networks = await self.make_networks()
        await networks.create(make_network())
        await gatherResults(
            [
                networks.update("demo", NetworkChanges(users=frozenset({"erin"}))),
                networks.update("demo", NetworkChanges(gateway_public=True)),
            ]
        )
        network = await networks.get("demo")
        self.assertEqual((network.users, network.gateway_public), (frozenset({"erin"}), True))

    async def test_delete(self) -> None:
        """A deleted record is gone, and its name is free."""
        networks = await self.make_networks()
        await networks.create(make_full_network("demo"))
        await networks.delete("demo")
        await self.assertFailure(networks.get("demo"), NetworkNotFoundError)
        await networks.create(make_network("demo"))
        self.assertEqual(await networks.get("demo"), make_network("demo"))

    async def test_activation(self) -> None:
        """Activation sets desired state, time and reason; the last deactivation stays on record."""
        networks = await self.make_networks()
        await networks.create(make_full_network())
        await networks.record_deactivation("full", CREATED + timedelta(days=3), "StopNetwork")
        network = await networks.record_activation("full", CREATED + timedelta(days=4), "by hand")
        self.assertEqual(network, await networks.get("full"))
        self.assertEqual(
            (network.desired_state, network.activated_at, network.activation_reason, network.updated_at),
            (DesiredState.ONLINE, CREATED + timedelta(days=4), "by hand", NOW),
        )
        self.assertEqual(
            (network.deactivated_at, network.deactivation_reason), (CREATED + timedelta(days=3), "StopNetwork")
        )

    async def test_deactivation(self) -> None:
        """Deactivation sets desired state, time and reason; the last activation stays on record."""
        networks = await self.make_networks()
        await networks.create(make_network())
        await networks.record_activation("demo", CREATED + timedelta(days=5), "StartNetwork")
        network = await networks.record_deactivation("demo", CREATED + timedelta(days=6), "StopNetwork")
        self.assertEqual(network, await networks.get("demo"))
        self.assertEqual(
            (network.desired_state, network.deactivated_at, network.deactivation_reason, network.updated_at),
            (DesiredState.OFFLINE, CREATED + timedelta(days=6), "StopNetwork", NOW),
        )
        self.assertEqual(
            (network.activated_at, network.activation_reason), (CREATED + timedelta(days=5), "StartNetwork")
        )

    async def test_times_of_other_zones(self) -> None:
        """A time given in another zone is the same moment when it is read."""
        networks = await self.make_networks()
        await networks.create(make_network())
        at = datetime(2026, 3, 4, 23, 30, tzinfo=timezone(timedelta(hours=-8)))
        await networks.record_activation("demo", at, "start")
        self.assertEqual((await networks.get("demo")).activated_at, at)

    async def test_observers(self) -> None:
        """Whoever watches is told of each change, after it is kept and before its caller knows."""
        networks = await self.make_networks()
        observer = RecordingObserver()
        networks.watch(observer)
        await networks.create(make_network())
        self.assertEqual(observer.names, ["demo"])
        await networks.update("demo", NetworkChanges(gateway_public=True))
        await networks.record_activation("demo", NOW, "start")
        await networks.record_deactivation("demo", NOW, "stop")
        await networks.delete("demo")
        self.assertEqual(observer.names, ["demo"] * 5)

    async def test_observers_are_not_told_of_failures(self) -> None:
        """What was refused or only read is no change."""
        networks = await self.make_networks()
        await networks.create(make_network())
        observer = RecordingObserver()
        networks.watch(observer)
        await self.assertFailure(networks.create(make_network()), NetworkExistsError)
        await self.assertFailure(networks.delete("other"), NetworkNotFoundError)
        await networks.get("demo")
        await networks.list()
        self.assertEqual(observer.names, [])

    async def test_observed_change_is_kept(self) -> None:
        """An observer that reads at once, reads the new record."""
        networks = await self.make_networks()
        read: list[Deferred[Network]] = []

        @implementer(INetworksObserver)
        class Reader:
            def network_changed(self, name: str) -> None:
                read.append(networks.get(name))

        await networks.create(make_network())
        networks.watch(Reader())
        await networks.update("demo", NetworkChanges(gateway_public=True))
        self.assertTrue((await read[0]).gateway_public)

    async def test_subscription_ends(self) -> None:
        """A closed subscription hears nothing more, even when it closes while it is told; others go on."""
        networks = await self.make_networks()
        leaver, stayer = RecordingObserver(), RecordingObserver()
        leaver.close_at_next = networks.watch(leaver)
        networks.watch(stayer)
        await networks.create(make_network("one"))
        await networks.create(make_network("two"))
        leaver.close_at_next.close()
        self.assertEqual((leaver.names, stayer.names), (["one"], ["one", "two"]))

    async def test_same_observer_twice(self) -> None:
        """Two subscriptions of one observer end one by one."""
        networks = await self.make_networks()
        observer = RecordingObserver()
        first, second = networks.watch(observer), networks.watch(observer)
        await networks.create(make_network("one"))
        first.close()
        first.close()
        await networks.create(make_network("two"))
        second.close()
        await networks.create(make_network("three"))
        self.assertEqual(observer.names, ["one", "one", "two"])

    async def test_closed(self) -> None:
        """After the end calls fail clearly, and the end may be asked for twice."""
        networks = await self.make_networks()
        await networks.create(make_network())
        await gatherResults([networks.close(), networks.close()])
        await networks.close()
        await self.assertFailure(networks.get("demo"), DatabaseError)
