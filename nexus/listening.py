"""Listening sockets, bound before anything else happens.

A busy port is found out while the operator still looks at the terminal, and ports below 1024 can be bound before
privileges are shed. Bound is not accepting: connections wait in the backlog until `accept` hands the socket to
the reactor, which is when there is something true to answer.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import TYPE_CHECKING, Any, Final, overload

from twisted.internet.endpoints import AdoptedStreamServerEndpoint, UNIXServerEndpoint
from twisted.internet.error import CannotListenError

from nexus.config.sections import TCPListen, UnixListen
from nexus.errors import NexusError
from nexus.reactor import native_loop
from nexus.socket_options import set_stream_options
from nexus.uvloop_endpoints import AdoptedUvloopEndpoint

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorSocket, IReactorUNIX

BACKLOG: Final = 1024


class ListenError(NexusError):
    """An address that cannot be listened on."""

    def __init__(self, key: str, listen: TCPListen | UnixListen, problem: str) -> None:
        super().__init__(f"cannot listen on {describe(listen)}: {problem} (configuration key {key})")
        self.field = key


def describe(listen: TCPListen | UnixListen) -> str:
    """An address as the configuration writes it."""
    if isinstance(listen, UnixListen):
        return f"unix:{listen.path}"
    return f"[{listen.host}]:{listen.port}" if ":" in listen.host else f"{listen.host}:{listen.port}"


class BoundTCP:
    """A TCP address that is ours, at which nothing is accepted yet. Made by `bind`."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound

    @property
    def port(self) -> int:
        """The port, also where the configuration asked for any free one."""
        return int(self._socket.getsockname()[1])

    async def accept(self, reactor: IReactorSocket, factory: IProtocolFactory) -> IListeningPort:
        """Let `factory` have the connections, those that wait already included, on Twisted's transports."""
        endpoint: Any = AdoptedStreamServerEndpoint(  # type: ignore[no-untyped-call]
            reactor, self._socket.dup().detach(), self._socket.family
        )
        port: IListeningPort = await endpoint.listen(factory)
        # Adoption sets the backlog to Twisted's default of 50.
        self._socket.listen(BACKLOG)
        self.close()
        return port

    async def accept_streams(self, reactor: IReactorSocket, factory: IProtocolFactory) -> IListeningPort:
        """As `accept`, on the event loop's own transports where the reactor has them: for protocols that ask no more
        of theirs than `nexus.edge.transport` tells."""
        loop = native_loop(reactor)
        if loop is None:
            return await self.accept(reactor, factory)
        endpoint: Any = AdoptedUvloopEndpoint(loop, self._socket.dup(), BACKLOG)
        port: IListeningPort = await endpoint.listen(factory)
        self.close()
        return port

    def close(self) -> None:
        """Give the address up, where it was not accepted at."""
        self._socket.close()


class BoundUnix:
    """A unix socket's path that is free for us. Made by `bind`."""

    def __init__(self, key: str, listen: UnixListen) -> None:
        self._key = key
        self._listen = listen

    async def accept(self, reactor: IReactorUNIX, factory: IProtocolFactory) -> IListeningPort:
        """Make the socket, mode 0660, and let `factory` have the connections.

        :raises ListenError: when somebody took the path meanwhile, or it cannot be written to.
        """
        endpoint: Any = UNIXServerEndpoint(reactor, str(self._listen.path), mode=0o660)  # type: ignore[no-untyped-call]
        # The mode must be right from the first moment, since there is no key on this socket.
        previous = os.umask(0o117)
        try:
            listening: Deferred[IListeningPort] = endpoint.listen(factory)
        finally:
            os.umask(previous)
        try:
            return await listening
        except CannotListenError as error:
            raise ListenError(self._key, self._listen, _explain(error.socketError)) from None

    def close(self) -> None:
        """Give the address up, where `accept` was not called."""


@overload
def bind(key: str, listen: TCPListen, user_timeout_s: float = ...) -> BoundTCP: ...
@overload
def bind(key: str, listen: UnixListen) -> BoundUnix: ...
def bind(key: str, listen: TCPListen | UnixListen, user_timeout_s: float = 0.0) -> BoundTCP | BoundUnix:
    """Take an address, or fail while somebody is looking.

    A unix socket that a killed process left is removed; one at which somebody answers is not.

    :param key: the configuration key to name in errors.
    :param user_timeout_s: of the connections that will be accepted by TCP (see `nexus.socket_options`).
    :raises ListenError: when the address is in use, not ours, or not allowed.
    """
    try:
        if isinstance(listen, UnixListen):
            _make_way(listen)
            return BoundUnix(key, listen)
        return BoundTCP(_bind_tcp(listen, user_timeout_s))
    except OSError as error:
        raise ListenError(key, listen, _explain(error)) from None


def _bind_tcp(listen: TCPListen, user_timeout_s: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        set_stream_options(bound, user_timeout_s)
        bound.bind((listen.host, listen.port))
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _make_way(listen: UnixListen) -> None:
    """Remove what a killed process left; EADDRINUSE where somebody answers, EEXIST where it is no socket."""
    listen.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = str(listen.path)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _explain(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "something else listens there already; stop it or choose another address"
        case errno.EEXIST:
            return "a file that is no socket is there; remove it or choose another path"
        case errno.EACCES | errno.EPERM:
            return "permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE"
        case errno.EADDRNOTAVAIL:
            return "this host does not have that address"
        case _:
            if isinstance(error, socket.gaierror):
                return "that host name cannot be resolved; write an IP address"
            return error.strerror or str(error)
