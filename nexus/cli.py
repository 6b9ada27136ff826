"""The command `nexus`: a border where errors become one line on stderr and an exit status.

Exit status: 0 done, 1 it failed, 2 it was called wrongly, 130 interrupted. Imports are inside the commands, so that the
small ones are quick, and so that nothing installs a reactor before `daemon` lets twistd do it.
"""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from nexus.errors import ConfigError, InvalidError, NexusError
from nexus.secrets import Secret

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from nexus.config.sections import Config, TCPListen, UnixListen
    from nexus.control.client import ControlClient

T = TypeVar("T")

FAILED: Final = 1
CALLED_WRONGLY: Final = 2
INTERRUPTED: Final = 130

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LIFETIME_MAX_S: Final = 3650 * 86400

_config_option = click.option(
    "--config",
    "config_path",
    metavar="PATH",
    help="The configuration file (else $NEXUS_CONFIG, ./nexus.toml, /etc/nexus/nexus.toml).",
)


class _InterruptedError(Exception):
    """The reactor was stopped by a signal before the answer came."""


class _Lifetime(click.ParamType[float]):
    """A span of time: a whole number and a unit."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        match = re.fullmatch(r"(\d{1,12})([smhd])", str(value))
        seconds = int(match[1]) * _UNITS_S[match[2]] if match else 0
        if not 0 < seconds <= _LIFETIME_MAX_S:
            self.fail(f"{value!r} is not a lifetime; allowed: 30s, 15m, 1h or 7d, at most 3650d", param, ctx)
        return float(seconds)


def main() -> None:
    """Run the command that the arguments name."""
    try:
        status = nexus.main(prog_name="nexus", standalone_mode=False) or 0
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        status = CALLED_WRONGLY
    except click.UsageError as error:
        status = _complain(f"{error.format_message()} ({_help_for(error.ctx)})", CALLED_WRONGLY)
    except click.ClickException as error:
        status = _complain(error.format_message(), FAILED)
    except NexusError as error:
        status = _complain(str(error), FAILED)
    except BrokenPipeError:
        # Whoever read our output has enough; Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILED
    except OSError as error:
        status = _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error), FAILED)
    except (KeyboardInterrupt, click.Abort, _InterruptedError):
        status = INTERRUPTED
    except Exception as error:  # the border: what nobody foresaw is told in one line as well
        if os.environ.get("PYTHONDEVMODE"):
            raise
        words = f"{type(error).__name__}: {error}".splitlines()[0]
        status = _complain(f"unexpected {words} (a bug: with PYTHONDEVMODE=1 it says where)", FAILED)
    sys.exit(status)


def _complain(text: str, status: int) -> int:
    print(f"nexus: {text}", file=sys.stderr)
    return status


def _help_for(context: click.Context | None) -> str:
    return f"{context.command_path if context else 'nexus'} --help tells more"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def nexus() -> None:
    """Private IPFS networks behind a reverse proxy."""


@nexus.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as version_of

    print(version_of("nexus-ipfs"))


@nexus.command()
@click.option(
    "--config", "config_path", metavar="PATH", help="Where to write it (else $NEXUS_CONFIG, or ./nexus.toml)."
)
@click.option("--data", metavar="DIR", help="Where records and sockets go (else /var/lib/nexus, or var beside PATH).")
@click.option("--edge-listen", metavar="HOST:PORT", help="Where customers are served (127.0.0.1:8080).")
@click.option("--control-listen", metavar="HOST:PORT", help="The control API's TCP address (127.0.0.1:7600).")
def init(config_path: str | None, data: str | None, edge_listen: str | None, control_listen: str | None) -> None:
    """Write a commented configuration with fresh secrets; never overwrites."""
    from nexus.config.file import PATH_VARIABLE, SEARCHED, load
    from nexus.config.init import CONTROL_LISTEN, EDGE_LISTEN, data_directory, parse_routes, write_config

    path = Path(config_path or os.environ.get(PATH_VARIABLE) or SEARCHED[0])
    directory = Path(data) if data else data_directory(path)
    try:
        table = Path("/proc/net/route").read_text()
    except OSError:
        table = ""  # not Linux: nodes are reached by published ports there, and the bridge's subnet matters little
    write_config(
        path,
        directory,
        edge_listen=edge_listen or EDGE_LISTEN,
        control_listen=control_listen or CONTROL_LISTEN,
        routes=parse_routes(table),
        choice=random.SystemRandom(),
    )
    try:
        config = load(str(path), {})
    except ConfigError:
        path.unlink()
        raise
    print(f"wrote {path} (instance {config.instance}; its secrets are for its owner alone)")
    print(f"data go to {directory}")


@nexus.command()
@_config_option
def daemon(config_path: str | None) -> None:
    """Run Nexus in the foreground, logging to stdout."""
    from twisted.python.usage import UsageError
    from twisted.scripts.twistd import ServerOptions, runApp  # type: ignore[attr-defined]

    options: Any = ServerOptions()  # type: ignore[no-untyped-call]
    try:
        options.parseOptions(["--nodaemon", "--pidfile=", "nexus", *(["--config", config_path] if config_path else [])])
    except UsageError as error:
        raise click.ClickException(str(error)) from None
    runApp(options)  # type: ignore[no-untyped-call]


@nexus.group(name="config")
def config_group() -> None:
    """Look at the configuration."""


@config_group.command()
@_config_option
def check(config_path: str | None) -> None:
    """Say whether the configuration can be used, or what is wrong with it."""
    from nexus.config.static_file import read_static_networks

    config = _load(config_path)
    static = sum(1 for _ in read_static_networks(config))
    print(
        f"{config.source}: can be used (instance {config.instance}, domain {config.edge.domain}"
        + (f", static networks: {static})" if static else ")")
    )


@nexus.command()
@_config_option
@click.option("--user", required=True, metavar="NAME", help="Who the token speaks for.")
@click.option(
    "--expires",
    "lifetime_s",
    required=True,
    type=_Lifetime(),
    metavar="SPAN",
    help="How long it is good: 30s, 15m, 1h, 7d.",
)
def token(config_path: str | None, user: str, lifetime_s: float) -> None:
    """Print an access token, and nothing else."""
    from nexus.model import USER_LENGTH_MAX, is_user_name
    from nexus.tokens import issue_token

    config = _load(config_path)
    if not is_user_name(user):
        raise click.UsageError(f"--user must be 1-{USER_LENGTH_MAX} printable characters")
    print(
        issue_token(
            config.jwt,
            config.secrets.jwt,
            user=user,
            lifetime_s=lifetime_s,
            default_audience=config.edge.domain,
            now=time.time(),
        )
    )


@nexus.command()
@_config_option
@click.option("--url", metavar="URL", help="The control API's address instead: http://HOST:PORT or unix:/PATH.")
@click.option("--key-file", metavar="PATH", help="A file with the control API's key, for --url http://...")
@click.option("--pretty", is_flag=True, help="Indent the answer.")
@click.argument("method")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
def ctl(  # noqa: PLR0917 - click passes them by name
    config_path: str | None,
    url: str | None,
    key_file: str | None,
    pretty: bool,
    method: str,
    arguments: tuple[str, ...],
) -> None:
    """Call METHOD of the control API and print its answer as JSON.

    `nexus ctl help` lists the methods, `nexus ctl help METHOD` explains one. Names are taken in any case. A text is
    given literally (network=demo), anything else as JSON (users='["ann"]' remove=true resources.cpus=2).
    """
    from nexus.control import arguments as typed

    try:
        if method == "help":
            print(typed.describe(*arguments[:1]))
            return
        name = typed.find_method(method).name
        request = typed.decode_arguments(name, _pairs(arguments))
    except InvalidError as error:
        raise click.UsageError(str(error)) from None
    answer = _call_control(config_path, url, key_file, lambda client: client.call(name, request))
    print(typed.encode_answer(answer, pretty=pretty))


@nexus.group()
def dev() -> None:
    """Shortcuts for tries."""


@dev.command()
@_config_option
@click.option("--user", default="demo", show_default=True, help="Who may use its API.")
@click.argument("name")
def network(config_path: str | None, user: str, name: str) -> None:
    """Create the network NAME with a public gateway and one user."""
    from nexus.messages import CreateNetwork

    request = CreateNetwork(network=name, users=[user], gateway_public=True)
    _call_control(config_path, None, None, lambda client: client.create_network(request))
    print(f"created network {name} with a public gateway for user {user}; next: nexus ctl StartNetwork network={name}")


def _load(config_path: str | None) -> Config:
    from nexus.config.file import load

    return load(config_path, os.environ)


def _pairs(arguments: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{argument!r} is not NAME=VALUE")
        if name in pairs:
            raise click.UsageError(f"{name} is given twice")
        pairs[name] = value
    return pairs


def _call_control(
    config_path: str | None,
    url: str | None,
    key_file: str | None,
    call: Callable[[ControlClient], Deferred[T]],
) -> T:
    """What `call` fires with, given a client of the configured control API (its unix socket, where it has one), or of
    the one at `url`."""
    from nexus.control.client import ControlClient

    key: Secret | None = None
    if url is None:
        url, key = _control_address(_load(config_path))
    if key_file is not None:
        key = Secret(Path(key_file).read_text().strip())
    address, bearer = url, key

    async def ask(reactor: Any) -> T:
        try:
            client = ControlClient(reactor, address, bearer)
        except InvalidError as error:
            raise click.UsageError(str(error)) from None
        return await call(client)

    return _run(ask)


def _control_address(config: Config) -> tuple[str, Secret | None]:
    """Where the control API is asked, and with which key: a unix socket that we may use, else TCP."""
    from nexus.config.sections import UnixListen
    from nexus.listening import describe

    def preference(listen: TCPListen | UnixListen) -> int:
        if isinstance(listen, UnixListen):
            return 0 if os.access(listen.path, os.W_OK) else 2
        return 1

    best = min(config.control.listen, key=preference)
    if isinstance(best, UnixListen):
        return describe(best), None
    return f"http://{describe(best)}", config.secrets.control_key


def _run(ask: Callable[[Any], Coroutine[Deferred[Any], Any, T]]) -> T:
    """What `ask` returns or raises, with the reactor running meanwhile."""
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    outcome: list[Any] = []
    stopping: list[bool] = []

    def finish(result: Any) -> None:
        # A signal stops the reactor, which then cuts the connection: that is no outcome.
        if not stopping:
            outcome.append(result)
            reactor.stop()

    reactor.addSystemEventTrigger("before", "shutdown", stopping.append, True)
    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(ask(reactor)).addBoth(finish))
    reactor.run()
    if not outcome:
        raise _InterruptedError
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    result: T = outcome[0]
    return result
