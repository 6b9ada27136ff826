"""`twisted.web.proxy` as its documentation shows it.

python -m benchmarks.edge.twisted_web_proxy PORT:BACKEND_PORT...
"""

from __future__ import annotations

import sys
from typing import Any, cast

from twisted.internet import epollreactor


def main(pairs: list[str]) -> None:
    """Forward each of some ports of 127.0.0.1 to another, for ever."""
    epollreactor.install()  # type: ignore[no-untyped-call]
    # Only now, since importing them installs the default reactor.
    from twisted.internet import reactor  # noqa: PLC0415
    from twisted.web.proxy import ReverseProxyResource  # noqa: PLC0415
    from twisted.web.server import Site  # noqa: PLC0415

    for pair in pairs:
        port, _, behind = pair.partition(":")
        site = Site(ReverseProxyResource("127.0.0.1", int(behind), b""))  # type: ignore[no-untyped-call]
        site.noisy = False
        reactor.listenTCP(int(port), cast("Any", site), backlog=4096, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1:])
