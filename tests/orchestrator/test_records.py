"""Create, update, and the commands that only tell."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from nexus.errors import (
    CapsRefusedError,
    ConflictError,
    DatabaseError,
    DeadlineError,
    EngineUnreachableError,
    InvalidError,
    NetworkExistsError,
    NetworkNotFoundError,
    NodeNotReadyError,
)
from nexus.messages import (
    CreateNetwork,
    DeleteNetwork,
    GetNetwork,
    ListNetworks,
    NetworkName,
    Ping,
    ResourcesChange,
    UpdateNetwork,
)
from nexus.model import AccessRules, NetworkState, NodeEvent, NodeEventKind, NodeId, Resources
from tests.ipfs.making import make_network
from tests.orchestrator.setting import EPOCH, TIMINGS, OrchestratorTestCase
from tests.test_registry import make_target

UNREACHABLE = EngineUnreachableError("stop", "no engine")


class CreateTests(OrchestratorTestCase):
    """CreateNetwork."""

    def test_answer(self) -> None:
        """The answer is the record with its defaults; the swarm key is not in it."""
        answer = self.successResultOf(self.orchestrator.create_network(CreateNetwork(network="demo"))).network
        self.assertEqual((answer.network, answer.state, answer.desired_state), ("demo", "offline", "offline"))
        self.assertEqual((answer.resources.cpus, answer.resources.memory_gb, answer.resources.disk_gb), (1, 1, 10))
        self.assertEqual((answer.created_at, answer.activated_at), (EPOCH, None))
        self.assertEqual(answer.swarm_key_fingerprint, "fingerprint")
        self.assertIsNone(answer.swarm_key)

    def test_known_to_the_edge(self) -> None:
        """From then on the edge knows the network, by its rules, and where it leads: nowhere."""
        self.create("demo", users=["alice"], gateway_public=True)
        self.assertEqual(self.route().state, NetworkState.OFFLINE)
        self.assertEqual(self.route().targets, ())
        self.assertEqual(self.route().rules, AccessRules(users=frozenset({"alice"}), gateway_public=True))
        self.assertEqual(self.nodes.calls, [("watch", ""), ("nodes", "")])

    def test_partial_resources(self) -> None:
        """Figures that are left out take the default."""
        self.create("demo", resources=ResourcesChange(memory_gb=0.5))
        self.assertEqual(self.record().resources, Resources(cpus=1, memory_gb=0.5, disk_gb=10))

    def test_keys_of_ones_own(self) -> None:
        """Each network has its own random bearer."""
        self.create("demo", "other")
        self.assertNotEqual(self.record("demo").rpc_bearers, self.record("other").rpc_bearers)

    def test_given_swarm_key(self) -> None:
        """A given swarm key is checked and kept."""
        self.create("demo", swarm_key="/key/swarm/psk/1.0.0/ mine")
        details = self.successResultOf(
            self.orchestrator.get_network(GetNetwork(network="demo", include_swarm_key=True))
        )
        self.assertEqual(details.swarm_key, "/key/swarm/psk/1.0.0/ mine")

    def test_exists(self) -> None:
        """A second network of a name is refused; the first is as it was."""
        self.create("demo", users=["alice"])
        self.failed(self.orchestrator.create_network(CreateNetwork(network="demo")), NetworkExistsError)
        self.assertEqual(self.route().rules.users, frozenset({"alice"}))

    def test_static_network_of_that_name(self) -> None:
        """So is one of a static network's name."""
        static = self.registry.publish("demo", rules=AccessRules(), state=NetworkState.ONLINE, targets=())
        self.failed(self.orchestrator.create_network(CreateNetwork(network="demo")), NetworkExistsError)
        self.assertIs(self.registry.route("demo"), static)

    def test_static_network_behind_a_stray_container(self) -> None:
        """So is it while somebody's container with our label and that name comes and goes."""
        static = self.registry.publish("demo", rules=AccessRules(), state=NetworkState.ONLINE, targets=())
        self.nodes.tell(NodeEvent(node=NodeId("demo"), kind=NodeEventKind.STARTED, container_id="stray"))
        self.failed(self.orchestrator.create_network(CreateNetwork(network="demo")), NetworkExistsError)
        self.clock.advance(1)
        self.assertIs(self.registry.route("demo"), static)

    def test_long_texts(self) -> None:
        """An error echoes the beginning of what was sent, however long that is."""
        text = "x" * 500_000
        for request in (
            CreateNetwork(network=text),
            CreateNetwork(network="demo", users=[text]),
            CreateNetwork(network="demo", api_allowed_origins=[text]),
            CreateNetwork(network="demo", swarm_key=text),
        ):
            error = self.failed(self.orchestrator.create_network(request), InvalidError)
            self.assertLess(len(str(error)), 400)

    def test_invalid_fields(self) -> None:
        """An error names the field, and in a list the place."""
        for field, request in {
            "network": CreateNetwork(network="api"),
            "users[1]": CreateNetwork(network="demo", users=["alice", ""]),
            "api_allowed_origins[0]": CreateNetwork(network="demo", api_allowed_origins=["https://app.example/"]),
            "swarm_key": CreateNetwork(network="demo", swarm_key="none"),
            "bootstrap_peers[0]": CreateNetwork(network="demo", bootstrap_peers=["none"]),
            "resources.cpus": CreateNetwork(network="demo", resources=ResourcesChange(cpus=0)),
        }.items():
            error = self.failed(self.orchestrator.create_network(request), InvalidError)
            self.assertEqual(error.field, field)
        self.assertEqual(self.registry.routes(), [])

    def test_database_away(self) -> None:
        """Without the database nothing is known afterwards, and the next try succeeds."""
        self.networks.failure = DatabaseError("create", "it is away")
        self.failed(self.orchestrator.create_network(CreateNetwork(network="demo")), DatabaseError)
        self.assertIsNone(self.registry.route("demo"))
        self.assertIsNone(self.orchestrator._lifecycles.get("demo"))
        self.networks.failure = None
        self.create("demo")


