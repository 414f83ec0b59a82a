"""Quotas: how many cores of which family a subscription may have in a region, and how many it has."""

from __future__ import annotations

from slurm_azure.simulator.world.vm import VirtualMachine


class Quotas:
    """Limits and usage by subscription, region and name."""

    def take(self, vm: VirtualMachine) -> None:
        """Charge a new VM; raises Refusal (409 OperationNotAllowed) and charges nothing if a limit would be exceeded."""

    def give_back(self, vm: VirtualMachine) -> None:
        """A VM is gone."""
