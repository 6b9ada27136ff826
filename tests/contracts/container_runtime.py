"""The contract of `IContainerRuntime`, for Docker and for the engine in memory that stands in for it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from nexus.container import (
    BridgeSpec,
    Caps,
    ContainerEvent,
    ContainerEventKind,
    ContainerSpec,
    FileAsset,
    PublishedPort,
)
from nexus.errors import (
    ContainerConflictError,
    ContainerNotFoundError,
    EngineError,
    ImageMissingError,
    NameTakenError,
    PortTakenError,
)
from nexus.interfaces import IContainerEventObserver, IContainerRuntime, ISubscription
from nexus.model import ContainerState

CAPS = Caps(nano_cpus=500_000_000, memory_bytes=64_000_000 // 4096 * 4096, pids=50)
RUN_UNTIL_STOPPED = ("/bin/sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait")
NOBODY = "0" * 64
"""The id of no container."""


@implementer(IContainerEventObserver)
class RecordingObserver:
    """Writes down what it was told."""

    def __init__(self) -> None:
        self.events: list[ContainerEvent] = []
        self.restored = 0

    def container_event(self, event: ContainerEvent) -> None:
        self.events.append(event)

    def event_stream_restored(self) -> None:
        self.restored += 1

    @property
    def kinds(self) -> list[ContainerEventKind]:
        """What happened, in order."""
        return [event.kind for event in self.events]


if TYPE_CHECKING:
    _Base = TestCase
else:
    _Base = object


class ContainerMaking(_Base):
    """Makes what a test needs, all of it marked as the test's own.

    :ivar image: an image that the engine has, with a shell or what stands for one.
    :ivar labels: on everything that a test makes, and on nothing else in the world.
    :ivar prefix: begins every name that a test makes.
    :ivar subnet: a /24 that nobody uses.
    :ivar interface: a network interface's name that nobody uses.
    """

    image: str
    labels: Mapping[str, str]
    prefix: str
    subnet: str
    interface: str

    def make_spec(self, name: str = "a", **fields: Any) -> ContainerSpec:
        """A container that runs until it is stopped."""
        spec = ContainerSpec(
            name=f"{self.prefix}-{name}",
            image=self.image,
            command=RUN_UNTIL_STOPPED,
            environment={"COLOUR": "blue"},
            labels=self.labels,
            volumes={},
            ports=(),
            caps=CAPS,
            restart_policy="no",
        )
        return replace(spec, **fields)

    def make_bridge(self, **fields: Any) -> BridgeSpec:
        """A bridge of this test's own."""
        subnet = ipaddress.IPv4Network(self.subnet)
        bridge = BridgeSpec(
            name=f"{self.prefix}-bridge",
            interface=self.interface,
            subnet=self.subnet,
            dynamic_range=str(list(subnet.subnets(prefixlen_diff=1))[1]),
            labels=self.labels,
        )
        return replace(bridge, **fields)

    async def make_running(self, runtime: IContainerRuntime, name: str = "a", **fields: Any) -> str:
        """A container that runs."""
        container_id = await runtime.create(self.make_spec(name, **fields))
        await runtime.start(container_id)
        return container_id

    async def assert_refuses(self, kind: type[EngineError], *calls: Deferred[Any]) -> str:
        """Each call fails with exactly `kind`; the last one's message."""
        message = ""
        for call in calls:
            with self.assertRaises(EngineError) as caught:
                await call
            self.assertIs(type(caught.exception), kind, str(caught.exception))
            message = str(caught.exception)
        return message


