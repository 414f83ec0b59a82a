"""What exists in the simulated Azure, and how it changes with time."""
