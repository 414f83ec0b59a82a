"""The steps that make a Slurm node of a freshly booted VM, one module a step. Python 3.6 and newer, standard library only."""
