"""Spot VMs that have a host and a price which they may not cost more than, by size: whom a price that rises concerns."""

from __future__ import annotations

from collections.abc import Iterator

from slurm_azure.simulator.world import spot_price
from slurm_azure.simulator.world.vm import VirtualMachine


class Bids:
    """What it costs to find those of a size goes by their number, not by how many VMs there are."""

    def __init__(self) -> None:
        self._sizes: dict[VirtualMachine, str] = {}
        self._vms: dict[str, dict[VirtualMachine, None]] = {}  # in the order they came

    def enter(self, vm: VirtualMachine) -> None:
        """A VM has a host. One without a maximum price is evicted for want of capacity alone, and is not noted."""
        self.leave(vm)
        if spot_price.most(vm) is not None:
            size = vm.size.name.lower()
            self._sizes[vm] = size
            self._vms.setdefault(size, {})[vm] = None

    def resized(self, vm: VirtualMachine) -> None:
        """A VM has another size; one without a host stays unknown."""
        if vm in self._sizes:
            self.enter(vm)

    def leave(self, vm: VirtualMachine) -> None:
        """A VM has no host any more. Idempotent."""
        size = self._sizes.pop(vm, None)
        if size is not None:
            del self._vms[size][vm]
            if not self._vms[size]:
                del self._vms[size]

    def of(self, size: str, location: str | None) -> Iterator[VirtualMachine]:
        """The VMs of a size in a location or (None) anywhere. Not to be changed meanwhile."""
        return (vm for vm in self._vms.get(size.lower(), ()) if location is None or vm.location == location)
