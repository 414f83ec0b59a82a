"""Cloud partitions for a Slurm cluster of your own.

Nothing is imported here: the hooks load this package within milliseconds.
"""

__version__ = "0.1.0"
