"""The SDK's client over a unix socket, on connections that can be cut (`wires`)."""

from __future__ import annotations

from typing import Final

from docker import APIClient
from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool

from nexus.containers.wires import Wires
from nexus.errors import EngineError, EngineUnreachableError

_OPERATION: Final = "connect to the engine"
_OLDEST_API: Final = (1, 41)
"""Docker 20.10: the first whose statistics come at once (`one-shot`)."""


class _Connection(UnixHTTPConnection):
    def __init__(self, wires: Wires, base_url: str, unix_socket: str, timeout: int) -> None:
        super().__init__(base_url, unix_socket, timeout)
        self._wires = wires

    def connect(self) -> None:
        super().connect()
        if self.sock is not None:
            self._wires.add(self.sock)


class _ConnectionPool(UnixHTTPConnectionPool):
    def __init__(self, wires: Wires, base_url: str, socket_path: str, timeout: int, connections: int) -> None:
        super().__init__(base_url, socket_path, timeout, maxsize=connections)
        self._wires = wires
        self._connection_timeout_s = timeout

    def _new_conn(self) -> _Connection:  # type: ignore[override]
        return _Connection(self._wires, self.base_url, self.socket_path, self._connection_timeout_s)


class _Adapter(UnixHTTPAdapter):
    def __init__(self, wires: Wires, socket_path: str, timeout: int, connections: int) -> None:
        super().__init__(f"http+unix://{socket_path}", timeout, max_pool_size=connections)
        self._pool = _ConnectionPool(wires, "http+docker://localhost", socket_path, timeout, connections)

    def get_connection(self, url: bytes | str, proxies: object = None) -> _ConnectionPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


def connect(socket: str, wires: Wires, *, timeout_s: int, connections: int) -> APIClient:
    """A client that speaks the newest API that the engine and the SDK share. Blocks.

    Proxies, `.netrc` and the like of the environment are not looked at.

    :param socket: `unix:///path`.
    :raises EngineError: where it is no unix socket, or the engine is too old; otherwise what the SDK raises.
    """
    path = socket.removeprefix("unix://")
    if not path.startswith("/"):
        problem = f"{socket} is not a unix socket (unix:///path): only an engine of this machine can be used"
        raise EngineUnreachableError(_OPERATION, problem)
    adapter = _Adapter(wires, path, timeout_s, connections)

    def client(version: str) -> APIClient:
        made = APIClient(f"unix://{path}", version=version, timeout=timeout_s)
        made.trust_env = False
        made.mount("http+docker://", adapter)
        return made

    newest: str = client(".".join(map(str, _OLDEST_API))).version(api_version=False)["ApiVersion"]
    if tuple(map(int, newest.split("."))) < _OLDEST_API:
        raise EngineError(_OPERATION, f"it speaks API {newest}, and 1.41 (Docker 20.10) is needed: update the engine")
    return client(newest)
