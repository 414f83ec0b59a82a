"""What a site gets from its configuration: the file slurm.conf includes, the lines of slurm.conf itself, gres.conf."""