class ContainerRuntimeTests(ContainerMaking):
    """Mix in with `TestCase`, and make what raises `NotImplementedError`."""

    def make_runtime(self) -> IContainerRuntime:
        """A runtime on the engine of this test; a second one is a second process. The test case closes it."""
        raise NotImplementedError

    def free_port(self) -> int:
        """A port of 127.0.0.1 that nothing listens on."""
        raise NotImplementedError

    def occupy_port(self) -> int:
        """A port of 127.0.0.1 that something which is no container listens on."""
        raise NotImplementedError

    async def kill(self, container_id: str) -> None:
        """Somebody else kills the container."""
        raise NotImplementedError

    async def read_file(self, container_id: str, path: str) -> FileAsset:
        """A file of a running container, as it is in there."""
        raise NotImplementedError

    async def make_printing(self, lines: list[str]) -> str:
        """A container that has run, printed `lines`, and ended."""
        raise NotImplementedError

    async def eventually(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until `holds()`; fails the test, naming `what`, when that takes too long."""
        raise NotImplementedError

    async def state_of(self, runtime: IContainerRuntime, container_id: str) -> ContainerState:
        """The container's state."""
        return (await runtime.inspect(container_id)).state

    async def names(self, runtime: IContainerRuntime) -> set[str]:
        """The names of this test's containers."""
        return {container.name.removeprefix(f"{self.prefix}-") for container in await runtime.list(self.labels)}

    async def test_interface(self) -> None:
        """It has every method of the interface, and its subscriptions theirs."""
        runtime = self.make_runtime()
        verifyObject(IContainerRuntime, runtime)
        verifyObject(ISubscription, runtime.watch(self.labels, RecordingObserver()))

    async def test_check(self) -> None:
        """An engine that is there tells its version."""
        self.assertNotEqual(await self.make_runtime().check(), "")

    async def test_images(self) -> None:
        """An image is there, or missing by name; it is never fetched."""
        runtime = self.make_runtime()
        await runtime.check_image(self.image)
        missing = f"{self.prefix}-missing:1"
        self.assertIn(missing, await self.assert_refuses(ImageMissingError, runtime.check_image(missing)))
        await self.assert_refuses(ImageMissingError, runtime.create(self.make_spec(image=missing)))
        self.assertEqual(await self.names(runtime), set())

    async def test_create(self) -> None:
        """What was created is listed with its labels and does not run."""
        runtime = self.make_runtime()
        container_id = await runtime.create(self.make_spec())
        (container,) = await runtime.list(self.labels)
        self.assertEqual(
            (container.id, container.name, container.image, container.state, container.labels),
            (container_id, f"{self.prefix}-a", self.image, ContainerState.CREATED, self.labels),
        )
        detail = await runtime.inspect(container_id)
        self.assertEqual(
            (detail.id, detail.name, detail.image, detail.state, detail.labels, detail.caps),
            (container_id, container.name, self.image, ContainerState.CREATED, self.labels, CAPS),
        )
        self.assertEqual((detail.started_at, detail.finished_at, detail.exit_code), (None, None, None))
        self.assertLess(abs((detail.created_at - container.created_at).total_seconds()), 1)

    async def test_list_by_labels(self) -> None:
        """Only what carries all of the labels is listed, and what does not run is too."""
        runtime = self.make_runtime()
        await self.make_running(runtime, labels={**self.labels, "part": "a", "x": "="})
        await runtime.create(self.make_spec("b", labels={**self.labels, "part": "b"}))
        self.assertEqual(await self.names(runtime), {"a", "b"})
        for labels, expected in (({"part": "a"}, 1), ({"part": "a", "x": "="}, 1), ({"part": "b", "x": "="}, 0)):
            self.assertEqual(len(await runtime.list({**self.labels, **labels})), expected)

    async def test_name_taken(self) -> None:
        """A name is taken once, and the first container stays."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime)
        await self.assert_refuses(NameTakenError, runtime.create(self.make_spec()))
        self.assertEqual([container.id for container in await runtime.list(self.labels)], [container_id])
        self.assertIs(await self.state_of(runtime, container_id), ContainerState.RUNNING)

    async def test_start(self) -> None:
        """A started container runs, since a time after it was made; starting it again changes nothing."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime)
        first = await runtime.inspect(container_id)
        self.assertIs(first.state, ContainerState.RUNNING)
        assert first.started_at is not None
        self.assertLessEqual(first.created_at, first.started_at)
        self.assertIsNone(first.exit_code)
        await runtime.start(container_id)
        self.assertEqual(await runtime.inspect(container_id), first)

    async def test_gone(self) -> None:
        """What needs a container says that it is gone; what is to end it is content."""
        runtime = self.make_runtime()
        file = FileAsset(path="/etc/some", content=b"")
        calls: list[Deferred[Any]] = [
            runtime.inspect(NOBODY),
            runtime.start(NOBODY),
            runtime.restart(NOBODY, 1),
            runtime.update(NOBODY, CAPS),
            runtime.put_files(NOBODY, [file]),
            runtime.execute(NOBODY, ["true"]),
            runtime.logs(NOBODY, 1),
            runtime.stats(NOBODY),
        ]
        await self.assert_refuses(ContainerNotFoundError, *calls)
        await runtime.stop(NOBODY, 1)
        await runtime.remove(NOBODY)

    async def test_stop(self) -> None:
        """A stopped container has ended, is still there, and may be stopped again."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime)
        await runtime.stop(container_id, 5)
        detail = await runtime.inspect(container_id)
        self.assertEqual((detail.state, detail.exit_code), (ContainerState.EXITED, 0))
        assert detail.started_at is not None and detail.finished_at is not None
        self.assertLessEqual(detail.started_at, detail.finished_at)
        await runtime.stop(container_id, 5)
        await runtime.start(container_id)
        self.assertIs(await self.state_of(runtime, container_id), ContainerState.RUNNING)

    async def test_restart(self) -> None:
        """A restarted container is the same one, running since later."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime)
        before = await runtime.inspect(container_id)
        await runtime.restart(container_id, 5)
        after = await runtime.inspect(container_id)
        assert before.started_at is not None and after.started_at is not None
        self.assertIs(after.state, ContainerState.RUNNING)
        self.assertLess(before.started_at, after.started_at)

    async def test_kill(self) -> None:
        """A container that somebody kills has ended by SIGKILL and stays so: the engine takes it for a stop."""
        runtime = self.make_runtime()
        container_id = await self.make_running(runtime, restart_policy="unless-stopped")
        await self.kill(container_id)
        detail = await runtime.inspect(container_id)
        self.assertEqual((detail.state, detail.exit_code), (ContainerState.EXITED, 137))

    async def test_remove(self) -> None:
        """A removed container is gone, running or not; several may ask at once."""
        runtime = self.make_runtime()
        running = await self.make_running(runtime)
        created = await runtime.create(self.make_spec("b"))
        await gatherResults([runtime.remove(running) for _ in range(4)])
        await runtime.remove(created)
        self.assertEqual(await self.names(runtime), set())
        await runtime.create(self.make_spec())

    async def test_update(self) -> None:
        """Caps are set whether the container runs or not, and told."""
        runtime = self.make_runtime()
        running = await self.make_running(runtime)
        created = await runtime.create(self.make_spec("b"))
        caps = Caps(nano_cpus=250_000_000, memory_bytes=CAPS.memory_bytes * 2, pids=77)
        for container_id in (running, created):
            await runtime.update(container_id, caps)
            self.assertEqual((await runtime.inspect(container_id)).caps, caps)
        self.assertIs(await self.state_of(runtime, running), ContainerState.RUNNING)

    async def test_files(self) -> None:
        """Files are there before the start, in directories that there may not have been, with owner and mode."""
        runtime = self.make_runtime()
        files = (
            FileAsset(path="/etc/one", content=b"1", mode=0o444, uid=7, gid=8),
            FileAsset(path="/new/deep/two", content=bytes(range(256)), mode=0o500),
            FileAsset(path="/new/deep/three", content=b"", mode=0o640),
        )
        container_id = await self.make_running(runtime, files=files)
        for file in files:
            self.assertEqual(await self.read_file(container_id, file.path), file)

    async def test_put_files(self) -> None:
        """A file put into a running container replaces what was there."""
        runtime = self.make_runtime()
        old = FileAsset(path="/etc/one", content=b"first, and longer", mode=0o444, uid=7, gid=8)
        container_id = await self.make_running(runtime, files=(old,))
        new = FileAsset(path="/etc/one", content=b"second", mode=0o400)
        await runtime.put_files(container_id, [new])
        self.assertEqual(await self.read_file(container_id, "/etc/one"), new)
        await runtime.put_files(container_id, [])

    async def test_execute_needs_a_running_container(self) -> None:
        """Nothing is executed in, or measured of, a container that does not run."""
        runtime = self.make_runtime()
        created = await runtime.create(self.make_spec())
        await self.assert_refuses(
            ContainerConflictError, runtime.execute(created, ["/bin/true"]), runtime.stats(created)
        )
        await runtime.start(created)
        self.assertEqual((await runtime.execute(created, ["/bin/true"])).exit_code, 0)
        await runtime.stop(created, 5)
        await self.assert_refuses(
            ContainerConflictError, runtime.execute(created, ["/bin/true"]), runtime.stats(created)
        )

    async def test_logs(self) -> None:
        """The last lines of a container's output are there after its end, the oldest first."""
        runtime = self.make_runtime()
        container_id = await self.make_printing(["one", "two", "three"])
        self.assertEqual(list(await runtime.logs(container_id, 10)), ["one", "two", "three"])
        self.assertEqual(list(await runtime.logs(container_id, 2)), ["two", "three"])
        self.assertEqual(list(await runtime.logs(container_id, 0)), [])

    async def test_stats(self) -> None:
        """A running container's use is told, with its cap."""
        runtime = self.make_runtime()
        stats = await runtime.stats(await self.make_running(runtime))
        self.assertEqual(stats.memory_cap_bytes, CAPS.memory_bytes)
        self.assertTrue(0 < stats.memory_used_bytes <= CAPS.memory_bytes, stats)
        self.assertTrue(0 <= stats.cpu_percent <= 100, stats)
        self.assertTrue(1 <= stats.pids <= CAPS.pids, stats)

    async def test_volumes(self) -> None:
        """A volume is made once, listed by its labels, outlives its container, and is gone when removed."""
        runtime = self.make_runtime()
        name = f"{self.prefix}-volume"
        made = await gatherResults([runtime.create_volume(name, self.labels) for _ in range(3)])
        self.assertEqual(sorted(made), [False, False, True])
        container_id = await self.make_running(runtime, volumes={name: "/data"})
        await self.assert_refuses(ContainerConflictError, runtime.remove_volume(name))
        await runtime.remove(container_id)
        (volume,) = await runtime.list_volumes(self.labels)
        self.assertEqual((volume.name, volume.labels), (name, self.labels))
        self.assertEqual(list(await runtime.list_volumes({**self.labels, "part": "a"})), [])
        for _ in range(2):
            await runtime.remove_volume(name)
        self.assertEqual(list(await runtime.list_volumes(self.labels)), [])

    async def test_volume_of_somebody_else(self) -> None:
        """A volume of that name with other labels is not taken for ours."""
        runtime = self.make_runtime()
        name = f"{self.prefix}-volume"
        await runtime.create_volume(name, {**self.labels, "owner": "other"})
        await self.assert_refuses(NameTakenError, runtime.create_volume(name, {**self.labels, "owner": "we"}))

    async def test_port_of_another_container(self) -> None:
        """A port is published once: the second to start is refused, and may start when the first has ended."""
        runtime = self.make_runtime()
        ports = (PublishedPort(container_port=80, host_ip="127.0.0.1", host_port=self.free_port()),)
        first = await self.make_running(runtime, ports=ports)
        second = await runtime.create(self.make_spec("b", ports=ports))
        message = await self.assert_refuses(PortTakenError, runtime.start(second))
        self.assertIn(f"127.0.0.1:{ports[0].host_port}", message)
        detail = await runtime.inspect(second)
        self.assertIs(detail.state, ContainerState.CREATED)
        self.assertNotEqual(detail.error, "")
        await runtime.stop(first, 5)
        await runtime.start(second)
        await self.assert_refuses(PortTakenError, runtime.start(first))

    async def test_port_of_something_else(self) -> None:
        """A port that a process of the host listens on is refused as well; what was refused can be removed."""
        runtime = self.make_runtime()
        ports = (PublishedPort(container_port=80, host_ip="127.0.0.1", host_port=self.occupy_port()),)
        container_id = await runtime.create(self.make_spec(ports=ports))
        message = await self.assert_refuses(PortTakenError, runtime.start(container_id))
        self.assertIn(f"127.0.0.1:{ports[0].host_port}", message)
        await runtime.remove(container_id)
        self.assertEqual(await self.names(runtime), set())

    async def test_bridge(self) -> None:
        """A bridge is made once, whoever asks and how often, and removed when nobody is on it any more."""
        runtime, other = self.make_runtime(), self.make_runtime()
        bridge = self.make_bridge()
        await gatherResults([each.ensure_bridge(bridge) for each in (runtime, other, runtime)])
        await runtime.ensure_bridge(bridge)
        container_id = await self.make_running(runtime, network=bridge.name)
        await self.assert_refuses(ContainerConflictError, runtime.remove_bridge(bridge.name))
        await runtime.remove(container_id)
        for _ in range(2):
            await runtime.remove_bridge(bridge.name)

    async def test_bridge_that_does_not_fit(self) -> None:
        """A bridge of that name with another subnet, or somebody else's, is not used; nor is a subnet twice."""
        runtime = self.make_runtime()
        bridge = self.make_bridge()
        await runtime.ensure_bridge(bridge)
        halves = [str(half) for half in ipaddress.IPv4Network(self.subnet).subnets()]
        other_subnet = replace(bridge, subnet=halves[0], dynamic_range=halves[0])
        self.assertIn(self.subnet, await self.assert_refuses(EngineError, runtime.ensure_bridge(other_subnet)))
        strange = replace(bridge, labels={**self.labels, "owner": "we"})
        await self.assert_refuses(NameTakenError, runtime.ensure_bridge(strange))
        twin = replace(bridge, name=f"{self.prefix}-twin", interface=f"{self.interface}t")
        self.assertIn(bridge.name, await self.assert_refuses(EngineError, runtime.ensure_bridge(twin)))

    async def test_addresses(self) -> None:
        """An address on a bridge belongs to one running container at a time, and is free when that has ended."""
        runtime = self.make_runtime()
        bridge = self.make_bridge()
        await runtime.ensure_bridge(bridge)
        address = str(ipaddress.IPv4Network(self.subnet)[10])
        first = await self.make_running(runtime, network=bridge.name, address=address)
        self.assertEqual((await runtime.inspect(first)).address, address)
        second = await runtime.create(self.make_spec("b", network=bridge.name, address=address))
        await self.assert_refuses(PortTakenError, runtime.start(second))
        await runtime.stop(first, 5)
        await runtime.start(second)
        self.assertEqual((await runtime.inspect(second)).address, address)

    async def test_addresses_that_cannot_be(self) -> None:
        """The bridge's own address is taken; one outside its subnet is refused, as is a bridge that is not."""
        runtime = self.make_runtime()
        bridge = self.make_bridge()
        await runtime.ensure_bridge(bridge)
        subnet = ipaddress.IPv4Network(self.subnet)
        gateway = await runtime.create(self.make_spec("a", network=bridge.name, address=str(subnet[1])))
        await self.assert_refuses(PortTakenError, runtime.start(gateway))
        outside = await runtime.create(self.make_spec("b", network=bridge.name, address=str(subnet[0] - 6)))
        await self.assert_refuses(EngineError, runtime.start(outside))
        nowhere = await runtime.create(self.make_spec("c", network=f"{self.prefix}-nowhere"))
        await self.assert_refuses(EngineError, runtime.start(nowhere))

    async def test_dynamic_addresses(self) -> None:
        """Who asks for no address gets one of the dynamic range, where none is ever leased."""
        runtime = self.make_runtime()
        bridge = self.make_bridge()
        await runtime.ensure_bridge(bridge)
        seen = set()
        for name in "ab":
            container_id = await self.make_running(runtime, name, network=bridge.name)
            address = (await runtime.inspect(container_id)).address
            assert address is not None
            self.assertIn(ipaddress.IPv4Address(address), ipaddress.IPv4Network(bridge.dynamic_range))
            seen.add(address)
        self.assertEqual(len(seen), 2)

    async def test_events(self) -> None:
        """Start, death and removal of containers with the labels are told in order, with all their labels."""
        runtime = self.make_runtime()
        observer = RecordingObserver()
        runtime.watch(self.labels, observer)
        labels = {**self.labels, "part": "a"}
        container_id = await self.make_running(runtime, labels=labels)
        await self.kill(container_id)
        await runtime.remove(container_id)
        await self.eventually(lambda: len(observer.events) >= 3, "three events")
        self.assertEqual(observer.kinds, [ContainerEventKind.START, ContainerEventKind.DIE, ContainerEventKind.DESTROY])
        for event in observer.events:
            self.assertEqual((event.container_id, event.labels), (container_id, labels))
        times = [event.at for event in observer.events]
        self.assertEqual(times, sorted(times))
        self.assertEqual(observer.restored, 0)

    async def test_events_of_others(self) -> None:
        """Containers without the labels are not told of, and each observer hears of its own."""
        runtime = self.make_runtime()
        ours, everybody = RecordingObserver(), RecordingObserver()
        runtime.watch({**self.labels, "part": "ours"}, ours)
        runtime.watch(self.labels, everybody)
        other = await self.make_running(runtime, labels={**self.labels, "part": "other"})
        mine = await self.make_running(runtime, name="b", labels={**self.labels, "part": "ours"})
        await self.eventually(lambda: len(everybody.events) == 2 and len(ours.events) == 1, "the starts")
        self.assertEqual({event.container_id for event in everybody.events}, {mine, other})
        self.assertEqual([event.container_id for event in ours.events], [mine])

    async def test_closed_subscription(self) -> None:
        """A closed subscription says nothing more, and may be closed again; another goes on."""
        runtime = self.make_runtime()
        closed, other = RecordingObserver(), RecordingObserver()
        subscription = runtime.watch(self.labels, closed)
        runtime.watch(self.labels, other)
        container_id = await self.make_running(runtime)
        await self.eventually(lambda: len(closed.events) == 1 and len(other.events) == 1, "the start")
        subscription.close()
        subscription.close()
        await runtime.remove(container_id)
        await self.eventually(lambda: len(other.events) == 3, "the removal")
        self.assertEqual(closed.kinds, [ContainerEventKind.START])

    async def test_cancelled_create(self) -> None:
        """What a cancelled create made is removed, and the name is free again."""
        runtime = self.make_runtime()
        creating = runtime.create(self.make_spec(files=(FileAsset(path="/etc/one", content=b"1"),)))
        if not creating.called:
            creating.cancel()
            with self.assertRaises(CancelledError):
                await creating
        else:
            await runtime.remove(await creating)
        await runtime.close()
        self.assertEqual(await self.names(self.make_runtime()), set())

    async def test_close(self) -> None:
        """A closed runtime refuses every call, tells nothing more, and leaves the containers as they are."""
        runtime, other = self.make_runtime(), self.make_runtime()
        observer = RecordingObserver()
        runtime.watch(self.labels, observer)
        container_id = await self.make_running(runtime)
        await runtime.close()
        await runtime.close()
        await self.assert_refuses(EngineError, runtime.check(), runtime.list({}), runtime.stop(container_id, 1))
        told = len(observer.events)
        self.assertIs(await self.state_of(other, container_id), ContainerState.RUNNING)
        await other.remove(container_id)
        self.assertEqual(len(observer.events), told)
