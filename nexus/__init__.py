"""Nexus hosts private IPFS networks behind its own reverse proxy."""
