"""The orchestrator: commands, one lifecycle per network, planning (pure), and what brings actual to desired."""