class UpdateTests(OrchestratorTestCase):
    """UpdateNetwork."""

    def test_rules_at_once(self) -> None:
        """Users, gateway and origins are in record and route when it answers; no connection is disturbed."""
        self.online("demo")
        before = self.route()
        self.nodes.calls.clear()
        answer = self.successResultOf(
            self.update(users=["bob"], gateway_public=True, api_allowed_origins=["http://localhost:3000"])
        )
        rules = AccessRules(
            users=frozenset({"bob"}), gateway_public=True, api_allowed_origins=frozenset({"http://localhost:3000"})
        )
        self.assertEqual(self.route().rules, rules)
        self.assertEqual((self.route().generation, self.route().targets), (before.generation, before.targets))
        self.assertEqual(self.record().rules, rules)
        self.assertEqual((answer.network.users, answer.effective_at_next_start), (["bob"], []))
        self.assertEqual(self.nodes.calls, [])

    def test_rules_do_not_wait(self) -> None:
        """A user who is taken off the list is off at once, whatever else is under way."""
        self.create("demo", users=["alice", "mallory"])
        self.nodes.hold("create_node")
        starting = self.start()
        self.successResultOf(self.update(users=["alice"]))
        self.assertEqual(self.route().rules.users, frozenset({"alice"}))
        self.nodes.release("create_node")
        self.successResultOf(starting)
        self.assert_online()
        self.assertEqual(self.route().rules.users, frozenset({"alice"}))

    def test_running_node(self) -> None:
        """What the node has to know it is told; what has to wait for its next start is named."""
        self.online("demo")
        answer = self.successResultOf(self.update(resources=ResourcesChange(cpus=2, disk_gb=20)))
        self.assertEqual(self.calls("update_node"), 1)
        self.assertEqual(answer.effective_at_next_start, ["resources.disk_gb"])
        self.assertEqual(self.record().resources, Resources(cpus=2, memory_gb=1, disk_gb=20))
        self.assert_online()

    def test_stopped_network(self) -> None:
        """Of a stopped network only the record changes."""
        self.create("demo")
        answer = self.successResultOf(self.update(resources=ResourcesChange(disk_gb=20)))
        self.assertEqual(answer.effective_at_next_start, [])
        self.assertEqual(self.record().resources.disk_gb, 20)
        self.assertEqual(self.calls("update_node"), 0)

    def test_nothing_changes(self) -> None:
        """What is as it was writes nothing."""
        self.online("demo")
        before = self.record()
        self.clock.advance(5)
        self.successResultOf(self.update(gateway_public=False, resources=ResourcesChange(cpus=1)))
        self.assertEqual(self.record(), before)

    def test_node_cannot_be_changed(self) -> None:
        """The error is told; the record keeps the change for the next start."""
        self.online("demo")
        self.nodes.fail_next("update_node", UNREACHABLE)
        self.failed(self.update(resources=ResourcesChange(disk_gb=20)), EngineUnreachableError)
        self.assertEqual(self.record().resources.disk_gb, 20)
        self.assert_online()

    def test_caps_refused(self) -> None:
        """Resources that the engine refuses are not kept, or the node could not be made again; the rest is."""
        self.online("demo")
        self.nodes.fail_next("update_node", CapsRefusedError("update", "only 2 CPUs available"))
        self.failed(self.update(resources=ResourcesChange(cpus=64), users=["bob"]), CapsRefusedError)
        self.assertEqual(self.record().resources, Resources(cpus=1, memory_gb=1, disk_gb=10))
        self.assertEqual(self.record().users, frozenset({"bob"}))
        self.assert_online()

    def test_caps_refused_and_others_wanted(self) -> None:
        """Those of a later update are kept."""
        self.online("demo")
        self.nodes.fail_next("update_node", CapsRefusedError("update", "only 2 CPUs available"))
        self.nodes.hold("update_node")
        refused = self.update(resources=ResourcesChange(cpus=64))
        later = self.update(resources=ResourcesChange(cpus=2))
        self.nodes.release("update_node")
        self.failed(refused, CapsRefusedError)
        self.successResultOf(later)
        self.assertEqual(self.record().resources.cpus, 2)

    def test_said_again(self) -> None:
        """Said again after the node could not be changed, it is tried again, and what has to wait is named again."""
        self.online("demo")
        self.nodes.fail_next("update_node", UNREACHABLE)
        self.failed(self.update(resources=ResourcesChange(disk_gb=20)), EngineUnreachableError)
        answer = self.successResultOf(self.update(resources=ResourcesChange(disk_gb=20)))
        self.assertEqual(self.calls("update_node"), 2)
        self.assertEqual(answer.effective_at_next_start, ["resources.disk_gb"])

    def test_running_and_not_routed(self) -> None:
        """A node that runs is changed also where the edge has no route to it yet; an error tells where nobody can know
        whether it runs."""
        self.online("demo")
        self.nodes.go_away()
        self.restart()
        self.failed(self.update(resources=ResourcesChange(cpus=2)), EngineUnreachableError)
        self.nodes.come_back()
        self.nodes.hold("await_ready")
        self.successResultOf(self.update(resources=ResourcesChange(cpus=2)))
        self.assertEqual(self.calls("update_node"), 1)

    def test_updates_in_order(self) -> None:
        """Of two updates of one figure, the later counts, in the record and in the node."""
        self.online("demo")
        self.nodes.hold("update_node")
        first = self.update(resources=ResourcesChange(disk_gb=20))
        second = self.update(resources=ResourcesChange(disk_gb=30))
        self.assertEqual(self.nodes.held("update_node"), 1)
        self.nodes.release("update_node")
        self.assertEqual(self.successResultOf(first).network.resources.disk_gb, 20)
        self.assertEqual(self.successResultOf(second).network.resources.disk_gb, 30)
        self.assertEqual(self.record().resources.disk_gb, 30)

    def test_invalid_fields(self) -> None:
        """An error names the field and place, and nothing changed."""
        self.create("demo", users=["alice"])
        updates: dict[str, dict[str, Any]] = {
            "users[0]": {"users": ["a\nb"]},
            "api_allowed_origins[1]": {"api_allowed_origins": ["http://a", "*"]},
            "bootstrap_peers[0]": {"bootstrap_peers": ["none"]},
            "resources.disk_gb": {"resources": ResourcesChange(disk_gb=0.5)},
        }
        for field, fields in updates.items():
            self.assertEqual(self.failed(self.update(**fields), InvalidError).field, field)
        self.assertEqual(self.record().users, frozenset({"alice"}))

    def test_unknown_network(self) -> None:
        """What is not on record cannot be changed."""
        self.failed(self.update("nobody", gateway_public=True), NetworkNotFoundError)
        self.assertIsNone(self.registry.route("nobody"))

    def test_late_read_does_not_bring_rules_back(self) -> None:
        """A read that was begun before an update, and answers after it, changes no rules."""
        self.create("demo", users=["alice", "mallory"])
        stale = self.record()
        slow: Deferred[object] = Deferred()
        reading = self.patch(self.networks, "get", lambda name: slow)
        self.orchestrator.network_diagnostics(NetworkName(network="demo"))
        reading.restore()
        updating = self.update(users=["alice"])
        slow.callback(stale)
        self.successResultOf(updating)
        self.assertEqual(self.route().rules.users, frozenset({"alice"}))


