"""The Scheduler seam: what the daemon needs from Slurm (scheduler.py), and Slurm's own commands behind it."""
