"""The container engine's adapter, without an engine."""
