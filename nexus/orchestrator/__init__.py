"""Commands, the per-network lifecycle, planning (pure) and the start-up pass."""