class TellingTests(OrchestratorTestCase):
    """Ping, GetNetwork, ListNetworks, NetworkStats."""

    def test_ping(self) -> None:
        """Ping says which Nexus answers, and how many networks it has; static ones do not count."""
        self.registry.publish("static", rules=AccessRules(), state=NetworkState.ONLINE, targets=())
        self.create("demo")
        self.online("other")
        pong = self.successResultOf(self.orchestrator.ping(Ping()))
        self.assertEqual((pong.instance, pong.version, pong.domain), ("test", "1.2.3", "example.test"))
        self.assertEqual((pong.networks, pong.networks_online), (2, 1))
        self.assertEqual(pong.started_at, EPOCH)

    def test_get(self) -> None:
        """A network's record and state; the swarm key only where it is asked for."""
        self.online("demo")
        details = self.successResultOf(self.orchestrator.get_network(GetNetwork(network="demo")))
        self.assertEqual((details.state, details.desired_state), ("online", "online"))
        self.assertIsNone(details.swarm_key)
        self.failed(self.orchestrator.get_network(GetNetwork(network="nobody")), NetworkNotFoundError)

    def test_static(self) -> None:
        """A static network is nobody's to command: each method says what it is, and where its node is."""
        node = make_target("10.0.0.9")
        static = self.registry.publish("static", rules=AccessRules(), state=NetworkState.ONLINE, targets=(node,))
        name = NetworkName(network="static")
        orchestrator = self.orchestrator
        asking: list[Deferred[Any]] = [
            orchestrator.get_network(GetNetwork(network="static")),
            orchestrator.start_network(name),
            orchestrator.stop_network(name),
            orchestrator.remove_network(name),
            orchestrator.network_stats(name),
            orchestrator.network_diagnostics(name),
            orchestrator.update_network(UpdateNetwork(network="static", users=["eve"])),
            orchestrator.delete_network(DeleteNetwork(network="static", remove=True)),
        ]
        for asked in asking:
            error = str(self.failed(asked, ConflictError))
            self.assertIn(
                "static (api 10.0.0.9:5001, gateway 10.0.0.9:8080): change it in the configuration (edge.static)", error
            )
        self.assertEqual(self.successResultOf(orchestrator.list_networks(ListNetworks())).networks, [])
        orchestrator.target_unreachable("static", static.generation)
        self.clock.advance(100)
        self.assertIs(self.registry.route("static"), static)
        self.assertEqual(self.nodes.calls[-1], ("nodes", ""))

    def test_list(self) -> None:
        """All networks by name, without swarm keys."""
        self.create("b", "a")
        self.online("c")
        listed = self.successResultOf(self.orchestrator.list_networks(ListNetworks())).networks
        self.assertEqual(
            [(one.network, one.state) for one in listed], [("a", "offline"), ("b", "offline"), ("c", "online")]
        )
        self.assertEqual([one.swarm_key for one in listed], [None, None, None])

    def test_stats(self) -> None:
        """A running node is measured."""
        self.online("demo")
        stats = self.successResultOf(self.orchestrator.network_stats(NetworkName(network="demo")))
        self.assertEqual((stats.network, stats.state), ("demo", NetworkState.ONLINE))
        self.assertEqual([(node.index, node.peer_id) for node in stats.nodes], [(0, "peer-of-demo")])

    def test_stats_offline(self) -> None:
        """What is offline cannot be measured."""
        self.create("demo")
        error = self.failed(self.orchestrator.network_stats(NetworkName(network="demo")), ConflictError)
        self.assertIn("offline", str(error))

    def test_stats_fail(self) -> None:
        """A node that does not answer is told as such, and in time."""
        self.online("demo")
        self.nodes.fail_next("node_stats", NodeNotReadyError("demo", "does not answer"))
        self.failed(self.orchestrator.network_stats(NetworkName(network="demo")), NodeNotReadyError)
        self.nodes.hold("node_stats")
        measuring = self.orchestrator.network_stats(NetworkName(network="demo"))
        self.clock.advance(TIMINGS.look_up_timeout_s)
        self.failed(measuring, DeadlineError)


class SharedDatabaseTests(OrchestratorTestCase):
    """Another process writes records."""

    def test_created_elsewhere(self) -> None:
        """A network that another process created is known as soon as it is asked for."""
        self.successResultOf(self.networks.create(make_network(users=frozenset({"alice"}))))
        self.successResultOf(self.start())
        self.assert_online()
        self.assertEqual(self.route().rules.users, frozenset({"alice"}))
