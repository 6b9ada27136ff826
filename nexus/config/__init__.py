"""The configuration: its sections, and how they are read from a file and the environment."""
