"""Throttling: the token buckets of Azure Resource Manager and of the resource providers behind it."""

from slurm_azure.simulator.throttling.throttling import Throttling

__all__ = ["Throttling"]
