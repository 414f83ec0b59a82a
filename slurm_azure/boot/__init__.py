"""User data: what a VM is told at its first boot so that it becomes a Slurm node."""
