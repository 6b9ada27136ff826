"""Tells twistd of its subcommand `nexus`."""

from twisted.application.service import ServiceMaker

nexus = ServiceMaker(  # type: ignore[no-untyped-call]
    "nexus", "nexus.tap", "Private IPFS networks behind a reverse proxy.", "nexus"
)
