"""What `twistd nexus` is: its options, and the service that they make. `nexus daemon` goes through here too.

The configuration is read with the options, before twistd installs a reactor, changes directory or forks, so that what
is wrong with it is told on the terminal.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, NoReturn

from twisted.python import usage

from nexus.config.file import load
from nexus.errors import ConfigError, NexusError
from nexus.reactor import install_default

if TYPE_CHECKING:
    from twisted.application.service import IService

    from nexus.config.sections import Config


class Options(usage.Options):
    """The options of `twistd nexus`.

    :ivar config: the configuration, once the options are parsed.
    """

    longdesc = "Runs Nexus: private IPFS networks behind a reverse proxy. `nexus init` writes a configuration."

    optParameters: ClassVar = [
        ["config", "c", None, "The configuration file (else $NEXUS_CONFIG, ./nexus.toml, /etc/nexus/nexus.toml)."],
    ]

    config: Config

    def postOptions(self) -> None:
        """Read the configuration, and choose a reactor where nobody has.

        :raises SystemExit: with one line, where it cannot be used; twistd would print its whole usage before an error.
        """
        try:
            self.config = load(self["config"], os.environ)
        except ConfigError as error:
            _leave(error)
        install_default()


def makeService(options: Options) -> IService:
    """Nexus, as a service that is not started yet.

    :raises SystemExit: with one line, where it cannot be: an address in use, for one.
    """
    # Here, since importing it installs a reactor, which is for twistd's options to choose.
    from twisted.internet import reactor  # noqa: PLC0415

    from nexus.service import make_service  # noqa: PLC0415

    try:
        return make_service(options.config, reactor)
    except NexusError as error:
        _leave(error)


def _leave(error: NexusError) -> NoReturn:
    raise SystemExit(f"nexus: {error}") from None
