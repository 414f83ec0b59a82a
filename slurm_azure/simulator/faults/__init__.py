"""What goes wrong in the simulated Azure, as data: a seeded plan, from a file at the start or over HTTP at run time."""
