"""Capacity: for how many VMs of a size Azure has hosts, by zone and priority."""

from __future__ import annotations

from slurm_azure.simulator.world.vm import VirtualMachine


class Capacity:
    """Hosts; without a limit there is always one."""

    def allocate(self, vm: VirtualMachine) -> tuple[str, str] | None:
        """Find a host for a VM; the error (code, message) of the operation if there is none."""
        return None

    def free(self, vm: VirtualMachine) -> None:
        """A VM needs its host no longer: it was deallocated, deleted or evicted. Idempotent."""
