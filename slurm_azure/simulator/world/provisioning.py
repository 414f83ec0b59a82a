"""The life of VMs: what is asked of them, and what befalls them unasked: eviction, maintenance, a dying machine.

Sources: "Azure Metadata Service: Scheduled Events for Linux VMs", "Use Azure Spot Virtual Machines" (Microsoft Learn).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence

from slurm_azure.simulator.machines.machine import Machine
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.world import spot_price
from slurm_azure.simulator.world.hosting import Timings
from slurm_azure.simulator.world.scheduled_events import FREEZE, PREEMPT, REBOOT, REDEPLOY, Event
from slurm_azure.simulator.world.vm import DELETING, UPDATING, VirtualMachine
from slurm_azure.simulator.world.vm_operations import VmOperations

__all__ = ["Provisioning", "Timings"]

log = logging.getLogger(__name__)

_AT_A_TIME = 200  # VMs that are evicted before the event loop may do something else
FREEZE_SECONDS = 5  # of the page's example of a live migration; "a few seconds" in its words


class Provisioning(VmOperations):
    """Everything that happens to VMs."""

    def simulate_eviction(self, vm: VirtualMachine) -> None:
        """Evict a Spot VM some time from now. Raises Refusal (409) for a VM that cannot be evicted; the code and its first
        text are not documented."""
        self.admit(vm, "simulateEviction")
        if not vm.spot:
            raise Refusal(
                409,
                "OperationNotAllowed",
                f"Operation 'simulateEviction' is not allowed on VM '{vm.name}' since it is not an Azure Spot Virtual Machine.",
            )
        self._refuse_deallocated(vm, "simulateEviction")
        self._clock.call_later(self._seconds("eviction"), lambda: self.evict(vm))

    def evict(self, vm: VirtualMachine, notice: float = 30.0) -> None:
        """Take the host from a Spot VM: a Preempt event now, the end `notice` seconds later or when the guest agrees.

        What becomes of the VM is its eviction policy's affair: Deallocate (the default) keeps it with disks and quota, Delete
        takes all. Does nothing to a VM that has no host, is on its way out, is no Spot VM, or was told before.
        """
        told = any(event.kind == PREEMPT for event in self._world.events.of(vm))
        if not self._there(vm) or not vm.spot or told:
            return
        event: Event
        event = self._world.events.schedule(PREEMPT, [vm], lambda: self._evicted(vm, event), notice)

    def price_changed(self, size: str, location: str | None) -> None:
        """A size has another price, in a location or (None) in all: Spot VMs that may not cost as much are evicted. "If the
        price .. exceeds the maximum price, the VM is evicted" (Use Azure Spot Virtual Machines), with a notice as ever."""
        outbid = [vm for vm in self._world.bids.of(size, location) if spot_price.too_dear(self._world.prices, vm)]
        if outbid:
            self._spawn(self._outbid(outbid))

    async def _outbid(self, vms: Sequence[VirtualMachine]) -> None:
        for number, vm in enumerate(vms, 1):
            if spot_price.too_dear(self._world.prices, vm):  # still: the event loop has gone round
                self.evict(vm)
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)

    def _evicted(self, vm: VirtualMachine, event: Event) -> None:
        if not self._there(vm):
            self._world.events.finish(event)
        elif vm.model.get("evictionPolicy") == "Delete" or vm.ephemeral:
            self._begin(vm, DELETING)
            self._dismantle(vm, force=False)
        else:
            self._begin(vm, UPDATING)
            self._release(vm)

    def _there(self, vm: VirtualMachine) -> bool:
        """Whether the VM is on a host, and is to stay."""
        return vm.hosted and vm.provisioning != DELETING and vm.power != "deallocating"

    def announce(self, kind: str, vms: Sequence[VirtualMachine], notice: float | None = None) -> Event:
        """Maintenance by the platform of VMs that hear of each other's events: Freeze, Reboot or Redeploy, after the least
        documented notice unless told how many seconds. VMs that are not running by then are left alone."""
        work = {FREEZE: self._freeze, REBOOT: self._maintain, REDEPLOY: self._maintain}[kind]
        duration = FREEZE_SECONDS if kind == FREEZE else -1
        event: Event
        event = self._world.events.schedule(kind, vms, lambda: work(event), notice, duration=duration)
        return event

    def _maintain(self, event: Event) -> None:
        """Reboot the machines, or let them boot on another host. No operation: provisioning states stay as they are. The
        event is over when the last guest is up."""
        for vm in event.vms:
            if vm.power in ("starting", "running") and vm.operation is None and vm.provisioning != DELETING:
                (self._reboot if event.kind == REBOOT else self._move)(vm)
                vm.awaited = True
        if not any(vm.awaited for vm in event.vms):
            self._world.events.finish(event)

    def _freeze(self, event: Event) -> None:
        """Pause the machines for the event's duration."""
        machines = [vm.machine for vm in event.vms if vm.machine is not None]
        for machine in machines:
            self._spawn(self._tried(machine, machine.pause()))
        self._clock.call_later(event.duration, lambda: self._thaw(event, machines))

    def _thaw(self, event: Event, machines: Sequence[Machine]) -> None:
        for machine in machines:
            self._spawn(self._tried(machine, machine.resume()))
        self._world.events.finish(event)

    async def _tried(self, machine: Machine, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a machine cannot be paused or resumed: %r", machine)
