"""Desired state: INetworks on SQLite."""
