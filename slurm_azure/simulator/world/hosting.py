"""Hosts and machines: what a VM runs on, how its machine comes and goes, and what its guest says meanwhile.

Power states: "States and billing status of Azure Virtual Machines". Texts of errors: "Understand common error messages when
you manage virtual machines in Azure" (both Microsoft Learn).
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final

from slurm_azure.simulator.machines.machine import Hypervisor, Machine
from slurm_azure.simulator.timing import Distribution, constant
from slurm_azure.simulator.world import operations as op
from slurm_azure.simulator.world import reserved, spot_price
from slurm_azure.simulator.world.machine_specs import machine_spec
from slurm_azure.simulator.world.scheduled_events import FREEZE
from slurm_azure.simulator.world.trouble import NO_BOOT_FAULT, AllocationFault, Trouble
from slurm_azure.simulator.world.vm import CREATING, DELETING, FAILED, SUCCEEDED, UPDATING, VirtualMachine
from slurm_azure.simulator.world.world import World

log = logging.getLogger(__name__)

# "VM create fails after 40 min of provisioning" (Custom data and cloud-init on Azure Virtual Machines, Microsoft Learn). That
# a start is given as long is this simulator's choice.
PROVISIONING_TIMEOUT: Final = 2400.0
INTERNAL_ERROR: Final = ("InternalExecutionError", "An internal execution error occurred. Please retry later.")
PREEMPTED: Final = ("OperationPreempted", "The operation has been preempted by a more recent operation.")


_AT_ONCE: Final = constant(0.0)


@dataclass(frozen=True, slots=True)
class Timings:
    """How long things take: to find a host and power on, to delete or deallocate, to delete by force, for a guest to shut
    down, and from a simulated eviction's request to its notice. (Booting is the machine's affair.)"""

    create: Distribution
    delete: Distribution
    force_delete: Distribution = _AT_ONCE
    stop: Distribution = _AT_ONCE
    eviction: Distribution = _AT_ONCE


@dataclass(frozen=True, slots=True)
class VmGuest:
    """The line from one machine back to its VM; what comes after that machine was given up is dropped."""

    hosting: Hosting
    vm: VirtualMachine
    boot: int

    def ready(self) -> None:
        """The guest finished provisioning."""
        if self.boot == self.vm.boots:
            self.hosting.guest_ready(self.vm)

    def failed(self, detail: str) -> None:
        """The guest could not be provisioned."""
        if self.boot == self.vm.boots:
            self.hosting.guest_failed(self.vm, detail)

    def up(self) -> None:
        """The guest has booted; whether it is well its agent tells."""
        if self.boot == self.vm.boots:
            self.hosting.guest_up(self.vm)

    def stopped(self, detail: str) -> None:
        """The guest powered itself off."""
        if self.boot == self.vm.boots:
            self.hosting.guest_stopped(self.vm, detail)


class Hosting:
    """Powers VMs on and off and ends their operations. Every method is to be called in the event loop."""

    def __init__(self, world: World, hypervisor: Hypervisor, timings: Timings, trouble: Trouble) -> None:
        self._world = world
        self._trouble = trouble
        self._clock = world.clock
        self._hypervisor = hypervisor
        self._timings = timings
        self._tasks: set[asyncio.Task[None]] = set()

    def _begin(self, vm: VirtualMachine, state: str, verb: str = "") -> op.Operation:
        """A new operation on `vm`, begun by the request VirtualMachines_`verb` ('' = by none); one that was under way is
        preempted."""
        self._end(vm, state, op.CANCELED, PREEMPTED)
        vm.failure = None
        vm.awaited = False
        kind = f"VirtualMachines_{verb}" if verb else ""
        vm.operation = self._world.operations.begin(vm.group.subscription, vm.location, kind, vm.id)
        return vm.operation

    def _end(self, vm: VirtualMachine, state: str, status: str, failure: tuple[str, str] | None) -> None:
        """The operation on `vm`, if there is one, ended with `status`; its provisioning state is now `state`."""
        self._world.history.changing(vm)
        vm.provisioning = state
        vm.changed = self._clock.now()
        vm.failure = failure
        if vm.timer is not None:
            vm.timer.cancel()
            vm.timer = None
        if vm.operation is not None:
            self._world.operations.end(vm.operation, status, failure)
            vm.operation = None

    def _over(self, vm: VirtualMachine, state: str, status: str, failure: tuple[str, str] | None) -> None:
        """As `_end`, and nothing comes after it: whatever was announced and has begun is over, too."""
        self._end(vm, state, status, failure)
        vm.awaited = False
        self._events_over(vm)

    def _succeed(self, vm: VirtualMachine) -> None:
        self._over(vm, SUCCEEDED, op.SUCCEEDED, None)

    def _fail(self, vm: VirtualMachine, code: str, message: str) -> None:
        """The operation under way on `vm` fails. A reboot that nobody asked for has none, and then nothing changes."""
        if vm.provisioning in (CREATING, UPDATING):
            self._over(vm, FAILED, op.FAILED, (code, message))
        elif vm.provisioning != DELETING:
            vm.awaited = False
            self._events_over(vm)

    def _events_over(self, vm: VirtualMachine) -> None:
        """What has started for `vm` is over, if it is over for all others too. (A pause ends by itself.)"""
        for event in self._world.events.of(vm):
            if event.started and event.kind != FREEZE and not any(other.awaited for other in event.vms):
                self._world.events.finish(event)

    def _show(self, vm: VirtualMachine, power: str | None) -> None:
        """Change the power state."""
        self._world.history.changing(vm)
        vm.power = power
        vm.hibernated = vm.hibernated and power in ("deallocating", "deallocated")
        vm.changed = self._clock.now()

    def _after(self, vm: VirtualMachine, seconds: float, step: Callable[[], None]) -> None:
        """Take `step` after so many seconds, unless the operation is over by then. It is the only step that is waited for."""
        if vm.timer is not None:
            vm.timer.cancel()
        vm.timer = self._clock.call_later(max(0.0, seconds), step)

    def _find_host(self, vm: VirtualMachine) -> None:
        """Find a host in the time it takes and power on; a fault that is to come may take another time."""
        seconds, fault = self._timings.create.sample(self._world.random), self._trouble.allocation(vm)
        if fault is not None and fault.seconds is not None:
            seconds = fault.seconds
        self._after(vm, seconds, lambda: self._host_found(vm, fault))

    def _host_found(self, vm: VirtualMachine, fault: AllocationFault | None) -> None:
        failure = vm.doom if fault is None else (fault.code, fault.message)
        # That a price which has risen since the request counts is documented, for VMs that have a host; how is not.
        with reserved.room(self._world, vm):
            failure = failure or spot_price.too_dear(self._world.prices, vm) or self._world.capacity.allocate(vm)
        if failure is not None:
            self._fail(vm, *failure)
            return
        vm.hosted = True
        self._world.bids.enter(vm)
        self._power_on(vm)

    def _power_on(self, vm: VirtualMachine) -> None:
        """Let a VM that has a host and no machine boot. A guest that does not report in time fails the operation."""
        self._forget_faults(vm)
        self._show(vm, "starting")
        vm.awaited = vm.provisioning != CREATING
        vm.boots += 1
        vm.fault = fault = self._trouble.boot(vm)
        self._after(vm, PROVISIONING_TIMEOUT, lambda: self._timed_out(vm))
        if fault.dies_after is not None:
            self._plan(vm, fault.dies_after, lambda: self.die(vm, fault.dead_state))
        if fault.error is not None:
            code, message = fault.error
            self._plan(vm, fault.error_after, lambda: self._fail(vm, code, message))
        if fault.slower:
            self._show(vm, "running")  # to Azure it is; the guest takes its time
            self._plan(vm, fault.slower, lambda: self._start_machine(vm))
        else:
            self._start_machine(vm)

    def _plan(self, vm: VirtualMachine, seconds: float, step: Callable[[], None]) -> None:
        vm.faulty = (*vm.faulty, self._clock.call_later(seconds, step))

    def _forget_faults(self, vm: VirtualMachine) -> None:
        for timer in vm.faulty:
            timer.cancel()
        vm.faulty = ()
        vm.fault = None

    def _start_machine(self, vm: VirtualMachine) -> None:
        vm.booting = self._spawn(self._boot(vm, vm.boots))

    async def _boot(self, vm: VirtualMachine, boot: int) -> None:
        fault = vm.fault or NO_BOOT_FAULT
        try:
            spec = machine_spec(vm, silent=fault.never_ready, failure=fault.failure)
            vm.machine = await self._hypervisor.boot(spec, VmGuest(self, vm, boot))
        except Exception:
            log.exception("the machine of VM %s cannot be started", vm.name)
            self._show(vm, "stopped")
            self._fail(vm, *INTERNAL_ERROR)
            return
        finally:
            vm.booting = None
        if vm.power == "starting":
            self._show(vm, "running")

    def guest_ready(self, vm: VirtualMachine) -> None:
        """The guest agent said Ready: the operation that waits for it succeeds."""
        fault = vm.fault or NO_BOOT_FAULT
        if fault.never_ready or fault.failure is not None:
            return
        if vm.provisioning == CREATING:
            self._show(vm, "running")
            self._succeed(vm)
        self.guest_up(vm)
        if fault.cut_off and vm.machine is not None:
            self._spawn(self._cut_off(vm, vm.machine))

    def guest_up(self, vm: VirtualMachine) -> None:
        """The guest has booted: a start needs no more, a create waits for the agent."""
        if vm.power not in ("starting", "running") or (vm.fault or NO_BOOT_FAULT).never_ready:
            return
        if vm.power != "running":
            self._show(vm, "running")
        if vm.awaited:
            vm.awaited = False
            self._now_up(vm)

    def _now_up(self, vm: VirtualMachine) -> None:
        """A machine booted again: the operation or the event that wanted it is over."""
        if vm.provisioning == UPDATING:
            self._succeed(vm)
        else:
            if vm.timer is not None:
                vm.timer.cancel()
                vm.timer = None
            self._events_over(vm)

    def guest_failed(self, vm: VirtualMachine, detail: str) -> None:
        """The guest agent said NotReady for good. Text: "Understand common error messages", Virtual Machines. Where that is a
        fault's doing, the fault's words are told: what a real guest then says is its agent's general complaint."""
        fault = vm.fault or NO_BOOT_FAULT
        detail = fault.failure or detail
        self._fail(
            vm,
            "OSProvisioningClientError",
            f"OS provisioning for VM '{vm.name}' failed. Error details: {detail} "
            "Make sure the image has been properly prepared (generalized).",
        )

    def guest_stopped(self, vm: VirtualMachine, detail: str) -> None:
        """The guest powered itself off: the VM stays where it is, and is billed ("States and billing status")."""
        if vm.provisioning == DELETING:
            return
        log.info("VM %s stopped: %s", vm.name, detail)
        self._show(vm, "stopped")

    def die(self, vm: VirtualMachine, state: str = "stopped") -> None:
        """The machine of `vm` is dead from now on, without a word; Azure shows the power state `state` (`stopped`; `running`
        for one that only looks alive; `deallocated` for one that lost its host)."""
        if vm.power not in ("starting", "running", "stopped") or vm.provisioning == DELETING:
            return
        log.info("the machine of VM %s dies, and is shown as %s", vm.name, state)
        vm.boots += 1
        self._forget_faults(vm)
        self._show(vm, state)
        if state == "deallocated":
            self._lose_host(vm)
        self._take_machine(vm, lambda: None)

    def _lose_host(self, vm: VirtualMachine) -> None:
        with reserved.room(self._world, vm):
            self._world.capacity.free(vm)
        self._world.bids.leave(vm)
        vm.hosted = False

    def _take_machine(self, vm: VirtualMachine, then: Callable[[], None]) -> None:
        """End the machine of `vm`, now or when it has come; `then` is called when nothing is left of it, unless the operation
        that was under way has ended meanwhile. If it cannot be taken the operation fails."""
        vm.boots += 1
        self._forget_faults(vm)
        if vm.booting is None and vm.machine is None:
            then()
        else:
            self._spawn(self._taken(vm, vm.operation, then))

    async def _taken(self, vm: VirtualMachine, operation: op.Operation | None, then: Callable[[], None]) -> None:
        if vm.booting is not None:
            await asyncio.wait([vm.booting])
        machine = vm.machine
        try:
            if machine is not None:
                if vm.boot_diagnostics is not None and vm.provisioning != DELETING:
                    vm.log = zlib.compress(machine.console(), 1)
                await machine.destroy()
        except Exception:
            log.exception("the machine of VM %s cannot be taken away", vm.name)
            if vm.operation is operation:
                self._over(vm, FAILED, op.FAILED, INTERNAL_ERROR)
            return
        if vm.machine is machine:
            vm.machine = None
        if vm.operation is operation:
            then()

    async def _cut_off(self, vm: VirtualMachine, machine: Machine) -> None:
        try:
            await machine.cut_off()
        except Exception:
            log.exception("the machine of VM %s cannot be cut off", vm.name)

    def _timed_out(self, vm: VirtualMachine) -> None:
        if vm.provisioning == CREATING:
            self._fail(
                vm,
                "OSProvisioningTimedOut",
                f"OS Provisioning for VM '{vm.name}' did not finish in the allotted time. The VM may still finish provisioning "
                "successfully. Please check provisioning state later.",
            )
            return
        self._fail(
            vm,
            "VMStartTimedOut",
            f"VM '{vm.name}' did not start in the allotted time. The VM may still start successfully. Please check the power "
            "state later.",
        )

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Wait for what is being booted or taken away, then take away all machines."""
        for group in self._world.groups.values():
            for vm in group.vms.values():
                self._forget_faults(vm)
                if vm.timer is not None:
                    vm.timer.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        await self._hypervisor.close()
