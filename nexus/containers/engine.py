"""The engine's calls as they are: blocking, for a thread of the pool, raising what the SDK raises.

Imported by the first call, in a thread: the SDK takes a tenth of a second to import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from threading import Lock
from typing import Any, Final
from urllib.parse import quote

from docker import APIClient
from docker.errors import APIError, NotFound
from twisted.logger import Logger

from nexus.container import (
    BridgeSpec,
    Caps,
    Container,
    ContainerDetail,
    ContainerSpec,
    ContainerStats,
    ExecutionResult,
    FileAsset,
    Volume,
)
from nexus.containers import answers
from nexus.containers.archive import archive, parents
from nexus.containers.bodies import caps_body, container_body
from nexus.containers.bridges import ensure_bridge, remove_bridge
from nexus.containers.sampling import Sampler, read_sample
from nexus.containers.translation import ENGINE_FAILURES, explanation
from nexus.containers.transport import connect
from nexus.containers.wires import Wires
from nexus.errors import EngineError, NameTakenError, NexusError

_EXECUTION_OUTPUT_MAX: Final = 1024 * 1024

_log = Logger()


class Engine:
    """One engine, connected at the first call. May be used from several threads at once."""

    def __init__(self, socket: str, wires: Wires, *, timeout_s: int, connections: int) -> None:
        self._connect: Callable[[], APIClient] = lambda: connect(
            socket, wires, timeout_s=timeout_s, connections=connections
        )
        self._lock = Lock()
        self._volumes_lock = Lock()
        self._sampler = Sampler()
        self._connected: APIClient | None = None

    def _client(self) -> APIClient:
        with self._lock:
            if self._connected is None:
                self._connected = self._connect()
            return self._connected

    def disconnect(self) -> None:
        """Let the next call connect anew: another version of the engine may answer by then."""
        with self._lock:
            # Not closed: another thread may be in the middle of its calls. What nobody uses any more is closed with it.
            self._connected = None

    def version(self) -> str:
        version: str = self._client().version()["Version"]
        return version

    def check_image(self, image: str) -> None:
        self._client().inspect_image(image)  # type: ignore[no-untyped-call]

    def ensure_bridge(self, bridge: BridgeSpec, operation: str) -> bool:
        return ensure_bridge(self._client(), bridge, operation)

    def remove_bridge(self, name: str) -> None:
        remove_bridge(self._client(), name)

    def list(self, labels: Mapping[str, str]) -> Sequence[Container]:
        found = self._client().containers(all=True, filters={"label": _label_filters(labels)})
        return [answers.container(entry) for entry in found]

    def inspect(self, container_id: str) -> ContainerDetail:
        return answers.container_detail(self._client().inspect_container(container_id))

    def create(self, spec: ContainerSpec) -> str:
        client = self._client()
        made = client.create_container_from_config(container_body(spec), spec.name)  # type: ignore[no-untyped-call]
        container_id: str = made["Id"]
        try:
            self.put_files(container_id, spec.files)
        except BaseException:
            self._discard(container_id, spec.name)
            raise
        return container_id

    def _discard(self, container_id: str, name: str) -> None:
        """Remove what could not be finished, without hiding why it could not."""
        try:
            self.remove(container_id)
        except (NexusError, *ENGINE_FAILURES) as error:
            _log.error("the unfinished container {name} could not be removed: {error}", name=name, error=str(error))

    def start(self, container_id: str) -> None:
        self._client().start(container_id)

    def stop(self, container_id: str, grace_s: int) -> None:
        try:
            self._client().stop(container_id, timeout=grace_s)
        except NotFound:
            return

    def restart(self, container_id: str, grace_s: int) -> None:
        self._client().restart(container_id, timeout=grace_s)

    def update(self, container_id: str, caps: Caps) -> None:
        # The SDK's own call knows neither NanoCpus nor PidsLimit.
        self._post(f"/containers/{quote(container_id)}/update", caps_body(caps))

    def remove(self, container_id: str) -> None:
        client = self._client()
        try:
            client.remove_container(container_id, v=True, force=True)
        except NotFound:
            return
        except APIError as error:
            if error.response is None or "already in progress" not in explanation(error.response):
                raise
            self._await_removal(container_id)

    def _await_removal(self, container_id: str) -> None:
        client = self._client()
        try:
            client.wait(container_id, timeout=client.timeout, condition="removed")
            client.inspect_container(container_id)
        except NotFound:
            return
        raise EngineError(f"remove container {container_id[:12]}", "another removal of it failed: try again")

    def put_files(self, container_id: str, files: Sequence[FileAsset]) -> None:
        """In one archive: the engine starts a process to unpack one (40 ms); asking for a directory costs 2 ms."""
        if files:
            missing = self._missing_directories(container_id, files)
            self._client().put_archive(container_id, "/", archive(files, missing))

    def _missing_directories(self, container_id: str, files: Sequence[FileAsset]) -> set[str]:
        there: set[str] = set()
        missing: set[str] = set()
        for file in files:
            for directory in parents(file.path):
                if directory in there:
                    break
                if directory not in missing and self._exists(container_id, directory):
                    there.add(directory)
                    break
                missing.add(directory)
        return missing

    def _exists(self, container_id: str, path: str) -> bool:
        client = self._client()
        url = self._url(f"/containers/{quote(container_id)}/archive")
        answer = client.head(url, params={"path": path}, timeout=client.timeout)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return False
        answer.raise_for_status()
        return True

    def execute(self, container_id: str, command: Sequence[str], operation: str) -> ExecutionResult:
        client = self._client()
        execution: str = client.exec_create(container_id, list(command))["Id"]
        # The SDK's own call upgrades the connection and then waits on the bare socket without a timeout.
        body = {"Detach": False, "Tty": False}
        with client.post(
            self._url(f"/exec/{execution}/start"), json=body, stream=True, timeout=client.timeout
        ) as answer:
            answer.raise_for_status()
            output = bytearray()
            for part in answer.iter_content(64 * 1024):
                output += part
                if len(output) > _EXECUTION_OUTPUT_MAX:
                    raise EngineError(operation, f"the command printed more than {_EXECUTION_OUTPUT_MAX} bytes")
        return ExecutionResult(
            exit_code=client.exec_inspect(execution)["ExitCode"], output=answers.demultiplex(bytes(output))
        )

    def logs(self, container_id: str, lines: int) -> Sequence[str]:
        return answers.log_lines(self._client().logs(container_id, tail=lines), lines)

    def stats(self, container_id: str) -> ContainerStats | None:
        client = self._client()
        return self._sampler.measure(
            container_id,
            lambda: read_sample(client.stats(container_id, stream=False, one_shot=True)),
            lambda: self.inspect(container_id).started_at,
        )

    def create_volume(self, name: str, labels: Mapping[str, str], operation: str) -> bool:
        client = self._client()
        with self._volumes_lock:
            try:
                there = answers.volume(client.inspect_volume(name))
                made = False
            except NotFound:
                there = answers.volume(client.create_volume(name, labels=dict(labels)))
                made = True
        if any(there.labels.get(label) != value for label, value in labels.items()):
            raise NameTakenError(operation, f"there is a volume named {name} with other labels: not ours to use")
        return made

    def list_volumes(self, labels: Mapping[str, str]) -> Sequence[Volume]:
        found = self._client().volumes(filters={"label": _label_filters(labels)})["Volumes"] or []
        return [answers.volume(entry) for entry in found]

    def remove_volume(self, name: str) -> None:
        try:
            self._client().remove_volume(name)
        except NotFound:
            return

    def _url(self, path: str) -> str:
        client = self._client()
        return f"{client.base_url}/v{client.api_version}{path}"

    def _post(self, path: str, body: Mapping[str, Any]) -> None:
        client = self._client()
        client.post(self._url(path), json=body, timeout=client.timeout).raise_for_status()


def _label_filters(labels: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in labels.items()]
