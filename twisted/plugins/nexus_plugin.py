"""Tells twistd of its subcommand `nexus`, and of the reactor that it runs on."""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

nexus = ServiceMaker(  # type: ignore[no-untyped-call]
    "nexus", "nexus.tap", "Private IPFS networks behind a reverse proxy.", "nexus"
)
uvloop = Reactor("uvloop", "nexus.reactor", "The asyncio reactor on a uvloop loop")
