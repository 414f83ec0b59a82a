"""slurm-azured: take in, observe, decide, act, record; again and again, from whatever state it finds."""
