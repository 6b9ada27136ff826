"""Bridges made by two at once, where a real engine can't be made to take its time."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, cast

from docker import APIClient
from twisted.trial.unittest import SynchronousTestCase

from nexus.container import BridgeSpec
from nexus.containers.bridges import ensure_bridge, remove_bridge
from nexus.errors import EngineError, NameTakenError
from tests.containers.test_translation import make_refusal

BRIDGE = BridgeSpec(
    name="nexus-a", interface="nxa", subnet="10.213.0.0/20", dynamic_range="10.213.15.0/24", labels={"part": "a"}
)


class Networks:
    """The part of the SDK's client that makes networks, over a dictionary. Old engines take one name twice.

    :ivar made: the networks by id.
    :ivar hidden: how many of the next lists leave everything out: the engine is still at it.
    """

    def __init__(self) -> None:
        self.made: dict[str, dict[str, Any]] = {}
        self.hidden = 0
        self._ids = (f"id{number}" for number in itertools.count())

    def add(self, bridge: BridgeSpec, created: str = "2026-11-23T18:00:00Z", **fields: Any) -> str:
        """A network that somebody made."""
        network_id = next(self._ids)
        self.made[network_id] = {
            "Id": network_id,
            "Name": bridge.name,
            "Created": created,
            "Driver": "bridge",
            "Labels": dict(bridge.labels),
            "Options": {"com.docker.network.bridge.enable_icc": "false"},
            "IPAM": {"Config": [{"Subnet": bridge.subnet, "IPRange": bridge.dynamic_range}]},
            **fields,
        }
        return network_id

    def networks(self, names: list[str] | None = None) -> list[dict[str, Any]]:
        """The engine takes a name for any part of one."""
        if self.hidden:
            self.hidden -= 1
            return []
        return [network for network in self.made.values() if not names or names[0] in network["Name"]]

    def create_network(self, *, ipam: dict[str, Any], **fields: Any) -> dict[str, str]:
        """The engine refuses a subnet twice."""
        (pool,) = ipam["Config"]
        if any(network["IPAM"]["Config"][0]["Subnet"] == pool["Subnet"] for network in self.made.values()):
            raise make_refusal(403, "Pool overlaps with other one on this address space")
        bridge = replace(BRIDGE, name=fields["name"], subnet=pool["Subnet"], labels=fields["labels"])
        return {"Id": self.add(bridge, "2026-11-23T18:00:01Z")}

    def remove_network(self, network_id: str) -> None:
        """Remove it."""
        del self.made[network_id]


class BridgeTests(SynchronousTestCase):
    """Two that want one bridge."""

    def setUp(self) -> None:
        self.networks = Networks()
        self.client = cast(APIClient, self.networks)

    def ensure(self, bridge: BridgeSpec = BRIDGE) -> bool:
        """Whether it is there."""
        return ensure_bridge(self.client, bridge, "make bridge")

    def test_made_once(self) -> None:
        """It is made when it is not there, and taken when it is; names that only contain its name are others'."""
        self.networks.add(replace(BRIDGE, name="nexus-abc", subnet="10.1.0.0/20"))
        self.assertTrue(self.ensure())
        self.assertTrue(self.ensure())
        self.assertEqual(sorted(network["Name"] for network in self.networks.made.values()), ["nexus-a", "nexus-abc"])
        remove_bridge(self.client, "nexus-a")
        self.assertEqual([network["Name"] for network in self.networks.made.values()], ["nexus-abc"])

    def test_in_the_making(self) -> None:
        """Its subnet is taken, and nobody is listed who has it: somebody is making it, so one asks again."""
        self.networks.add(BRIDGE)
        self.networks.hidden = 3
        self.assertFalse(self.ensure())
        self.assertTrue(self.ensure())
        self.assertEqual(len(self.networks.made), 1)

    def test_made_meanwhile(self) -> None:
        """Another made it between the look and the attempt: it is taken."""
        self.networks.add(BRIDGE)
        self.networks.hidden = 1
        self.assertTrue(self.ensure())
        self.assertEqual(len(self.networks.made), 1)

    def test_twins(self) -> None:
        """Two of one name were made at once: the older stays, ours goes, and what stays must be what is wanted."""
        older = self.networks.add(replace(BRIDGE, subnet="10.1.0.0/20"))
        self.networks.hidden = 1
        with self.assertRaises(EngineError) as caught:
            self.ensure()
        self.assertIn("has the subnet 10.1.0.0/20, and 10.213.0.0/20 is wanted", str(caught.exception))
        self.assertEqual(list(self.networks.made), [older])

    def test_what_does_not_fit(self) -> None:
        """A network of the name that is not kept apart, not a bridge, or hands out leased addresses, is not used."""
        pool = {"Subnet": BRIDGE.subnet, "IPRange": BRIDGE.subnet}
        for fields, told in (
            ({"Options": {}}, "inter-container traffic (none), and false is wanted"),
            ({"Driver": "macvlan"}, "driver macvlan"),
            ({"IPAM": {"Config": [pool]}}, "dynamic range"),
            ({"IPAM": None}, "subnet (none)"),
        ):
            network_id = self.networks.add(BRIDGE, **fields)
            with self.assertRaises(EngineError) as caught:
                self.ensure()
            self.assertIn(told, str(caught.exception))
            self.networks.remove_network(network_id)

    def test_somebody_elses(self) -> None:
        """A network of the name without our labels is somebody else's."""
        self.networks.add(replace(BRIDGE, labels={"part": "b"}))
        self.assertRaises(NameTakenError, self.ensure)

    def test_overlap(self) -> None:
        """A subnet that another network has is told with that network's name."""
        self.networks.add(replace(BRIDGE, name="other"))
        with self.assertRaises(EngineError) as caught:
            self.ensure()
        self.assertIn("overlaps that of the engine's network other (10.213.0.0/20)", str(caught.exception))
