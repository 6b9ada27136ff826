"""The edge, in memory: no socket, no waiting."""
